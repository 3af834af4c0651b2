"""The neighbours: the query on top, below it a table of rank, label, row and distance."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import (
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.figures import figure
from app.models.dataset import DatasetModel
from app.models.filters import FiltersModel
from app.models.neighbours import METRIC_NAMES, NeighboursModel
from app.models.query import QueryModel
from app.palettes import grey
from app.theme import DARK, Theme
from app.views.quiet_table import quieten
from core.types import Metric, NeighboursResult

RANK, LABEL, ROW, DISTANCE = range(4)
DISTANCE_NAMES: dict[Metric, str] = {
    "l2": "Distance",
    "cosine": "Cosine dist.",
    "inner_product": "Product",
    "l1": "Distance",
    "linf": "Distance",
}
BAR_ROLE = Qt.ItemDataRole.UserRole
EMPTY = "Click a point on the map: its nearest neighbours are listed here."
Index = QModelIndex | QPersistentModelIndex


class NeighboursTable(QAbstractTableModel):
    theme = DARK

    def __init__(self, dataset: DatasetModel, neighbours: NeighboursModel, filters: FiltersModel) -> None:
        super().__init__()
        self._dataset, self._neighbours, self._filters = dataset, neighbours, filters
        neighbours.changed.connect(self._reset)
        neighbours.live_changed.connect(self._reset)
        dataset.annotated.connect(self._reset)

    def _reset(self) -> None:
        self.beginResetModel()
        self.endResetModel()

    def row_of(self, index: Index) -> int | None:
        """The data set row in a line of the table."""
        result = self._neighbours.shown
        return None if result is None or index.row() >= len(result.ids) else int(result.ids[index.row()])

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        result = self._neighbours.shown
        return 0 if parent.isValid() or result is None else len(result.ids)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else 4

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole and section != LABEL:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        return ("#", "Label", "Row", DISTANCE_NAMES[self._neighbours.metric])[section]

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        result = self._neighbours.shown
        if result is None or not index.isValid():
            return None
        rank, column = index.row(), index.column()
        row, distance = int(result.ids[rank]), float(result.distances[rank])
        if role == Qt.ItemDataRole.DisplayRole:
            return (str(rank + 1), self._dataset.label(row), f"{row:,}", figure(distance))[column]
        passes = self._filters.passes(row)
        if role == Qt.ItemDataRole.ToolTipRole:
            about = f"{self._dataset.label(row)}\nrow {row:,}\n{METRIC_NAMES[result.metric]}: {distance!r}"
            return about if passes else f"{about}\nLeft out on the map by the filters, and a true neighbour all the same"
        if role == Qt.ItemDataRole.ForegroundRole and not passes:
            return QColor(grey(self.theme))
        if role == Qt.ItemDataRole.TextAlignmentRole and column != LABEL:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == BAR_ROLE:
            largest = float(abs(result.distances).max())
            return abs(distance) / largest if largest else 0.0
        return None


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


class NeighboursView(QWidget):
    picked = Signal(int)
    back = Signal()
    forward = Signal()

    def __init__(self, dataset: DatasetModel, query: QueryModel, neighbours: NeighboursModel, filters: FiltersModel) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._dataset, self._query, self._neighbours, self._filters = dataset, query, neighbours, filters
        self._title = QLabel()
        self._title.setObjectName("query")
        self._title.setWordWrap(True)
        self._title.setTextFormat(Qt.TextFormat.PlainText)
        self._note = QLabel(EMPTY)
        self._note.setObjectName("dim")
        self._note.setWordWrap(True)
        self._note.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._back, self._forward = self._arrow("‹", "Back (Alt+Left)"), self._arrow("›", "Forward (Alt+Right)")
        self._back.clicked.connect(self.back)
        self._forward.clicked.connect(self.forward)
        self.table = QTableView()
        self._bar = DistanceBar(self)
        self.table_model = NeighboursTable(dataset, neighbours, filters)
        self._build()
        for signal in (query.changed, dataset.annotated, neighbours.live_changed):
            signal.connect(self._show_query)
        neighbours.changed.connect(self._show_note)
        filters.applied.connect(self._show_note)
        filters.applied.connect(self.table.viewport().update)
        neighbours.walked.connect(self._show_walked)
        self.table.clicked.connect(self._on_clicked)
        self.table.activated.connect(self._on_clicked)
        self._show_query()

    def set_theme(self, theme: Theme) -> None:
        self._bar.theme = self.table_model.theme = theme
        self.table.viewport().update()

    def _arrow(self, text: str, tip: str) -> QToolButton:
        button = QToolButton()
        button.setText(text)
        button.setToolTip(tip)
        button.setAutoRaise(True)
        return button

    def _build(self) -> None:
        top = QHBoxLayout()
        top.addWidget(self._title, 1)
        top.addWidget(self._back, 0, Qt.AlignmentFlag.AlignTop)
        top.addWidget(self._forward, 0, Qt.AlignmentFlag.AlignTop)
        table = self.table
        quieten(table, self.table_model, "Neighbours")
        table.setItemDelegateForColumn(DISTANCE, self._bar)
        header = table.horizontalHeader()
        header.setMinimumSectionSize(24)
        for column, width in ((RANK, 34), (ROW, 72)):
            table.setColumnWidth(column, width)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 4, 4, 8)
        layout.setSpacing(6)
        layout.addLayout(top)
        layout.addWidget(self._note)
        layout.addWidget(table, 1)

    def sizeHint(self) -> QSize:
        return QSize(340, 500)

    def _show_query(self) -> None:
        live, mean = self._neighbours.live, self._query.mean
        row = self._query.row if live is None else live.row
        asked = live is not None or self._query.present is not None
        self._back.setEnabled(self._query.can_go_back)
        self._forward.setEnabled(self._query.can_go_forward)
        for widget in (self._title, self._back, self._forward, self.table):
            widget.setVisible(asked)
        # Without labels the row is its own name: the bars get the room.
        named = self._dataset.table is not None
        self.table.setColumnHidden(LABEL, not named)
        stretch, fixed = (LABEL, DISTANCE) if named else (DISTANCE, LABEL)
        self.table.horizontalHeader().setSectionResizeMode(fixed, QHeaderView.ResizeMode.Interactive)
        self.table.horizontalHeader().setSectionResizeMode(stretch, QHeaderView.ResizeMode.Stretch)
        self.table.setColumnWidth(DISTANCE, 96)
        if row is None and mean is not None:
            self._title.setText(mean.name)
        elif row is not None:
            self._title.setText(self._dataset.label(row))
        self._show_note()

    def _show_note(self) -> None:
        result, mean = self._neighbours.shown, self._query.mean
        stale = result is None or (result is self._neighbours.result and not self._answers(result))
        if result is None and self._query.present is None:
            self._note.setText(EMPTY)
        elif result is None or stale:
            self._note.setText("Searching…")
        else:
            mode = "compiled" if result.timing.mode == "compiled" else "uncompiled"
            first = ", first call" if result.timing.first else ""
            of = f" to the mean of {len(mean.rows):,} rows" if result.row is None and mean is not None else ""
            follows = ", under the cursor" if result is self._neighbours.live else ""
            out = sum(not self._filters.passes(row) for row in result.ids.tolist())
            filtered = f"; {out} left out on the map by filters, in grey" if out else ""
            self._note.setText(
                f"{len(result.ids)} nearest{of} by {METRIC_NAMES[result.metric].lower()}, exact ({result.exact}) in "
                f"{figure(result.timing.ms)} ms {mode}{first}{follows}{filtered}"
            )
            self._note.setToolTip(
                "Proven: no row left out can be nearer, by the error bound of the arithmetic that chose the candidates.\n"
                "Computed in full: the bound could not tell, so every row in question was computed directly."
            )

    def _answers(self, result: NeighboursResult) -> bool:
        """Whether a result is that of the present query."""
        mean = self._query.mean
        return result.mean_of is mean.rows if mean is not None else result.row == self._query.row

    def _show_walked(self) -> None:
        rank = self._neighbours.rank
        if rank is None:
            self.table.clearSelection()
        else:
            self.table.selectRow(rank)

    def _on_clicked(self, index: QModelIndex) -> None:
        if (row := self.table_model.row_of(index)) is not None:
            self.picked.emit(row)
