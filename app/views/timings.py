"""What each query cost, live: a dot a query, first calls hollow, a running median a mode, and the difference in words."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from app.figures import figure, size
from app.models.timings import Sample, TimingsModel
from app.theme import COMPILED, DARK, EAGER, Theme
from core.types import Mode

# Queries in the chart at once, and those that a running median covers.
SHOWN = 200
WINDOW = 31
COLOURS: dict[Mode, str] = {"compiled": COMPILED, "eager": EAGER}
EMPTY = "Every query leaves a dot here: what it cost, compiled or not."


class MillisecondAxis(pg.AxisItem):  # type: ignore[misc]
    """A logarithmic axis that reads 0.5, 1, 2, 5, not powers."""

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        decades = range(int(np.floor(low)) - 1, int(np.ceil(high)) + 1)
        steps = (1, 2, 5) if high - low < 2.5 else (1,)
        values = [np.log10(s) + decade for decade in decades for s in steps]
        return [(1.0, [float(v) for v in values if low <= v <= high])]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        return [f"{10**v:.4g}" for v in values]


class TimingsView(QWidget):
    race_wanted = Signal()
    stop_wanted = Signal()

    def __init__(self, timings: TimingsModel) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._timings = timings
        self._theme = DARK
        self.plot = pg.PlotWidget(enableMenu=False, axisItems={"left": MillisecondAxis("left")})
        self.dots = pg.ScatterPlotItem(pxMode=True, hoverable=True, tip=self._tip)
        self._medians: dict[Mode, pg.PlotDataItem] = {}
        self.words = QLabel(EMPTY)
        self.words.setWordWrap(True)
        self._detail = QLabel()
        self._detail.setObjectName("dim")
        self._detail.setWordWrap(True)
        self.race = QPushButton("Race")
        self.race.setToolTip("Run the last query 30 times compiled and 30 times uncompiled, in random order (R)")
        self._can_race = False
        self._build()
        timings.changed.connect(self._show)
        timings.race_changed.connect(self._show_race)
        self._show_race()

    def _build(self) -> None:
        item = self.plot.getPlotItem()
        item.hideButtons()
        item.setLabel("left", "ms")
        item.setLabel("bottom", "query")
        item.getViewBox().setMouseEnabled(x=False, y=False)
        item.showGrid(y=True, alpha=0.15)
        self.plot.setAccessibleName("Timing chart")
        self.plot.setMinimumHeight(110)
        for mode, colour in COLOURS.items():
            self._medians[mode] = self.plot.plot(pen=pg.mkPen(colour, width=2))
        item.addItem(self.dots)
        item.setYRange(0, 1)
        item.setXRange(0, 20)
        side = QVBoxLayout()
        side.setSpacing(8)
        side.addLayout(self._key())
        side.addWidget(self.words)
        side.addWidget(self._detail)
        side.addStretch()
        side.addWidget(self.race, 0, Qt.AlignmentFlag.AlignLeft)
        self.race.clicked.connect(lambda: self.stop_wanted.emit() if self._timings.race_left else self.race_wanted.emit())
        holder = QWidget()
        holder.setObjectName("panel")
        holder.setLayout(side)
        side.setContentsMargins(8, 4, 4, 0)
        holder.setFixedWidth(300)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 8)
        layout.addWidget(self.plot, 1)
        layout.addWidget(holder)

    def _key(self) -> QHBoxLayout:
        row = QHBoxLayout()
        for name, colour, hollow in (("compiled", COMPILED, False), ("uncompiled", EAGER, False), ("first call", "", True)):
            label = QLabel(f'<span style="color:{colour or "#8a8a98"}">{"○" if hollow else "●"}</span> {name}')
            label.setTextFormat(Qt.TextFormat.RichText)
            row.addWidget(label)
        row.addStretch()
        return row

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.plot.setBackground(theme.panel)
        for name in ("left", "bottom"):
            axis = self.plot.getPlotItem().getAxis(name)
            axis.setPen(pg.mkPen(theme.line))
            axis.setTextPen(pg.mkPen(theme.dim))
        self._show()

    def allow_race(self, allowed: bool) -> None:
        self._can_race = allowed
        self._show_race()

    def sizeHint(self) -> QSize:
        return QSize(900, 210)

    def _tip(self, x: float, y: float, data: Sample) -> str:
        timing = data.timing
        lines = [
            f"{figure(timing.ms)} ms {'compiled' if timing.mode == 'compiled' else 'uncompiled'}",
            *(f"{name}: {figure(ms)} ms" for name, ms in timing.stages),
            f"{size(timing.bytes_read)} read, {figure(timing.bytes_read / 1e6 / timing.ms)} GB/s",
        ]
        if timing.first:
            lines.append(f"first call: {timing.traces} function(s) traced" if timing.traces else "first call of these shapes")
        return "\n".join(lines)

    def _show(self) -> None:
        samples = self._timings.samples[-SHOWN:]
        self.dots.setData([self._dot(s) for s in samples])
        for mode, curve in self._medians.items():
            warm = self._timings.warm(mode)[-SHOWN:]
            times = [s.timing.ms for s in warm]
            running = [np.log10(np.median(times[max(0, i + 1 - WINDOW) : i + 1])) for i in range(len(times))]
            curve.setData([s.number for s in warm], running)
        self._frame(samples)
        self._say(samples)

    def _dot(self, sample: Sample) -> dict[str, object]:
        """Solid if it counts, hollow for a first call, faint if it is of another data set, metric or k than the latest."""
        colour = QColor(COLOURS[sample.timing.mode])
        colour.setAlphaF(1.0 if sample.subject == self._timings.subject else 0.25)
        return {
            "pos": (sample.number, np.log10(max(sample.timing.ms, 1e-3))),
            "brush": None if sample.timing.first else pg.mkBrush(colour),
            "pen": pg.mkPen(colour, width=1.5),
            "size": 7,
            "data": sample,
        }

    def _frame(self, samples: list[Sample]) -> None:
        """Whole decades' fifths, changed only when a dot would fall outside: nothing jumps."""
        if not samples:
            return
        logs = np.log10([max(s.timing.ms, 1e-3) for s in samples])
        low, high = np.floor(logs.min() * 5 - 0.5) / 5, np.ceil(logs.max() * 5 + 0.5) / 5
        item = self.plot.getPlotItem()
        item.setYRange(low, max(high, low + 0.8), padding=0)
        first, last = samples[0].number, samples[-1].number
        item.setXRange(first - 1, first + max(20, int(np.ceil((last - first + 2) / 20)) * 20), padding=0)

    def _say(self, samples: list[Sample]) -> None:
        if not samples:
            self.words.setText(EMPTY)
            self._detail.setText("")
            return
        self.words.setText(self._timings.summary().sentence)
        last = samples[-1].timing
        stages = ", ".join(f"{name} {figure(ms)} ms" for name, ms in last.stages)
        traces = f"{self._timings.traces} trace{'' if self._timings.traces == 1 else 's'} so far"
        self._detail.setText(f"Last: {stages}; {size(last.bytes_read)} read. {traces}.")

    def _show_race(self) -> None:
        left = self._timings.race_left
        self.race.setText(f"Stop ({left} left)" if left else "Race")
        self.race.setEnabled(self._can_race or bool(left))
