"""Text files, line by line, in blocks of bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from core.errors import UserError
from core.readers.options import OpenOptions

BLOCK = 1 << 22
# A single line may take this much; a file without any end of line would be read whole.
MAX_LINE = 1 << 26


def count_lines(file: BinaryIO, options: OpenOptions) -> int:
    """The lines from where `file` stands, the last of which need not be ended."""
    count, last = 0, b"\n"
    while block := file.read(BLOCK):
        count += block.count(b"\n")
        last = block[-1:]
        options.told(0, 0)
    return count + (last != b"\n")


def line_blocks(file: BinaryIO, where: str) -> Iterator[tuple[list[bytes], int]]:
    """Lines without their ends and without spaces there, some at a time, and how many bytes were read for them."""
    rest = b""
    while block := file.read(BLOCK):
        whole, end, after = block.rpartition(b"\n")
        if not end:
            rest += block
            if len(rest) > MAX_LINE:
                raise UserError(f"{where} has a line of more than {MAX_LINE >> 20} MB; it is no text of vectors.")
            continue
        yield [line.rstrip(b" \r\t") for line in (rest + whole).split(b"\n")], len(block)
        rest = after
    if rest:
        yield [rest.rstrip(b" \r\t")], 0
