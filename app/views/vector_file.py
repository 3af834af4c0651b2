"""Asking about a vector of another file: the file is chosen, then one of its rows."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialog, QFileDialog, QHBoxLayout, QLabel, QPushButton, QSpinBox, QVBoxLayout, QWidget

from app.models.dataset import DatasetModel
from core.dataset import Dataset
from core.queries import FileQuery

ABOUT = "A file of one vector, or a row of one with many; of any kind that opens as a map."
# Rows that a spin box can count.
MOST_ROWS = 2**31 - 1


class VectorFileDialog(QDialog):
    file_wanted = Signal(object)  # a Path to look into
    asked = Signal(object)  # a FileQuery

    def __init__(self, parent: QWidget, dataset: DatasetModel) -> None:
        super().__init__(parent)
        self._dataset = dataset
        self._other: Dataset | None = None
        self.setWindowTitle("Vector from a file")
        self.choose = QPushButton("Choose a file…")
        self.row = QSpinBox()
        self._row_name = QLabel("Row")
        self.told = QLabel(ABOUT)
        self.ask = QPushButton("Find")
        self._build()
        self.choose.clicked.connect(self._choose)
        self.ask.clicked.connect(self._ask)
        dataset.opened.connect(self.hide)
        self._show()

    def begin(self) -> None:
        self._show()
        self.show()
        self.raise_()
        self.activateWindow()
        self.choose.setFocus()

    def offer(self, other: Dataset) -> None:
        """Let a row of this file be chosen."""
        self._other = other
        self.row.setRange(0, min(other.rows - 1, MOST_ROWS))
        self._show()

    def refuse(self, why: str) -> None:
        """Say why the file cannot be used."""
        self._other = None
        self._show(why)

    def _build(self) -> None:
        self.told.setObjectName("dim")
        self.told.setWordWrap(True)
        self.told.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.told.setTextFormat(Qt.TextFormat.PlainText)
        self.row.setAccessibleName("Row of the file")
        self.row.setGroupSeparatorShown(True)
        self.row.setMinimumWidth(110)
        self.ask.setAutoDefault(False)
        foot = QHBoxLayout()
        foot.addWidget(self.choose)
        foot.addStretch()
        foot.addWidget(self._row_name)
        foot.addWidget(self.row)
        foot.addWidget(self.ask)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 12)
        layout.setSpacing(10)
        layout.addWidget(self.told, 1)
        layout.addLayout(foot)
        self.resize(440, 130)

    def _choose(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "A file with the vector", "", "All files (*)")
        if name:
            self._other = None
            self._show(f"Looking into {Path(name).name}…")
            self.file_wanted.emit(Path(name))

    def _show(self, told: str = "") -> None:
        other, dataset = self._other, self._dataset.dataset
        fits = other is not None and dataset is not None and other.dims == dataset.dims
        if other is not None and dataset is not None:
            told = f"{other.name}: {other.rows:,} × {other.dims:,} {other.dtype_name}"
            if not fits:
                told += (
                    f". It has {other.dims:,} dimensions, the vectors of {dataset.name} have {dataset.dims:,}: choose another."
                )
        self.told.setText(told or ABOUT)
        self.ask.setEnabled(fits)
        for widget in (self._row_name, self.row):
            widget.setVisible(fits and other is not None and other.rows > 1)

    def _ask(self) -> None:
        if self._other is not None:
            self.hide()
            self.asked.emit(FileQuery(self._other, self.row.value() if self._other.rows > 1 else 0))
