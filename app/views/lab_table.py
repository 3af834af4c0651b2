"""The lab's workloads in a table: two lines a row, the way that the others are compared with above the fastest of them."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QRectF, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from app.figures import figure, size
from app.models.lab import LabModel, Reading
from app.theme import DARK, Theme
from app.views.headed_table import HeadedTable
from app.views.quiet_table import Index, quieten
from app.views.size_box import SizeBox
from app.views.strips import draw_strip, span_of, told, way_colour
from core.lab import WayFigures

NAME, SIZE, TIMES, MEDIAN, RATIO, FIRST, MEMORY, TRACES, RUN = range(9)
HEADS = ("Workload", "Size", "Times", "Median", "Times as fast", "First call", "Memory", "Traces", "")
TIPS = {
    TIMES: "A dot a repeat, a line for the median; both ways over one axis of milliseconds, from small to large",
    MEDIAN: "Median of all repeats, uncompiled above compiled",
    RATIO: "How many times as fast the fastest compiled way is, with its 95 % interval",
    FIRST: "The first call of the compiled way, which traces and generates code; and after how many calls it has paid off",
    MEMORY: "The most memory that one call took beyond its inputs",
    TRACES: "How often the function was traced",
}
WIDTHS = {NAME: 144, SIZE: 152, MEDIAN: 88, RATIO: 96, FIRST: 112, MEMORY: 80, TRACES: 56, RUN: 72}
NARROW = {NAME: 116, SIZE: 124}
# What goes first where there is no room, and how wide the view must be to keep it.
KEPT_FROM = {MEMORY: 880, TRACES: 820, FIRST: 740, MEDIAN: 560, SIZE: 448}
RIGHT = (MEDIAN, RATIO, FIRST, MEMORY, TRACES)
ROW_HEIGHT = 44
READING_ROLE = Qt.ItemDataRole.UserRole
Lines = tuple[str, str]


class LabTableModel(HeadedTable):
    heads, right, tips = HEADS, RIGHT, TIPS

    def __init__(self, lab: LabModel) -> None:
        super().__init__()
        self._lab = lab
        self.names: list[str] = []
        lab.listed.connect(self._reset)
        lab.row_changed.connect(self._update)

    def _reset(self) -> None:
        """The workloads are the same for as long as the program runs; whether they can run is not."""
        if self.names:
            self.all_changed()
            return
        self.beginResetModel()
        self.names = list(self._lab.workloads)
        self.endResetModel()

    def _update(self, name: str) -> None:
        row = self.names.index(name)
        self.dataChanged.emit(self.index(row, 0), self.index(row, RUN))

    def rows_shown(self) -> list[str]:
        return self.names

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        name, column = self.names[index.row()], index.column()
        reading = self._lab.reading(name)
        if role == READING_ROLE:
            return reading
        if role == Qt.ItemDataRole.DisplayRole:
            return "\n".join(self.lines(name, column))
        if role == Qt.ItemDataRole.ToolTipRole:
            if column == TIMES and reading is not None and reading.base is not None:
                return told(reading.run.ways)
            return self._lab.problem(name) or (reading.verdict if reading else "") or self._lab.workloads[name].shows
        return None

    def lines(self, name: str, column: int) -> Lines:
        """What a cell says, on two lines."""
        reading = self._lab.reading(name)
        if column == NAME:
            return self._lab.workloads[name].title, self.state_of(name)
        if reading is None or reading.base is None:
            return "", ""
        return _figures(reading, column)

    def state_of(self, name: str) -> str:
        state, reading = self._lab.state(name), self._lab.reading(name)
        if state == "idle":
            return "" if self._lab.can_run(name) else "not here"
        if reading is None or state in ("waiting", "failed"):
            return {"running": "beginning…", "done": "reading…"}.get(state, state)
        run = reading.run
        if run.findings:
            count = f"{len(run.findings)} findings"
        else:
            repeats = max((len(way.ms) for way in run.ways), default=0)
            count = f"{repeats} repeat{'' if repeats == 1 else 's'}"
        if run.problem:
            return "void"
        return {"running": f"running, {count}", "stopped": f"stopped, {count}"}.get(state, count)

    def sentence(self, name: str) -> tuple[str, bool]:
        """What stands in place of figures, and whether it is a fault; empty where there are figures."""
        reading, workload = self._lab.reading(name), self._lab.workloads[name]
        if (problem := self._lab.problem(name)) is not None:
            return problem, self._lab.can_run(name)
        if reading is None:
            return workload.shows, False
        if reading.run.problem:
            return reading.run.problem, True
        if reading.run.findings:
            what = f"{reading.surprises} surprise{'' if reading.surprises == 1 else 's'}"
            return f"{len(reading.run.findings)} experiments, {what}: each with its code beside.", False
        return "", False


def _figures(reading: Reading, column: int) -> Lines:
    base, other, ratio = reading.base, reading.other, reading.ratio
    assert base is not None
    if column == MEDIAN:
        return _ms(base.median_ms), "" if other is None else _ms(other.median_ms)
    if column == MEMORY:
        return size(base.peak_bytes), "" if other is None else size(other.peak_bytes)
    if other is None:
        return "", ""
    if column == RATIO:
        return ("", "") if ratio is None else (f"{ratio.value:.2f}", f"{ratio.low:.2f} – {ratio.high:.2f}")
    if column == FIRST:
        pays = "" if reading.pays_off is None else f"pays off after {reading.pays_off:,}"
        return _ms(other.first_ms), pays
    return (str(other.traces), "") if column == TRACES else ("", "")


def _ms(value: float | None) -> str:
    return "" if value is None else f"{figure(value)} ms"


class RowDelegate(QStyledItemDelegate):
    """Two lines a cell; the spread of the times; a sentence where there are no figures."""

    theme = DARK

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        model = index.model()
        assert isinstance(model, LabTableModel)
        name, column = model.names[index.row()], index.column()
        reading: Reading | None = index.data(READING_ROLE)
        area = QRectF(option.rect)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(area, QColor(self.theme.raised))
        sentence, fault = model.sentence(name)
        if column == TIMES and sentence:
            self._write(painter, area.adjusted(8, 4, -8, -4), sentence, self.theme.bad if fault else self.theme.dim)
        elif column == TIMES and reading is not None:
            self._draw_times(painter, area.adjusted(8, 5, -8, -5), reading)
        elif column not in (SIZE, RUN):
            self._draw_lines(painter, area, model.lines(name, column), column, reading)
        painter.restore()

    def _write(self, painter: QPainter, area: QRectF, text: str, colour: str) -> None:
        painter.setPen(QColor(colour))
        lines = two_lines(text, painter.fontMetrics(), int(area.width()))
        painter.drawText(area, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), lines)

    def _draw_times(self, painter: QPainter, area: QRectF, reading: Reading) -> None:
        ways = [way for way in (reading.base, reading.other) if way is not None]
        span = span_of(ways)
        if span is not None:
            height = (area.height() - 2) / 2
            for i, way in enumerate(ways):
                draw_strip(painter, QRectF(area.left(), area.top() + i * (height + 2), area.width(), height), way, span)

    def _draw_lines(self, painter: QPainter, area: QRectF, lines: Lines, column: int, reading: Reading | None) -> None:
        line = painter.fontMetrics().height()
        count = 2 if lines[1] or column in (MEDIAN, MEMORY) else 1
        top = area.top() + (area.height() - count * line) / 2
        ways = (None, None) if reading is None else (reading.base, reading.other)
        for i, text in enumerate(lines[:count]):
            place = QRectF(area.left() + 8, top + i * line, area.width() - 16, line)
            painter.setPen(QColor(self._colour(column, i, reading)))
            side = Qt.AlignmentFlag.AlignRight if column in RIGHT else Qt.AlignmentFlag.AlignLeft
            text = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, int(place.width()))
            painter.drawText(place, int(side | Qt.AlignmentFlag.AlignVCenter), text)
            if column == MEDIAN and text:
                self._dot(painter, place, ways[i])

    def _dot(self, painter: QPainter, place: QRectF, way: WayFigures | None) -> None:
        if way is not None:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(way_colour(way))
            painter.drawEllipse(QRectF(place.left(), place.center().y() - 3, 6, 6))

    def _colour(self, column: int, line: int, reading: Reading | None) -> str:
        """Only a difference that is shown stands out."""
        if column == RATIO and reading is not None and reading.ratio is not None:
            clear = reading.ratio.shown and not reading.too_busy
            return self.theme.text if clear and line == 0 else self.theme.dim
        return self.theme.dim if line and column in (NAME, FIRST) else self.theme.text


def two_lines(text: str, metrics: QFontMetrics, width: int) -> str:
    """As much of a sentence as two lines hold."""
    first, *words = text.split(" ")
    while words and metrics.horizontalAdvance(f"{first} {words[0]}") <= width:
        first += f" {words.pop(0)}"
    return "\n".join(filter(None, [first, metrics.elidedText(" ".join(words), Qt.TextElideMode.ElideRight, width)]))


class LabTable(QTableView):
    run_wanted = Signal(str)
    stop_wanted = Signal(str)
    size_wanted = Signal(str, str)

    def __init__(self, lab: LabModel) -> None:
        super().__init__()
        self._lab = lab
        self.table_model = LabTableModel(lab)
        self._delegate = RowDelegate(self)
        self._sizes: dict[str, SizeBox] = {}
        self._buttons: dict[str, QPushButton] = {}
        quieten(self, self.table_model, "Workloads")
        self.setItemDelegate(self._delegate)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        header = self.horizontalHeader()
        header.setMinimumSectionSize(40)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header.setSectionResizeMode(TIMES, QHeaderView.ResizeMode.Stretch)
        self.table_model.modelReset.connect(self._furnish)
        lab.listed.connect(self._show_problems)
        self.table_model.dataChanged.connect(self._show_rows)
        lab.queue_changed.connect(self._show_rows)
        self._fit()

    def set_theme(self, theme: Theme) -> None:
        self._delegate.theme = theme
        # Seen on the row that is looked at as well.
        self.setStyleSheet(
            f"QPushButton#row {{ padding: 5px 4px; }} QPushButton#row:enabled {{ background: {theme.line}; }}"
            "QComboBox { padding: 4px 2px 4px 6px; } QComboBox::drop-down { width: 20px; }"
        )
        self.viewport().update()

    def button(self, name: str) -> QPushButton:
        return self._buttons[name]

    def size_box(self, name: str) -> SizeBox:
        return self._sizes[name]

    def minimumSizeHint(self) -> QSize:
        return QSize(360, 120)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._furnish()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Show the columns that there is room for."""
        width = self.viewport().width()
        for column, least in KEPT_FROM.items():
            self.setColumnHidden(column, width < least)
        narrow = width < KEPT_FROM[FIRST]
        for column, wide in WIDTHS.items():
            self.setColumnWidth(column, NARROW.get(column, wide) if narrow else wide)

    def _furnish(self) -> None:
        """A chooser of sizes and a button in each row, once there is somebody to see them: they take a while to make."""
        if self._buttons or not self.isVisible():
            return
        for row, name in enumerate(self.table_model.names):
            self._sizes[name], self._buttons[name] = self._chooser(name), self._runner(name)
            self.setIndexWidget(self.table_model.index(row, SIZE), _centred(self._sizes[name]))
            self.setIndexWidget(self.table_model.index(row, RUN), _centred(self._buttons[name]))
        if self._lab.chosen is not None:
            self.selectRow(self.table_model.names.index(self._lab.chosen))
        self._show_rows()

    def _show_problems(self) -> None:
        for name, box in self._sizes.items():
            box.show_problems(self._lab.workloads[name])

    def _chooser(self, name: str) -> SizeBox:
        box = SizeBox(self._lab.workloads[name])
        box.activated.connect(lambda i: self.size_wanted.emit(name, box.itemText(i)))
        return box

    def _runner(self, name: str) -> QPushButton:
        button = QPushButton("Run")
        button.setObjectName("row")
        button.setFixedWidth(60)
        button.clicked.connect(
            lambda: (self.stop_wanted if self._lab.state(name) in ("running", "waiting") else self.run_wanted).emit(name)
        )
        return button

    def _show_rows(self) -> None:
        for name, button in self._buttons.items():
            going = self._lab.state(name) in ("running", "waiting")
            title = self._lab.workloads[name].title
            button.setText("Stop" if going else "Run")
            button.setToolTip(f"{'Stop' if going else 'Run'} {title}")
            button.setAccessibleName(button.toolTip())
            button.setEnabled(self._lab.can_run(name))
            with QSignalBlocker(self._sizes[name]):
                self._sizes[name].setCurrentText(self._lab.size_of(name).name)
            self._sizes[name].setToolTip(self._lab.size_of(name).name)
            self._span(name)

    def _span(self, name: str) -> None:
        """A sentence in place of figures takes the room of all of them."""
        row = self.table_model.names.index(name)
        wanted = RUN - TIMES if self.table_model.sentence(name)[0] else 1
        if self.columnSpan(row, TIMES) != wanted:
            self.setSpan(row, TIMES, 1, wanted)


def _centred(widget: QWidget) -> QWidget:
    """Put a widget in the middle of a cell, so that the row's height does not stretch it."""
    holder = QWidget()
    layout = QHBoxLayout(holder)
    layout.setContentsMargins(4, 0, 4, 0)
    layout.addWidget(widget)
    return holder
