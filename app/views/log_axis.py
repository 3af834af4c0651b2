"""A logarithmic axis that reads 0.5, 1, 2, 5, not powers."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg

from app.theme import Theme

# Decades beyond which there is room for powers of ten only, on an axis of usual length and on a long one.
FEW_DECADES, LONG = 2.5, 3.2


class LogAxis(pg.AxisItem):  # type: ignore[misc]
    """Of values that are plotted as their decimal logarithms."""

    def __init__(self, orientation: str) -> None:
        super().__init__(orientation)
        self.enableAutoSIPrefix(False)  # else a label would promise a factor, going by logarithms, that ticks do not have

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        return [(1.0, ticks(low, high, LONG))]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        return [f"{10**v:.4g}" for v in values]


def ticks(low: float, high: float, few: float = FEW_DECADES) -> list[float]:
    """Logarithms of the round numbers between those of `low` and `high`."""
    decades = range(int(np.floor(low)) - 1, int(np.ceil(high)) + 1)
    steps = (1, 2, 5) if high - low < few else (1,)
    values = [float(np.log10(s)) + decade for decade in decades for s in steps]
    return [v for v in values if low <= v <= high]


def dress(plot: pg.PlotWidget, theme: Theme) -> None:
    """Give a plot the colours of a theme."""
    plot.setBackground(theme.panel)
    for name in ("left", "bottom"):
        axis = plot.getPlotItem().getAxis(name)
        axis.setPen(pg.mkPen(theme.line))
        axis.setTextPen(pg.mkPen(theme.dim))
