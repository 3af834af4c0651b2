"""What a drag on the map does: move the view, or draw a box or a lasso."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt, Signal

from core.choosing import Box, How, Lasso

Tool = Literal["pan", "box", "lasso"]
TOOLS: tuple[Tool, ...] = ("pan", "box", "lasso")
# Corners of a lasso are at least so many pixels apart.
STEP = 2.0


def how(modifiers: Qt.KeyboardModifier, single: bool = False) -> How:
    """Shift adds, Ctrl (Cmd on a Mac) takes away; with Ctrl a single point that is not in the selection is added."""
    if modifiers & Qt.KeyboardModifier.ControlModifier:
        return "toggle" if single else "subtract"
    return "add" if modifiers & Qt.KeyboardModifier.ShiftModifier else "replace"


class MapBox(pg.ViewBox):  # type: ignore[misc]
    outlined = Signal()  # the outline being drawn has changed, or there is none any more
    enclosed = Signal(object, str)  # a finished Box or Lasso, and How

    def __init__(self) -> None:
        super().__init__(enableMenu=False)
        self.tool: Tool = "pan"
        self.moving = False  # whether it is the user's hand that moves the view
        self.drawing: Tool | None = None  # the tool of the outline being drawn
        self.corners: list[QPointF] = []  # of that outline, in data units
        self.dragging = False
        self._how: How = "replace"
        self._pans = True  # whether a drag with the left button moves the view

    @contextmanager
    def by_hand(self) -> Iterator[None]:
        """Changes of the view within are the user's."""
        self.moving = True
        try:
            yield
        finally:
            self.moving = False

    def give_up(self) -> bool:
        """Forget the outline being drawn; whether there was one."""
        was = self.drawing is not None
        self._end()
        return was

    def wheelEvent(self, event: Any, axis: int | None = None) -> None:
        with self.by_hand():
            super().wheelEvent(event, axis)

    def mouseDragEvent(self, event: Any, axis: int | None = None) -> None:
        first, last = event.isStart(), event.isFinish()
        if first:
            self.dragging = True
        if first and event.button() == Qt.MouseButton.LeftButton and axis is None:
            self._begin(event)
        if self.drawing is not None:
            event.accept()
            self._draw_on(self.mapSceneToView(event.scenePos()))
            if last:
                self._finish()
        elif self._pans or event.button() != Qt.MouseButton.LeftButton:
            with self.by_hand():
                super().mouseDragEvent(event, axis)
        else:
            event.accept()  # the rest of a drag whose outline was given up
        if last:
            self.dragging = False

    def _begin(self, event: Any) -> None:
        self._how = how(event.modifiers())
        self._pans = self.tool == "pan" and self._how == "replace"
        if not self._pans:
            self.drawing = "box" if self.tool == "pan" else self.tool
            self.corners = [self.mapSceneToView(event.buttonDownScenePos())]

    def _draw_on(self, point: QPointF) -> None:
        width, height = self.viewPixelSize()
        away = point - self.corners[-1]
        if self.drawing == "box":
            self.corners[1:] = [point]
        elif np.hypot(away.x() / width, away.y() / height) >= STEP:
            self.corners.append(point)
        self.outlined.emit()

    def _finish(self) -> None:
        corners = np.array([(corner.x(), corner.y()) for corner in self.corners])
        drawing = self.drawing
        self._end()
        if drawing == "lasso":
            self.enclosed.emit(Lasso(corners), self._how)
        else:
            (x0, y0), (x1, y1) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
            self.enclosed.emit(Box(x0, x1, y0, y1), self._how)

    def _end(self) -> None:
        self.drawing = None
        self.corners = []
        self.outlined.emit()
