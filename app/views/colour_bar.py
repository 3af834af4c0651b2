"""The colours of a range of numbers: a bar with the values' histogram over it, and two ends to drag."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QKeyEvent, QLinearGradient, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.figures import date, figure
from app.palettes import gradient
from app.theme import DARK, Theme
from core.colouring import LEVELS, Spread

SIDE = 6  # room at the left and right for half a handle
HISTOGRAM, STRIP, GAP = 64, 12, 4
# The ends stay so far apart, and a key moves one so far, as shares of the axis.
STEP = 0.01


class ColourBar(QWidget):
    range_wanted = Signal(float, float)
    reset_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._theme = DARK
        self._spread: Spread | None = None
        self._dates = False  # whether the numbers are seconds since 1970
        self._ends = [0.0, 1.0]
        self._dragged: int | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAccessibleName("Range of the colours")
        self.setToolTip(
            "Drag an end to change what the colours run over; double-click for all but the extreme values.\n"
            "Keys: left and right move the lower end, with Shift the upper one, Home resets."
        )

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def show_range(self, spread: Spread, low: float, high: float, dates: bool = False) -> None:
        self._spread, self._dates = spread, dates
        if self._dragged is None:  # what is being dragged is ahead of the map
            self._ends = [low, high]
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(200, HISTOGRAM + GAP + STRIP + GAP + self.fontMetrics().height() + 2)

    def place_of(self, end: int) -> QPointF:
        """The middle of the handle of the lower (0) or upper (1) end."""
        return QPointF(self._x(self._ends[end]), HISTOGRAM + GAP + STRIP / 2)

    # Drawing

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._spread is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        self._draw_histogram(painter, self._spread)
        strip = QRectF(SIDE, HISTOGRAM + GAP, self.width() - 2 * SIDE, STRIP)
        painter.setBrush(self._fill())
        painter.drawRoundedRect(strip, 3, 3)
        for end in (0, 1):
            at = self.place_of(end)
            painter.setPen(QColor(self._theme.panel))
            painter.setBrush(QColor(self._theme.accent if self.hasFocus() else self._theme.text))
            painter.drawRoundedRect(QRectF(at.x() - 3, at.y() - STRIP / 2 - 4, 6, STRIP + 8), 3, 3)
        self._draw_figures(painter, self._spread)

    def _fill(self) -> QBrush:
        """Of the strip below the histogram."""
        fill = QLinearGradient(self._x(self._ends[0]), 0, self._x(self._ends[1]), 0)
        colours = gradient(self._theme)
        for step in range(0, LEVELS, 15):
            fill.setColorAt(step / (LEVELS - 1), QColor(colours[step]))
        return QBrush(fill)

    def _bar(self, bin: int, count: int, height: int) -> QRect:
        """A bar of the histogram, of `count` bins."""
        left, right = (SIDE + round(i * (self.width() - 2 * SIDE) / count) for i in (bin, bin + 1))
        return QRect(left, HISTOGRAM - height, right - left, height)

    def _draw_histogram(self, painter: QPainter, spread: Spread) -> None:
        colours = gradient(self._theme)
        count = len(spread.bins)
        most = max(1, int(spread.bins.max()))
        low, high = self._ends
        for i, rows in enumerate(spread.bins.tolist()):
            if not rows:
                continue
            middle = spread.first + (spread.last - spread.first) * (i + 0.5) / count
            step = min(max((middle - low) / (high - low), 0.0), 1.0)
            height = max(1, round((HISTOGRAM - 2) * rows / most))
            painter.fillRect(self._bar(i, count, height), QColor(colours[int(step * (LEVELS - 1))]))

    def _draw_figures(self, painter: QPainter, spread: Spread) -> None:
        """Both ends in figures, under their handles as far as there is room."""
        texts = [figure_of(value, spread, self._dates) for value in self._ends]
        widths = [self.fontMetrics().horizontalAdvance(text) + 2 for text in texts]
        left, right = (self._x(value) - width / 2 for value, width in zip(self._ends, widths, strict=True))
        right = min(max(right, widths[0] + 8), self.width() - widths[1])
        left = min(max(left, 0), right - widths[0] - 8)
        top, height = HISTOGRAM + GAP + STRIP + GAP + 2, self.fontMetrics().height()
        painter.setPen(QColor(self._theme.text))
        for x, text, width in zip((left, right), texts, widths, strict=True):
            painter.drawText(QRectF(x, top, width, height), Qt.AlignmentFlag.AlignCenter, text)

    def _x(self, value: float) -> float:
        spread = self._spread
        share = 0.0 if spread is None else (value - spread.first) / (spread.last - spread.first)
        return SIDE + min(max(share, 0.0), 1.0) * (self.width() - 2 * SIDE)

    # The mouse and keys

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if self._spread is not None and event.button() == Qt.MouseButton.LeftButton:
            x = event.position().x()
            self._dragged = min((0, 1), key=lambda end: abs(self.place_of(end).x() - x))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        near = any(abs(self.place_of(end).x() - event.position().x()) <= 8 for end in (0, 1))
        self.setCursor(Qt.CursorShape.SizeHorCursor if near else Qt.CursorShape.ArrowCursor)
        if self._dragged is not None and self._spread is not None:
            share = (event.position().x() - SIDE) / max(1, self.width() - 2 * SIDE)
            self._move(self._dragged, self._spread.first + share * (self._spread.last - self._spread.first))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._dragged = None

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self._dragged = None
        self.reset_wanted.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {Qt.Key.Key_Left: -STEP, Qt.Key.Key_Right: STEP}
        if event.key() == Qt.Key.Key_Home:
            self.reset_wanted.emit()
        elif (step := steps.get(Qt.Key(event.key()))) is not None and self._spread is not None:
            end = 1 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 0
            self._move(end, self._ends[end] + step * (self._spread.last - self._spread.first))
        else:
            super().keyPressEvent(event)

    def _move(self, end: int, value: float) -> None:
        assert self._spread is not None
        first, last = self._spread.first, self._spread.last
        gap = STEP * (last - first)
        value = min(max(value, first), self._ends[1] - gap) if end == 0 else max(min(value, last), self._ends[0] + gap)
        if value != self._ends[end]:
            self._ends[end] = value
            self.range_wanted.emit(*self._ends)
            self.update()


def figure_of(value: float, spread: Spread, dates: bool) -> str:
    """Whole numbers with all their digits, and below ten thousand, where years lie, without a comma; dates as such."""
    if dates:
        return date(value, spread.last - spread.first)
    if not spread.whole or abs(value) >= 1e9:
        return figure(value)
    return f"{value:.0f}" if abs(value) < 10_000 else f"{value:,.0f}"
