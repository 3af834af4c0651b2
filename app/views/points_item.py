"""The points as one picture: the last one drawn is moved at once, the exact one follows from the render thread."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QImage, QPainter
from PySide6.QtWidgets import QStyleOptionGraphicsItem, QWidget

from app.views.render import Picture
from app.views.view_item import ViewItem


class PointsItem(ViewItem):
    def __init__(self) -> None:
        super().__init__()
        self._picture: Picture | None = None
        self._image = QImage()

    def set_picture(self, picture: Picture) -> None:
        self._picture = picture
        height, width = picture.pixels.shape
        self._image = QImage(picture.pixels.data, width, height, 4 * width, QImage.Format.Format_RGB32)
        self.update()

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        if self._picture is None:
            return
        view = self._picture.view
        place = painter.transform().mapRect(QRectF(view.x0, view.y0, view.x1 - view.x0, view.y1 - view.y0))
        ratio = painter.device().devicePixelRatio()
        painter.save()
        painter.resetTransform()
        same_scale = abs(place.width() * ratio - view.width) < 0.5 and abs(place.height() * ratio - view.height) < 0.5
        if same_scale:  # a blit, on whole device pixels so that nothing shimmers
            corner = QPointF(round(place.left() * ratio) / ratio, round(place.top() * ratio) / ratio)
            self._image.setDevicePixelRatio(ratio)
            painter.drawImage(corner, self._image)
        else:
            self._image.setDevicePixelRatio(1.0)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, True)
            painter.drawImage(place, self._image)
        painter.restore()
