"""Asking for what is nearest to a − b + c, the three rows picked by their labels as one types."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.models.dataset import DatasetModel
from app.models.labels import Hits, LabelsModel
from core.queries import AnalogyQuery

SIGNS = ("", "−", "+")
ABOUT = "What is nearest to the first less the second plus the third: type a part of a label, and pick."
ROW_ROLE = Qt.ItemDataRole.UserRole


class Term(QLineEdit):
    """A row picked by its label; typing takes the choice back."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.row: int | None = None
        self.setAccessibleName(name)
        self.setPlaceholderText("label or row number")
        self.textEdited.connect(self._on_edited)

    def pick(self, row: int | None, name: str = "") -> None:
        self.row = row
        self.setText(" ".join(name.split()))
        self.setCursorPosition(0)

    def _on_edited(self) -> None:
        self.row = None


class AnalogyDialog(QDialog):
    search_wanted = Signal(str)
    asked = Signal(object)  # an AnalogyQuery

    def __init__(self, parent: QWidget, dataset: DatasetModel, labels: LabelsModel) -> None:
        super().__init__(parent)
        self._dataset = dataset
        self.setWindowTitle("Analogy")
        self.terms = [Term(name) for name in ("From this row", "take this away", "and add this")]
        self.hits = QListWidget()
        self.told = QLabel()
        self.ask = QPushButton("Find")
        self._active = self.terms[0]
        self._listed = ""  # the text whose hits are listed
        self._build()
        labels.found.connect(self._show_hits)
        dataset.opened.connect(self._forget)
        self.hits.itemClicked.connect(self._pick)
        self.ask.clicked.connect(self._ask)
        for term in self.terms:
            term.textEdited.connect(self._on_typed)
            term.installEventFilter(self)
        self._update()

    def begin(self, row: int | None) -> None:
        """Show the dialog; the first term is `row`, if none is chosen yet."""
        if self.terms[0].row is None and not self.terms[0].text() and row is not None:
            self.terms[0].pick(row, self._dataset.label(row))
        empty = next((term for term in self.terms if term.row is None), self.terms[0])
        self._update()
        self.show()
        self.raise_()
        self.activateWindow()
        empty.setFocus()
        empty.selectAll()

    def _build(self) -> None:
        about = QLabel(ABOUT)
        about.setObjectName("dim")
        about.setWordWrap(True)
        terms = QGridLayout()
        terms.setVerticalSpacing(6)
        terms.setColumnMinimumWidth(0, 12)
        for i, (sign, term) in enumerate(zip(SIGNS, self.terms, strict=True)):
            terms.addWidget(QLabel(sign), i, 0, Qt.AlignmentFlag.AlignRight)
            terms.addWidget(term, i, 1)
        self.hits.setObjectName("hits")
        self.hits.setAccessibleName("Rows that match")
        self.hits.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.hits.setUniformItemSizes(True)
        self.hits.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.told.setObjectName("dim")
        self.told.setTextFormat(Qt.TextFormat.PlainText)
        self.ask.setAutoDefault(False)  # Enter picks a row first
        foot = QHBoxLayout()
        foot.addWidget(self.told, 1)
        foot.addWidget(self.ask)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 12)
        layout.setSpacing(10)
        layout.addWidget(about)
        layout.addLayout(terms)
        layout.addWidget(self.hits, 1)
        layout.addLayout(foot)
        self.resize(400, 420)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(watched, Term) and event.type() == QEvent.Type.FocusIn:
            self._active = watched
            self._look()
        if not (isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress):
            return False
        key, count = Qt.Key(event.key()), self.hits.count()
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._on_enter()
            return True
        if key in (Qt.Key.Key_Down, Qt.Key.Key_Up) and count:
            step = 1 if key == Qt.Key.Key_Down else -1
            self.hits.setCurrentRow((self.hits.currentRow() + step) % count)
            return True
        return False

    def _on_typed(self) -> None:
        self._update()
        self._look()

    def _look(self) -> None:
        """Have the rows looked for that the text of the active term may mean; a picked one needs no list."""
        wanted = self._active.text() if self._active.row is None else ""
        if wanted.strip():
            if not self.hits.count():
                self._tell("Searching…")
            self.search_wanted.emit(wanted)
        else:
            self.hits.clear()

    def _show_hits(self, hits: Hits) -> None:
        if self._active.row is not None or hits.text != self._active.text():
            return
        self.hits.clear()
        self._listed = hits.text
        names = [name for _, name in hits.rows]
        for row, name in hits.rows:
            line = " ".join(name.split())
            item = QListWidgetItem(line if names.count(name) == 1 else f"{line}   row {row:,}")
            item.setData(ROW_ROLE, row)
            item.setToolTip(f"{name}\nrow {row:,}")
            self.hits.addItem(item)
        self.hits.setCurrentRow(0)
        self._tell("No label holds this." if not hits.rows else "The best matches; type more for others." if hits.more else "")

    def _on_enter(self) -> None:
        item = self.hits.currentItem()
        if self._active.row is None and item is not None and self._listed == self._active.text():
            self._pick(item)
        elif self.ask.isEnabled():
            self._ask()

    def _pick(self, item: QListWidgetItem) -> None:
        row = int(item.data(ROW_ROLE))
        self._active.pick(row, self._dataset.label(row))
        self.hits.clear()
        after = next((term for term in self.terms if term.row is None), None)
        if after is not None:
            after.setFocus()
        else:
            self._active.selectAll()
        self._update()

    def _update(self) -> None:
        self.ask.setEnabled(self._query() is not None)
        query = self._query()
        self._tell("" if query is None else query.name(self._dataset.label))

    def _tell(self, text: str) -> None:
        line = " ".join(text.split())
        self.told.setText(self.told.fontMetrics().elidedText(line, Qt.TextElideMode.ElideRight, self.width() - 130))
        self.told.setToolTip(line)

    def _query(self) -> AnalogyQuery | None:
        first, less, more = (term.row for term in self.terms)
        return None if first is None or less is None or more is None else AnalogyQuery((first, more), (less,))

    def _ask(self) -> None:
        if (query := self._query()) is not None:
            self.hide()
            self.asked.emit(query)

    def _forget(self) -> None:
        """Rows of the data set before mean others now."""
        for term in self.terms:
            term.pick(None)
        self.hits.clear()
        self.hide()
        self._update()
