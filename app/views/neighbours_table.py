"""The table of neighbours: rank, label, row and distance, then any columns of the labels; sorted by any of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QRectF, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem

from app.figures import figure
from app.models.dataset import DatasetModel
from app.models.filters import FiltersModel
from app.models.neighbours import METRIC_NAMES, NeighboursModel
from app.palettes import grey
from app.theme import DARK
from app.views.fields import local_file
from app.views.quiet_table import RIGHT, Index
from app.views.thumbnails import PICTURE_ROLE
from core.table import Column
from core.types import Metric

RANK, LABEL, ROW, DISTANCE = range(4)
FIXED = 4  # columns before those of the labels
DISTANCE_NAMES: dict[Metric, str] = {
    "l2": "Distance",
    "cosine": "Cosine dist.",
    "inner_product": "Product",
    "l1": "Distance",
    "linf": "Distance",
}
BAR_ROLE = Qt.ItemDataRole.UserRole


class NeighboursTable(QAbstractTableModel):
    theme = DARK

    def __init__(self, dataset: DatasetModel, neighbours: NeighboursModel, filters: FiltersModel) -> None:
        super().__init__()
        self._dataset, self._neighbours, self._filters = dataset, neighbours, filters
        self.columns: tuple[Column, ...] = ()  # of the labels, those that are shown
        self.sorted_by: tuple[int, Qt.SortOrder] | None = None  # a section; None: nearest first
        self._ranks: list[int] = []  # of the neighbour in each line
        for signal in (neighbours.changed, neighbours.live_changed, neighbours.columns_changed, dataset.annotated):
            signal.connect(self._reset)
        dataset.opened.connect(self._on_opened)

    def row_of(self, index: Index) -> int | None:
        """The data set row in a line of the table."""
        result = self._neighbours.shown
        return None if result is None or index.row() >= len(self._ranks) else int(result.ids[self._ranks[index.row()]])

    def line_of(self, rank: int) -> int:
        """The line of a neighbour."""
        return self._ranks.index(rank)

    def sort_next(self, section: int) -> None:
        """Sort by a section upwards, then downwards, then nearest first again."""
        up, down = Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder
        self.sorted_by = {None: (section, up), (section, up): (section, down), (section, down): None}.get(
            self.sorted_by, (section, up)
        )
        self._reset()

    def text(self, lines: Sequence[int]) -> str:
        """These lines below the names of the columns, with tabs between: figures in full."""
        sections = [s for s in range(self.columnCount()) if s != LABEL or self._dataset.table is not None]
        rows = [[self._name(section) for section in sections]]
        rows += [[self._plain(line, section) for section in sections] for line in lines]
        return "".join("\t".join(" ".join(cell.split()) for cell in row) + "\n" for row in rows)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._ranks)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else FIXED + len(self.columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole and self._is_figure(section):
            return int(RIGHT)
        return self._name(section) if role == Qt.ItemDataRole.DisplayRole else None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        result = self._neighbours.shown
        if result is None or not index.isValid() or index.row() >= len(self._ranks):
            return None
        rank, section = self._ranks[index.row()], index.column()
        row, distance = int(result.ids[rank]), float(result.distances[rank])
        if role == PICTURE_ROLE:
            return self._picture_of(row, section)
        if role == Qt.ItemDataRole.DisplayRole:
            if section >= FIXED:
                return " ".join(self.columns[section - FIXED].text(row).split())
            return (str(rank + 1), self._dataset.label(row), f"{row:,}", figure(distance))[section]
        passes = self._filters.passes(row)
        if role == Qt.ItemDataRole.ToolTipRole:
            about = f"{self._dataset.label(row)}\nrow {row:,}\n{METRIC_NAMES[result.metric]}: {distance!r}"
            about = self.columns[section - FIXED].text(row) if section >= FIXED else about
            return about if passes else f"{about}\nLeft out on the map by the filters, and a true neighbour all the same"
        if role == Qt.ItemDataRole.ForegroundRole and not passes:
            return QColor(grey(self.theme))
        if role == Qt.ItemDataRole.TextAlignmentRole and self._is_figure(section):
            return int(RIGHT)
        if role == BAR_ROLE and section == DISTANCE:
            largest = float(abs(result.distances).max())
            return abs(distance) / largest if largest else 0.0
        return None

    def _picture_of(self, row: int, section: int) -> str | None:
        """The path of the picture that a cell names; None where it names none."""
        column, table = self.columns[section - FIXED] if section >= FIXED else None, self._dataset.table
        if column is None or column.kind != "image" or table is None or not column.text(row).strip():
            return None
        return str(local_file(column.text(row), Path(table.source).parent))

    def _on_opened(self) -> None:
        self.sorted_by = None
        self._reset()

    def _reset(self) -> None:
        self.beginResetModel()
        result, table = self._neighbours.shown, self._dataset.table
        others = () if table is None else tuple(c for c in table.columns if c is not table.label_column)
        self.columns = tuple(column for column in others if column.name in self._neighbours.columns)
        self._ranks = [] if result is None else list(range(len(result.ids)))
        if self.sorted_by is not None and self.sorted_by[0] >= self.columnCount():
            self.sorted_by = None
        if result is not None and self.sorted_by is not None:
            self._sort(*self.sorted_by)
        self.endResetModel()

    def _sort(self, section: int, order: Qt.SortOrder) -> None:
        """Equal ones stay nearest first, missing ones come last either way."""
        keys = [self._key(rank, section) for rank in self._ranks]
        there = [rank for rank in self._ranks if keys[rank] is not None]
        there.sort(key=lambda rank: keys[rank], reverse=order == Qt.SortOrder.DescendingOrder)  # type: ignore[arg-type,return-value]
        self._ranks = there + [rank for rank in self._ranks if keys[rank] is None]

    def _key(self, rank: int, section: int) -> float | str | None:
        """What a neighbour is sorted by; None where it is missing."""
        result = self._neighbours.shown
        assert result is not None
        row = int(result.ids[rank])
        if section == LABEL:
            return self._dataset.label(row).casefold()
        if section < FIXED:
            return {RANK: rank, ROW: row, DISTANCE: float(result.distances[rank])}[section]
        column = self.columns[section - FIXED]
        text = column.text(row)
        if not text.strip():
            return None
        return float(text) if column.kind == "number" else text.casefold()

    def _name(self, section: int) -> str:
        if section >= FIXED:
            return self.columns[section - FIXED].name
        return ("#", "Label", "Row", DISTANCE_NAMES[self._neighbours.metric])[section]

    def _plain(self, line: int, section: int) -> str:
        """What a cell holds, not rounded and without commas."""
        result, rank = self._neighbours.shown, self._ranks[line]
        assert result is not None
        row = int(result.ids[rank])
        if section >= FIXED:
            return self.columns[section - FIXED].text(row)
        return (str(rank + 1), self._dataset.label(row), str(row), repr(float(result.distances[rank])))[section]

    def _is_figure(self, section: int) -> bool:
        return section != LABEL if section < FIXED else self.columns[section - FIXED].kind == "number"


class DistanceBar(QStyledItemDelegate):
    """The figure over a bar as long as the distance, against the farthest shown."""

    theme = DARK

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        share = index.data(BAR_ROLE)
        if share is not None:
            colour = QColor(self.theme.accent)
            colour.setAlphaF(0.28)
            area = QRectF(option.rect).adjusted(4, 4, -4, -4)
            area.setWidth(area.width() * float(share))
            painter.fillRect(area, colour)
        super().paint(painter, option, index)
