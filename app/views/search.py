"""The search: a field, where and how to look, and the rows that have it."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from app.models.dataset import DatasetModel
from app.models.search import SearchModel
from app.views.rows_table import RowsView
from core.finding import How, Search

HOWS: dict[How, str] = {"contains": "Contains", "word": "Whole word", "regex": "Regular expression"}
EMPTY = (
    "Type to find rows by what their fields hold, or compare: year > 2010, kind = animal. "
    "Hits light up on the map; Enter makes the first one the query."
)
NO_TABLE = "Put labels beside the file, or choose some (Ctrl+L), and they can be searched."


class SearchField(QLineEdit):
    left_down = Signal()  # towards the hits

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Down:
            self.left_down.emit()
        else:
            super().keyPressEvent(event)


class SearchView(QWidget):
    wanted = Signal(object)  # a Search
    picked = Signal(int)  # a row that is to be the query
    select_wanted = Signal()  # the hits are to be the selection

    def __init__(self, dataset: DatasetModel, search: SearchModel) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._dataset, self._search = dataset, search
        self.field, self.where, self.how = SearchField(), QComboBox(), QComboBox()
        self.note, self.select = QLabel(), QPushButton("Select all")
        self.table = RowsView(dataset, "Rows found")
        self._pick_wanted = False  # whether the first hit is to be the query once it is known
        self._build()
        self._connect()
        self._show_columns()

    def sizeHint(self) -> QSize:
        return QSize(340, 500)

    def look(self) -> None:
        """Get ready for typing."""
        self.field.setFocus()
        self.field.selectAll()

    def _build(self) -> None:
        self.field.setPlaceholderText("Search")
        self.field.setClearButtonEnabled(True)
        self.field.setAccessibleName("Search")
        self.where.setAccessibleName("Where to search")
        self.where.setToolTip("Where to search")
        self.how.setAccessibleName("How to search")
        self.how.setToolTip("How to search; capital or small letters make no difference")
        for how, title in HOWS.items():
            self.how.addItem(title, how)
        self.note.setObjectName("dim")
        self.note.setWordWrap(True)
        self.note.setTextFormat(Qt.TextFormat.PlainText)
        self.select.setObjectName("link")
        self.select.setCursor(Qt.CursorShape.PointingHandCursor)
        self.select.setToolTip("Let all hits be the selection")
        options, told = QHBoxLayout(), QHBoxLayout()
        options.setSpacing(6)
        options.addWidget(self.where, 3)
        options.addWidget(self.how, 2)
        told.setContentsMargins(0, 0, 8, 0)
        told.addWidget(self.note, 1)
        told.addWidget(self.select, 0, Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 8, 4, 8)
        layout.setSpacing(8)
        for part in (self.field, options):
            row = QHBoxLayout()
            row.setContentsMargins(0, 0, 8, 0)
            row.addWidget(part) if isinstance(part, QWidget) else row.addLayout(part)
            layout.addLayout(row)
        layout.addLayout(told)
        layout.addWidget(self.table, 1)
        layout.addStretch(0)

    def _connect(self) -> None:
        self._dataset.annotated.connect(self._show_columns)
        self._dataset.opened.connect(self._show_columns)
        self._search.changed.connect(self._show)
        self.field.textChanged.connect(self._want)
        self.where.activated.connect(self._want)
        self.how.activated.connect(self._want)
        self.field.returnPressed.connect(self._pick_first)
        self.field.left_down.connect(self._enter_table)
        self.table.picked.connect(self.picked)
        self.select.clicked.connect(self.select_wanted)

    def _show_columns(self) -> None:
        """Where one can look: in the label at first."""
        table = self._dataset.table
        self.field.clear()
        with QSignalBlocker(self.where):
            self.where.clear()
            if table is not None:
                self.where.addItem(f"In {table.label_column.name}", table.label_column)
                self.where.addItem("In all columns", None)
                for column in table.columns:
                    if column is not table.label_column:
                        self.where.addItem(f"In {column.name}", column)
        for widget in (self.field, self.where, self.how):
            widget.setVisible(table is not None)
        self._show()

    def _want(self) -> None:
        self.wanted.emit(Search(self.field.text(), self.where.currentData(), self.how.currentData()))

    def _pick_first(self) -> None:
        self._pick_wanted = True
        self._show()

    def _enter_table(self) -> None:
        if self.table.table_model.rowCount():
            self.table.setFocus()
            self.table.selectRow(0)

    def _show(self) -> None:
        search = self._search
        if search.search is None:
            self.field.clear()
        self.note.setText(self._told())
        self.select.setVisible(len(search.hits) > 0)
        self.table.setVisible(len(search.hits) > 0)
        self.table.table_model.show(search.hits)
        if not search.busy or (search.share > 0 and len(search.hits)):
            wanted, self._pick_wanted = self._pick_wanted, False
            if wanted and len(search.hits):
                self.picked.emit(int(search.hits[0]))

    def _told(self) -> str:
        search, table = self._search, self._dataset.table
        if table is None:
            return NO_TABLE if self._dataset.dataset is not None else ""
        if search.search is None:
            return EMPTY
        if search.problem is not None:
            return search.problem
        count = len(search.hits)
        if search.busy:
            return f"{count:,} so far, {search.share:.0%} searched…"
        return f"{count:,} of {table.rows:,} rows" if count else "Nothing found."
