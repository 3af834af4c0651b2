"""Words and their values in text: word2vec, fastText's .vec (rows and dimensions in the first line) and GloVe (without).

Values are read as float32. GloVe has words with spaces in them, so that the values are counted from the end of a line.
Formats: https://fasttext.cc/docs/en/english-vectors.html, https://nlp.stanford.edu/projects/glove/
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.arrow_table import table_from_arrow
from core.dataset import Dataset
from core.errors import UserError
from core.readers.arrays import check_shape
from core.readers.lines import count_lines, line_blocks
from core.readers.options import OpenOptions, Probe, Reader
from core.readers.room import check_room
from core.readers.text_lists import matrix_in, numbers_in
from core.table import Table

HEADER = re.compile(rb"(\d{1,12}) (\d{1,6}) ?\r?\n")
# Lines from which the dimension is told: a word with spaces would make the first seem longer.
LOOKED_AT = 50
WORDS_AT_ONCE = 1 << 16


class Words:
    """Words of the rows, gathered in Arrow's memory; bytes that are no UTF-8 show as the replacement character."""

    def __init__(self) -> None:
        self._chunks: list[pa.Array] = []
        self._some: list[str] = []

    def add(self, word: bytes) -> None:
        self._some.append(word.decode("utf-8", "replace"))
        if len(self._some) == WORDS_AT_ONCE:
            self._put_by()

    def _put_by(self) -> None:
        self._chunks.append(pa.array(self._some, pa.string()))
        self._some = []

    def reader(self, path: Path) -> Callable[[], Table]:
        self._put_by()
        table = pa.table({"word": pa.chunked_array(self._chunks, pa.string())})
        return lambda: table_from_arrow(str(path), table)


def _open(path: Path, options: OpenOptions) -> Dataset:
    with path.open("rb") as file:
        header = HEADER.fullmatch(file.readline(100))
        if header is None:
            file.seek(0)
        begin = file.tell()
        dims = int(header[2]) if header else _dims([file.readline(1 << 20) for _ in range(LOOKED_AT)])
        file.seek(begin)
        size = path.stat().st_size - begin
        if header is None:
            rows = min(count_lines(file, options), (size + 1) // (2 * dims + 1) if dims else 0)
            file.seek(begin)
        else:
            rows = int(header[1])
        check_shape((rows, dims), str(path))
        # A value takes two bytes at least, and a word one.
        if rows * (2 * dims + 1) > size + 1:
            raise UserError(
                f"{path} is cut short: {rows:,} rows of {dims:,} values take more than its {size:,} bytes; copy it again."
            )
        check_room(str(path), rows * dims * 4, "is text, which cannot be mapped,")
        vectors = np.empty((rows, dims), np.float32)
        words = Words()
        read = _fill(path, file, vectors, words, options, size)
    if header is not None and read < rows:
        raise UserError(f"{path} is cut short: its first line tells of {rows:,} rows, {read:,} are there; copy it again.")
    check_shape((read, dims), str(path))
    name = "word2vec text" if header else "GloVe text"
    return Dataset(path, vectors[:read], name, "float32", mapped=False, metadata=words.reader(path))


def _fill(path: Path, file: BinaryIO, vectors: NDArray[np.float32], words: Words, options: OpenOptions, size: int) -> int:
    """Read all lines; return how many rows there were."""
    rows, dims = vectors.shape
    row = done = 0
    for lines, count in line_blocks(file, str(path)):
        split = [_parted(line, dims) for line in lines if line]
        if row + len(split) > rows:
            raise UserError(f"{path} has more rows than the {rows:,} it should have, or rows of too few values; save it again.")
        values = matrix_in([numbers for _, numbers in split], dims)
        if values is None:
            values = _values([numbers.split(b" ") for _, numbers in split], dims)
        if values is None:
            wrong = next(i for i, (_, numbers) in enumerate(split) if _values([numbers.split(b" ")], dims) is None)
            raise UserError(f"{path} has a row that is not a word and {dims:,} numbers: row {row + wrong:,}; save it again.")
        vectors[row : row + len(split)] = values
        for word, _ in split:
            words.add(word)
        row, done = row + len(split), done + count
        options.told(done, size)
    return row


def _parted(line: bytes, dims: int) -> tuple[bytes, bytes]:
    """The word, which may have spaces, and the numbers."""
    if line.count(b" ") == dims:
        word, _, numbers = line.partition(b" ")
        return word, numbers
    word, *fields = line.rsplit(b" ", dims)
    return word, b" ".join(fields)


def _values(rows: list[list[bytes]], dims: int) -> NDArray[np.float32] | None:
    """(len(rows), dims), or None if these are not all numbers."""
    if any(len(fields) != dims for fields in rows):
        return None
    values = numbers_in(b" ".join(b" ".join(fields) for fields in rows), len(rows) * dims)
    return None if values is None else values.reshape(len(rows), dims)


def is_row(text: bytes, dims: int) -> bool:
    """Whether `text` begins with a word and `dims` numbers, or as many as there are of it."""
    line, end, _ = text.partition(b"\n")
    fields = line.rstrip().rsplit(b" ", dims)[1:] if end else line.split(b" ")[1 : dims + 1][:-1]
    return bool(fields) and _values([fields], dims if end else len(fields)) is not None


def _dims(lines: list[bytes]) -> int:
    """How many values each line ends with: a word has a field at least."""
    return min((len(line.split()) - 1 for line in lines if line.strip()), default=0)


def _sniff(probe: Probe) -> bool:
    first, end, rest = probe.head.partition(b"\n")
    if header := HEADER.fullmatch(first + end):
        return is_row(rest, int(header[2]))
    lines = probe.head.split(b"\n")
    # The last line may be cut.
    lines = [line for line in lines[: -1 if len(lines) > 1 else None][:LOOKED_AT] if line.strip()]
    dims = _dims(lines)
    if b"\0" in probe.head or b"\t" in first or dims < 2:
        return False
    # Words may be numbers, but not all of them.
    fields = [line.rstrip().rsplit(b" ", dims) for line in lines]
    return _values([f[1:] for f in fields], dims) is not None and any(_values([f[:1]], 1) is None for f in fields)


READER = Reader("word vectors", (".vec", ".txt"), _sniff, _open)
