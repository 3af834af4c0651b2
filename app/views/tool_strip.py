"""The tools of the map in a small strip at its edge."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QAction, QColor, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QFrame, QToolButton, QVBoxLayout, QWidget

from app.theme import DARK, Theme

SIDE = 32
PLACE = (12, 12)


class Glyph(QToolButton):
    """A button that draws what its action does, by the action's object name."""

    def __init__(self, action: QAction) -> None:
        super().__init__()
        self.setDefaultAction(action)
        self.setAccessibleName(action.text().replace("&", ""))
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setFixedSize(SIDE, SIDE)
        self._theme = DARK

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        on = self.isChecked()
        if on or self.underMouse():
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(self._theme.line if on else self._theme.raised))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(2, 2, -2, -2), 6, 6)
        colour = self._theme.text if on and self.isEnabled() else self._theme.dim
        pen = QPen(QColor(colour), 1.5)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        painter.setPen(pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.translate(self.width() / 2, self.height() / 2)
        DRAWINGS[self.defaultAction().objectName()](painter)


def _pan(painter: QPainter) -> None:
    for angle in range(4):
        painter.save()
        painter.rotate(90 * angle)
        painter.drawLine(QPointF(0, 0), QPointF(0, -8))
        painter.drawPolyline([QPointF(-2.5, -5.5), QPointF(0, -8), QPointF(2.5, -5.5)])
        painter.restore()


def _box(painter: QPainter) -> None:
    pen = painter.pen()
    pen.setDashPattern([2.2, 2.0])
    painter.setPen(pen)
    painter.drawRect(QRectF(-7.5, -6, 15, 12))


def _lasso(painter: QPainter) -> None:
    painter.drawEllipse(QRectF(-8, -7.5, 16, 10))
    tail = QPainterPath(QPointF(-4, 1.8))
    tail.cubicTo(QPointF(-7.5, 4), QPointF(-2, 5), QPointF(-4.5, 8))
    painter.drawPath(tail)


def _live(painter: QPainter) -> None:
    for x, y in ((-6.5, -4.5), (7, -1.5), (-3.5, 7)):
        painter.drawLine(QPointF(0.3 * x, 0.3 * y), QPointF(0.75 * x, 0.75 * y))
        painter.drawEllipse(QPointF(x, y), 1.6, 1.6)
    painter.setBrush(painter.pen().color())
    painter.drawEllipse(QPointF(0, 0), 2.2, 2.2)


DRAWINGS = {"tool_pan": _pan, "tool_box": _box, "tool_lasso": _lasso, "follow": _live}


class ToolStrip(QFrame):
    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("tools")
        self.setCursor(Qt.CursorShape.ArrowCursor)
        self._theme = DARK
        self._glyphs: list[Glyph] = []
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(2, 2, 2, 2)
        self._layout.setSpacing(0)
        self.hide()

    def add(self, actions: list[QAction]) -> None:
        for action in actions:
            glyph = Glyph(action)
            self._glyphs.append(glyph)
            self._layout.addWidget(glyph)
        self.set_theme(self._theme)
        self.move(*PLACE)
        self.resize(QSize(SIDE + 4, SIDE * len(self._glyphs) + 4))
        self.show()
        self.raise_()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.setStyleSheet(f"QFrame#tools {{ background: {theme.panel}; border: 1px solid {theme.line}; border-radius: 8px; }}")
        for glyph in self._glyphs:
            glyph.set_theme(theme)
