"""Runs of before and now: one workload over time, over machines and releases of MLX."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QHeaderView, QLabel, QTableView, QVBoxLayout, QWidget

from app.figures import figure
from app.models.lab import LabModel, Reading
from app.models.lab_history import LabHistory
from app.theme import COMPILED, DARK, EAGER, Theme
from app.views.headed_table import FIGURE, HeadedTable
from app.views.log_axis import LogAxis, dress
from app.views.quiet_table import Index, quieten
from core.lab import LabRun

STARTED, WHAT, RATIO, BASE, OTHER, MLX, DEVICE = range(7)
HEADS = ("Started", "Workload", "Times as fast", "Uncompiled", "Compiled", "MLX", "Device")
WIDTHS = {STARTED: 100, RATIO: 140, BASE: 84, OTHER: 84, MLX: 60, DEVICE: 128}
# What goes first where there is no room, and how wide the table must be to keep it; tooltips tell it all.
KEPT_FROM = {DEVICE: 720, MLX: 600, BASE: 540, OTHER: 540}
RIGHT = (RATIO, BASE, OTHER)
EMPTY = "Every run that ends is kept here, with its device and versions: run a workload."
EVERY = "All workloads"


class HistoryTable(HeadedTable):
    heads, right = HEADS, RIGHT

    def __init__(self, lab: LabModel, history: LabHistory) -> None:
        super().__init__()
        self._lab, self._history = lab, history
        self.runs: list[LabRun] = []  # newest first
        history.read_more.connect(self.all_changed)

    def show(self, runs: list[LabRun]) -> None:
        self.beginResetModel()
        self.runs = runs
        self.endResetModel()

    def rows_shown(self) -> list[LabRun]:
        return self.runs

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        run, column = self.runs[index.row()], index.column()
        reading = self._history.reading(run)
        if role == Qt.ItemDataRole.DisplayRole:
            return self._lab.title(run) if column == WHAT else _text(run, reading, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return told(run, reading)
        if role == Qt.ItemDataRole.TextAlignmentRole and column in RIGHT:
            return FIGURE
        return None


def _text(run: LabRun, reading: Reading | None, column: int) -> str:
    if column == STARTED:
        return local_time(run.started)
    if column in (MLX, DEVICE):
        return run.versions.get("mlx", "") if column == MLX else run.device
    if reading is None:
        return "…"
    if column == RATIO:
        if run.findings:
            return f"{len(run.findings)} findings"
        ratio = reading.ratio
        return "void" if run.problem else "" if ratio is None else f"{ratio.value:.2f}  ({ratio.low:.2f} – {ratio.high:.2f})"
    way = reading.base if column == BASE else reading.other
    return "" if way is None or way.median_ms is None else f"{figure(way.median_ms)} ms"


def told(run: LabRun, reading: Reading | None) -> str:
    """A run in words."""
    versions = ", ".join(f"{name} {number}" for name, number in run.versions.items())
    lines = [run.size, run.file, local_time(run.started), run.device, versions]
    return "\n".join(filter(None, [*lines, reading.verdict if reading else ""]))


def local_time(started: str) -> str:
    """'24 Nov 15:36' where the user is, with the year if that is another; what was written, if that is no time."""
    try:
        time = datetime.fromisoformat(started).astimezone()
    except ValueError:
        return started
    year = "" if time.year == datetime.now(UTC).year else f" {time.year}"
    return f"{time.day} {time:%b}{year} {time:%H:%M}"


def _tip(x: float, y: float, data: Reading) -> str:  # noqa: ARG001
    return told(data.run, data)


class MediansPlot(pg.PlotWidget):  # type: ignore[misc]
    """Medians of the runs of one size in the order of time; a line where the machine or MLX's release changes."""

    def __init__(self) -> None:
        super().__init__(enableMenu=False, axisItems={"left": LogAxis("left")})
        self._theme = DARK
        item = self.getPlotItem()
        item.hideButtons()
        item.setLabel("left", "ms")
        item.setLabel("bottom", "run")
        item.getViewBox().setMouseEnabled(x=False, y=False)
        item.showGrid(y=True, alpha=0.12)
        self.dots = pg.ScatterPlotItem(pxMode=True, useCache=False, hoverable=True, tip=_tip)
        item.addItem(self.dots)
        self._changes: list[pg.InfiniteLine] = []
        self.setAccessibleName("Medians of the runs")

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        dress(self, theme)

    def show_readings(self, readings: Sequence[Reading]) -> None:
        """`readings` oldest first."""
        item = self.getPlotItem()
        spots = [spot for number, reading in enumerate(readings, 1) for spot in self._spots(number, reading)]
        self.dots.setData(spots)
        for line in self._changes:
            item.removeItem(line)
        self._changes = [self._change(number, reading) for number, reading in enumerate(readings, 1) if _new(readings, number)]
        for line in self._changes:
            item.addItem(line)
        if spots:
            heights = np.array([spot["pos"][1] for spot in spots])
            low, high = np.floor(heights.min() * 5 - 0.5) / 5, np.ceil(heights.max() * 5 + 0.5) / 5
            item.setYRange(low, max(high, low + 0.8), padding=0)
        item.setXRange(0.5, max(10, len(readings)) + 0.5, padding=0)

    def _spots(self, number: int, reading: Reading) -> list[dict[str, Any]]:
        ways = [way for way in (reading.base, reading.other) if way is not None and way.median_ms]
        return [
            {
                "pos": (number, np.log10(way.median_ms or 1.0)),
                "brush": pg.mkBrush(COMPILED if way.compiled else EAGER),
                "pen": None,
                "size": 8 if way.compiled else 12,  # where both lie together, both are seen
                "data": reading,
            }
            for way in ways
        ]

    def _change(self, number: int, reading: Reading) -> pg.InfiniteLine:
        run = reading.run
        label = f"MLX {run.versions.get('mlx', '?')}, {run.device.split(' · ')[0]}"
        options = {"position": 0.94, "color": self._theme.dim, "anchors": [(0, 0.5), (0, 0.5)]}
        return pg.InfiniteLine(number - 0.4, pen=pg.mkPen(self._theme.line), label=label, labelOpts=options)


