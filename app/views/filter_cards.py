"""One filter, as it suits its column: a range with a histogram, categories with their counts, a text to be held."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QListWidgetItem, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from app.theme import DARK, Theme
from app.views.legend import COLOUR_ROLE, COUNT_ROLE, HIDDEN_ROLE, KEYS, MANY, EntryList, LegendEntry
from app.views.range_bar import RangeBar
from core.filters import Among, Filter, Filtered, Holding, Range
from core.table import Column

ENTRY_HEIGHT, TALLEST = 24, 216


class Card(QWidget):
    """The name of a column, and below it what to filter by."""

    filter_wanted = Signal(object)  # a Filter
    remove_wanted = Signal(object)  # its column

    def __init__(self, column: Column) -> None:
        super().__init__()
        self.column = column
        self._theme = DARK
        title = QLabel(column.name)
        title.setObjectName("title")
        title.setTextFormat(Qt.TextFormat.PlainText)
        title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.remove = QToolButton()
        self.remove.setText("✕")
        self.remove.setAutoRaise(True)
        self.remove.setToolTip(f"Filter by {column.name} no more")
        self.remove.clicked.connect(lambda: self.remove_wanted.emit(column))
        head = QHBoxLayout()
        head.addWidget(title, 1)
        head.addWidget(self.remove)
        self._body = QVBoxLayout(self)
        self._body.setContentsMargins(0, 0, 0, 8)
        self._body.setSpacing(4)
        self._body.addLayout(head)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme

    def show_filter(self, wanted: Filter, result: Filtered | None) -> None:
        raise NotImplementedError


class RangeCard(Card):
    def __init__(self, column: Column) -> None:
        super().__init__(column)
        self.bar = RangeBar()
        self.bar.range_wanted.connect(self._want)
        self.bar.reset_wanted.connect(lambda: self.filter_wanted.emit(Range(column)))
        self._ends = (0.0, 1.0)
        self._whole = False
        self._body.addWidget(self.bar)

    def set_theme(self, theme: Theme) -> None:
        super().set_theme(theme)
        self.bar.set_theme(theme)

    def show_filter(self, wanted: Filter, result: Filtered | None) -> None:
        axis = None if result is None else result.axes.get(self.column)
        if result is None or axis is None or not isinstance(wanted, Range):
            return
        first, last = self._ends = axis.spread.first, axis.spread.last
        self._whole = axis.spread.whole and self.column.kind == "number"
        low, high = (end if given is None else given for end, given in ((first, wanted.low), (last, wanted.high)))
        self.bar.show_range(axis.spread, low, high, dates=self.column.kind == "date")
        self.bar.show_passing(result.shares[self.column])

    def _want(self, low: float, high: float) -> None:
        """At an end of the axis there is no bound: what lies beyond passes too."""
        first, last = self._ends
        if self._whole:  # as they are told
            low, high = float(round(low)), float(round(high))
        self.filter_wanted.emit(Range(self.column, low if low > first else None, high if high < last else None))


class AmongCard(Card):
    def __init__(self, column: Column) -> None:
        super().__init__(column)
        self._without: frozenset[int] = frozenset()
        self.search, self.entries = QLineEdit(), EntryList()
        self._entry = LegendEntry(self)
        self.entries.setAccessibleName(column.name)
        self.entries.setItemDelegate(self._entry)
        for name in column.categories:
            item = QListWidgetItem(" ".join(name.split()) or "Missing")
            item.setToolTip(f"{name}\n{KEYS}")
            self.entries.addItem(item)
        self.entries.setFixedHeight(min(ENTRY_HEIGHT * len(column.categories) + 4, TALLEST))
        self.entries.toggled.connect(lambda code: self._want(self._without ^ {code}))
        self.entries.isolated.connect(self._isolate)
        self.search.setPlaceholderText("Find a category")
        self.search.setClearButtonEnabled(True)
        self.search.setVisible(len(column.categories) > MANY)
        self.search.textChanged.connect(self._find)
        self._body.addWidget(self.search)
        self._body.addWidget(self.entries)

    def set_theme(self, theme: Theme) -> None:
        super().set_theme(theme)
        self._entry.theme = theme
        for code in range(self.entries.count()):
            self.entries.item(code).setData(COLOUR_ROLE, theme.dim)

    def show_filter(self, wanted: Filter, result: Filtered | None) -> None:
        if not isinstance(wanted, Among):
            return
        self._without = wanted.without
        shares = None if result is None else result.shares.get(self.column)
        for code in range(self.entries.count()):
            item = self.entries.item(code)
            item.setData(HIDDEN_ROLE, code in wanted.without)
            item.setData(COUNT_ROLE, 0 if shares is None else int(shares[code]))

    def _isolate(self, code: int) -> None:
        others = frozenset(range(len(self.column.categories))) - {code}
        self._want(frozenset() if others == self._without else others)

    def _want(self, without: frozenset[int]) -> None:
        self.filter_wanted.emit(Among(self.column, without))

    def _find(self, text: str) -> None:
        wanted = " ".join(text.casefold().split())
        for code in range(self.entries.count()):
            item = self.entries.item(code)
            item.setHidden(wanted not in item.text().casefold())


class HoldingCard(Card):
    def __init__(self, column: Column) -> None:
        super().__init__(column)
        self.field = QLineEdit()
        self.field.setPlaceholderText("Contains")
        self.field.setClearButtonEnabled(True)
        self.field.setAccessibleName(f"{column.name} contains")
        self.field.textChanged.connect(lambda text: self.filter_wanted.emit(Holding(column, text)))
        self._body.addWidget(self.field)

    def show_filter(self, wanted: Filter, result: Filtered | None) -> None:
        if isinstance(wanted, Holding) and wanted.text != self.field.text():
            self.field.setText(wanted.text)


def card_for(wanted: Filter) -> Card:
    kinds: dict[type, type[Card]] = {Range: RangeCard, Among: AmongCard, Holding: HoldingCard}
    return kinds[type(wanted)](wanted.column)
