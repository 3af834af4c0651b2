"""Pixel to point: the nearest point within reach of the cursor, and all points in a box or a lasso.

`shown` (65536,) says of each colour code whether its points are drawn; what is not drawn cannot be picked. None: all are.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from core import raster_backend
from core.point_index import PointIndex, Shown, everything_shown
from core.types import Ids

_ALL = everything_shown()


def nearest(
    index: PointIndex,
    x: float,
    y: float,
    scale: tuple[float, float],
    reach: float,
    shown: Shown | None = None,
    backend: ModuleType | None = None,
) -> int | None:
    """The data set row of the point nearest to (x, y), at most `reach` pixels away at `scale` (pixels a unit), or None.

    Of several points on one place it is the last of the data set, which is the one drawn on top.
    """
    position, _ = _search(index, x, y, scale, reach, shown, backend)
    return int(index.rows[position]) if position >= 0 else None


def in_box(index: PointIndex, x0: float, x1: float, y0: float, y1: float, shown: Shown | None = None) -> Ids:
    """The data set rows (m,), in the index's order, of all points with x0 <= x <= x1 and y0 <= y <= y1."""
    first, last = index.grid.rows_between(y0, y1)
    start, stop = int(index.starts[first]), int(index.starts[last + 1])
    x, y = index.x[start:stop], index.y[start:stop]
    # As float64: a bound between two float32 is not to be rounded onto one of them.
    x0, x1, y0, y1 = (np.float64(bound) for bound in (x0, x1, y0, y1))
    inside = (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
    return _rows(index, start + np.flatnonzero(inside), shown)


def in_lasso(
    index: PointIndex, corners: NDArray[np.floating], shown: Shown | None = None, backend: ModuleType | None = None
) -> Ids:
    """The data set rows (m,), in the index's order, of all points inside a polygon with `corners` (v, 2), in data units.

    The last corner is joined to the first. Where the outline crosses itself, the even-odd rule holds: a point is inside if a ray
    from it crosses the outline an odd number of times.
    """
    if len(corners) < 3 or not index.count:
        return np.empty(0, np.int64)
    corner_x, corner_y = (np.ascontiguousarray(column, np.float64) for column in corners.T)
    grid = index.grid
    first, last = grid.rows_between(corner_y.min(), corner_y.max())
    found = np.empty(int(index.starts[last + 1] - index.starts[first]), np.int32)
    loops = backend or raster_backend.current()
    rows = (index.starts, grid.y0, grid.y1, grid.cells, first, last)
    count = loops.points_in_polygon(index.x, index.y, *rows, corner_x, corner_y, found)
    return _rows(index, found[:count], shown)


def _search(
    index: PointIndex,
    x: float,
    y: float,
    scale: tuple[float, float],
    reach: float,
    shown: Shown | None,
    backend: ModuleType | None,
) -> tuple[int, int]:
    """Position in the index of the nearest point or -1, and how many places it took to find it."""
    if not index.count:
        return -1, 0
    loops = backend or raster_backend.current()
    mask = _ALL if shown is None else shown
    grid = index.grid
    rows = (index.starts, grid.y0, grid.y1, grid.cells)
    sx, sy = abs(scale[0]), abs(scale[1])
    position, looked = loops.nearest_point(index.x, index.y, index.codes, mask, *rows, x, y, sx, sy, reach)
    return int(position), int(looked)


def _rows(index: PointIndex, positions: NDArray[np.integer], shown: Shown | None) -> Ids:
    if shown is not None:
        positions = positions[shown[index.codes[positions]]]
    rows: Ids = index.rows[positions].astype(np.int64)
    return rows
