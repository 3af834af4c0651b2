"""The record: all fields of the query and, beside them, of a neighbour or of the point under the cursor."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSize, Qt, QUrl, Signal
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from app.images import Images
from app.models.dataset import DatasetModel
from app.models.record import RecordModel
from app.theme import DARK, Theme
from app.views.fields import FieldView, Passage
from core.table import Column, Table

EMPTY = "Click a point: its fields are shown here, beside those of its nearest neighbour or of the point under the cursor."
NO_TABLE = "Put labels beside the file, or choose some (Ctrl+L), and the fields of a row are shown here."


class RecordView(QWidget):
    open_wanted = Signal(QUrl)

    def __init__(self, dataset: DatasetModel, record: RecordModel, images: Images) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._dataset, self._record, self._images = dataset, record, images
        self._theme = DARK
        self._table: Table | None = None  # whose fields there are widgets for
        self.fields: dict[str, tuple[FieldView, FieldView]] = {}
        self._columns: list[tuple[Column, QLabel, tuple[FieldView, FieldView]]] = []
        self._titles = (Passage(), Passage())
        self._note = QLabel(EMPTY)
        self._scroll = QScrollArea()
        self.setMinimumHeight(50)  # so that there is room for the neighbours above it in a small window
        self._build()
        for signal in (dataset.opened, dataset.annotated, record.changed):
            signal.connect(self._show)
        self._show()

    def sizeHint(self) -> QSize:
        return QSize(340, 280)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        for title, colour in zip(self._titles, (theme.accent, theme.text), strict=True):
            title.setStyleSheet(f"QPlainTextEdit {{ background: transparent; border: none; color: {colour}; font-weight: 600; }}")
        for pair in self.fields.values():
            for view in pair:
                view.set_theme(theme)

    def _build(self) -> None:
        self._note.setObjectName("dim")
        self._note.setWordWrap(True)
        self._note.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 4, 4, 8)
        layout.addWidget(self._note)
        layout.addWidget(self._scroll, 1)

    def _lay_out(self, table: Table) -> None:
        """Widgets for the columns of a table: pictures first, then what is below the label."""
        self._table = table
        self._titles = (Passage(), Passage())
        holder = QWidget()
        grid = self._grid = QGridLayout(holder)
        grid.setContentsMargins(0, 0, 8, 0)
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(0)
        for at, title in enumerate(self._titles):
            grid.addWidget(title, 0, at, Qt.AlignmentFlag.AlignTop)
        self._columns, self.fields = [], {}
        columns = sorted((c for c in table.columns if c is not table.label_column), key=lambda c: c.kind != "image")
        for i, column in enumerate(columns):
            name = QLabel(column.name)
            name.setObjectName("dim")
            name.setTextFormat(Qt.TextFormat.PlainText)
            name.setContentsMargins(0, 6, 0, 0)
            name.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            pair = (FieldView(column.kind, self._images), FieldView(column.kind, self._images))
            grid.addWidget(name, 2 * i + 1, 0, 1, 2)
            for at, view in enumerate(pair):
                view.open_wanted.connect(self.open_wanted)
                grid.addWidget(view, 2 * i + 2, at, Qt.AlignmentFlag.AlignTop)
            self._columns.append((column, name, pair))
            self.fields[column.name] = pair
        grid.setRowStretch(2 * len(columns) + 1, 1)
        self._scroll.setWidget(holder)
        self.set_theme(self._theme)

    def _show(self) -> None:
        table, dataset = self._dataset.table, self._dataset.dataset
        rows = (self._record.row, self._record.other)
        shown = table is not None and dataset is not None and rows != (None, None)
        self._note.setText(NO_TABLE if dataset is not None and table is None else EMPTY)
        self._note.setVisible(not shown)
        self._scroll.setVisible(shown)
        if table is None or not shown:
            return
        if table is not self._table:
            self._lay_out(table)
        folder = Path(table.source).parent
        for at, row in enumerate(rows):
            self._titles[at].setVisible(row is not None)
            self._grid.setColumnStretch(at, 0 if row is None else 1)
            if row is not None:
                self._titles[at].show_text(f"{self._dataset.label(row)}\nrow {row:,}")
        for column, _, pair in self._columns:
            for view, row in zip(pair, rows, strict=True):
                view.setVisible(row is not None)
                if row is not None:
                    view.show_value(column.text(row), folder)
