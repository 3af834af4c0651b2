"""What the chart of timings shows, in one row of buttons."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QButtonGroup, QComboBox, QHBoxLayout, QPushButton, QWidget

from app.settings import SPANS, ChartLook
from app.theme import Theme

STACKED_TIP = "Each query as a bar of its stages; on a logarithmic axis a colour's share of the bar is its share of the time"


class TimingControls(QWidget):
    look_wanted = Signal(object)  # a ChartLook
    pause_wanted = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self._look = ChartLook()
        self.total = _button("Total", "Each query as a dot: what it cost in all, with running medians")
        self.stages = _button("Stages", STACKED_TIP)
        self.log = _button("Log", "A logarithmic axis; off: a linear one from zero, on which first calls may lie beyond the edge")
        self.memory = _button("Memory", "A line of what MLX held at the peak of each query, in MB on the right")
        self.pause = _button("Pause", "Let the picture stay; queries are still counted and collected")
        self.span = QComboBox()
        self._build()

    def _build(self) -> None:
        for span in SPANS:
            self.span.addItem(f"Last {span:,}" if span else "All", span)
        self.span.setAccessibleName("How many queries")
        self.span.setToolTip("How many of the latest queries are shown")
        group = QButtonGroup(self)
        group.addButton(self.total)
        group.addButton(self.stages)
        # As wide as its longest text, so that nothing beside it moves.
        self.pause.setText(_pause_text(True, 9999))
        self.pause.setMinimumWidth(self.pause.sizeHint().width())
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        for widget, gap in ((self.total, 0), (self.stages, 8), (self.span, 8), (self.log, 0), (self.memory, 8), (self.pause, 0)):
            row.addWidget(widget)
            row.addSpacing(gap)
        row.addStretch()
        self.total.clicked.connect(lambda: self._want(stages=False))
        self.stages.clicked.connect(lambda: self._want(stages=True))
        self.log.clicked.connect(lambda on: self._want(log=on))
        self.memory.clicked.connect(lambda on: self._want(memory=on))
        self.span.activated.connect(lambda i: self._want(span=self.span.itemData(i)))
        self.pause.clicked.connect(self.pause_wanted)

    def set_theme(self, theme: Theme) -> None:
        self.setStyleSheet(
            f"QPushButton {{ padding: 3px 10px; color: {theme.dim}; background: {theme.panel}; border: 1px solid {theme.line}; }}"
            f"QPushButton:checked {{ color: {theme.text}; background: {theme.line}; }}"
            f"QPushButton:hover {{ color: {theme.text}; }}"
            f"QPushButton:focus {{ border: 1px solid {theme.accent}; }}"
            "QComboBox { padding: 1px 6px; }"
        )

    def show_look(self, look: ChartLook) -> None:
        self._look = look
        self.total.setChecked(not look.stages)
        self.stages.setChecked(look.stages)
        self.log.setChecked(look.log)
        self.memory.setChecked(look.memory)
        with QSignalBlocker(self.span):
            self.span.setCurrentIndex(self.span.findData(look.span))

    def show_pause(self, paused: bool, waiting: int) -> None:
        self.pause.setChecked(paused)
        self.pause.setText(_pause_text(paused, waiting))

    def _want(self, **changes: object) -> None:
        self.look_wanted.emit(replace(self._look, **changes))  # type: ignore[arg-type]


def _button(text: str, about: str) -> QPushButton:
    button = QPushButton(text)
    button.setCheckable(True)
    button.setToolTip(about)
    return button


def _pause_text(paused: bool, waiting: int) -> str:
    return f"Resume ({waiting:,})" if paused else "Pause"
