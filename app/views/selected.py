"""The selected rows in a table: their numbers, names and fields."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from PySide6.QtWidgets import QAbstractItemView, QLabel, QTableView, QVBoxLayout, QWidget

from app.models.dataset import DatasetModel
from app.models.selection import SelectionModel
from app.views.quiet_table import Index, quieten
from core.table import Column

# A view keeps some bytes for each line: lines are added as one scrolls.
LINES = 10_000
EMPTY = "Nothing selected yet. Shift+click points, Shift+drag a box, or take the box (B) or the lasso (L) on the map."


class SelectedTable(QAbstractTableModel):
    def __init__(self, dataset: DatasetModel, selection: SelectionModel) -> None:
        super().__init__()
        self._dataset, self._selection = dataset, selection
        self._lines = 0
        selection.changed.connect(self._reset)
        dataset.annotated.connect(self._reset)
        dataset.opened.connect(self._reset)

    def _reset(self) -> None:
        self.beginResetModel()
        self._lines = min(LINES, len(self._selection))
        self.endResetModel()

    @property
    def columns(self) -> tuple[Column, ...]:
        """The label first."""
        table = self._dataset.table
        if table is None:
            return ()
        return (table.label_column, *(c for c in table.columns if c is not table.label_column))

    def row_of(self, index: Index) -> int:
        """The data set row in a line of the table."""
        return int(self._selection.rows[index.row()])

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else self._lines

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else 1 + len(self.columns)

    def canFetchMore(self, parent: Index = QModelIndex()) -> bool:  # noqa: B008
        return not parent.isValid() and self._lines < len(self._selection)

    def fetchMore(self, parent: Index = QModelIndex()) -> None:  # noqa: B008
        more = min(LINES, len(self._selection) - self._lines)
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
        if not index.isValid() or index.row() >= len(self._selection):
            return None
        row, column = self.row_of(index), index.column()
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return f"{row:,}" if column == 0 else self.columns[column - 1].text(row)
        if role == Qt.ItemDataRole.TextAlignmentRole and column == 0:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None


class SelectedView(QWidget):
    picked = Signal(int)  # a row that is to be the query

    def __init__(self, dataset: DatasetModel, selection: SelectionModel) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._selection = selection
        self.note = QLabel(EMPTY)
        self.note.setObjectName("dim")
        self.note.setWordWrap(True)
        self.note.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.table = QTableView()
        self.table_model = SelectedTable(dataset, selection)
        self._build()
        selection.changed.connect(self._show)
        self.table_model.modelReset.connect(self._size_columns)
        self.table.clicked.connect(self._on_clicked)
        self.table.activated.connect(self._on_clicked)
        self._show()

    def _build(self) -> None:
        table = self.table
        quieten(table, self.table_model, "Selected rows")
        table.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 8, 4, 8)
        layout.setSpacing(6)
        layout.addWidget(self.note)
        layout.addWidget(table, 1)
        layout.addStretch(0)

    def _show(self) -> None:
        count = len(self._selection)
        self.note.setText(
            f"{count:,} row{'s' if count != 1 else ''} selected. Click one to see its neighbours." if count else EMPTY
        )
        self.table.setVisible(bool(count))

    def _size_columns(self) -> None:
        self.table.setColumnWidth(0, 76)
        for column in range(1, self.table_model.columnCount()):
            self.table.setColumnWidth(column, 150 if column == 1 else 110)

    def _on_clicked(self, index: Index) -> None:
        self.picked.emit(self.table_model.row_of(index))
