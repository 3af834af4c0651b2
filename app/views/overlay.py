"""What lies over the points: the query, its neighbours ringed and joined to it, names as space allows, the hovered name."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetricsF, QPainter, QPen
from PySide6.QtWidgets import QStyleOptionGraphicsItem, QWidget

from app.theme import DARK, Theme
from app.views.view_item import ViewItem

# Neighbours that get a name on the map, nearest first, where they do not overlap.
NAMED = 12
MAX_NAME = 28
# Neighbours joined to the query by a line: more would be a hairball.
JOINED = 40


@dataclass(frozen=True)
class Mark:
    """A point with its name; `strength` from 1 (nearest) to 0 (farthest shown)."""

    x: float
    y: float
    name: str
    strength: float = 1.0


class Overlay(ViewItem):
    def __init__(self) -> None:
        super().__init__()
        self.setZValue(10)
        self._theme = DARK
        self._query: Mark | None = None
        self._neighbours: list[Mark] = []
        self._hover: Mark | None = None

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def set_marks(self, query: Mark | None, neighbours: list[Mark]) -> None:
        self._query, self._neighbours = query, neighbours
        self.update()

    def set_hover(self, mark: Mark | None) -> None:
        if mark != self._hover:
            self._hover = mark
            self.update()

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        transform = painter.transform()
        inside = transform.mapRect(QRectF(self.viewRect())).adjusted(2, 2, -2, -2)
        painter.save()
        painter.resetTransform()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        placed = [(transform.map(QPointF(mark.x, mark.y)), mark) for mark in self._neighbours]
        if self._query is not None:
            centre = transform.map(QPointF(self._query.x, self._query.y))
            # What is not meant steps back.
            veil = QColor(self._theme.ground)
            veil.setAlphaF(0.35)
            painter.fillRect(painter.viewport(), veil)
            self._draw_lines(painter, centre, placed)
            self._draw_rings(painter, placed)
            self._draw_query(painter, centre)
            self._draw_names(painter, [(centre, self._query), *placed[:NAMED]], inside)
        if self._hover is not None:
            self._draw_hover(painter, transform.map(QPointF(self._hover.x, self._hover.y)), self._hover, inside)
        painter.restore()

    def _accent(self, strength: float) -> QColor:
        colour = QColor(self._theme.accent)
        colour.setAlphaF(0.35 + 0.65 * strength)
        return colour

    def _draw_lines(self, painter: QPainter, centre: QPointF, placed: list[tuple[QPointF, Mark]]) -> None:
        for point, mark in placed[:JOINED]:
            colour = self._accent(mark.strength)
            colour.setAlphaF(0.25 + 0.65 * mark.strength)
            painter.setPen(QPen(colour, 1.0 + 2.0 * mark.strength))
            painter.drawLine(QLineF(centre, point))

    def _draw_rings(self, painter: QPainter, placed: list[tuple[QPointF, Mark]]) -> None:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        halo = QColor(self._theme.ground)
        for point, mark in reversed(placed):
            painter.setPen(QPen(halo, 4.5))
            painter.drawEllipse(point, 6.5, 6.5)
            painter.setPen(QPen(self._accent(mark.strength), 2.2))
            painter.drawEllipse(point, 6.5, 6.5)

    def _draw_query(self, painter: QPainter, centre: QPointF) -> None:
        painter.setPen(QPen(QColor(self._theme.ground), 3.0))
        painter.setBrush(QBrush(QColor(self._theme.accent)))
        painter.drawEllipse(centre, 8.0, 8.0)
        painter.setBrush(QBrush(QColor("#ffffff")))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawEllipse(centre, 3.0, 3.0)

    def _draw_names(self, painter: QPainter, placed: list[tuple[QPointF, Mark]], inside: QRectF) -> None:
        """Names beside their points, the query's first; one that would cover another or leave the map is left out."""
        bold = QFont(painter.font())
        bold.setWeight(QFont.Weight.DemiBold)
        # No name may hide a ring either, except its own point's.
        taken = [QRectF(point.x() - 8, point.y() - 8, 16, 16) for point, _ in placed]
        for i, (point, mark) in enumerate(placed):
            font = bold if i == 0 else painter.font()
            name = shortened(mark.name)
            width, height = QFontMetricsF(font).horizontalAdvance(name) + 8, QFontMetricsF(font).height() + 2
            places = [box for box in self._places(point, width, height) if inside.contains(box)]
            free = [box for box in places if not any(box.intersects(other) for other in taken)]
            # The query is always named, if need be over a neighbour's ring.
            if chosen := free or (places if i == 0 else []):
                taken.append(chosen[0])
                self._draw_text(painter, chosen[0], name, font, self._theme.accent if i == 0 else self._theme.text)

    @staticmethod
    def _places(point: QPointF, width: float, height: float) -> list[QRectF]:
        x, y = point.x(), point.y()
        return [
            QRectF(x + 11, y - height / 2, width, height),
            QRectF(x - 11 - width, y - height / 2, width, height),
            QRectF(x - width / 2, y - 11 - height, width, height),
            QRectF(x - width / 2, y + 11, width, height),
        ]

    def _draw_hover(self, painter: QPainter, point: QPointF, mark: Mark, inside: QRectF) -> None:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(self._theme.text), 1.5))
        painter.drawEllipse(point, 6.0, 6.0)
        lines = mark.name.split("\n")
        metrics = QFontMetricsF(painter.font())
        width = max(metrics.horizontalAdvance(line) for line in lines) + 16
        height = metrics.height() * len(lines) + 10
        x = point.x() + 14 if point.x() + 14 + width < inside.right() else point.x() - 14 - width
        y = min(max(point.y() - height - 8, inside.top() + 4), inside.bottom() - height - 4)
        box = QRectF(x, y, width, height)
        painter.setPen(QPen(QColor(self._theme.line), 1))
        painter.setBrush(QColor(self._theme.raised))
        painter.drawRoundedRect(box, 6, 6)
        for i, line in enumerate(lines):
            painter.setPen(QColor(self._theme.text if i == 0 else self._theme.dim))
            place = QRectF(x + 8, y + 5 + i * metrics.height(), width - 16, metrics.height())
            painter.drawText(place, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, line)

    def _draw_text(self, painter: QPainter, box: QRectF, text: str, font: QFont, colour: str) -> None:
        ground = QColor(self._theme.ground)
        ground.setAlphaF(0.78)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ground)
        painter.drawRoundedRect(box, 4, 4)
        plain = painter.font()
        painter.setFont(font)
        painter.setPen(QColor(colour))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
        painter.setFont(plain)


def shortened(text: str, most: int = MAX_NAME) -> str:
    """`text` in one line of at most `most` characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"
