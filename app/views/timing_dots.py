"""Each query as a dot: solid if it counts, hollow for a first call, faint if it is about something else than the latest."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtGui import QColor

from app.models.timings import Sample
from app.views.stages_chart import FAINT, MODE_COLOURS
from app.views.timing_axis import Scale
from core.types import Mode

SIZE = 7
# What lies beyond the upper end is marked by an arrow so far beneath it, as a share of the axis.
BENEATH = 0.03


class TimingDots:
    def __init__(self, plot: pg.PlotItem) -> None:
        # One item a style: to style each dot by itself takes a quarter of a second for two thousand.
        kinds = [(mode, first, faint) for mode in MODE_COLOURS for first in (False, True) for faint in (True, False)]
        self._items = {kind: _item("o", *kind) for kind in kinds}
        self._beyond = {mode: _item("t1", mode, True, False) for mode in MODE_COLOURS}
        for item in (*self._items.values(), *self._beyond.values()):
            plot.addItem(item)

    def show(self, samples: list[Sample], scale: Scale) -> None:
        places = scale.places([s.timing.ms for s in samples])
        numbers = np.array([s.number for s in samples], np.float64)
        kinds = [(s.timing.mode, s.timing.first, s.subject != samples[-1].subject) for s in samples]
        beyond = places > scale.high
        for kind, item in self._items.items():
            chosen = np.array([k == kind for k in kinds], bool) & ~beyond
            item.setData(x=numbers[chosen], y=places[chosen])
        edge = scale.high - BENEATH * (scale.high - scale.low)
        for mode, item in self._beyond.items():
            at = numbers[beyond & np.array([k[0] == mode for k in kinds], bool)]
            item.setData(x=at, y=np.full(len(at), edge))

    def count(self, mode: Mode, hollow: bool) -> int:
        """How many dots are drawn, arrows left out."""
        return sum(len(item.data) for (m, first, _), item in self._items.items() if (m, first) == (mode, hollow))

    @property
    def beyond(self) -> int:
        """How many arrows are drawn."""
        return sum(len(item.data) for item in self._beyond.values())


def _item(symbol: str, mode: Mode, hollow: bool, faint: bool) -> pg.ScatterPlotItem:
    colour = QColor(MODE_COLOURS[mode])
    colour.setAlphaF(FAINT if faint else 1.0)
    brush = None if hollow else pg.mkBrush(colour)
    return pg.ScatterPlotItem(pxMode=True, symbol=symbol, size=SIZE, pen=pg.mkPen(colour, width=1.5), brush=brush)
