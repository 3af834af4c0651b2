"""A graphics item that fills whatever part of the map is in view."""

from __future__ import annotations

import pyqtgraph as pg
from PySide6.QtCore import QRectF


class ViewItem(pg.GraphicsObject):  # type: ignore[misc]
    def viewTransformChanged(self) -> None:
        self.prepareGeometryChange()
        super().viewTransformChanged()  # forgets the view's rectangle, which boundingRect asks for

    def boundingRect(self) -> QRectF:
        return QRectF(self.viewRect())
