"""The stages of each query as a bar of several colours, and under it a line in the colour of its mode."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtGui import QColor

from app.models.timings import Sample
from app.palettes import OKABE_ITO, OKABE_ITO_LIGHT, grey
from app.theme import COMPILED, DARK, EAGER, Theme
from app.views.timing_axis import Scale
from core.types import Mode, Timing

MODE_COLOURS: dict[Mode, str] = {"compiled": COMPILED, "eager": EAGER}
BAR_WIDTH = 0.8
# How strong queries show that are of another data set, metric or k than the latest.
FAINT = 0.25
# Upper and lower edge of the line that tells the mode, in shares of the foot.
LINE = (0.16, 0.44)
REST = "other"


@dataclass(frozen=True)
class Stage:
    colour: int  # among Okabe and Ito's; those of the modes, 0 and 1, stand for nothing else
    about: str


# In the order they are stacked, from below.
STAGES = {
    "reading": Stage(6, "waiting for vectors that do not fit in memory and are read from the file"),
    "transfer": Stage(5, "the query to the device, and what was found back"),
    "product": Stage(2, "the cheap product that bounds every row's distance"),
    "search on the device": Stage(2, "product, selection and distances, in one program on the GPU"),
    "selection": Stage(3, "the candidates of smallest bounds"),
    "exact distances": Stage(4, "the candidates' distances in float64, and the proof"),
}
NAMES = (*STAGES, REST)


def stage_colour(name: str, theme: Theme) -> str:
    if name not in STAGES:
        return grey(theme)
    return (OKABE_ITO if theme.dark else OKABE_ITO_LIGHT)[STAGES[name].colour]


def stage_times(timing: Timing) -> dict[str, float]:
    """Milliseconds of each of NAMES that took any; what is not told apart is the rest."""
    known = {name: ms for name, ms in timing.stages if name in STAGES}
    times = {name: known[name] for name in STAGES if name in known}
    rest = timing.ms - sum(times.values())
    return {**times, REST: rest} if rest > 0 else times


class StageBars:
    def __init__(self, plot: pg.PlotItem) -> None:
        self._theme = DARK
        self._bars = {(name, faint): _bars() for name in NAMES for faint in (False, True)}
        self._lines = {(mode, first): _bars() for mode in MODE_COLOURS for first in (False, True)}
        for item in (*self._bars.values(), *self._lines.values()):
            plot.addItem(item)
        for (mode, first), item in self._lines.items():
            colour = MODE_COLOURS[mode]
            item.setOpts(brush=None, pen=pg.mkPen(colour)) if first else item.setOpts(brush=colour, pen=None)

    def set_theme(self, theme: Theme) -> None:
        for (name, faint), item in self._bars.items():
            colour = QColor(stage_colour(name, theme))
            colour.setAlphaF(FAINT if faint else 1.0)
            item.setOpts(brush=colour, pen=None)

    def show(self, samples: list[Sample], scale: Scale) -> None:
        """Bars as high as the whole time; on a logarithmic scale each colour has its share of that height."""
        numbers = np.array([s.number for s in samples], np.float64)
        faint = np.array([s.subject != samples[-1].subject for s in samples], bool)
        edges = edges_of(samples, scale)
        for i, name in enumerate(NAMES):
            some = edges[:, i + 1] > edges[:, i]
            for is_faint in (False, True):
                chosen = some & (faint == is_faint)
                _set(self._bars[name, is_faint], numbers[chosen], edges[chosen, i], edges[chosen, i + 1])
        for (mode, first), item in self._lines.items():
            at = np.array([s.number for s in samples if (s.timing.mode, s.timing.first) == (mode, first)], np.float64)
            _set(item, at, np.full(len(at), scale.foot(LINE[1])), np.full(len(at), scale.foot(LINE[0])))

    def count(self, name: str) -> int:
        """How many bars have a part of that name."""
        return sum(len(self._bars[name, faint].opts["x"]) for faint in (False, True))


def edges_of(samples: list[Sample], scale: Scale) -> NDArray[np.float64]:
    """Where the stages of each bar begin and end, (n, stages + 1)."""
    times = [stage_times(s.timing) for s in samples]
    values = np.array([[0.0, *(t.get(name, 0.0) for name in NAMES)] for t in times]).reshape(len(samples), len(NAMES) + 1)
    stacked: NDArray[np.float64] = np.cumsum(values, axis=1)
    if not scale.log:
        return stacked
    wholes = stacked[:, -1:]
    heights = np.maximum(scale.places(wholes) - scale.low, 0.0)
    heights = heights / wholes
    return np.asarray(scale.low + heights * stacked)


def _bars() -> pg.BarGraphItem:
    return pg.BarGraphItem(x=[], y0=[], y1=[], width=BAR_WIDTH, pen=None)


def _set(item: pg.BarGraphItem, x: NDArray[np.float64], bottom: NDArray[np.float64], top: NDArray[np.float64]) -> None:
    item.setOpts(x=x, y0=bottom, y1=top)
