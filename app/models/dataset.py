"""The open data set and its labels."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from core.dataset import Dataset
from core.table import Table
from core.types import Ids


class DatasetModel(QObject):
    opened = Signal()  # another data set; labels not known yet
    annotated = Signal()
    checked = Signal()  # non-finite rows are known

    def __init__(self) -> None:
        super().__init__()
        self.dataset: Dataset | None = None
        self.table: Table | None = None
        self.non_finite_rows: Ids | None = None

    def open(self, dataset: Dataset) -> None:
        self.dataset, self.table, self.non_finite_rows = dataset, None, None
        self.opened.emit()

    def annotate(self, table: Table | None) -> None:
        self.table = table
        self.annotated.emit()

    def check(self, non_finite_rows: Ids) -> None:
        self.non_finite_rows = non_finite_rows
        self.checked.emit()

    def label(self, row: int) -> str:
        return f"row {row:,}" if self.table is None else self.table.label(row) or f"row {row:,}"
