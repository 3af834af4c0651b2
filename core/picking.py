"""Pixel to point: the nearest point within reach of the cursor."""

from __future__ import annotations

import numpy as np

from core.rasterize import PointIndex


def nearest(index: PointIndex, x: float, y: float, scale: tuple[float, float], reach: float) -> int | None:
    """The data set row of the point nearest to (x, y), at most `reach` pixels away at `scale` (pixels a unit), or None."""
    sx, sy = abs(scale[0]), abs(scale[1])
    if not index.count:
        return None
    first, last = index.cell_rows(y - reach / sy, y + reach / sy)
    best, best_square = None, reach * reach
    for row in range(first, last + 1):
        start, stop = index.starts[row], index.starts[row + 1]
        dx = (index.x[start:stop].astype(np.float64) - x) * sx
        close = np.flatnonzero(np.abs(dx) <= reach)
        if not close.size:
            continue
        squares = dx[close] ** 2 + ((index.y[start:stop][close].astype(np.float64) - y) * sy) ** 2
        i = int(squares.argmin())
        if squares[i] <= best_square:
            best, best_square = int(index.rows[start + close[i]]), float(squares[i])
    return best
