"""A widget as a picture: drawn at once, encoded when and where it is asked for."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QPoint, QRect, QRectF
from PySide6.QtGui import QImage, QPainter
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QGraphicsView, QWidget

# Pixels of a PNG for one of the screen.
SCALE = 2


def draw_png(widget: QWidget) -> Callable[[], bytes]:
    image = QImage(widget.size() * SCALE, QImage.Format.Format_ARGB32_Premultiplied)
    image.setDevicePixelRatio(SCALE)
    _draw(widget, QPainter(image))

    def encode() -> bytes:
        contents = QByteArray()
        buffer = QBuffer(contents)
        buffer.open(QIODevice.OpenModeFlag.WriteOnly)
        image.save(buffer, "PNG")  # type: ignore[call-overload]
        return bytes(contents.data())

    return encode


def draw_svg(widget: QWidget) -> Callable[[], bytes]:
    contents = QByteArray()
    buffer = QBuffer(contents)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    generator = QSvgGenerator()
    generator.setOutputDevice(buffer)
    generator.setSize(widget.size())
    generator.setViewBox(QRect(QPoint(), widget.size()))
    generator.setTitle(widget.accessibleName())
    _draw(widget, QPainter(generator))
    buffer.close()
    return lambda: bytes(contents.data())


def _draw(widget: QWidget, painter: QPainter) -> None:
    try:
        if isinstance(widget, QGraphicsView):
            widget.render(painter, QRectF(widget.rect()))
        else:
            widget.render(painter, QPoint())
    finally:
        painter.end()
