"""What the colours mean: the column they come from, its values and how many rows have each."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRect, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from app.models.dataset import DatasetModel
from app.theme import DARK, Theme, category_colours
from app.views.neighbours import Index

COUNT_ROLE = Qt.ItemDataRole.UserRole
COLOUR_ROLE = Qt.ItemDataRole.UserRole + 1
NONE = "One colour"
EMPTY = "Put a .tsv, .csv or .txt of the same name beside the file, one line a row, and a column of it can colour the map."


class LegendEntry(QStyledItemDelegate):
    """A dot of the colour, the value, and its count at the right."""

    theme = DARK

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        area: QRect = option.rect
        painter.save()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(index.data(COLOUR_ROLE)))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.drawEllipse(area.left() + 2, area.center().y() - 4, 9, 9)
        count = f"{index.data(COUNT_ROLE):,}"
        width = painter.fontMetrics().horizontalAdvance(count)
        painter.setPen(QColor(self.theme.dim))
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(area.adjusted(0, 0, -6, 0), middle | Qt.AlignmentFlag.AlignRight, count)
        painter.setPen(QColor(self.theme.text))
        room = area.adjusted(20, 0, -width - 14, 0)
        text = painter.fontMetrics().elidedText(str(index.data()) or "(empty)", Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(room, middle | Qt.AlignmentFlag.AlignLeft, text)
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(120, 22)


class LegendView(QWidget):
    column_wanted = Signal(object)  # a Column, or None for one colour

    def __init__(self, dataset: DatasetModel) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._dataset = dataset
        self._theme = DARK
        self.columns = QComboBox()
        self.columns.setToolTip("The column that colours the map")
        self.columns.setAccessibleName("Colour by")
        self.columns.activated.connect(lambda i: self.column_wanted.emit(self.columns.itemData(i)))
        self.entries = QListWidget()
        self.entries.setFrameShape(QFrame.Shape.NoFrame)
        self.entries.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.entries.setSelectionMode(QListWidget.SelectionMode.NoSelection)
        self._entry = LegendEntry(self)
        self.entries.setItemDelegate(self._entry)
        self._empty = QLabel(EMPTY)
        self._empty.setObjectName("dim")
        self._empty.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 4, 4, 8)
        layout.setSpacing(8)
        layout.addWidget(self.columns)
        layout.addWidget(self._empty)
        layout.addWidget(self.entries, 1)
        dataset.opened.connect(self._show)
        dataset.annotated.connect(self._show)
        dataset.coloured.connect(self._show)
        self._show()

    def set_theme(self, theme: Theme) -> None:
        self._theme = self._entry.theme = theme
        self._show()

    def sizeHint(self) -> QSize:
        return QSize(230, 300)

    def _show(self) -> None:
        table, chosen = self._dataset.table, self._dataset.colour
        columns = [] if table is None else [c for c in table.columns if c.kind == "category"]
        with QSignalBlocker(self.columns):
            self.columns.clear()
            self.columns.addItem(NONE, None)
            for column in columns:
                self.columns.addItem(column.name, column)
            self.columns.setCurrentIndex(1 + columns.index(chosen) if chosen in columns else 0)
        self.columns.setVisible(bool(columns))
        self._empty.setVisible(table is None)
        self.entries.clear()
        if chosen is None or chosen.codes is None:
            return
        colours = category_colours(len(chosen.categories), self._theme)
        counts = np.bincount(chosen.codes, minlength=len(chosen.categories))
        for name, colour, count in zip(chosen.categories, colours, counts, strict=True):
            item = QListWidgetItem(name)
            item.setData(COUNT_ROLE, int(count))
            item.setData(COLOUR_ROLE, colour)
            item.setToolTip(f"{name}: {count:,} rows")
            self.entries.addItem(item)
