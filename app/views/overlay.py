"""What lies over the points: the query, its neighbours ringed and joined to it, names as space allows, the hovered point."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetricsF, QPainter, QPen, QTransform
from PySide6.QtWidgets import QStyleOptionGraphicsItem, QWidget

from app.theme import DARK, Theme
from app.views.names import Box, Candidate, Slot, lay_out
from app.views.view_item import ViewItem

# Neighbours that get a name on the map, nearest first, where they do not overlap.
NAMED = 12
# Characters of a name: of a row, and of a query that is none.
MAX_NAME = 28
MAX_QUERY = 36
# Neighbours joined to the query by a line: more would be a hairball.
JOINED = 40
# A card over a hovered point is at most so wide.
CARD = 340.0
# Scales that differ by less, relatively, are one: a pan changes the last digits.
SAME = 1e-6


@dataclass(frozen=True)
class Mark:
    """A point with its name; `strength` from 1 (nearest) to 0 (farthest shown)."""

    x: float
    y: float
    name: str
    strength: float = 1.0
    row: int = -1


@dataclass(frozen=True)
class Card:
    """What is told of a hovered point: its name, and below it other lines."""

    mark: Mark
    lines: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Marks:
    """What is marked on the map."""

    query: Mark | None = None
    neighbours: tuple[Mark, ...] = ()
    selected: tuple[Mark, ...] = ()  # some of the selection, to be named
    others: tuple[Mark, ...] = ()  # points in view, to be named as space allows
    veiled: bool = True  # whether the points step back behind the query


class Overlay(ViewItem):
    def __init__(self) -> None:
        super().__init__()
        self.setZValue(10)
        self._theme = DARK
        self._marks = Marks()
        self._hover: Card | None = None
        self._walked: Mark | None = None
        self._named: dict[Hashable, tuple[Mark, str]] = {}  # what may be named, and how
        self._slots: dict[Hashable, Slot] = {}
        self._covered: list[QRectF] = []
        self._scale: tuple[float, float] | None = None  # at which the names were placed; None: they are to be anew

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    @property
    def names(self) -> list[str]:
        """What is named on the map."""
        return [self._named[key][1] for key in self._slots if key in self._named]

    def set_marks(self, marks: Marks) -> None:
        self._marks = marks
        self._named = self._to_name()
        self._scale = None
        self.update()

    def cover(self, boxes: list[QRectF]) -> None:
        """Where something lies over the map, in pixels: no names go there."""
        self._covered = boxes
        self._scale = None

    def set_walked(self, mark: Mark | None) -> None:
        self._walked = mark
        self.update()

    def set_hover(self, card: Card | None) -> None:
        if card != self._hover:
            self._hover = card
            self.update()

    def _to_name(self) -> dict[Hashable, tuple[Mark, str]]:
        """By what tells them apart, in the order in which they get their places."""
        marks = self._marks
        first = [marks.query] if marks.query is not None else []
        every = [*first, *marks.neighbours[:NAMED], *marks.selected, *marks.others]
        named: dict[Hashable, tuple[Mark, str]] = {}
        for mark in every:
            key = "query" if mark is marks.query else mark.row
            if marks.query is None or key == "query" or mark.row != marks.query.row:
                named.setdefault(key, (mark, shortened(mark.name, MAX_NAME if mark.row >= 0 else MAX_QUERY)))
        return named

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        transform = painter.transform()
        inside = transform.mapRect(QRectF(self.viewRect())).adjusted(2, 2, -2, -2)
        painter.save()
        painter.resetTransform()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        marks = self._marks
        placed = [(transform.map(QPointF(mark.x, mark.y)), mark) for mark in marks.neighbours]
        if marks.veiled and (marks.query is not None or marks.neighbours):
            # What is not meant steps back.
            veil = QColor(self._theme.ground)
            veil.setAlphaF(0.35)
            painter.fillRect(painter.viewport(), veil)
        if marks.query is not None:
            self._draw_lines(painter, transform.map(QPointF(marks.query.x, marks.query.y)), placed)
        self._draw_rings(painter, placed)
        if marks.query is not None:
            self._draw_query(painter, transform.map(QPointF(marks.query.x, marks.query.y)))
        if self._walked is not None:
            self._draw_walked(painter, transform.map(QPointF(self._walked.x, self._walked.y)))
        self._draw_names(painter, transform, inside)
        if self._hover is not None:
            mark = self._hover.mark
            self._draw_hover(painter, transform.map(QPointF(mark.x, mark.y)), self._hover, inside)
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

    def _draw_walked(self, painter: QPainter, point: QPointF) -> None:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(self._theme.text), 2.2))
        painter.drawEllipse(point, 10.5, 10.5)

    def _draw_names(self, painter: QPainter, transform: QTransform, inside: QRectF) -> None:
        """Names beside their points, the query's first; one that would cover another is left out."""
        bold = QFont(painter.font())
        bold.setWeight(QFont.Weight.DemiBold)
        scale = (transform.m11(), transform.m22())
        if self._scale is None or abs(scale[0] / self._scale[0] - 1) > SAME or abs(scale[1] / self._scale[1] - 1) > SAME:
            self._scale = scale
            fonts = (QFontMetricsF(painter.font()), QFontMetricsF(bold))
            origin = inside.translated(-transform.dx(), -transform.dy())
            candidates = [self._candidate(key, scale, fonts) for key in self._named]
            covered = [_edges(box.translated(-transform.dx(), -transform.dy())) for box in self._covered]
            self._slots = lay_out(candidates, self._slots, _edges(origin), covered)
        metrics = QFontMetricsF(painter.font()), QFontMetricsF(bold)
        others = {mark.row for mark in self._marks.others}
        for key, slot in self._slots.items():
            mark, name = self._named[key]
            query = key == "query"
            point = transform.map(QPointF(mark.x, mark.y))
            width, height = metrics[query].horizontalAdvance(name) + 8, metrics[query].height() + 2
            box = QRectF(point.x() + slot.dx, point.y() + slot.dy, width, height)
            # A name whose point has left the map would be taken for that of another.
            if inside.contains(point):
                colour = self._theme.accent if query else self._theme.dim if key in others else self._theme.text
                self._draw_text(painter, box, name, bold if query else painter.font(), colour)

    def _candidate(self, key: Hashable, scale: tuple[float, float], fonts: tuple[QFontMetricsF, QFontMetricsF]) -> Candidate:
        mark, name = self._named[key]
        query = key == "query"
        width, height = fonts[query].horizontalAdvance(name) + 8, fonts[query].height() + 2
        ringed = query or any(mark is other for other in self._marks.neighbours[:NAMED])
        # The query is always named, if need be over a neighbour's ring.
        return Candidate(key, mark.x * scale[0], mark.y * scale[1], width, height, ringed, query)

    def _draw_hover(self, painter: QPainter, point: QPointF, card: Card, inside: QRectF) -> None:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(self._theme.text), 1.5))
        painter.drawEllipse(point, 6.0, 6.0)
        bold = QFont(painter.font())
        bold.setWeight(QFont.Weight.DemiBold)
        fonts = [bold, *[painter.font()] * len(card.lines)]
        metrics = [QFontMetricsF(font) for font in fonts]
        most = min(CARD, inside.width() - 8) - 20
        lines = [
            line.elidedText(text, Qt.TextElideMode.ElideRight, most)
            for line, text in zip(metrics, (card.mark.name, *card.lines), strict=True)
        ]
        width = max(line.horizontalAdvance(text) for line, text in zip(metrics, lines, strict=True)) + 20
        step = metrics[0].height() + 1
        height = step * len(lines) + 12
        x = point.x() + 14 if point.x() + 14 + width < inside.right() else point.x() - 14 - width
        x = min(max(x, inside.left() + 4), inside.right() - width - 4)
        y = min(max(point.y() - height - 8, inside.top() + 4), inside.bottom() - height - 4)
        painter.setPen(QPen(QColor(self._theme.line), 1))
        painter.setBrush(QColor(self._theme.raised))
        painter.drawRoundedRect(QRectF(x, y, width, height), 6, 6)
        plain = painter.font()
        for i, (font, line) in enumerate(zip(fonts, lines, strict=True)):
            painter.setFont(font)
            painter.setPen(QColor(self._theme.dim if i else self._theme.text))
            place = QRectF(x + 10, y + 6 + i * step, width - 18, step)
            painter.drawText(place, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, line)
        painter.setFont(plain)

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


def _edges(box: QRectF) -> Box:
    return box.left(), box.top(), box.right(), box.bottom()


def shortened(text: str, most: int) -> str:
    """`text` in one line of at most `most` characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"
