"""A widget as a picture over a plain ground: drawn at once, encoded when and where it is asked for."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QPoint, QRect, QRectF
from PySide6.QtGui import QColor, QImage, QPainter, QRegion
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QGraphicsView, QWidget

# Pixels of a PNG for one of the screen.
SCALE = 2


def draw_png(widget: QWidget, ground: str) -> Callable[[], bytes]:
    image = QImage(widget.size() * SCALE, QImage.Format.Format_ARGB32_Premultiplied)
    image.setDevicePixelRatio(SCALE)
    _draw(widget, ground, QPainter(image))

    def encode() -> bytes:
        contents = QByteArray()
        buffer = QBuffer(contents)
        buffer.open(QIODevice.OpenModeFlag.WriteOnly)
        image.save(buffer, "PNG")  # type: ignore[call-overload]
        return bytes(contents.data())

    return encode


def draw_svg(widget: QWidget, ground: str) -> Callable[[], bytes]:
    contents = QByteArray()
    buffer = QBuffer(contents)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    generator = QSvgGenerator()
    generator.setOutputDevice(buffer)
    generator.setResolution(widget.logicalDpiX())  # or texts and axes would have another scale than the rest
    generator.setSize(widget.size())
    generator.setViewBox(QRect(QPoint(), widget.size()))
    generator.setTitle(widget.accessibleName())
    _draw(widget, ground, QPainter(generator))
    buffer.close()
    return lambda: bytes(contents.data())


def _draw(widget: QWidget, ground: str, painter: QPainter) -> None:
    try:
        painter.fillRect(widget.rect(), QColor(ground))
        if isinstance(widget, QGraphicsView):
            widget.render(painter, QRectF(widget.rect()))
        else:
            widget.render(painter, QPoint(), QRegion(), QWidget.RenderFlag.DrawChildren)
    finally:
        painter.end()
