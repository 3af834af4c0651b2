"""What the colours mean: what they come from, and each value with its colour and how many rows have it."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, QRectF, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSizePolicy,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from app.models.colouring import DISTANCES, ColourBy, ColouringModel, Entry
from app.models.dataset import DatasetModel
from app.palettes import colours
from app.theme import DARK, Theme
from app.views.colour_bar import ColourBar, figure_of
from app.views.quiet_table import Index

COUNT_ROLE = Qt.ItemDataRole.UserRole
COLOUR_ROLE = Qt.ItemDataRole.UserRole + 1
HIDDEN_ROLE = Qt.ItemDataRole.UserRole + 2
INDENT_ROLE = Qt.ItemDataRole.UserRole + 3
TITLES = {"one": "None", "distance": "Distance to the query", "order": "Row order"}
NO_TABLE = (
    "Put a .tsv, .csv, .txt, .parquet or .jsonl of the same name beside the file, or choose labels (Ctrl+L), and their columns "
    "can colour the map. Distance to the query and row order can without."
)
NO_COLOUR = "Choose what the colours of the points shall tell."
NO_QUERY = "Click a point on the map: all others take their colour from the distance to it."
MEASURING = "Measuring distances…"
KEYS = "Click or Space hides or shows it, Alt+click or Enter shows it alone."
# Entries from which there is a field to search them.
MANY = 20


class LegendEntry(QStyledItemDelegate):
    """A dot of the colour, the value, and its count at the right; a ring and dim where it is hidden."""

    theme = DARK

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        area: QRect = option.rect
        hidden = bool(index.data(HIDDEN_ROLE))
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        if option.state & (QStyle.StateFlag.State_MouseOver | QStyle.StateFlag.State_HasFocus):
            painter.setBrush(QColor(self.theme.raised))
            painter.drawRoundedRect(QRectF(area).adjusted(0, 1, -2, -1), 5, 5)
        left = area.left() + 8 + (14 if index.data(INDENT_ROLE) else 0)
        colour = QColor(index.data(COLOUR_ROLE))
        if hidden:
            colour.setAlphaF(0.6)
            painter.setPen(colour)
        else:
            painter.setBrush(colour)
        painter.drawEllipse(QRectF(left, area.center().y() - 4, 9, 9))
        count = f"{index.data(COUNT_ROLE):,}"
        width = painter.fontMetrics().horizontalAdvance(count)
        dim, text = QColor(self.theme.dim), QColor(self.theme.text)
        if hidden:
            dim.setAlphaF(0.5)
            text.setAlphaF(0.4)
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.setPen(dim)
        painter.drawText(area.adjusted(0, 0, -8, 0), middle | Qt.AlignmentFlag.AlignRight, count)
        painter.setPen(text)
        room = area.adjusted(left - area.left() + 18, 0, -width - 16, 0)
        name = painter.fontMetrics().elidedText(str(index.data()), Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(room, middle | Qt.AlignmentFlag.AlignLeft, name)
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(120, 24)


class EntryList(QListWidget):
    toggled = Signal(int)
    isolated = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setSelectionMode(QListWidget.SelectionMode.NoSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QListWidget.ScrollMode.ScrollPerPixel)
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setAccessibleName("Legend")

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        row = self.row_at(event.position().toPoint())
        if row is None or event.button() != Qt.MouseButton.LeftButton:
            return
        # Some desktops keep Alt+click for moving windows.
        alone = event.modifiers() & (Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.ControlModifier)
        (self.isolated if alone else self.toggled).emit(row)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        row = self.currentRow()
        if event.key() == Qt.Key.Key_Space and row >= 0:
            self.toggled.emit(row)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and row >= 0:
            self.isolated.emit(row)
        else:
            super().keyPressEvent(event)

    def row_at(self, place: QPoint) -> int | None:
        index = self.indexAt(place)
        return index.row() if index.isValid() else None


class LegendView(QWidget):
    choice_wanted = Signal(object)  # a ColourBy
    toggle_wanted = Signal(tuple)  # the codes of an entry
    isolate_wanted = Signal(tuple)
    show_all_wanted = Signal()

    def __init__(self, dataset: DatasetModel, colouring: ColouringModel) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._dataset, self._colouring = dataset, colouring
        self._theme = DARK
        self._listed: tuple[tuple[Entry, ...], Theme] | None = None
        self.choice = QComboBox()
        self.note = QLabel()
        self.bar = ColourBar()
        self.search = QLineEdit()
        self.entries = EntryList()
        self._entry = LegendEntry(self)
        self.count = QLabel()
        self.show_all = QPushButton("Show all")
        self._build()
        self._connect()
        self._show_choices()
        self._show()

    def set_theme(self, theme: Theme) -> None:
        self._theme = self._entry.theme = theme
        self.bar.set_theme(theme)
        self._show()

    def sizeHint(self) -> QSize:
        return QSize(230, 300)

    def _build(self) -> None:
        self.choice.setToolTip("What the colours of the points tell")
        self.choice.setAccessibleName("Colour by")
        self.choice.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.note.setObjectName("dim")
        self.note.setWordWrap(True)
        self.note.setTextFormat(Qt.TextFormat.PlainText)
        self.search.setPlaceholderText("Find a category")
        self.search.setClearButtonEnabled(True)
        self.entries.setItemDelegate(self._entry)
        self.count.setObjectName("dim")
        self.show_all.setObjectName("link")
        self.show_all.setCursor(Qt.CursorShape.PointingHandCursor)
        foot = QHBoxLayout()
        foot.setContentsMargins(8, 0, 8, 0)
        foot.addWidget(self.count, 1)
        foot.addWidget(self.show_all)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 4, 12, 8)
        layout.setSpacing(8)
        layout.addWidget(self.choice)
        layout.addWidget(self.bar)
        layout.addWidget(self.note)
        layout.addWidget(self.search)
        layout.addWidget(self.entries, 1)
        layout.addLayout(foot)
        layout.addStretch()

    def _connect(self) -> None:
        colouring = self._colouring
        colouring.choice_changed.connect(self._show_choices)
        colouring.choice_changed.connect(self._show)
        colouring.changed.connect(self._show)
        colouring.measuring_changed.connect(self._show)
        colouring.hidden_changed.connect(self._show_hidden)
        self.choice.activated.connect(lambda i: self.choice_wanted.emit(self.choice.itemData(i)))
        self.entries.toggled.connect(lambda row: self.toggle_wanted.emit(self._codes(row)))
        self.entries.isolated.connect(lambda row: self.isolate_wanted.emit(self._codes(row)))
        self.show_all.clicked.connect(self.show_all_wanted)
        self.search.textChanged.connect(self._filter)

    def _codes(self, row: int) -> tuple[int, ...]:
        return self._colouring.shown.entries[row].codes

    def _show_choices(self) -> None:
        choices = self._colouring.choices
        with QSignalBlocker(self.choice):
            self.choice.clear()
            for by in choices:
                self.choice.addItem(self._title(by), by)
            self.choice.setCurrentIndex(choices.index(self._colouring.by) if self._colouring.by in choices else 0)

    def _title(self, by: ColourBy) -> str:
        if by.column is None:
            return TITLES[by.kind]
        return f"{by.column.name} (as a number)" if by.kind == "number" and by.column.codes is not None else by.column.name

    def _by_date(self, by: ColourBy) -> bool:
        return by.column is not None and by.column.kind == "date"

    def _show(self) -> None:
        shown = self._colouring.shown
        note = self._note()
        self.note.setText(note)
        self.note.setVisible(bool(note))
        self.bar.setVisible(shown.spread is not None)
        if shown.spread is not None:
            self.bar.show_range(shown.spread, *shown.range, dates=self._by_date(shown.by))
        if self._listed != (shown.entries, self._theme):
            self._listed = (shown.entries, self._theme)
            self._list(shown.entries)
        self._show_hidden()

    def _note(self) -> str:
        colouring = self._colouring
        if colouring.by.kind == "distance" and colouring.shown.distances is None:
            return MEASURING if colouring.measuring else NO_QUERY
        if (result := colouring.shown.distances) is not None:
            nearest = "brightest" if self._theme.dark else "darkest"
            joined = "with" if result.metric == "inner_product" else "to"
            return f"{DISTANCES[result.metric]} {joined} {result.query.name(self._dataset.label)}, nearest {nearest}"
        if (spread := colouring.shown.spread) is not None and colouring.shown.by.kind == "number":
            dates = self._by_date(colouring.shown.by)
            ends = [figure_of(value, spread, dates) for value in (spread.smallest, spread.largest)]
            return f"{int(spread.bins.sum()):,} values from {ends[0]} to {ends[1]}"
        if colouring.by.kind == "one" and self._dataset.dataset is not None:
            return NO_COLOUR if self._dataset.table is not None else NO_TABLE
        return ""

    def _list(self, entries: tuple[Entry, ...]) -> None:
        names = colours(self._colouring.shown.by.kind, self._theme)
        at = self.entries.currentRow()
        self.entries.clear()
        for entry in entries:
            item = QListWidgetItem(" ".join(entry.name.split()))
            item.setData(COLOUR_ROLE, names[entry.codes[0]])
            item.setData(INDENT_ROLE, entry.member)
            self.entries.addItem(item)
        self.entries.setCurrentRow(min(at, len(entries) - 1))
        self.entries.setVisible(bool(entries))
        self.search.setVisible(len(entries) > MANY)
        with QSignalBlocker(self.search):
            self.search.clear()

    def _show_hidden(self) -> None:
        """Counts, of all rows and of those shown, and which entries are hidden."""
        colouring = self._colouring
        hidden, counts, rows = colouring.hidden, colouring.shown.coded.counts, colouring.shown.rows
        shown_rows = colouring.shown_rows
        for i, entry in enumerate(colouring.shown.entries):
            item = self.entries.item(i)
            off = hidden.issuperset(entry.codes)
            count = entry.count if off else entry.count - sum(int(counts[code]) for code in hidden.intersection(entry.codes))
            share = f"{count:,} rows, {count / rows:.1%} of all"
            if hidden and not off and shown_rows:
                share += f", {count / shown_rows:.1%} of those shown"
            state = ", hidden" if off else ""
            item.setData(COUNT_ROLE, count)
            item.setData(HIDDEN_ROLE, off)
            item.setToolTip(f"{entry.name}: {share}{state}\n{KEYS}")
            item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{entry.name}, {share}{state}")
        self.count.setVisible(bool(colouring.shown.entries))
        self.count.setText(f"{shown_rows:,} of {rows:,} rows" if shown_rows < rows else f"{rows:,} rows")
        self.show_all.setVisible(bool(hidden))

    def _filter(self, text: str) -> None:
        wanted = " ".join(text.casefold().split())
        for i in range(self.entries.count()):
            item = self.entries.item(i)
            item.setHidden(wanted not in item.text().casefold())
