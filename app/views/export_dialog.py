"""Where to write an export, and in which format: the suffix of the name, or else the kind chosen below it."""

from __future__ import annotations

import re
from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QWidget

from core.types import ExportWhat

TITLES: dict[ExportWhat, str] = {
    "labels": "Export labels",
    "vectors": "Export vectors",
    "coordinates": "Export coordinates",
    "neighbours": "Export neighbours",
}
KINDS = {
    ".csv": "Comma-separated text (*.csv)",
    ".npy": "NumPy (*.npy)",
    ".parquet": "Parquet (*.parquet)",
    ".tsv": "Tab-separated text, for the embedding projector (*.tsv)",
    ".jsonl": "JSON lines (*.jsonl)",
}
# What is written of fields alone has no use for .npy but the numbers of the rows.
FIRST: dict[ExportWhat, str] = {"labels": ".csv", "vectors": ".npy", "coordinates": ".csv", "neighbours": ".csv"}


def ask_where(parent: QWidget, what: ExportWhat, source: Path, everything: bool) -> Path | None:
    """A path with a suffix; None if the user thinks better of it."""
    first = FIRST[what]
    kinds = [KINDS[first], *(kind for suffix, kind in KINDS.items() if suffix != first)]
    stem = f"{source.stem} {what}" if everything else ("neighbours" if what == "neighbours" else "selected")
    name, kind = QFileDialog.getSaveFileName(parent, TITLES[what], f"{stem}{first}", ";;".join(kinds))
    if not name:
        return None
    path = Path(name)
    chosen = re.search(r"\*(\.\w+)", kind or KINDS[first])
    assert chosen is not None
    return path if path.suffix else path.with_suffix(chosen[1])
