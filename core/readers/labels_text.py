"""Labels as text, one line a row, with or without a header: parted by Arrow, or where it finds lines uneven, by Python."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv as arrow_csv

from core.columns import Refuted, Texts
from core.errors import UserError
from core.table import Table

# Bytes that Arrow reads at once, and lines that Python does.
BLOCK_BYTES = 1 << 23
BLOCK_LINES = 1 << 14
# Files in which Arrow finds another number of lines than wanted are given to Python up to this size.
SECOND_LOOK_BYTES = 1 << 26
# What parts the columns of a text that has only one.
NOTHING = "\x1f"
# The csv module's own limit of 128 KiB a field is too small for texts that were embedded.
csv.field_size_limit(1 << 24)

Poll = Callable[[], None]


class Uneven(Exception):
    """A file cannot be read in this way."""


@dataclass(frozen=True)
class Way:
    """A way to part a file into lines and fields."""

    delimiter: str
    quoted: bool  # whether quotes count, or are plain characters
    by_arrow: bool


def read_text(path: Path, rows: int, poll: Poll) -> tuple[Table, int]:
    """The columns of `path`, and how many lines it has: the first is a header unless there are as many as `rows`.

    Raises UserError, OSError.
    """
    size = path.stat().st_size
    if not size:
        raise UserError(f"The labels in {path} are empty (0 bytes).")
    best: tuple[Table, int] | None = None
    uneven = False
    for way in _ways(path):
        if not way.by_arrow and best is not None and not uneven and size > SECOND_LOOK_BYTES:
            break
        try:
            read = _read(path, way, rows, poll)
        except Uneven:
            uneven = True
            continue
        if read[0].rows == rows:
            return read
        best = best or read
    if best is None:
        raise UserError(f"The labels in {path} cannot be parted into lines and columns.")
    return best


def _ways(path: Path) -> Iterable[Way]:
    """Quotes count if that gives a fitting number of lines, else they are plain characters; in plain text they always are.

    Tabs part the columns of plain text only where every line has as many of them; elsewhere they belong to the text.
    """
    if path.suffix.lower() == ".txt":
        kinds = [("\t", False), (NOTHING, False)]
    else:
        delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
        kinds = [(delimiter, True), (delimiter, False)]
    return [Way(*kind, by_arrow) for by_arrow in (True, False) for kind in kinds]


def _read(path: Path, way: Way, rows: int, poll: Poll) -> tuple[Table, int]:
    """The table that a way gives, and the number of lines. Raises Uneven."""
    first, width = _shape(path, way)
    as_text: set[int] = set()
    while True:
        columns = [Texts(written=True, as_text=i in as_text) for i in range(width)]
        try:
            lines = 1
            for block in _blocks_by_arrow(path, way, width) if way.by_arrow else _blocks_by_python(path, way, width):
                poll()
                lines += len(block[0])
                _add(columns, block)
            if lines in (rows + 1, rows + 2) and width == 1 and _ends_in_blank_line(path):
                columns[0].drop_last()  # not a label without a name
                lines -= 1
            has_header = lines != rows
            if not has_header:
                _put_first(columns, first)
        except RefutedColumn as refuted:
            as_text.add(refuted.index)
            continue
        names = _names(first if has_header else [], width, has_header)
        return Table(str(path), lines - has_header, tuple(c.finish(name) for c, name in zip(columns, names, strict=True))), lines


class RefutedColumn(Exception):
    def __init__(self, index: int) -> None:
        self.index = index


def _add(columns: list[Texts], block: list[Any]) -> None:
    for i, (column, texts) in enumerate(zip(columns, block, strict=True)):
        try:
            column.add(texts)
        except Refuted:
            raise RefutedColumn(i) from None


def _put_first(columns: list[Texts], fields: list[str]) -> None:
    for i, column in enumerate(columns):
        try:
            column.put_first(fields[i] if i < len(fields) else "")
        except Refuted:
            raise RefutedColumn(i) from None


def _names(first: list[str], width: int, has_header: bool) -> list[str]:
    if width == 1 and not has_header:
        return ["label"]
    return [first[i] if i < len(first) and first[i] else f"column {i + 1}" for i in range(width)]


def _shape(path: Path, way: Way) -> tuple[list[str], int]:
    """The fields of the first line, and how many columns there are. Raises Uneven."""
    if way.by_arrow:  # which sees for itself that all lines are alike
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            head = file.read(BLOCK_BYTES)
        first = next(_parted(io.StringIO(head, newline=""), way), [""])
        return first, len(first)
    lines = _lines(path, way)
    first = next(lines, [""])
    widths = {len(first), *map(len, lines)}
    if way.delimiter == "\t" and not way.quoted and path.suffix.lower() == ".txt" and len(widths) > 1:
        raise Uneven
    return first, max(widths)


def _blocks_by_arrow(path: Path, way: Way, width: int) -> Iterator[list[Any]]:
    names = [str(i) for i in range(width)]
    quote: str | bool = '"' if way.quoted else False
    try:
        reader = arrow_csv.open_csv(
            path,
            arrow_csv.ReadOptions(block_size=BLOCK_BYTES, column_names=names, skip_rows_after_names=1),
            arrow_csv.ParseOptions(
                delimiter=way.delimiter, quote_char=quote, newlines_in_values=way.quoted, ignore_empty_lines=False
            ),
            arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), null_values=[], strings_can_be_null=False),
        )
        for batch in reader:
            yield batch.columns
    except pa.ArrowException:
        raise Uneven from None


def _blocks_by_python(path: Path, way: Way, width: int) -> Iterator[list[Any]]:
    lines = _lines(path, way)
    next(lines, None)
    while block := list(islice(lines, BLOCK_LINES)):
        yield [pa.array([line[i] if i < len(line) else "" for line in block], pa.string()) for i in range(width)]


def _lines(path: Path, way: Way) -> Iterator[list[str]]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="\n" if path.suffix.lower() == ".txt" else "") as file:
        if path.suffix.lower() == ".txt":
            yield from (line.removesuffix("\n").removesuffix("\r").split(way.delimiter) for line in file)
        else:
            yield from _parted(file, way)


def _parted(lines: Iterable[str], way: Way) -> Iterator[list[str]]:
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if way.quoted else csv.QUOTE_NONE
    try:
        yield from (line or [""] for line in csv.reader(lines, delimiter=way.delimiter, quoting=quoting))
    except csv.Error:
        raise Uneven from None


def _ends_in_blank_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4))
        end = file.read().replace(b"\r", b"")
    return end.endswith(b"\n\n") or end == b"\n"
