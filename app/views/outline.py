"""The box or lasso that is being drawn."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QStyleOptionGraphicsItem, QWidget

from app.theme import DARK, Theme
from app.views.map_box import MapBox
from app.views.view_item import ViewItem


class Outline(ViewItem):
    def __init__(self, box: MapBox) -> None:
        super().__init__()
        self.setZValue(20)
        self._box = box
        self._theme = DARK
        box.outlined.connect(self.update)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        corners = self._box.corners
        if len(corners) < 2:
            return
        placed = [painter.transform().map(corner) for corner in corners]
        painter.save()
        painter.resetTransform()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        within = QColor(self._theme.accent)
        within.setAlphaF(0.10)
        painter.setBrush(within)
        painter.setPen(QPen(QColor(self._theme.accent), 1.5))
        if self._box.drawing == "box":
            painter.drawRect(QRectF(placed[0], placed[-1]).normalized())
        else:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.drawPolygon(QPolygonF(placed))
            painter.setPen(QPen(QColor(self._theme.accent), 1.5))
            painter.drawPolyline(QPolygonF(placed))
            painter.setPen(QPen(QColor(self._theme.accent), 1.0, Qt.PenStyle.DashLine))
            painter.drawLine(placed[-1], placed[0])
        painter.restore()
