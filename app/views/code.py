"""Code to read: monospaced, with the lines that only one way has marked in the colour of that way."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QColor, QFontDatabase, QPainter, QPaintEvent, QResizeEvent, QTextFormat
from PySide6.QtWidgets import QFrame, QPlainTextEdit, QSizePolicy, QTextEdit

from app.theme import COMPILED, DARK, EAGER, Theme
from core.lab import CodeLine

MARGIN = 8
BAR = 3


class CodeView(QPlainTextEdit):
    """As high as its lines; what is too wide is scrolled to."""

    def __init__(self) -> None:
        super().__init__()
        self._theme = DARK
        self._lines: Sequence[CodeLine] = ()
        self.setReadOnly(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.document().setDocumentMargin(MARGIN)
        self.setAccessibleName("Code")

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.setStyleSheet(
            f"QPlainTextEdit {{ background: {theme.ground}; color: {theme.text}; border: none; border-radius: 6px;"
            f" selection-background-color: {theme.line}; selection-color: {theme.text}; }}"
        )
        self._mark()

    def show_lines(self, lines: Sequence[CodeLine]) -> None:
        if lines == self._lines:
            return
        self._lines = lines
        self.setPlainText("\n".join(line.text for line in lines))
        self._mark()
        self.updateGeometry()

    def marked(self, compiled: bool) -> list[str]:
        """The lines in the colour of one way."""
        return [line.text for line in self._lines if line.compiled is compiled]

    def sizeHint(self) -> QSize:
        bar = self.horizontalScrollBar().sizeHint().height() if self._too_wide else 0
        return QSize(320, max(1, len(self._lines)) * self.fontMetrics().lineSpacing() + 2 * MARGIN + bar)

    def minimumSizeHint(self) -> QSize:
        return QSize(160, self.sizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.updateGeometry()  # whether there is a scroll bar depends on the width

    @property
    def _too_wide(self) -> bool:
        widest = max((self.fontMetrics().horizontalAdvance(line.text) for line in self._lines), default=0)
        return widest + 2 * MARGIN > self.viewport().width()

    def _mark(self) -> None:
        marks = []
        for number, line in enumerate(self._lines):
            if line.compiled is not None:
                mark = QTextEdit.ExtraSelection()
                ground = QColor(COMPILED if line.compiled else EAGER)
                ground.setAlphaF(0.2)
                mark.format.setBackground(ground)
                mark.format.setProperty(QTextFormat.Property.FullWidthSelection, True)
                mark.cursor = self.textCursor()
                mark.cursor.setPosition(self.document().findBlockByNumber(number).position())
                marks.append(mark)
        self.setExtraSelections(marks)

    def paintEvent(self, event: QPaintEvent) -> None:
        """The text, and a bar before each line that only one way has."""
        super().paintEvent(event)
        painter = QPainter(self.viewport())
        for number, line in enumerate(self._lines):
            if line.compiled is not None:
                place = self.blockBoundingGeometry(self.document().findBlockByNumber(number)).translated(self.contentOffset())
                colour = QColor(COMPILED if line.compiled else EAGER)
                painter.fillRect(QRect(0, round(place.top()), BAR, round(place.height())), colour)
