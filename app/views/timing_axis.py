"""Where milliseconds lie on the chart's upright axis, logarithmic or linear, and how the axis reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray

# Room for marks beneath the axis' lower end, as a share of its length.
FOOT = 0.14
# And above its upper end.
HEAD = 0.05
# A logarithmic axis spans no less than this many decades, and begins and ends at fifths of one.
SPAN, STEPS = 0.8, 5
SHORTEST_MS = 1e-3
NICE = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


@dataclass(frozen=True)
class Scale:
    """`low` and `high` are the axis' ends: milliseconds, or their decimal logarithms."""

    log: bool
    low: float
    high: float

    def places(self, ms: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
        values = np.asarray(ms, np.float64)
        return np.log10(np.maximum(values, SHORTEST_MS)) if self.log else values

    def foot(self, share: float) -> float:
        """A place beneath the axis, at a share of the room for marks there."""
        return self.low - share * FOOT * (self.high - self.low)

    @property
    def head(self) -> float:
        """The upper end of the picture."""
        return self.high + HEAD * (self.high - self.low)


def scale_for(times: Sequence[float], warm: Sequence[float], log: bool) -> Scale:
    """Ends that change only when a time would fall outside: nothing jumps.

    A linear axis ends above the warm times, for a first call may take a thousand times as long.
    """
    if not times:
        return Scale(log, 0.0, 1.0)
    if not log:
        return Scale(log, 0.0, nice_above(1.02 * max(warm or times)))
    logs = np.log10(np.maximum(times, SHORTEST_MS))
    low, high = np.floor(logs.min() * STEPS - 0.5) / STEPS, np.ceil(logs.max() * STEPS + 0.5) / STEPS
    return Scale(log, float(low), float(max(high, low + SPAN)))


def nice_above(value: float) -> float:
    """The next of 1, 1.5, 2, 3, 4, 5, 6, 8 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(max(value, SHORTEST_MS)))
    return float(next((step * power for step in NICE if step * power >= value), 10 * power))


class ValueAxis(pg.AxisItem):  # type: ignore[misc]
    """Reads 0.5, 1, 2, 5 where it is logarithmic, not powers; and has no ticks beneath its lower end."""

    def __init__(self, side: str) -> None:
        super().__init__(side)
        self.enableAutoSIPrefix(False)
        self._scale = Scale(False, 0.0, 1.0)

    def set_scale(self, scale: Scale) -> None:
        self._scale = scale
        self.picture = None
        self.update()

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        low = max(low, self._scale.low)
        if not self._scale.log:
            levels = super().tickValues(low, high, size)
            return [(spacing, [v for v in values if v >= low]) for spacing, values in levels]
        decades = range(int(np.floor(low)) - 1, int(np.ceil(high)) + 1)
        steps = (1, 2, 5) if high - low < 2.5 else (1,)
        ticks = [np.log10(s) + decade for decade in decades for s in steps]
        return [(1.0, [float(v) for v in ticks if low <= v <= high])]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        return [f"{10**v if self._scale.log else v:,.6g}" for v in values]
