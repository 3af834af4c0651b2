"""Labels beside a file of vectors: same name with .tsv, .csv or .txt, one line a row, with or without a header line."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from core.columns import make_column
from core.errors import UserError
from core.table import Table

SUFFIXES = (".tsv", ".csv", ".txt")
# The csv module's own limit of 128 KiB a field is too small for texts that were embedded.
csv.field_size_limit(1 << 24)


def find_sidecar(path: Path) -> Path | None:
    """The labels file that belongs to `path`, if there is one."""
    return next((c for s in SUFFIXES if (c := path.with_suffix(s)) != path and c.is_file()), None)


def read_sidecar(path: Path, rows: int) -> Table:
    """The columns of `path` for `rows` vectors. Raises UserError if its length fits neither with nor without a header."""
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise UserError(f"The labels in {path} cannot be read ({error.strerror}); shown without labels.") from None
    lines = _parse(text, path.suffix, rows)
    if len(lines) in (rows + 1, rows + 2) and lines[-1] == [""]:
        lines.pop()  # a blank line at the end, not a label without a name
    if len(lines) not in (rows, rows + 1):
        raise UserError(f"The labels in {path} have {len(lines):,} lines, the vectors {rows:,} rows; shown without labels.")
    has_header = len(lines) == rows + 1
    width = max(len(line) for line in lines)
    names = lines[0] if has_header else []
    names = [names[i] if i < len(names) and names[i] else f"column {i + 1}" for i in range(width)]
    if width == 1 and not has_header:
        names = ["label"]
    body = lines[1:] if has_header else lines
    columns = (make_column(names[i], [line[i] if i < len(line) else "" for line in body]) for i in range(width))
    return Table(str(path), rows, tuple(columns))


def _parse(text: str, suffix: str, rows: int) -> list[list[str]]:
    """Fields of each line. Quotes count if that gives a fitting number of lines, else they are plain characters."""
    if suffix == ".txt":
        lines = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
        # Tabs part columns only where every line has as many of them; elsewhere they belong to the text.
        tabs = {line.count("\t") for line in lines}
        return [line.split("\t") if len(tabs) == 1 else [line] for line in lines]
    delimiter = "\t" if suffix == ".tsv" else ","
    parsed: list[list[str]] = []
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE):
        try:
            parsed = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting))
        except csv.Error:
            continue
        parsed = [line or [""] for line in parsed]
        if len(parsed) in (rows, rows + 1):
            break
    return parsed
