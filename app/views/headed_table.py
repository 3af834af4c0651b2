"""A table model whose columns are always the same."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Sized
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, Qt

from app.views.quiet_table import Index

FIGURE = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)


class HeadedTable(QAbstractTableModel):
    """Subclasses say what stands in a cell, `data`, and in what its rows are counted."""

    heads: Sequence[str]
    right: Collection[int]  # columns of figures
    tips: Mapping[int, str] = {}

    def rows_shown(self) -> Sized:
        raise NotImplementedError

    def all_changed(self) -> None:
        """Have the views read every cell anew; the rows are still the same."""
        if rows := len(self.rows_shown()):
            self.dataChanged.emit(self.index(0, 0), self.index(rows - 1, len(self.heads) - 1))

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.rows_shown())

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.heads)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole and section in self.right:
            return FIGURE
        if role == Qt.ItemDataRole.ToolTipRole:
            return self.tips.get(section)
        return self.heads[section] if role == Qt.ItemDataRole.DisplayRole else None
