"""How near to the machine's limits: a dot a run and a dot a live query, under the roof of memory and product.

Williams, Waterman, Patterson: Roofline, an insightful visual performance model (2009).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from app.figures import figure
from app.models.dataset import DatasetModel
from app.models.lab import LabModel
from app.models.timings import TimingsModel
from app.theme import COMPILED, DARK, EAGER, Theme
from app.views.log_axis import LogAxis, dress
from core.lab import LabRun, WayFigures

EMPTY = "Run a workload: its dots appear here, under the roof of what this machine's memory and products allow."
# Live queries shown: the newest.
QUERIES = 100
Spot = dict[str, object]


class RooflineView(QWidget):
    chosen = Signal(str)  # the workload of a dot that was clicked

    def __init__(self, lab: LabModel, dataset: DatasetModel, timings: TimingsModel) -> None:
        super().__init__()
        self.setObjectName("panel")
        self._lab, self._dataset, self._timings = lab, dataset, timings
        self._theme = DARK
        self.plot = pg.PlotWidget(enableMenu=False, axisItems={"left": LogAxis("left"), "bottom": LogAxis("bottom")})
        self.note = QLabel(EMPTY)
        self.note.setObjectName("dim")
        self.note.setWordWrap(True)
        self._roof = pg.PlotDataItem()
        self._limits = (pg.TextItem(anchor=(0, 0)), pg.TextItem(anchor=(1, 1)))
        self.runs = pg.ScatterPlotItem(pxMode=True, useCache=False, hoverable=True, tip=_tip)
        self.queries = pg.ScatterPlotItem(pxMode=True, useCache=False, hoverable=True, tip=_tip)
        self._build()
        for signal in (lab.measured, lab.chosen_changed, timings.changed):
            signal.connect(self._show)
        self._show()

    def _build(self) -> None:
        item = self.plot.getPlotItem()
        item.hideButtons()
        item.setLabel("left", "GFLOP/s")
        item.setLabel("bottom", "operations a byte")
        item.getViewBox().setMouseEnabled(x=False, y=False)
        item.showGrid(x=True, y=True, alpha=0.12)
        for part in (self._roof, *self._limits, self.queries, self.runs):
            item.addItem(part)
        self.plot.setAccessibleName("Roofline")
        self.runs.sigClicked.connect(lambda _, points, *__: self.chosen.emit(points[0].data()[0].workload))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 4, 8, 8)
        layout.setSpacing(4)
        layout.addWidget(self.note)
        layout.addWidget(self.plot, 1)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        dress(self.plot, theme)
        self._roof.setPen(pg.mkPen(theme.dim, width=1.5))
        for text in self._limits:
            text.setColor(theme.dim)
        self._show()

    def _show(self) -> None:
        runs = [reading.run for reading in self._lab.readings.values()]
        dots = [spot for run in runs for spot in self._of_run(run)]
        lively = list(self._of_queries())
        self.runs.setData(dots)
        self.queries.setData(lively)
        limits = [run for run in runs if run.bandwidth_gb_s]
        for part in (self._roof, *self._limits):
            part.setVisible(bool(limits))
        self.note.setText(
            "Large dots are workloads, small ones queries on the map; compiled sky blue, uncompiled orange." if limits else EMPTY
        )
        places = [np.array(spot["pos"], dtype=np.float64) for spot in dots + lively]
        if limits:
            self._draw_roof(max(limits, key=lambda run: run.started), places)
        elif places:
            self._frame(np.array(places))

    def _draw_roof(self, run: LabRun, places: list[np.ndarray]) -> None:
        """The roof of the newest run: memory up to the ridge, the product beyond."""
        memory, product = np.log10(run.bandwidth_gb_s), np.log10(run.product_gflop_s)
        ridge = product - memory
        left, right = self._frame(np.array([*places, (ridge - 1.5, product + 0.3), (ridge + 0.7, product)]))
        self._roof.setData([left, ridge, right], [left + memory, product, product])
        about = (f"memory {figure(run.bandwidth_gb_s)} GB/s", f"float32 product {figure(run.product_gflop_s)} GFLOP/s")
        for text, words in zip(self._limits, about, strict=True):
            text.setText(words)
        self._limits[0].setPos(left + 0.1, left + memory)
        self._limits[1].setPos(right, product)

    def _frame(self, places: np.ndarray) -> tuple[float, float]:
        """Show whole half decades around `places`; return the ends of the lower axis."""
        low, high = np.floor(places.min(axis=0) * 2 - 0.4) / 2, np.ceil(places.max(axis=0) * 2 + 0.4) / 2
        item = self.plot.getPlotItem()
        item.setXRange(low[0], high[0], padding=0)
        item.setYRange(low[1], high[1], padding=0)
        return float(low[0]), float(high[0])

    def _of_run(self, run: LabRun) -> Iterator[Spot]:
        for way in run.ways:
            rate = run.gflop_s(way)
            if rate is None or not run.least_bytes:
                continue
            colour = QColor(COMPILED if way.compiled else EAGER)
            chosen = run.workload == self._lab.chosen
            yield {
                "pos": (np.log10(run.flops / run.least_bytes), np.log10(rate)),
                "brush": pg.mkBrush(colour),
                "pen": pg.mkPen(self._theme.text if chosen else self._theme.panel, width=1.5),
                "size": 10 if way.compiled else 15,  # where both lie together, both are seen
                "data": (run, way, self._lab.title(run)),
            }

    def _of_queries(self) -> Iterator[Spot]:
        """A query multiplies every row with the query once: two operations a dimension."""
        dataset = self._dataset.dataset
        if dataset is None:
            return
        flops = 2.0 * dataset.rows * dataset.dims
        for sample in self._timings.samples[-QUERIES:]:
            timing = sample.timing
            if timing.first or not timing.bytes_read or not timing.ms:
                continue
            colour = QColor(COMPILED if timing.mode == "compiled" else EAGER)
            colour.setAlphaF(0.6)
            yield {
                "pos": (np.log10(flops / timing.bytes_read), np.log10(flops / 1e6 / timing.ms)),
                "brush": pg.mkBrush(colour),
                "pen": None,
                "size": 5,
                "data": f"A query: {figure(timing.ms)} ms, {figure(flops / 1e6 / timing.ms)} GFLOP/s",
            }


def _tip(x: float, y: float, data: str | tuple[LabRun, WayFigures, str]) -> str:
    if isinstance(data, str):
        return data
    run, way, title = data
    share = run.share_of_limit(way)
    assert way.median_ms is not None
    lines = [
        title,
        f"{way.name}: {figure(way.median_ms)} ms",
        f"{figure(10**y)} GFLOP/s, {figure(10**x)} operations a byte",
    ]
    return "\n".join(lines if share is None else [*lines, f"{share:.0%} of what this machine allows"])