def _new(readings: Sequence[Reading], number: int) -> bool:
    """Whether the run of this number, from 1, is the first on its machine or release."""
    here = [(r.run.device, r.run.versions.get("mlx")) for r in readings[max(0, number - 2) : number]]
    return len(set(here)) == len(here)


class LabHistoryView(QWidget):
    workload_wanted = Signal(str)

    def __init__(self, lab: LabModel, history: LabHistory) -> None:
        super().__init__()
        self.setObjectName("panel")
        self._lab, self._history = lab, history
        self.choice, self.note = QComboBox(), QLabel(EMPTY)
        self.table, self.table_model = QTableView(), HistoryTable(lab, history)
        self.plot = MediansPlot()
        self._about = QLabel()
        self._build()
        lab.listed.connect(self._fill_choice)
        lab.chosen_changed.connect(self._follow)
        history.changed.connect(self._show)
        history.read_more.connect(self._show_plot)
        history.read_more.connect(self._work_out)
        self.choice.activated.connect(self._show)
        self.table.selectionModel().currentRowChanged.connect(self._show_plot)
        self._show()

    @property
    def runs(self) -> list[LabRun]:
        """Those listed, newest first."""
        return self.table_model.runs

    def set_theme(self, theme: Theme) -> None:
        self.plot.set_theme(theme)
        self._show_plot()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._work_out()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        for column, least in KEPT_FROM.items():
            self.table.setColumnHidden(column, self.width() * 2 / 3 < least)

    def _build(self) -> None:
        quieten(self.table, self.table_model, "Runs")
        header = self.table.horizontalHeader()
        for column, width in WIDTHS.items():
            self.table.setColumnWidth(column, width)
        header.setSectionResizeMode(WHAT, QHeaderView.ResizeMode.Stretch)
        self.choice.setAccessibleName("Workload")
        self.choice.setMinimumWidth(180)
        for label in (self.note, self._about):
            label.setObjectName("dim")
            label.setWordWrap(True)  # else the lab could not be narrower than a sentence
        top = QHBoxLayout()
        top.setSpacing(12)
        top.addWidget(self.choice)
        top.addWidget(self.note, 1)
        left, right = QVBoxLayout(), QVBoxLayout()
        for layout in (left, right):
            layout.setSpacing(8)
        left.addLayout(top)
        left.addWidget(self.table, 1)
        right.addWidget(self._about)
        right.addWidget(self.plot, 1)
        both = QHBoxLayout(self)
        both.setContentsMargins(12, 8, 8, 8)
        both.setSpacing(16)
        both.addLayout(left, 2)
        both.addLayout(right, 1)

    def _fill_choice(self) -> None:
        if self.choice.count() != len(self._lab.workloads) + 1:
            with QSignalBlocker(self.choice):
                self.choice.clear()
                self.choice.addItem(EVERY)
                for workload in self._lab.workloads.values():
                    self.choice.addItem(workload.title, workload.name)
            self._follow()

    def _follow(self) -> None:
        """List the runs of the workload that is looked at."""
        self.choice.setCurrentIndex(max(0, self.choice.findData(self._lab.chosen)))
        self._show()

    def _show(self) -> None:
        wanted = self.choice.currentData()
        runs = [run for run in reversed(self._history.runs) if wanted in (None, run.workload)]
        self.table_model.show(runs)
        kept = len(self._history.runs)
        self.note.setText(f"{len(runs):,} of {kept:,} runs kept." if kept else EMPTY)
        if runs:
            self.table.selectRow(0)
        self._show_plot()
        self._work_out()

    def _work_out(self) -> None:
        if self.isVisible():
            self._history.work_out(self.runs)

    def _show_plot(self) -> None:
        """The runs that can be compared with the chosen one: of its workload, size and kind of input."""
        index = self.table.currentIndex()
        alike: list[Reading] = []
        if index.isValid():
            chosen = self.runs[index.row()]
            same = (chosen.workload, chosen.size, chosen.file)
            runs = [run for run in reversed(self.runs) if (run.workload, run.size, run.file) == same]
            alike = [reading for run in runs if (reading := self._history.reading(run)) is not None]
            self._about.setText(f"{self._lab.title(chosen)}: medians over time")
        self.plot.show_readings(alike)
        for widget in (self._about, self.plot):
            widget.setVisible(any(reading.base for reading in alike))
