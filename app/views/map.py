"""The map: points to look at, hover, click and select. What draws them sits behind `Renderer` and `PointsItem`."""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from app.models.colouring import ColouringModel
from app.models.dataset import DatasetModel
from app.models.neighbours import NeighboursModel
from app.models.projection import ProjectionModel
from app.models.query import QueryModel
from app.models.search import SearchModel
from app.models.selection import SelectionModel, no_rows
from app.models.viewport import Range, ViewportModel
from app.palettes import light_table, linear_light
from app.theme import DARK, Theme
from app.views.map_box import MapBox, Tool, how
from app.views.outline import Outline
from app.views.overlay import Card, Mark, Marks, Overlay, shortened
from app.views.points_item import PointsItem
from app.views.render import Picture, Points, Renderer
from app.views.tool_strip import ToolStrip
from core.choosing import Area, Box, How, Lasso
from core.picking import nearest
from core.queries import Query, row_of
from core.rasterize import Colours, PointIndex, View, everything_shown, snapped
from core.types import Ids, NeighboursResult

# How far from a point a click or the cursor still means it, in pixels.
REACH = 12
# Lines that are told of a hovered point, its name included.
CARD_LINES = 8
# How long a card stays when the cursor is between points, so that it does not flicker on the way to the next.
LINGER_MS = 150
# Rows of the selection that get a name, where they do not overlap.
NAMED_SELECTED = 12
# Characters that each row of an analogy has for its name on the map.
MAX_TERM = 10
EMPTY = "Drop a .npy or .npz file here, or press Ctrl+O"


