"""What a counted workload found: an experiment a line, below it what came of it and what it cost; a click shows its code."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QVBoxLayout, QWidget

from app.figures import figure
from app.theme import DARK, Theme
from app.views.code import CodeView
from core.lab import CodeLine, Finding

DOT = 6


class FindingButton(QAbstractButton):
    """One experiment; checked, its code is shown."""

    def __init__(self, finding: Finding) -> None:
        super().__init__()
        self.finding = finding
        self._theme = DARK
        self.setCheckable(True)
        self.setText(f"{finding.about} {finding.outcome}{' A surprise.' if finding.surprise else ''}")
        self.setToolTip("\n".join([finding.about, finding.outcome, *(["This catches people out."] if finding.surprise else [])]))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(240, 2 * self.fontMetrics().height() + 8)

    @property
    def cost(self) -> str:
        return "" if self.finding.ms is None else f"{figure(self.finding.ms)} ms"

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        theme, finding = self._theme, self.finding
        painter.setPen(QColor(theme.accent) if self.hasFocus() else Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.raised) if self.isChecked() or self.underMouse() else Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        if finding.surprise:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.bad))
            painter.drawEllipse(QRectF(6, self.height() / 2 - DOT / 2, DOT, DOT))
        metrics = painter.fontMetrics()
        above = QRectF(20, 4, self.width() - 28, metrics.height())
        below = above.translated(0, metrics.height())
        room = int(above.width()) - metrics.horizontalAdvance(self.cost) - 12
        elide = Qt.TextElideMode.ElideRight
        painter.setPen(QColor(theme.text))
        painter.drawText(above, Qt.AlignmentFlag.AlignLeft, metrics.elidedText(finding.about, elide, int(above.width())))
        painter.setPen(QColor(theme.bad if finding.surprise else theme.dim))
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, metrics.elidedText(finding.outcome, elide, room))
        painter.setPen(QColor(theme.dim))
        painter.drawText(below, Qt.AlignmentFlag.AlignRight, self.cost)


class FindingsView(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.buttons: list[FindingButton] = []
        self.code = CodeView()
        self.code.hide()
        self._theme = DARK
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(2)
        self.setAccessibleName("Findings")

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.code.set_theme(theme)
        for button in self.buttons:
            button.set_theme(theme)

    def show_findings(self, findings: Sequence[Finding]) -> None:
        """Findings come to those that are shown, or all are others."""
        shown = [button.finding for button in self.buttons]
        if shown != list(findings[: len(shown)]):
            self._clear()
        for finding in findings[len(self.buttons) :]:
            button = FindingButton(finding)
            button.set_theme(self._theme)
            button.clicked.connect(lambda on, button=button: self._open(button if on else None))
            self.buttons.append(button)
            self._layout.addWidget(button)
        self.setVisible(bool(findings))

    def _clear(self) -> None:
        self._open(None)
        for button in self.buttons:
            self._layout.removeWidget(button)
            button.hide()
            button.deleteLater()
        self.buttons = []

    def _open(self, chosen: FindingButton | None) -> None:
        """Show the code of one finding below it, and of no other."""
        for button in self.buttons:
            button.setChecked(button is chosen)
        self._layout.removeWidget(self.code)
        self.code.setVisible(chosen is not None)
        if chosen is not None:
            self.code.show_lines(tuple(CodeLine(text) for text in chosen.finding.code.splitlines()))
            self._layout.insertWidget(self._layout.indexOf(chosen) + 1, self.code)
