"""A thread that draws pictures of the map: the newest view wins, at most one picture is being drawn."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Qt, Signal

from core.rasterize import PointIndex, View, build_index, draw
from core.types import Floats, Ids

log = logging.getLogger(__name__)


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


@dataclass(frozen=True, eq=False)
class Colours:
    points: Floats  # (c, 3) linear light
    background: Floats  # (3,)


class Renderer(QObject):
    indexed = Signal(object)  # PointIndex
    drawn = Signal(object)  # Picture
    _indexed = Signal(object)
    _drawn = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._indexed.connect(self.indexed, Qt.ConnectionType.QueuedConnection)
        self._drawn.connect(self.drawn, Qt.ConnectionType.QueuedConnection)
        self._wake = threading.Condition()
        self._points: Points | None = None
        self._recolour: NDArray[np.uint16] | None = None
        self._view: tuple[View, Colours, float, int] | None = None
        self._closing = False
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

    def ask(self, view: View, colours: Colours, pixel_ratio: float, generation: int) -> None:
        """Draw this view; a view asked for before and not yet begun is dropped."""
        with self._wake:
            self._view = (view, colours, pixel_ratio, generation)
            self._wake.notify()

    def close(self) -> None:
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        index: PointIndex | None = None
        while True:
            with self._wake:
                while not (self._closing or self._points or self._recolour is not None or (self._view and index)):
                    self._wake.wait()
                if self._closing:
                    return
                points, self._points = self._points, None
                codes, self._recolour = self._recolour, None
                wanted = None
                if points is None and codes is None:
                    wanted, self._view = self._view, None
            try:
                if points is not None:
                    index = build_index(points.coords, points.rows, points.codes)
                    self._indexed.emit(index)
                elif codes is not None and index is not None:
                    index = index.recoloured(codes)
                elif wanted is not None and index is not None:
                    view, colours, pixel_ratio, generation = wanted
                    pixels = draw(index, view, colours.points, colours.background, pixel_ratio)
                    self._drawn.emit(Picture(view, np.ascontiguousarray(pixels), generation))
            except Exception:
                log.exception("the map could not be drawn")
