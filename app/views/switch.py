"""The Compile switch: large, in the colour of what it stands for."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QWidget

from app.theme import COMPILED, DARK, EAGER, Theme


class CompileSwitch(QAbstractButton):
    """Checked: compiled. Its `clicked` tells what the user wants; `setChecked` shows what is."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setCheckable(True)
        self.setChecked(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Compile")
        self._theme = DARK

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(60 + QFontMetrics(self.font()).horizontalAdvance("Uncompiled") + 20, 34)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        on = self.isChecked()
        colour = QColor(COMPILED if on else EAGER) if self.isEnabled() else QColor(self._theme.dim)
        body = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        ground = QColor(colour)
        ground.setAlphaF(0.16)
        painter.setPen(colour if self.hasFocus() else Qt.PenStyle.NoPen)
        painter.setBrush(ground)
        painter.drawRoundedRect(body, 8, 8)
        track = QRectF(10, self.height() / 2 - 9, 36, 18)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        painter.drawRoundedRect(track, 9, 9)
        painter.setBrush(QColor("#ffffff"))
        painter.drawEllipse(QPointF(track.right() - 9 if on else track.left() + 9, track.center().y()), 7, 7)
        painter.setPen(QColor(self._theme.text if self.isEnabled() else self._theme.dim))
        text = QRectF(track.right() + 10, 0, self.width() - track.right() - 10, self.height())
        painter.drawText(text, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, "Compiled" if on else "Uncompiled")
