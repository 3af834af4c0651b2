"""How the times of a workload spread: a strip a way, a dot a repeat, the median a line."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.figures import figure
from app.theme import COMPILED, DARK, EAGER, Theme
from app.views.log_axis import ticks
from core.lab import WayFigures

DOT = 3.0
# Decades: an axis shows at least so many, and its ends move by so much at a time, so that nothing trembles as times come in.
LEAST_SPAN, STEP = 0.4, 0.1
# The share of the repeats that an axis may leave out at its upper end: a few that were disturbed would press the others together.
OUTLYING = 0.02
# Successive multiples of this spread evenly over a strip, and no dot ever moves: the golden ratio's part below one.
GOLDEN = 0.6180339887

Span = tuple[float, float]


def way_colour(way: WayFigures) -> QColor:
    return QColor(COMPILED if way.compiled else EAGER)


def span_of(ways: Sequence[WayFigures]) -> Span | None:
    """The ends of an axis for these times, as logarithms of milliseconds."""
    timed = [np.log10(np.maximum(way.ms, 1e-6)) for way in ways if way.ms]
    if not timed:
        return None
    low = np.floor(min(logs.min() for logs in timed) / STEP - 0.2) * STEP
    high = np.ceil(max(np.quantile(logs, 1 - OUTLYING) for logs in timed) / STEP + 0.2) * STEP
    return float(low), float(max(high, low + LEAST_SPAN))


def draw_strip(painter: QPainter, area: QRectF, way: WayFigures, span: Span) -> None:
    """The repeats of one way in `area`; those beyond the axis lie at its end."""
    if not way.ms:
        return
    low, high = span
    shares = (np.log10(np.maximum(way.ms, 1e-6)) - low) / (high - low)
    across = np.minimum(shares, 1.0) * (area.width() - DOT) + area.left() + DOT / 2
    down = area.center().y() + ((np.arange(len(shares)) * GOLDEN) % 1 - 0.5) * (area.height() - DOT)
    colour = way_colour(way)
    pen = QPen(colour, DOT, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap)
    colour.setAlphaF(0.5)
    pen.setColor(colour)
    painter.setPen(pen)
    painter.drawPoints(QPolygonF([QPointF(x, y) for x, y in zip(across.tolist(), down.tolist(), strict=True)]))
    colour.setAlphaF(1.0)
    painter.setPen(QPen(colour, 2))
    middle = float(np.median(across))
    painter.drawLine(QLineF(middle, area.top(), middle, area.bottom()))


def told(ways: Sequence[WayFigures]) -> str:
    """What a strip says, in words."""
    lines = [f"{way.name}: median {figure(way.median_ms)} ms, {len(way.ms)} repeats" for way in ways if way.median_ms is not None]
    return "\n".join(lines)


class StripsView(QWidget):
    """All ways of a run, named, over an axis of milliseconds."""

    def __init__(self) -> None:
        super().__init__()
        self._theme = DARK
        self._ways: Sequence[WayFigures] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Times of every repeat")

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def show_ways(self, ways: Sequence[WayFigures]) -> None:
        if len(ways) != len(self._ways):
            self.updateGeometry()
        self._ways = ways
        self.setToolTip(told(ways))
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(240, 40 * max(1, len(self._ways)) + self._line + 8)

    def minimumSizeHint(self) -> QSize:
        return QSize(120, self.sizeHint().height())

    @property
    def _line(self) -> int:
        return self.fontMetrics().height()

    def paintEvent(self, event: QPaintEvent) -> None:
        span = span_of(self._ways)
        if span is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        floor = self.height() - self._line - 6
        self._draw_axis(painter, span, floor)
        lane = floor / len(self._ways)
        for i, way in enumerate(self._ways):
            painter.setPen(QColor(self._theme.dim))
            painter.drawText(QRectF(0, i * lane, self.width(), self._line), Qt.AlignmentFlag.AlignLeft, way.name)
            draw_strip(painter, QRectF(0, i * lane + self._line + 1, self.width(), lane - self._line - 5), way, span)

    def _draw_axis(self, painter: QPainter, span: Span, floor: float) -> None:
        low, high = span
        last = -np.inf
        for value in ticks(low, high):
            x = (value - low) / (high - low) * (self.width() - DOT) + DOT / 2
            painter.setPen(QPen(QColor(self._theme.line), 1))
            painter.drawLine(QLineF(x, 0, x, floor))
            text = f"{10**value:.4g} ms"
            width = painter.fontMetrics().horizontalAdvance(text)
            left = float(np.clip(x - width / 2, 0, self.width() - width))
            if left > last:
                painter.setPen(QColor(self._theme.dim))
                painter.drawText(QPointF(left, self.height() - painter.fontMetrics().descent()), text)
                last = left + width + 12