class MapView(QWidget):
    picked = Signal(int, str)  # the row of a clicked point, and How
    walked_to = Signal(int)  # the row of a neighbour that is to be the query
    enclosed = Signal(object, str)  # an Area, and How
    pointed_at = Signal(object)  # the row under the cursor; None when the cursor leaves the map
    rendered = Signal()  # the exact picture of the current view is shown

    def __init__(
        self,
        dataset: DatasetModel,
        colouring: ColouringModel,
        projection: ProjectionModel,
        query: QueryModel,
        neighbours: NeighboursModel,
        selection: SelectionModel,
        search: SearchModel,
        viewport: ViewportModel,
    ) -> None:
        super().__init__()
        self._dataset, self._colouring, self._projection = dataset, colouring, projection
        self._query, self._neighbours = query, neighbours
        self._selection, self._search, self._viewport = selection, search, viewport
        self._chosen = no_rows()  # the rows that stand out
        self._theme = DARK
        self._index: PointIndex | None = None
        self._moved = False  # whether the user has panned or zoomed since the file was opened
        self._generation = 0
        self._shown_codes: np.ndarray | None = None  # (65536,) which colour codes are drawn and picked; None: all
        self.hovered: int | None = None  # the row under the cursor
        self._shown: Picture | None = None
        self._renderer = Renderer()
        self._box = MapBox()
        self._plot = pg.PlotWidget(viewBox=self._box, enableMenu=False)
        self._points = PointsItem()
        self._overlay = Overlay()
        self._outline = Outline(self._box)
        self._tools = ToolStrip(self)
        self._linger = QTimer(self)
        self._linger.setSingleShot(True)
        self._linger.setInterval(LINGER_MS)
        self._build()
        self._connect()

    def _build(self) -> None:
        self._plot.hideAxis("left")
        self._plot.hideAxis("bottom")
        self._plot.getPlotItem().hideButtons()
        self._plot.setFrameShape(self._plot.Shape.NoFrame)
        self._plot.getPlotItem().setContentsMargins(0, 0, 0, 0)
        self._box.setAspectLocked(True)
        self._box.setDefaultPadding(0.04)
        self._box.addItem(self._points, ignoreBounds=True)
        self._box.addItem(self._overlay, ignoreBounds=True)
        self._box.addItem(self._outline, ignoreBounds=True)
        # Every change touches the whole picture: part updates would leave strips of the one before.
        self._plot.setViewportUpdateMode(self._plot.ViewportUpdateMode.FullViewportUpdate)
        self._plot.setAccessibleName("Map of the vectors")
        self.setFocusProxy(self._plot)
        self._empty = QLabel(EMPTY, self._plot)
        self._empty.setObjectName("dim")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._plot)

    def _connect(self) -> None:
        self._renderer.indexed.connect(self._on_indexed)
        self._renderer.recoloured.connect(self._on_recoloured)
        self._renderer.drawn.connect(self._on_drawn)
        self._projection.changed.connect(self._on_points)
        self._dataset.opened.connect(self._on_opened)
        self._colouring.changed.connect(self._on_coloured)
        self._colouring.hidden_changed.connect(lambda: self.hide_codes(self._colouring.unseen))
        for signal in (self._query.changed, self._neighbours.changed, self._neighbours.live_changed):
            signal.connect(self._mark)
        self._dataset.annotated.connect(self._mark)
        self._neighbours.walked.connect(self._on_walked)
        self._selection.changed.connect(self._on_chosen)
        self._search.changed.connect(self._on_chosen)
        self._viewport.wanted.connect(self._look_at)
        self._box.sigRangeChanged.connect(self._on_range)
        self._box.sigResized.connect(self._request)
        self._box.enclosed.connect(self._on_enclosed)
        self._linger.timeout.connect(lambda: self._overlay.set_hover(None))
        self._plot.scene().sigMouseClicked.connect(self._on_click)
        self._plot.scene().sigMouseMoved.connect(self._on_move)
        self._plot.viewport().installEventFilter(self)
        self._plot.installEventFilter(self)

    def tell(self, text: str | None) -> None:
        """What the empty map says; None: how to fill it."""
        self._empty.setText(text or EMPTY)

    def close_renderer(self) -> None:
        self._renderer.close()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._plot.setBackground(theme.ground)
        self._overlay.set_theme(theme)
        self._outline.set_theme(theme)
        self._tools.set_theme(theme)
        for name in ("left", "bottom"):
            axis = self._plot.getPlotItem().getAxis(name)
            axis.setPen(pg.mkPen(theme.line))
            axis.setTextPen(pg.mkPen(theme.dim))
        self._recolour()

    @property
    def settled(self) -> bool:
        """Whether the picture shown is that of the present points, colours and view."""
        if self._colouring.busy:
            return False
        if self._index is None:
            return not self._projection.coords.size
        return self._shown is not None and self._shown.generation == self._generation and self._covers(self._shown.view)

    @property
    def canvas(self) -> QWidget:
        """The widget that gets the mouse."""
        return cast(QWidget, self._plot.viewport())

    # Moving about

    def fit(self) -> None:
        """Bring all points into view; if they are, all but the few that lie far out."""
        if self._index is None:
            return
        (x0, x1), (y0, y1) = self._box.viewRange()
        ax0, ax1, ay0, ay1 = self._index.bounds
        with self._box.by_hand():
            self._frame(self._index.core if x0 <= ax0 and ax1 <= x1 and y0 <= ay0 and ay1 <= y1 else self._index.bounds)
        self._moved = False

    def _frame(self, bounds: tuple[float, float, float, float]) -> None:
        x0, x1, y0, y1 = bounds
        self._box.setRange(xRange=(x0, x1), yRange=(y0, y1))

    def zoom(self, factor: float) -> None:
        with self._box.by_hand():
            self._box.scaleBy((1 / factor, 1 / factor))

    def _look_at(self, range: Range) -> None:
        x0, x1, y0, y1 = range
        self._moved = True
        self._box.setRange(xRange=(x0, x1), yRange=(y0, y1), padding=0)

    def show_axes(self, on: bool) -> None:
        for name in ("left", "bottom"):
            self._plot.getPlotItem().showAxis(name, on)

    # Tools

    def add_tools(self, actions: list[QAction]) -> None:
        """Offer these actions in the strip on the map."""
        self._tools.add(actions)

    @property
    def tool(self) -> Tool:
        return self._box.tool

    def choose_tool(self, tool: Tool) -> None:
        self._box.give_up()
        self._box.tool = tool
        self._plot.setCursor(self._cursor(False))

    def give_up(self) -> bool:
        """Forget the outline being drawn; whether there was one."""
        return self._box.give_up()

    def area(self, outline: Box | Lasso | None = None) -> Area | None:
        """The shown points within an outline, or all of them; None while there are none."""
        return None if self._index is None else Area(self._index, outline, self._shown_codes)

    def _on_enclosed(self, outline: Box | Lasso, how: How) -> None:
        if (area := self.area(outline)) is not None:
            self.enclosed.emit(area, how)

    def _cursor(self, pointing: bool) -> Qt.CursorShape:
        if self._box.tool != "pan":
            return Qt.CursorShape.CrossCursor
        return Qt.CursorShape.PointingHandCursor if pointing else Qt.CursorShape.ArrowCursor

    def position_of(self, row: int) -> QPointF | None:
        """Where the point of a row lies, in this widget's coordinates; None if it is not on the map."""
        if (mark := self._mark_of(row)) is None:
            return None
        inside = self._plot.mapFromScene(self._box.mapViewToScene(QPointF(mark.x, mark.y)))
        return QPointF(self._plot.mapTo(self, inside))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {
            Qt.Key.Key_Left: (-0.1, 0),
            Qt.Key.Key_Right: (0.1, 0),
            Qt.Key.Key_Up: (0, 0.1),
            Qt.Key.Key_Down: (0, -0.1),
        }
        if (step := steps.get(Qt.Key(event.key()))) is None:
            super().keyPressEvent(event)
            return
        (x0, x1), (y0, y1) = self._box.viewRange()
        with self._box.by_hand():
            self._box.translateBy((step[0] * (x1 - x0), step[1] * (y1 - y0)))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._empty.resize(self._plot.size())
        self._overlay.cover([QRectF(self._tools.geometry())])
        self._request()

    def eventFilter(self, watched: object, event: QEvent) -> bool:
        if watched is self._plot:
            return isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress and self._walk(event)
        if event.type() == QEvent.Type.Leave:
            self.hovered = None
            self._overlay.set_hover(None)
            self.pointed_at.emit(None)
        return False

    def _walk(self, event: QKeyEvent) -> bool:
        """Tab and Shift+Tab go from neighbour to neighbour and, past the last, out of the map; Enter makes one the query."""
        key = Qt.Key(event.key())
        if key in (Qt.Key.Key_Tab, Qt.Key.Key_Backtab):
            return self._neighbours.walk(1 if key == Qt.Key.Key_Tab else -1)
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and (row := self._neighbours.walked_row) is not None:
            self.walked_to.emit(row)
            return True
        return False

    def _on_walked(self) -> None:
        self._linger.stop()
        row = self._neighbours.walked_row
        mark = None if row is None else self._mark_of(row)
        self._overlay.set_walked(mark)
        self._overlay.set_hover(None if row is None or mark is None else Card(mark, self._told(row)))
        if mark is not None and not self._box.viewRect().contains(QPointF(mark.x, mark.y)):
            x, y = self._box.viewRect().center().toTuple()
            with self._box.by_hand():
                self._box.translateBy((mark.x - x, mark.y - y))

    # Points and pictures

    def _on_range(self) -> None:
        (x0, x1), (y0, y1) = self._box.viewRange()
        self._moved = self._moved or self._box.moving
        self._viewport.tell((x0, x1, y0, y1), self._box.moving)
        self._request()

    def _on_chosen(self) -> None:
        """What is searched for stands out in place of the selection, which is kept."""
        chosen = self._search.hits if self._search.search is not None else self._selection.rows
        if chosen is self._chosen or not (len(chosen) or len(self._chosen)):
            return
        self._chosen = chosen
        self._renderer.set_selected(chosen)
        self._generation += 1
        self._request()
        self._mark()

    def _on_opened(self) -> None:
        self._moved = False
        self._overlay.set_hover(None)
        self._empty.hide()

    def _on_points(self) -> None:
        rows, coords = self._projection.rows, self._projection.coords
        self._generation += 1
        self._renderer.set_points(Points(coords, rows, self._codes()))
        self._mark()

    def hide_codes(self, codes: Collection[int]) -> None:
        """Neither draw nor pick points of these colour codes, until others are named or the points are coloured otherwise."""
        self._shown_codes = everything_shown() if codes else None
        if self._shown_codes is not None:
            self._shown_codes[list(codes)] = False
        self._recolour()

    def _on_coloured(self) -> None:
        self._renderer.set_codes(self._codes())
        self.hide_codes(self._colouring.unseen)
        self._mark()

    def _codes(self) -> np.ndarray:
        return self._colouring.shown.coded.codes

    def _colours(self) -> Colours:
        table = light_table(self._colouring.shown.by.kind, self._theme)
        return Colours(table, linear_light([self._theme.ground])[0], self._shown_codes)

    def _recolour(self) -> None:
        self._generation += 1
        self._request()

    def _on_recoloured(self, index: PointIndex) -> None:
        self._index = index

    def _on_indexed(self, index: PointIndex) -> None:
        self._index = index
        if self._projection.reframe or not self._moved:
            self._frame(index.core)
        self._request()

    def _view(self) -> View | None:
        (x0, x1), (y0, y1) = self._box.viewRange()
        ratio = self._plot.devicePixelRatioF()
        width, height = round(self._box.width() * ratio), round(self._box.height() * ratio)
        if self._index is None or width < 2 or height < 2 or x1 <= x0 or y1 <= y0:
            return None
        return snapped(View(x0, x1, y0, y1, width, height))

    def _covers(self, drawn: View) -> bool:
        """Whether a picture holds all of the present view, pixel for pixel."""
        view = self._view()
        if view is None:
            return True
        (ax, ay), (bx, by) = view.scale, drawn.scale
        if abs(ax / bx - 1) > 1e-6 or abs(ay / by - 1) > 1e-6:
            return False
        slack_x, slack_y = 1.5 / ax, 1.5 / ay
        return (
            drawn.x0 <= view.x0 + slack_x
            and drawn.x1 >= view.x1 - slack_x
            and drawn.y0 <= view.y0 + slack_y
            and drawn.y1 >= view.y1 - slack_y
        )

    def _request(self) -> None:
        """Ask for a picture of the present view, unless the one shown will do."""
        if self.settled or (view := self._view()) is None:
            return
        self._renderer.ask(view, self._colours(), self._plot.devicePixelRatioF(), self._generation)

    def _on_drawn(self, picture: Picture) -> None:
        if picture.generation != self._generation and self._shown is not None:
            return
        self._shown = picture
        self._points.set_picture(picture)
        self._mark()
        if self.settled:
            self.rendered.emit()
        elif picture.view != self._view():
            self._request()  # the map has changed its size or place meanwhile

    # Marks

    def _mark_of(self, row: int, strength: float = 1.0) -> Mark | None:
        place = self._projection.place_of(row)
        return None if place is None else Mark(*place, self._dataset.label(row), strength, row)

    def _query_mark(self, query: Query, result: NeighboursResult | None) -> Mark | None:
        """The mark of a query: at its row, or where the map puts its vector once that is known."""
        if (row := row_of(query)) is not None:
            return self._mark_of(row)
        vector = None if result is None else result.vector
        place = None if vector is None else self._projection.place_for(vector)
        return None if place is None else Mark(*place, query.name(lambda row: shortened(self._dataset.label(row), MAX_TERM)))

    def _marks_of(self, rows: Ids) -> tuple[Mark, ...]:
        marks = (self._mark_of(row) for row in rows.tolist())
        return tuple(mark for mark in marks if mark is not None)

    def _mark(self) -> None:
        result = self._neighbours.shown
        asked = self._query.present if self._neighbours.live is None else self._neighbours.live.query
        answered = result is not None and result.query == asked
        query = None if asked is None else self._query_mark(asked, result if answered else None)
        neighbours: list[Mark | None] = []
        if result is not None and answered:
            count = len(result.ids)
            neighbours = [self._mark_of(int(i), 1 - rank / count) for rank, i in enumerate(result.ids)]
        rows = self._chosen
        few = self._shown.few if self._shown is not None and self._shown.generation == self._generation else None
        marks = Marks(
            query,
            tuple(mark for mark in neighbours if mark is not None),
            self._marks_of(rows[:: 1 + len(rows) // NAMED_SELECTED]),
            () if few is None else self._marks_of(few),
            # Colours that tell the distance to the query are the point, and must look as in the legend.
            veiled=not len(rows) and self._colouring.shown.distances is None,
        )
        self._overlay.set_marks(marks)

    # The mouse

    def _row_at(self, position: QPointF) -> int | None:
        """The row of the nearest point within reach of a position in the scene."""
        if self._index is None or not self._box.sceneBoundingRect().contains(position):
            return None
        point = self._box.mapSceneToView(position)
        pixel_x, pixel_y = self._box.viewPixelSize()
        return nearest(self._index, point.x(), point.y(), (1 / pixel_x, 1 / pixel_y), REACH, self._shown_codes)

    def _on_click(self, event: object) -> None:
        if event.button() != Qt.MouseButton.LeftButton:  # type: ignore[attr-defined]
            return
        row = self._row_at(event.scenePos())  # type: ignore[attr-defined]
        if row is not None:
            self.picked.emit(row, how(event.modifiers(), single=True))  # type: ignore[attr-defined]

    def _on_move(self, position: QPointF) -> None:
        if self._box.dragging:
            self._overlay.set_hover(None)
            return
        row = self._row_at(position)
        mark = None if row is None else self._mark_of(row)
        changed, self.hovered = row != self.hovered, row
        self._plot.setCursor(self._cursor(mark is not None))
        if row is None or mark is None:
            if not self._linger.isActive():
                self._linger.start()
        elif changed or self._linger.isActive():
            self._linger.stop()
            self._overlay.set_hover(Card(mark, self._told(row)))
            self.pointed_at.emit(row)

    def _told(self, row: int) -> tuple[str, ...]:
        """What a card says of a row below its name."""
        table = self._dataset.table
        if table is None:
            fields = []
        else:
            fields = [f"{c.name}: {c.text(row)}" for c in table.columns if c is not table.label_column]
            fields.append(f"row {row:,}")
        colour = self._colouring.shown.line(row)
        lines = [" ".join(line.split()) for line in ([colour, *fields] if colour and colour not in fields else fields)]
        most = CARD_LINES - 1
        return tuple(lines if len(lines) <= most else [*lines[: most - 1], f"{len(lines) - most + 1} more"])
