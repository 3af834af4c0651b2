"""A thread that draws pictures of the map: the newest view wins, at most one picture is being drawn."""

from __future__ import annotations

import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Qt, Signal

from core import raster_backend
from core.emphasis import Parted, draw_parted, part
from core.picking import in_box
from core.rasterize import Canvas, Colours, Levels, PointIndex, View, build_index, build_levels, draw, snapped
from core.types import Floats, Ids

log = logging.getLogger(__name__)

# Drawn beyond the visible part, as a share of it, so that most pans only move the picture.
MARGIN = 0.25
# How long nothing else must have been asked for before a picture gets its margin.
CALM_S = 0.08
# Points from which compiled loops are worth fetching.
MANY = 2000
# Points in a picture up to which their rows are told, so that they can be named, and up to which it is worth counting.
FEW = 240
COUNTED = 1 << 20


@dataclass(frozen=True, eq=False)
class Points:
    """Points to be drawn, before they are indexed."""

    coords: Floats  # (m, 2)
    rows: Ids  # (m,)
    codes: NDArray[np.uint16]  # (n,) colour of each row of the data set


@dataclass(frozen=True, eq=False)
class Picture:
    view: View
    pixels: NDArray[np.uint32]  # (height, width)
    generation: int  # of the points and colours it shows
    few: Ids | None = None  # the rows in it, where they are few


@dataclass(frozen=True, eq=False)
class _Wanted:
    view: View
    colours: Colours
    pixel_ratio: float
    generation: int


class Renderer(QObject):
    indexed = Signal(object)  # PointIndex of new points
    recoloured = Signal(object)  # PointIndex of the same points in other colours
    drawn = Signal(object)  # Picture
    _indexed = Signal(object)
    _recoloured = Signal(object)
    _drawn = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._indexed.connect(self.indexed, Qt.ConnectionType.QueuedConnection)
        self._recoloured.connect(self.recoloured, Qt.ConnectionType.QueuedConnection)
        self._drawn.connect(self.drawn, Qt.ConnectionType.QueuedConnection)
        self._wake = threading.Condition()
        self._points: Points | None = None
        self._recolour: NDArray[np.uint16] | None = None
        self._selected: Ids | None = None  # rows that the others step back behind, once they are to be
        self._view: _Wanted | None = None
        self._closing = False
        self._index: PointIndex | None = None  # this and what follows belong to the thread
        self._levels: Levels | None = None
        self._chosen = np.empty(0, np.int64)
        self._parted: Parted | None = None
        self._loading: threading.Thread | None = None
        bands = min(4, max(1, (os.cpu_count() or 1) - 1))
        self._pool = ThreadPoolExecutor(bands, "kinscope-bands") if bands > 1 else None
        self._canvas = Canvas(self._pool, bands)
        self._thread = threading.Thread(target=self._run, name="kinscope-render", daemon=True)
        self._thread.start()

    def set_points(self, points: Points) -> None:
        """Index these points, then draw them in the view asked for last."""
        with self._wake:
            self._points, self._recolour = points, None
            self._wake.notify()

    def set_codes(self, codes: NDArray[np.uint16]) -> None:
        """Give the points other colours, by row of the data set."""
        with self._wake:
            if self._points is not None:
                self._points = Points(self._points.coords, self._points.rows, codes)
            else:
                self._recolour = codes
            self._wake.notify()

    def set_selected(self, rows: Ids) -> None:
        """Let the points of all other rows step back behind these; of none, if there are none."""
        with self._wake:
            self._selected = rows
            self._wake.notify()

    def ask(self, view: View, colours: Colours, pixel_ratio: float, generation: int) -> None:
        """Draw this view and, if nothing else is wanted by then, once more with a margin; a view asked for before is dropped."""
        with self._wake:
            self._view = _Wanted(view, colours, pixel_ratio, generation)
            self._wake.notify()

    def close(self) -> None:
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()
        if self._loading is not None:
            self._loading.join()
        if self._pool is not None:
            self._pool.shutdown()

    @property
    def _called(self) -> bool:
        """Whether there is anything to do but to draw a margin."""
        view = self._view is not None and self._index is not None
        news = self._points is not None or self._recolour is not None or self._selected is not None
        return self._closing or news or view

    def _run(self) -> None:
        drawn: _Wanted | None = None  # still without a margin
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._called, CALM_S if drawn else None)
                if self._closing:
                    return
                points, self._points = self._points, None
                codes, self._recolour = self._recolour, None
                selected, self._selected = self._selected, None
                wanted = None
                if points is None and codes is None and self._index is not None:
                    wanted, self._view = self._view, None
            try:
                if selected is not None:
                    drawn = None
                    self._chosen, self._parted = selected, None
                if points is not None:
                    drawn = None
                    self._on_points(points)
                elif codes is not None and self._index is not None:
                    drawn = None
                    self._index, self._parted = self._index.recoloured(codes), None
                    self._recoloured.emit(self._index)
                elif wanted is not None:
                    drawn = wanted
                    self._draw(wanted, wanted.view)
                    self._fetch_kernels()
                elif drawn is not None:
                    wide, drawn = drawn, None
                    self._draw(wide, snapped(wide.view.widened(MARGIN)))
            except Exception:
                log.exception("the map could not be drawn")

    def _on_points(self, points: Points) -> None:
        self._index, self._levels = build_index(points.coords, points.rows, points.codes), None
        self._parted = None
        self._indexed.emit(self._index)

    def _draw(self, wanted: _Wanted, view: View) -> None:
        assert self._index is not None
        table = wanted.colours.table
        if self._levels is None:
            self._levels = build_levels(self._index, table)
        if len(self._chosen):
            parted = self._parted or part(self._index, self._levels, self._chosen)
            pixels, self._parted = draw_parted(parted, view, wanted.colours, wanted.pixel_ratio, self._canvas)
        else:
            self._levels = self._levels.coloured(self._index, table)
            pixels = draw(self._index, view, wanted.colours, wanted.pixel_ratio, self._levels, self._canvas)
        self._drawn.emit(Picture(view, pixels, wanted.generation, self._few(view, wanted.colours)))

    def _few(self, view: View, colours: Colours) -> Ids | None:
        """The rows in a view, where they are few and soon counted."""
        index = self._index
        assert index is not None
        first, last = index.grid.rows_between(view.y0, view.y1)
        if index.starts[last + 1] - index.starts[first] > COUNTED:
            return None
        rows = in_box(index, view.x0, view.x1, view.y0, view.y1, colours.shown)
        return np.sort(rows) if len(rows) <= FEW else None

    def _fetch_kernels(self) -> None:
        """Have the compiled loops fetched by a thread of its own, once there is a picture to look at meanwhile."""
        if self._loading is None and self._index is not None and self._index.count >= MANY:
            self._loading = threading.Thread(
                target=raster_backend.load, args=(lambda: self._closing,), name="kinscope-kernels", daemon=True
            )
            self._loading.start()
