"""Rows of the data set in a table: their numbers, names and fields."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from PySide6.QtWidgets import QAbstractItemView, QTableView

from app.models.dataset import DatasetModel
from app.models.selection import no_rows
from app.views.quiet_table import Index, quieten
from core.table import Column
from core.types import Ids

# A view keeps some bytes for each line: lines are added as one scrolls.
LINES = 10_000


class RowsTable(QAbstractTableModel):
    def __init__(self, dataset: DatasetModel) -> None:
        super().__init__()
        self._dataset = dataset
        self.rows = no_rows()
        self._lines = 0
        # Kept here: between two resets the view must not find others than it was told of.
        self.columns: tuple[Column, ...] = ()  # the label first
        dataset.annotated.connect(lambda: self.show(self.rows, anew=True))
        dataset.opened.connect(lambda: self.show(no_rows(), anew=True))

    def show(self, rows: Ids, anew: bool = False) -> None:
        """List these rows; where they begin with those listed, the lines stay where they are."""
        lines = self._lines
        if not anew and lines and np.array_equal(rows[:lines], self.rows[:lines]):
            self.rows = rows
            if lines < LINES and len(rows) > lines:
                self.fetchMore()
            return
        table = self._dataset.table
        self.beginResetModel()
        self.rows, self._lines, self.columns = rows, min(LINES, len(rows)), ()
        if table is not None:
            self.columns = (table.label_column, *(c for c in table.columns if c is not table.label_column))
        self.endResetModel()

    def row_of(self, index: Index) -> int:
        """The data set row in a line of the table."""
        return int(self.rows[index.row()])

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else self._lines

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else 1 + len(self.columns)

    def canFetchMore(self, parent: Index = QModelIndex()) -> bool:  # noqa: B008
        return not parent.isValid() and self._lines < len(self.rows)

    def fetchMore(self, parent: Index = QModelIndex()) -> None:  # noqa: B008
        more = min(LINES, len(self.rows) - self._lines)
        self.beginInsertRows(QModelIndex(), self._lines, self._lines + more - 1)
        self._lines += more
        self.endInsertRows()

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole and section == 0:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        return "Row" if section == 0 else self.columns[section - 1].name

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or index.row() >= len(self.rows):
            return None
        row, column = self.row_of(index), index.column()
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return f"{row:,}" if column == 0 else self.columns[column - 1].text(row)
        if role == Qt.ItemDataRole.TextAlignmentRole and column == 0:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None


class RowsView(QTableView):
    picked = Signal(int)  # the row of a line that was clicked

    def __init__(self, dataset: DatasetModel, name: str) -> None:
        super().__init__()
        self.table_model = RowsTable(dataset)
        quieten(self, self.table_model, name)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setStyleSheet("QAbstractScrollArea::corner { background: transparent; border: none; }")
        self.table_model.modelReset.connect(self._size_columns)
        self.clicked.connect(self._on_clicked)
        self.activated.connect(self._on_clicked)

    def _size_columns(self) -> None:
        self.setColumnWidth(0, 76)
        for column in range(1, self.table_model.columnCount()):
            self.setColumnWidth(column, 150 if column == 1 else 110)

    def _on_clicked(self, index: Index) -> None:
        self.picked.emit(self.table_model.row_of(index))
