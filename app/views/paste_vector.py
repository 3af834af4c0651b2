"""Asking about a vector that is pasted as text."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLabel, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from app.models.dataset import DatasetModel
from core.errors import UserError
from core.queries import VectorQuery, parse_vector


class PasteVectorDialog(QDialog):
    asked = Signal(object)  # a VectorQuery

    def __init__(self, parent: QWidget, dataset: DatasetModel) -> None:
        super().__init__(parent)
        self._dataset = dataset
        self._query: VectorQuery | None = None
        self.setWindowTitle("Paste a vector")
        self.text = QPlainTextEdit()
        self.told = QLabel()
        self.ask = QPushButton("Find")
        self._build()
        self.text.textChanged.connect(self._read)
        self.ask.clicked.connect(self._ask)
        dataset.opened.connect(self.hide)

    def begin(self) -> None:
        """Show the dialog, with what is on the clipboard if that is a vector."""
        dataset, copied = self._dataset.dataset, QGuiApplication.clipboard().text()
        if dataset is not None and _is_vector(copied, dataset.dims):
            self.text.setPlainText(copied.strip())
        self._read()
        self.show()
        self.raise_()
        self.activateWindow()
        self.text.setFocus()
        self.text.selectAll()

    def _build(self) -> None:
        self.text.setObjectName("pasted")
        self.text.setAccessibleName("The vector's numbers")
        self.text.setPlaceholderText("0.12, -0.5, 3e-2 …\nparted by commas, spaces or lines; or a JSON list")
        self.text.setTabChangesFocus(True)
        self.told.setObjectName("dim")
        self.told.setWordWrap(True)
        self.ask.setDefault(True)
        foot = QHBoxLayout()
        foot.addWidget(self.told, 1)
        foot.addWidget(self.ask)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 12)
        layout.setSpacing(10)
        layout.addWidget(self.text, 1)
        layout.addLayout(foot)
        self.resize(420, 240)

    def _read(self) -> None:
        dataset, text = self._dataset.dataset, self.text.toPlainText()
        self._query, told = None, ""
        if dataset is not None:
            told = f"{dataset.dims:,} numbers are needed."
            try:
                if text.strip():
                    self._query = parse_vector(text, dataset.dims)
                    told = f"{dataset.dims:,} numbers, as many as there are dimensions."
            except UserError as error:
                told = str(error)
        self.told.setText(told)
        self.ask.setEnabled(self._query is not None)

    def _ask(self) -> None:
        if self._query is not None:
            self.hide()
            self.asked.emit(self._query)


def _is_vector(text: str, dims: int) -> bool:
    try:
        parse_vector(text, dims)
    except UserError:
        return False
    return True
