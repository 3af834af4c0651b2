"""What is filtered, in chips at the top of the map; a click on one lets all rows pass it again."""

from __future__ import annotations

import math

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QToolButton, QWidget

from app.figures import date, figure
from app.models.filters import FiltersModel
from app.theme import DARK, Theme
from app.views.overlay import shortened
from core.filters import Among, Filter, Range

# Room at the left for the tools, and between chips.
LEFT, TOP, GAP = 64, 12, 6
MOST_NAMED = 3


class FilterBar(QWidget):
    """Floats at the top of `parent`."""

    widen_wanted = Signal(object)  # the column of a filter
    clear_wanted = Signal()

    def __init__(self, parent: QWidget, filters: FiltersModel) -> None:
        super().__init__(parent)
        self._ground, self._filters = parent, filters
        self.chips: list[QToolButton] = []
        parent.installEventFilter(self)
        filters.changed.connect(self._show)
        self.set_theme(DARK)
        self._show()

    def set_theme(self, theme: Theme) -> None:
        self.setStyleSheet(
            f"QToolButton {{ background: {theme.panel}; border: 1px solid {theme.line}; border-radius: 13px;"
            f" padding: 4px 12px; }} QToolButton:hover {{ background: {theme.line}; }}"
        )

    def eventFilter(self, watched: object, event: object) -> bool:
        if isinstance(event, QResizeEvent):
            self._place()
        return False

    def _show(self) -> None:
        for chip in self.chips:
            chip.hide()
            chip.deleteLater()
        active = self._filters.active
        self.chips = [self._chip(f"{said(f)}  ✕", f"{said(f, MOST_NAMED * 10)}\nClick to let all rows pass") for f in active]
        for chip, f in zip(self.chips, active, strict=True):
            chip.clicked.connect(lambda _=False, column=f.column: self.widen_wanted.emit(column))
        if active:
            clear = self._chip("Clear all", "Have no filters")
            clear.clicked.connect(self.clear_wanted)
            self.chips.append(clear)
        self.setVisible(bool(active))
        self._place()

    def _chip(self, text: str, tip: str) -> QToolButton:
        chip = QToolButton(self)
        chip.setText(text)
        chip.setToolTip(tip)
        chip.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        chip.show()
        return chip

    def _place(self) -> None:
        """From left to right, in as many lines as they need."""
        room = max(120, self._ground.width() - LEFT - TOP)
        x, y, height = 0, 0, 0
        for chip in self.chips:
            size = chip.sizeHint()
            width = min(size.width(), room)
            if x and x + width > room:
                x, y = 0, y + height + GAP
            chip.setGeometry(x, y, width, size.height())
            x, height = x + width + GAP, size.height()
        self.setGeometry(LEFT, TOP, room if y else max(1, x), y + height)
        self.raise_()


def said(wanted: Filter, most: int = MOST_NAMED) -> str:
    """A filter in few words."""
    name = shortened(wanted.column.name, 24)
    match wanted:
        case Range(column, low, high):
            dates = column.kind == "date"
            first, last = (None if end is None else _end(end, dates) for end in (low, high))
            if first is None or last is None:
                return f"{name} ≥ {first}" if first is not None else f"{name} ≤ {last}"
            return f"{name} {first} to {last}"
        case Among(column, without):
            kept = [text.strip() or "missing" for code, text in enumerate(column.categories) if code not in without]
            if len(kept) <= most:
                return f"{name}: {', '.join(shortened(text, 20) for text in kept) or 'none'}"
            return f"{name}: {len(kept):,} of {len(column.categories):,}"
        case _:
            return f"{name} contains “{shortened(wanted.text, 24)}”"


def _end(value: float, dates: bool) -> str:
    """An end of a range; below ten thousand, where years lie, without a comma."""
    if dates:
        return date(value, math.inf)
    return f"{value:.0f}" if value.is_integer() and abs(value) < 10_000 else figure(value)
