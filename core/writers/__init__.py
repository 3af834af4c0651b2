"""Writing files: one registry, in which the suffix of the name chooses the format. A file is the old one or the whole new one."""

from __future__ import annotations

from pathlib import Path

from core.errors import UserError
from core.export import GoOn, go_on
from core.writers import delimited, jsonl, npy, parquet
from core.writers.content import Content

WRITERS = {".npy": npy.write, ".parquet": parquet.write, ".csv": delimited.write_csv, ".tsv": delimited.write_tsv}
WRITERS[".jsonl"] = jsonl.write
SUFFIXES = tuple(WRITERS)


def save(path: Path, content: Content, told: GoOn = go_on) -> tuple[Path, ...]:
    """Write `content` in the format of the suffix; return the files that were written.

    Raises UserError for another suffix, or if the system refuses; an older file is then left as it was.
    """
    write = WRITERS.get(path.suffix.lower())
    if write is None:
        raise UserError(f"{path} has the suffix of no format that is written; choose one of {', '.join(SUFFIXES)}.")
    return write(path, content, told)
