"""A chooser of sizes for a narrow cell: what is chosen ends in an ellipsis where there is no room."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QPaintEvent, QStandardItemModel
from PySide6.QtWidgets import QComboBox, QSizePolicy, QStyle, QStyleOptionComboBox, QStylePainter

from app.figures import size
from core.lab import WorkloadInfo


class SizeBox(QComboBox):
    def __init__(self, workload: WorkloadInfo) -> None:
        super().__init__()
        self.setAccessibleName(f"Size of {workload.title}")
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(4)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.addItems([choice.name for choice in workload.sizes])
        self.show_problems(workload)
        self.view().setMinimumWidth(self.view().sizeHintForColumn(0) + 32)
        if self.count() == 1:  # nothing to choose
            self.hide()

    def show_problems(self, workload: WorkloadInfo) -> None:
        """Offer the sizes that can run now."""
        items = self.model()
        assert isinstance(items, QStandardItemModel)
        for i, choice in enumerate(workload.sizes):
            self.setItemData(i, choice.problem or f"holds about {size(choice.memory_bytes)}", Qt.ItemDataRole.ToolTipRole)
            items.item(i).setEnabled(choice.problem is None)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        field = QStyle.SubControl.SC_ComboBoxEditField
        room = self.style().subControlRect(QStyle.ComplexControl.CC_ComboBox, option, field, self).width() - 4
        option.currentText = self.fontMetrics().elidedText(self.currentText(), Qt.TextElideMode.ElideRight, room)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
