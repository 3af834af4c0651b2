"""The chart of what queries cost: dots and running medians, or bars of stages; retraces at the foot; a line of memory."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QFocusEvent, QHelpEvent, QKeyEvent
from PySide6.QtWidgets import QToolTip

from app.models.timings import Sample, TimingsModel
from app.settings import ChartLook
from app.theme import Theme
from app.views.stages_chart import BAR_WIDTH, MODE_COLOURS, StageBars
from app.views.timing_axis import FOOT, HEAD, Scale, ValueAxis, nice_above, scale_for
from app.views.timing_dots import TimingDots
from app.views.timing_tip import tip
from core.statistics import running_medians

# Queries that a running median covers.
WINDOW = 31
# Room for so many queries at least, and more in steps of as many.
STEP = 20
# Pixels from a mark within which it is meant.
REACH = 9
# Where the mark of a retrace lies, in shares of the foot.
RETRACE = 0.7
AXES = {"left": "milliseconds a query took", "bottom": "number of the query", "right": "megabytes that MLX held at the peak"}


class TimingChart(pg.PlotWidget):  # type: ignore[misc]
    def __init__(self) -> None:
        axes = {side: ValueAxis(side) for side in AXES}
        super().__init__(enableMenu=False, axisItems=axes)
        self._axes = axes
        self._samples: list[Sample] = []
        self.present: Sample | None = None  # that the keyboard has walked to
        self._look = ChartLook()
        self.scale_shown = Scale(True, 0.0, 1.0)
        self._plot = self.getPlotItem()
        self.bars = StageBars(self._plot)
        self._medians = {mode: self.plot(pen=pg.mkPen(colour, width=2)) for mode, colour in MODE_COLOURS.items()}
        self.dots = TimingDots(self._plot)
        self.retraces = pg.ScatterPlotItem(pxMode=True, symbol="t1", size=8, pen=None)
        self.ring = pg.ScatterPlotItem(pxMode=True, symbol="o", size=15, brush=None)
        self._plot.addItem(self.retraces)
        self._plot.addItem(self.ring)
        self.memory = pg.PlotDataItem()
        self._memory_box = pg.ViewBox(enableMenu=False)
        self._build()

    def _build(self) -> None:
        plot, box = self._plot, self._memory_box
        plot.hideButtons()
        plot.setLabel("left", "ms")
        plot.setLabel("right", "MB")
        plot.getViewBox().setMouseEnabled(x=False, y=False)
        plot.showGrid(y=True, alpha=0.15)
        plot.setXRange(0, STEP)
        plot.setYRange(0, 1)
        for side in ("left", "right"):
            self._axes[side].setWidth(52)  # whatever its figures: the chart keeps its place
        self._axes["bottom"].set_scale(Scale(False, 1.0, 1.0))  # there is no query 0
        plot.hideAxis("right")
        plot.scene().addItem(box)
        box.setMouseEnabled(x=False, y=False)
        box.setXLink(plot)
        box.addItem(self.memory)
        self._axes["right"].linkToView(box)
        self._axes["right"].setGrid(False)
        plot.getViewBox().sigResized.connect(self._fit_memory)
        self.setAccessibleName("Timing chart")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setMinimumHeight(96)

    def set_theme(self, theme: Theme) -> None:
        self.setBackground(theme.panel)
        for name in AXES:
            axis = self._plot.getAxis(name)
            axis.setPen(pg.mkPen(theme.line))
            axis.setTextPen(pg.mkPen(theme.dim))
        self.bars.set_theme(theme)
        self.retraces.setBrush(pg.mkBrush(theme.text))
        self.memory.setPen(pg.mkPen(theme.dim, width=1.2))
        self.ring.setPen(pg.mkPen(theme.accent, width=2))

    def show_timings(self, timings: TimingsModel, look: ChartLook) -> None:
        self._look = look
        self._samples = samples = timings.shown[-look.span :]
        times = [s.timing.ms for s in samples]
        warm = [s.timing.ms for s in samples if not s.timing.first]
        self.scale_shown = scale = scale_for(times, warm, look.log)
        self._frame(scale)
        self.bars.show(samples if look.stages else [], scale)
        self.dots.show([] if look.stages else samples, scale)
        for mode, curve in self._medians.items():
            self._show_median(curve, [] if look.stages else timings.warm(mode), scale)
        traced = [s.number for s in samples if s.timing.traces]
        self.retraces.setData(x=traced, y=[scale.foot(RETRACE)] * len(traced))
        self._show_memory()
        self._show_present()

    def _show_median(self, curve: pg.PlotDataItem, warm: list[Sample], scale: Scale) -> None:
        first = self._samples[0].number if self._samples else 0
        medians = scale.places(running_medians([s.timing.ms for s in warm], WINDOW))
        shown = np.array([s.number for s in warm]) >= first
        curve.setData(np.array([s.number for s in warm])[shown], medians[shown])

    def _show_memory(self) -> None:
        shown = self._look.memory
        self._plot.showAxis("right", shown)
        self._memory_box.setVisible(shown)
        if shown:
            megabytes = [s.timing.memory_bytes / 1e6 for s in self._samples]
            top = nice_above(1.02 * max(megabytes, default=1.0))
            self.memory.setData([s.number for s in self._samples], megabytes)
            self._memory_box.setYRange(-FOOT * top, (1 + HEAD) * top, padding=0)

    def _fit_memory(self, *_: object) -> None:
        self._memory_box.setGeometry(self._plot.getViewBox().sceneBoundingRect())

    def _frame(self, scale: Scale) -> None:
        self._axes["left"].set_scale(scale)
        self._plot.setYRange(scale.foot(1.0), scale.head, padding=0)
        if self._samples:
            first, last = self._samples[0].number, self._samples[-1].number
            room = STEP * max(1, int(np.ceil((last - first + 2) / STEP)))
            self._plot.setXRange(first - max(1.0, 0.02 * room), first + room, padding=0)

    # What is under the cursor

    def viewportEvent(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.tip_at(event.pos()), self.viewport())
            return True
        return bool(super().viewportEvent(event))

    def tip_at(self, pos: QPoint) -> str:
        """All that is known of the query there; beside the chart, what an axis tells."""
        place = self.mapToScene(pos)
        inner = self._plot.getViewBox().sceneBoundingRect()
        if not inner.contains(place):
            sides = {"left": place.x() < inner.left(), "right": place.x() > inner.right(), "bottom": place.y() > inner.bottom()}
            return next((AXES[side] for side, there in sides.items() if there and self._plot.getAxis(side).isVisible()), "")
        sample = self.sample_at(pos)
        return "" if sample is None else tip(sample)

    def sample_at(self, pos: QPoint) -> Sample | None:
        """The query whose bar, dot or mark at the foot is there."""
        if not self._samples:
            return None
        numbers = np.array([s.number for s in self._samples], np.float64)
        places = self.scale_shown.places([s.timing.ms for s in self._samples]).clip(max=self.scale_shown.high)
        box = self._plot.getViewBox()
        at, pixel = box.mapSceneToView(self.mapToScene(pos)), box.viewPixelSize()
        nearest = int(np.abs(numbers - at.x()).argmin())
        within = abs(numbers[nearest] - at.x()) <= max(BAR_WIDTH / 2, REACH / 2 * pixel[0])
        if at.y() < self.scale_shown.low or self._look.stages:
            return self._samples[nearest] if within and at.y() <= places[nearest] else None
        away = np.hypot((numbers - at.x()) / pixel[0], (places - at.y()) / pixel[1])
        return self._samples[int(away.argmin())] if away.min() <= REACH else None

    def place_of(self, sample: Sample) -> QPoint:
        """Where the dot, or the upper end of the bar, of a query is, in pixels of the viewport."""
        place = float(self.scale_shown.places([sample.timing.ms])[0])
        scene = self._plot.getViewBox().mapViewToScene(pg.Point(sample.number, min(place, self.scale_shown.high)))
        return QPoint(self.mapFromScene(scene))

    # The keyboard

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self._walk_to(len(self._samples) - 1)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.present = None
        self._show_present()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Left and right, Home and End walk from query to query, and tell of each what resting the mouse on it tells."""
        last = len(self._samples) - 1
        at = last if self.present is None else self._samples.index(self.present)
        places = {Qt.Key.Key_Left: at - 1, Qt.Key.Key_Right: at + 1, Qt.Key.Key_Home: 0, Qt.Key.Key_End: last}
        if event.key() in places:
            self._walk_to(places[Qt.Key(event.key())])
        else:
            super().keyPressEvent(event)

    def _walk_to(self, at: int) -> None:
        if 0 <= at < len(self._samples):
            self.present = self._samples[at]
            self._show_present()
            self.setAccessibleDescription(tip(self.present))
            place = self.viewport().mapToGlobal(self.place_of(self.present))
            QToolTip.showText(place, tip(self.present), self.viewport())

    def _show_present(self) -> None:
        if self.present not in self._samples:
            self.present = None
        shown = [] if self.present is None else [self.present]
        places = self.scale_shown.places([s.timing.ms for s in shown]).clip(max=self.scale_shown.high)
        self.ring.setData(x=[s.number for s in shown], y=places)
