"""The map: points to look at, hover and click. What draws them sits behind `Renderer` and `PointsItem`."""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from app.models.dataset import DatasetModel
from app.models.neighbours import NeighboursModel
from app.models.projection import ProjectionModel
from app.models.selection import SelectionModel
from app.theme import DARK, Theme, category_colours, linear_light
from app.views.overlay import Mark, Overlay, shortened
from app.views.points_item import PointsItem
from app.views.render import Picture, Points, Renderer
from core.picking import nearest
from core.rasterize import Colours, PointIndex, View, everything_shown, snapped

# How far from a point a click or the cursor still means it, in pixels.
REACH = 12
EMPTY = "Drop a .npy or .npz file here, or press Ctrl+O"


class MapView(QWidget):
    picked = Signal(int)  # the row of a clicked point
    rendered = Signal()  # the exact picture of the current view is shown

    def __init__(
        self, dataset: DatasetModel, projection: ProjectionModel, selection: SelectionModel, neighbours: NeighboursModel
    ) -> None:
        super().__init__()
        self._dataset, self._projection, self._selection, self._neighbours = dataset, projection, selection, neighbours
        self._theme = DARK
        self._index: PointIndex | None = None
        self._place: dict[int, int] | None = None  # data set row -> position in coords, while only a sample is shown
        self._moved = False  # whether the user has panned or zoomed since the file was opened
        self._generation = 0
        self._shown_codes: np.ndarray | None = None  # (65536,) which colour codes are drawn and picked; None: all
        self.hovered: int | None = None  # the row under the cursor
        self._shown: Picture | None = None
        self._renderer = Renderer()
        self._plot = pg.PlotWidget(enableMenu=False)
        self._box = self._plot.getPlotItem().getViewBox()
        self._points = PointsItem()
        self._overlay = Overlay()
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
        # Every change touches the whole picture: part updates would leave strips of the one before.
        self._plot.setViewportUpdateMode(self._plot.ViewportUpdateMode.FullViewportUpdate)
        self._plot.setAccessibleName("Map of the vectors")
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
        self._dataset.coloured.connect(self._on_coloured)
        self._selection.changed.connect(self._mark)
        self._neighbours.changed.connect(self._mark)
        self._box.sigRangeChanged.connect(self._request)
        self._box.sigRangeChangedManually.connect(self._on_moved)
        self._plot.scene().sigMouseClicked.connect(self._on_click)
        self._plot.scene().sigMouseMoved.connect(self._on_move)
        self._plot.viewport().installEventFilter(self)

    def tell(self, text: str | None) -> None:
        """What the empty map says; None: how to fill it."""
        self._empty.setText(text or EMPTY)

    def close_renderer(self) -> None:
        self._renderer.close()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._plot.setBackground(theme.ground)
        self._overlay.set_theme(theme)
        self._recolour()

    @property
    def settled(self) -> bool:
        """Whether the picture shown is that of the present points, colours and view."""
        if self._index is None:
            return not self._projection.coords.size
        return self._shown is not None and self._shown.generation == self._generation and self._covers(self._shown.view)

    @property
    def canvas(self) -> QWidget:
        """The widget that gets the mouse."""
        return cast(QWidget, self._plot.viewport())

    # Moving about

    def fit(self) -> None:
        """Bring all points into view."""
        self._moved = False
        if self._index is not None:
            x0, x1, y0, y1 = self._index.bounds
            self._box.setRange(xRange=(x0, x1), yRange=(y0, y1))

    def zoom(self, factor: float) -> None:
        self._moved = True
        self._box.scaleBy((1 / factor, 1 / factor))

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
        self._moved = True
        self._box.translateBy((step[0] * (x1 - x0), step[1] * (y1 - y0)))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._empty.resize(self._plot.size())
        self._request()

    def eventFilter(self, watched: object, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Leave:
            self.hovered = None
            self._overlay.set_hover(None)
        return False

    # Points and pictures

    def _on_moved(self) -> None:
        self._moved = True

    def _on_opened(self) -> None:
        self._moved = False
        self._overlay.set_hover(None)
        self._empty.hide()

    def _on_points(self) -> None:
        rows, coords = self._projection.rows, self._projection.coords
        partial = self._dataset.dataset is not None and len(rows) != self._dataset.dataset.rows
        self._place = {int(row): i for i, row in enumerate(rows)} if partial else None
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
        self._shown_codes = None
        self._renderer.set_codes(self._codes())
        self._recolour()

    def _codes(self) -> np.ndarray:
        dataset, column = self._dataset.dataset, self._dataset.colour
        if column is None or column.codes is None:
            return np.zeros(dataset.rows if dataset else 0, np.uint16)
        return column.codes.astype(np.uint16)

    def _colours(self) -> Colours:
        column = self._dataset.colour
        names = ["#8d9bb5" if self._theme.dark else "#5b6b8c"]
        if column is not None and column.categories:
            names = category_colours(len(column.categories), self._theme)
        return Colours(linear_light(names), linear_light([self._theme.ground])[0], self._shown_codes)

    def _recolour(self) -> None:
        self._generation += 1
        self._request()

    def _on_recoloured(self, index: PointIndex) -> None:
        self._index = index

    def _on_indexed(self, index: PointIndex) -> None:
        self._index = index
        if self._projection.reframe or not self._moved:
            self.fit()
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
        if self.settled:
            self.rendered.emit()

    # Marks

    def _mark_of(self, row: int, strength: float = 1.0) -> Mark | None:
        position = row if self._place is None else self._place.get(row)
        if position is None or position >= len(self._projection.coords):
            return None
        x, y = self._projection.coords[position]
        return Mark(float(x), float(y), self._dataset.label(row), strength) if np.isfinite(x + y) else None

    def _mark(self) -> None:
        row, result = self._selection.row, self._neighbours.result
        query = None if row is None else self._mark_of(row)
        marks = []
        if query is not None and result is not None and result.row == row:
            count = len(result.ids)
            marks = [self._mark_of(int(i), 1 - rank / count) for rank, i in enumerate(result.ids)]
        self._overlay.set_marks(query, [mark for mark in marks if mark is not None])

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
            self.picked.emit(row)

    def _on_move(self, position: QPointF) -> None:
        row = self._row_at(position)
        mark = None if row is None else self._mark_of(row)
        self.hovered = row
        self._plot.setCursor(Qt.CursorShape.ArrowCursor if mark is None else Qt.CursorShape.PointingHandCursor)
        if row is None or mark is None:
            self._overlay.set_hover(None)
            return
        lines = [shortened(mark.name, 48)]
        colour = self._dataset.colour
        if colour is not None:
            lines.append(f"{colour.name}: {colour.text(row)}")
        if self._dataset.table is not None:
            lines.append(f"row {row:,}")
        self._overlay.set_hover(Mark(mark.x, mark.y, "\n".join(lines)))
