"""Labels beside a file of vectors: same name with .tsv, .csv, .txt, .parquet or .jsonl, or chosen by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pyarrow as pa

from core.errors import UserError, reason
from core.readers import words
from core.readers.joining import Labels, joined
from core.readers.labels_table import read_jsonl, read_parquet
from core.readers.labels_text import read_text
from core.readers.options import Probe
from core.table import Table

SUFFIXES = (".tsv", ".csv", ".txt", ".parquet", ".jsonl")
HEAD_BYTES = 1 << 16
FEWEST_DIMS = 8  # of words in text that are taken for vectors
READERS = {".parquet": read_parquet, ".jsonl": read_jsonl}

Poll = Callable[[], None]  # raises to give up


def go_on() -> None: ...


def find_sidecar(path: Path) -> Path | None:
    """The labels file that belongs to `path`, if there is one."""
    beside = (c for s in SUFFIXES if (c := path.with_suffix(s)) != path and c.is_file())
    return next((c for c in beside if not _has_vectors(c)), None)


def _has_vectors(path: Path) -> bool:
    """Whether these are words with their vectors in text, from which the file beside them may have been converted."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES) if path.suffix.lower() == ".txt" else b""
    except OSError:  # told of when the labels are read
        return False
    # Labels may end in a number or two.
    longest = max((len(line.split()) for line in head.split(b"\n", 2)[:2]), default=0)
    return longest > FEWEST_DIMS and words.READER.sniff(Probe(path, head, len(head)))


def read_sidecar(path: Path, rows: int, own: Table | None = None, by: str | None = None, poll: Poll = go_on) -> Labels:
    """The columns of `path` for `rows` vectors: line by line in order, or joined by a column that says which row a line is about.

    That column is `by`, or where there are more or fewer lines than rows one that will do: it has a namesake in `own`, what the
    vectors' file itself tells of its rows, or holds numbers of rows. Raises UserError if the labels cannot be read or joined.
    """
    try:
        table, lines = READERS.get(path.suffix.lower(), read_text)(path, rows, poll)
    except OSError as error:
        raise UserError(f"The labels in {path} cannot be read ({reason(error)}).") from None
    pa.default_memory_pool().release_unused()  # what reading took beyond the columns
    table = _without_vectors(table)
    if not table.columns:
        raise UserError(f"{path} has no column that could be a label.")
    return joined(table, lines, rows, own, by)


def _without_vectors(table: Table) -> Table:
    """Without the columns x0, x1, … of numbers: the vectors themselves, written to a file of the same name."""
    numbers = {column.name for column in table.columns if column.is_number}
    dims = next(i for i in count() if f"x{i}" not in numbers)
    vectors = {f"x{i}" for i in range(dims)} if dims > 1 else set()
    return replace(table, columns=tuple(c for c in table.columns if c.name not in vectors)) if vectors else table
