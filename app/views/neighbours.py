"""The neighbours: the query on top, below it what is nearest."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QSize, Qt, Signal
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.figures import figure
from app.images import Images
from app.models.dataset import DatasetModel
from app.models.filters import FiltersModel
from app.models.neighbours import METRIC_NAMES, NeighboursModel
from app.models.query import QueryModel
from app.theme import Theme
from app.views.neighbours_list import NeighboursList

EMPTY = "Click a point on the map: its nearest neighbours are listed here."


class NeighboursView(QWidget):
    picked = Signal(int)
    back = Signal()
    forward = Signal()

    def __init__(
        self, dataset: DatasetModel, query: QueryModel, neighbours: NeighboursModel, filters: FiltersModel, images: Images
    ) -> None:
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
        self.table = NeighboursList(dataset, neighbours, filters, images)
        self.table_model = self.table.table_model
        self._more = self._arrow("⋯", "Select all, copy, choose columns")
        self._more.clicked.connect(lambda: self.table.open_menu(self._more.mapToGlobal(self._more.rect().bottomLeft())))
        self._build()
        for signal in (query.changed, dataset.annotated, neighbours.live_changed):
            signal.connect(self._show_query)
        neighbours.changed.connect(self._show_note)
        filters.applied.connect(self._show_note)
        filters.applied.connect(self.table.viewport().update)
        neighbours.walked.connect(self._show_walked)
        self.table.chosen.connect(self._on_chosen)
        self._show_query()

    def set_theme(self, theme: Theme) -> None:
        self.table.set_theme(theme)

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
        note = QHBoxLayout()
        note.addWidget(self._note, 1)
        note.addWidget(self._more, 0, Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 4, 4, 8)
        layout.setSpacing(6)
        layout.addLayout(top)
        layout.addLayout(note)
        layout.addWidget(self.table, 1)

    def sizeHint(self) -> QSize:
        return QSize(340, 500)

    def _show_query(self) -> None:
        live = self._neighbours.live
        query = self._query.present if live is None else live.query
        asked = query is not None
        self._back.setEnabled(self._query.can_go_back)
        self._forward.setEnabled(self._query.can_go_forward)
        for widget in (self._title, self._back, self._forward, self._more, self.table):
            widget.setVisible(asked)
        if query is not None:
            self._title.setText(query.name(self._dataset.label))
        self._show_note()

    def _show_note(self) -> None:
        result = self._neighbours.shown
        stale = result is None or (result is self._neighbours.result and result.query != self._query.present)
        if result is None and self._query.present is None:
            self._note.setText(EMPTY)
        elif result is None or stale:
            self._note.setText(self._neighbours.problem or "Searching…")
        else:
            mode = "compiled" if result.timing.mode == "compiled" else "uncompiled"
            first = ", first call" if result.timing.first else ""
            own = "; its own rows are left out" if len(result.query.own_rows) > 1 else ""
            follows = ", under the cursor" if result is self._neighbours.live else ""
            out = sum(not self._filters.passes(row) for row in result.ids.tolist())
            filtered = f"; {out} left out on the map by filters, in grey" if out else ""
            self._note.setText(
                f"{len(result.ids)} nearest by {METRIC_NAMES[result.metric].lower()}, exact ({result.exact}) in "
                f"{figure(result.timing.ms)} ms {mode}{first}{follows}{own}{filtered}"
            )
            self._note.setToolTip(
                "Proven: no row left out can be nearer, by the error bound of the arithmetic that chose the candidates.\n"
                "Computed in full: the bound could not tell, so every row in question was computed directly."
            )

    def _show_walked(self) -> None:
        rank = self._neighbours.rank
        if rank is None:
            self.table.clearSelection()
        else:
            self.table.selectRow(self.table_model.line_of(rank))

    def _on_chosen(self, index: QModelIndex) -> None:
        if (row := self.table_model.row_of(index)) is not None:
            self.picked.emit(row)
