"""A range of numbers to filter by: the histogram of all rows, over it those that pass the other filters, and two ends to drag."""

from __future__ import annotations

from PySide6.QtGui import QBrush, QColor, QPainter

from app.views.colour_bar import HISTOGRAM, ColourBar
from core.colouring import Spread
from core.types import Ids


class RangeBar(ColourBar):
    def __init__(self) -> None:
        super().__init__()
        self._passing: Ids | None = None
        self.setAccessibleName("Range of the filter")
        self.setToolTip(
            "Drag an end to leave out the rows beyond it; double-click to let all pass.\n"
            "Keys: left and right move the lower end, with Shift the upper one, Home lets all pass."
        )

    def show_passing(self, passing: Ids) -> None:
        """Of the rows in each bin, those that pass all other filters."""
        self._passing = passing
        self.update()

    def _fill(self) -> QBrush:
        return QBrush(QColor(self._theme.line))

    def _draw_histogram(self, painter: QPainter, spread: Spread) -> None:
        passing = spread.bins if self._passing is None else self._passing
        most = max(1, int(spread.bins.max()))
        low, high = self._ends
        for i, (rows, left) in enumerate(zip(spread.bins.tolist(), passing.tolist(), strict=True)):
            middle = spread.first + (spread.last - spread.first) * (i + 0.5) / len(spread.bins)
            within = low <= middle <= high
            for count, colour in ((rows, self._theme.line), (left if within else 0, self._theme.dim)):
                if count:
                    height = max(1, round((HISTOGRAM - 2) * count / most))
                    painter.fillRect(self._bar(i, len(spread.bins), height), QColor(colour))
