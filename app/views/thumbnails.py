"""Cells of a table that show a picture small: read and scaled by another thread when they come into view."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QImage, QPainter
from PySide6.QtWidgets import QAbstractItemView, QStyledItemDelegate, QStyleOptionViewItem

from app.images import Images
from app.views.quiet_table import Index

HEIGHT = 52  # of a line with pictures, in pixels
PICTURE_ROLE = Qt.ItemDataRole.UserRole + 1  # the path of the file


class Thumbnails(QStyledItemDelegate):
    def __init__(self, view: QAbstractItemView, images: Images) -> None:
        super().__init__(view)
        self._view, self._images = view, images
        images.loaded.connect(self._on_loaded)

    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:
        """A picture in place of the file's name, or why there is none."""
        super().initStyleOption(option, index)
        picture = self._picture(index)
        option.text = "" if picture is None or isinstance(picture, QImage) else picture

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        super().paint(painter, option, index)
        picture = self._picture(index)
        if not isinstance(picture, QImage):
            return
        area: QRect = option.rect.adjusted(4, 3, -4, -3)
        size = picture.size()
        if size.width() > area.width() or size.height() > area.height():
            size.scale(area.size(), Qt.AspectRatioMode.KeepAspectRatio)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        top = area.top() + (area.height() - size.height()) // 2
        painter.drawImage(QRect(area.left(), top, size.width(), size.height()), picture)
        painter.restore()

    def _on_loaded(self, name: str) -> None:
        self._view.viewport().update()

    def _picture(self, index: Index) -> QImage | str | None:
        name = index.data(PICTURE_ROLE)
        return self._images.get(Path(name)) if name else ""
