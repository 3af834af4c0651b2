"""What a counted workload found: an experiment a line, and below it what came of it and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QFrame, QListView, QSizePolicy, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from app.figures import figure
from app.theme import DARK, Theme
from app.views.neighbours import Index
from core.lab import Finding

ROW_HEIGHT = 40
DOT = 6
FINDING_ROLE = Qt.ItemDataRole.UserRole


def cost(finding: Finding) -> str:
    return "" if finding.ms is None else f"{figure(finding.ms)} ms"


class FindingsList(QAbstractListModel):
    def __init__(self) -> None:
        super().__init__()
        self.findings: Sequence[Finding] = ()

    def show(self, findings: Sequence[Finding]) -> None:
        """Findings only ever come to those there are, or all are others."""
        known = len(self.findings)
        if self.findings == findings[:known]:
            if len(findings) > known:
                self.beginInsertRows(QModelIndex(), known, len(findings) - 1)
                self.findings = findings
                self.endInsertRows()
            return
        self.beginResetModel()
        self.findings = findings
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.findings)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        finding = self.findings[index.row()]
        told = f"{finding.about}\n{finding.outcome}"
        if role == Qt.ItemDataRole.DisplayRole:
            return told
        if role == Qt.ItemDataRole.ToolTipRole:
            return "\n".join(filter(None, [told, cost(finding), "This catches people out." if finding.surprise else ""]))
        return finding if role == FINDING_ROLE else None


class FindingDelegate(QStyledItemDelegate):
    theme = DARK

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(200, ROW_HEIGHT)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        finding: Finding = index.data(FINDING_ROLE)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area: QRect = option.rect
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(area, QColor(self.theme.raised))
        if finding.surprise:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(self.theme.bad))
            painter.drawEllipse(QRect(area.left() + 4, area.center().y() - DOT // 2, DOT, DOT))
        metrics = painter.fontMetrics()
        line, right = metrics.height(), cost(finding)
        text = area.adjusted(16, (ROW_HEIGHT - 2 * line) // 2, -8, 0)
        room = text.width() - metrics.horizontalAdvance(right) - 12
        elide = Qt.TextElideMode.ElideRight
        painter.setPen(QColor(self.theme.text))
        painter.drawText(text, Qt.AlignmentFlag.AlignLeft, metrics.elidedText(finding.about, elide, text.width()))
        painter.setPen(QColor(self.theme.bad if finding.surprise else self.theme.dim))
        below = text.translated(0, line)
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, metrics.elidedText(finding.outcome, elide, room))
        painter.setPen(QColor(self.theme.dim))
        painter.drawText(below, Qt.AlignmentFlag.AlignRight, right)
        painter.restore()


class FindingsView(QListView):
    """As high as its lines."""

    looked_at = Signal(object)  # a Finding

    def __init__(self) -> None:
        super().__init__()
        self.list_model = FindingsList()
        self._delegate = FindingDelegate(self)
        self.setModel(self.list_model)
        self.setItemDelegate(self._delegate)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Findings")
        self.selectionModel().currentChanged.connect(self._on_current)

    def set_theme(self, theme: Theme) -> None:
        self._delegate.theme = theme
        self.viewport().update()

    def show_findings(self, findings: Sequence[Finding]) -> None:
        self.list_model.show(findings)
        self.setVisible(bool(findings))
        self.updateGeometry()

    @property
    def finding(self) -> Finding | None:
        """The one that is looked at."""
        return self.currentIndex().data(FINDING_ROLE) if self.currentIndex().isValid() else None

    def sizeHint(self) -> QSize:
        return QSize(240, ROW_HEIGHT * self.list_model.rowCount())

    def minimumSizeHint(self) -> QSize:
        return QSize(160, self.sizeHint().height())

    def _on_current(self, index: QModelIndex) -> None:
        self.looked_at.emit(index.data(FINDING_ROLE) if index.isValid() else None)
