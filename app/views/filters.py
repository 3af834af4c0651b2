"""The filters, a card each, and a list of the columns to filter by."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QLabel, QPushButton, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from app.models.dataset import DatasetModel
from app.models.filters import FiltersModel
from app.theme import DARK, Theme
from app.views.filter_cards import Card, card_for
from core.table import Column

OFFER = "Filter by…"
EMPTY = "Choose a column: rows that do not pass are left out on the map and in the counts. Neighbours stay the true ones."
NO_TABLE = "Put labels beside the file, or choose some (Ctrl+L), and rows can be filtered by them."


class FiltersView(QWidget):
    add_wanted = Signal(object)  # a Column
    filter_wanted = Signal(object)  # a Filter
    remove_wanted = Signal(object)  # a Column
    clear_wanted = Signal()

    def __init__(self, dataset: DatasetModel, filters: FiltersModel) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._dataset, self._filters = dataset, filters
        self._theme = DARK
        self.choice, self.note, self.clear = QComboBox(), QLabel(), QPushButton("Clear all")
        self.cards: dict[Column, Card] = {}
        self._scroll, self._column = QScrollArea(), QVBoxLayout()
        self._build()
        for signal in (dataset.opened, dataset.annotated, filters.changed):
            signal.connect(self._show)
        filters.applied.connect(self._show_results)
        self.choice.activated.connect(self._on_chosen)
        self.clear.clicked.connect(self.clear_wanted)
        self._show()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        for card in self.cards.values():
            card.set_theme(theme)

    def _build(self) -> None:
        self.choice.setAccessibleName("Filter by")
        self.choice.setToolTip("Choose a column to filter by")
        self.choice.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.note.setObjectName("dim")
        self.note.setWordWrap(True)
        self.note.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.clear.setObjectName("link")
        self.clear.setCursor(Qt.CursorShape.PointingHandCursor)
        holder = QWidget()
        self._column = QVBoxLayout(holder)
        self._column.setContentsMargins(0, 0, 8, 0)
        self._column.addStretch()
        self._scroll.setWidget(holder)
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        foot = QHBoxLayout()
        foot.setContentsMargins(0, 0, 8, 0)
        foot.addWidget(self.note, 1)
        foot.addWidget(self.clear, 0, Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 8, 4, 8)
        layout.setSpacing(8)
        choice = QHBoxLayout()
        choice.setContentsMargins(0, 0, 8, 0)
        choice.addWidget(self.choice)
        layout.addLayout(choice)
        layout.addLayout(foot)
        layout.addWidget(self._scroll, 1)
        layout.addStretch(0)

    def _on_chosen(self, at: int) -> None:
        column = self.choice.itemData(at)
        if column is not None:
            self.add_wanted.emit(column)

    def _show(self) -> None:
        """A card for each filter, and the other columns to choose from."""
        table, filters = self._dataset.table, self._filters.filters
        wanted = {f.column: f for f in filters}
        for column in [column for column in self.cards if column not in wanted]:
            self.cards.pop(column).deleteLater()
        for column, f in wanted.items():
            if column not in self.cards:
                card = self.cards[column] = card_for(f)
                card.filter_wanted.connect(self.filter_wanted)
                card.remove_wanted.connect(self.remove_wanted)
                card.set_theme(self._theme)
                self._column.insertWidget(self._column.count() - 1, card)
        with QSignalBlocker(self.choice):
            self.choice.clear()
            self.choice.addItem(OFFER)
            for column in () if table is None else table.columns:
                if column not in wanted:
                    self.choice.addItem(column.name, column)
        self.choice.setVisible(table is not None)
        self.clear.setVisible(bool(filters))
        self._scroll.setVisible(bool(filters))
        self._show_results()

    def _show_results(self) -> None:
        table, result = self._dataset.table, self._filters.result
        for f in self._filters.filters:
            self.cards[f.column].show_filter(f, result)
        if table is None:
            self.note.setText(NO_TABLE if self._dataset.dataset is not None else "")
        elif not self._filters.filters:
            self.note.setText(EMPTY)
        elif result is not None:
            self.note.setText(f"{result.count:,} of {table.rows:,} rows pass")
