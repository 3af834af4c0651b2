"""Which of several arrays of a file to open: name, shape, type and first values of each."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from core.errors import ArrayChoice, likeliest

HEADS = ("Array", "Rows", "Dimensions", "Type", "First values")
FIGURES = (1, 2)
LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
MAX_SHOWN_ROWS = 12
# Heads and values begin and end at the same places.
SPACIOUS = "QTableView::item { padding: 0 7px; } QHeaderView::section { padding: 4px 10px; }"


class ArrayChooser(QDialog):
    picked = Signal(str)  # the name of an array

    def __init__(self, parent: QWidget | None, file: str, choices: tuple[ArrayChoice, ...]) -> None:
        super().__init__(parent)
        self._choices = choices
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Choose an array")
        about = QLabel(f"{file} holds {len(choices)} arrays. Which one are the vectors?")
        about.setTextFormat(Qt.TextFormat.PlainText)
        about.setWordWrap(True)
        self.table = self._make_table()
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Open | QDialogButtonBox.StandardButton.Cancel)
        self.buttons.accepted.connect(self.accept)
        self.accepted.connect(self._tell)
        self.buttons.rejected.connect(self.reject)
        self.table.doubleClicked.connect(self.accept)
        self.table.itemSelectionChanged.connect(self._allow)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(12)
        for widget in (about, self.table, self.buttons):
            layout.addWidget(widget)
        self.table.selectRow(choices.index(likeliest(choices)))
        self.table.setFocus()
        self.resize(720, 0)

    def _tell(self) -> None:
        if (choice := self.chosen) is not None:
            self.picked.emit(choice.name)

    @property
    def chosen(self) -> ArrayChoice | None:
        rows = self.table.selectionModel().selectedRows()
        return self._choices[rows[0].row()] if rows else None

    def _allow(self) -> None:
        self.buttons.button(QDialogButtonBox.StandardButton.Open).setEnabled(self.chosen is not None)

    def _make_table(self) -> QTableWidget:
        table = QTableWidget(len(self._choices), len(HEADS))
        table.setHorizontalHeaderLabels(HEADS)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setStyleSheet(SPACIOUS)
        table.setTabKeyNavigation(False)
        table.verticalHeader().hide()
        table.setShowGrid(False)
        for row, choice in enumerate(self._choices):
            figures = (f"{choice.shape[0]:,}", f"{choice.shape[1]:,}")
            for column, text in enumerate((choice.name, *figures, choice.dtype, choice.preview)):
                item = QTableWidgetItem(text)
                item.setToolTip(text)
                item.setTextAlignment(RIGHT if column in FIGURES else LEFT)
                table.setItem(row, column, item)
        for column in range(len(HEADS)):
            if (head := table.horizontalHeaderItem(column)) is not None:
                head.setTextAlignment(RIGHT if column in FIGURES else LEFT)
        header = table.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(len(HEADS) - 1, QHeaderView.ResizeMode.Stretch)
        rows = min(len(self._choices), MAX_SHOWN_ROWS)
        table.setMinimumHeight(header.sizeHint().height() + rows * table.rowHeight(0) + 4)
        return table
