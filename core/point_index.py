"""Points on a plane, in the order that drawing, picking and selecting want, and the view that is looked at."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.types import Floats, Ids

Codes = NDArray[np.uint16]
Shown = NDArray[np.bool_]
Doubles = NDArray[np.float64]
Positions = NDArray[np.int32]

# The finest grid has 2**12 cells a side: at 10 million points a cell is then smaller than a pixel of a large window.
FINEST = 12
# A grid is taken if it has fewer occupied cells than this share of the points.
OCCUPIED = 0.6
# Outside the bounds that hold all but this share of the points on each side a point is an outlier: one of them must not make all
# other points share a cell.
OUTSIDE = 0.001
SAMPLE = 200_000
# Outliers that stretch the bounds by this factor do not count for a picture of the whole, which gets this share of room instead.
FAR_OUT, ROOM = 1.8, 0.1
# Grids of up to so many cells a side are counted cell by cell, which is faster than sorting the cells of all points.
COUNTED = 1 << 10
# Codes are 16 bits wide; a mask of them has one entry a code, so that no code is ever out of its range.
CODES = 1 << 16
# Points handled at once where NumPy keeps the interpreter to itself, so that the window never waits for long.
CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class View:
    """What is looked at, in data units, and the picture's size in device pixels. y grows upwards."""

    x0: float
    x1: float
    y0: float
    y1: float
    width: int
    height: int

    def widened(self, share: float) -> View:
        """A view with a margin of `share` of its size on each side, at the same scale."""
        mx, my = round(self.width * share), round(self.height * share)
        dx, dy = mx * (self.x1 - self.x0) / self.width, my * (self.y1 - self.y0) / self.height
        return View(self.x0 - dx, self.x1 + dx, self.y0 - dy, self.y1 + dy, self.width + 2 * mx, self.height + 2 * my)

    @property
    def scale(self) -> tuple[float, float]:
        """Device pixels a data unit."""
        return self.width / (self.x1 - self.x0), self.height / (self.y1 - self.y0)


def snapped(view: View) -> View:
    """The view moved by less than a pixel, so that the data's origin falls on a pixel's corner."""
    sx, sy = view.scale
    x0, y0 = np.floor(view.x0 * sx + 0.5) / sx, np.floor(view.y0 * sy + 0.5) / sy
    return replace(view, x0=x0, x1=x0 + view.width / sx, y0=y0, y1=y0 + view.height / sy)


@dataclass(frozen=True, slots=True)
class Grid:
    """`cells` by `cells` cells over bounds that leave outliers out; those count as of the nearest cell at the rim."""

    x0: float
    x1: float
    y0: float
    y1: float
    cells: int

    def columns(self, x: Floats) -> Positions:
        return _cell(x, self.x0, self.x1, self.cells)

    def rows(self, y: Floats) -> Positions:
        return _cell(y, self.y0, self.y1, self.cells)

    def keys(self, x: Floats, y: Floats) -> Positions:
        """The number of each point's cell, row after row."""
        return self.rows(y) * np.int32(self.cells) + self.columns(x)

    def rows_between(self, low: float, high: float) -> tuple[int, int]:
        """First and last row of cells that may hold a y from `low` to `high`; one more each side covers rounding."""
        first, last = np.floor((np.array([low, high]) - self.y0) / (self.y1 - self.y0) * self.cells)
        return int(np.clip(first - 1, 0, self.cells - 1)), int(np.clip(last + 1, 0, self.cells - 1))

    def outside(self, x: Floats, y: Floats) -> Shown:
        return (x < self.x0) | (x > self.x1) | (y < self.y0) | (y > self.y1)


@dataclass(frozen=True, eq=False)
class Crowding:
    """How the points crowd in grids of 1, 2, 4 … cells a side over the index's bounds, each (levels,)."""

    occupied: Doubles  # cells that hold a point
    crest: Doubles  # points in a cell that only two in a thousand of the occupied exceed
    most: Doubles  # the most points that a window of a cell's size holds, wherever it lies: never less


@dataclass(frozen=True, eq=False)
class PointIndex:
    """Finite points, immutable, sorted by the rows of a grid, then by x, by y and by row of the data set.

    So the points of any stretch of a row are found by bisection, and identical points lie side by side. The same index draws,
    picks and selects; it does not know how a point is drawn.
    """

    x: Floats  # (m,)
    y: Floats  # (m,)
    rows: Positions  # (m,) row of the data set of each point
    codes: Codes  # (m,) colour of each point
    bounds: tuple[float, float, float, float]  # x0, x1, y0, y1 of all points
    grid: Grid
    starts: Ids  # (cells + 1,) first point of each row of cells
    outliers: Positions  # positions of the points outside the grid's bounds, by x
    crowding: Crowding
    left_out: int  # points that are not finite

    @property
    def count(self) -> int:
        return len(self.x)

    @property
    def core(self) -> tuple[float, float, float, float]:
        """The bounds that a picture of the whole should have: of all points, unless a few lie so far out that the rest would
        shrink to a spot.
        """
        x0, x1, y0, y1 = self.bounds
        grid = self.grid
        if max((x1 - x0) / (grid.x1 - grid.x0), (y1 - y0) / (grid.y1 - grid.y0)) < FAR_OUT:
            return self.bounds
        room_x, room_y = ROOM * (grid.x1 - grid.x0), ROOM * (grid.y1 - grid.y0)
        return max(x0, grid.x0 - room_x), min(x1, grid.x1 + room_x), max(y0, grid.y0 - room_y), min(y1, grid.y1 + room_y)

    def recoloured(self, codes: Codes) -> PointIndex:
        """The same points with other colours, `codes` given by row of the data set."""
        return replace(self, codes=np.take(codes, self.rows))


def everything_shown() -> Shown:
    """A mask of codes that hides none; clear the entries of those to hide."""
    return np.ones(CODES, np.bool_)


def build_index(coords: Floats, rows: Ids, codes: Codes) -> PointIndex:
    """Index points `coords` (m, 2) of data set rows `rows` (m,); `codes` (n,) are given by row. Non-finite points stay out."""
    # Adding 0 makes -0 a 0: equal numbers shall have equal places in the order.
    x, y = coords[:, 0].astype(np.float32) + np.float32(0), coords[:, 1].astype(np.float32) + np.float32(0)
    finite = np.isfinite(x) & np.isfinite(y)
    left_out = len(coords) - int(np.count_nonzero(finite))
    if left_out:
        x, y, rows = x[finite], y[finite], rows[finite]
    bounds = (*_padded(x), *_padded(y))
    side = int(np.clip(np.ceil(np.log2(max(len(x), 1)) / 2), 0, FINEST))
    finest = Grid(*_robust(x, bounds[:2]), *_robust(y, bounds[2:]), 1 << side)
    keys = finest.keys(x, y)
    crowding = _crowding(keys, finest.cells)
    good = np.flatnonzero(crowding.occupied <= OCCUPIED * len(x))
    shift = side - (int(good[-1]) if good.size else 0)
    grid = replace(finest, cells=finest.cells >> shift)
    order, starts = _order(x, y, (keys >> (side + shift)).astype(np.uint64), grid)
    # Side by side, for what lies at random in memory costs by the visit.
    x, y = np.take(np.stack([x, y], axis=1), order, axis=0).T.copy()
    in_order = len(rows) == 0 or (rows[0] == 0 and np.array_equal(rows, np.arange(len(rows))))
    places: Positions = (order if in_order else np.take(rows, order)).astype(np.int32)
    outliers = np.flatnonzero(grid.outside(x, y)).astype(np.int32)
    outliers = outliers[np.argsort(x[outliers], kind="stable")]
    return PointIndex(x, y, places, np.take(codes, places), bounds, grid, starts, outliers, crowding, left_out)


def _order(x: Floats, y: Floats, row: NDArray[np.uint64], grid: Grid) -> tuple[Ids, Ids]:
    """Positions by row, x, y and position, and where each row starts.

    One sort of integers made of row, x in steps and position; then ties are put in order.
    Sorting integers is several times as fast as asking for an order.
    """
    bits = len(x).bit_length()
    across = min(63 - bits - grid.cells.bit_length(), 50)  # steps that float64 counts exactly
    steps = 1 << across
    # In place where it can be: fresh pages cost more than the work on them.
    step = _scaled(x, grid.x0, steps / (grid.x1 - grid.x0), steps - 1)
    packed = row << np.uint64(across)
    packed |= step.astype(np.uint64)
    packed <<= np.uint64(bits)
    packed |= np.arange(len(x), dtype=np.uint64)
    packed.sort()
    order = (packed & np.uint64((1 << bits) - 1)).astype(np.int64)
    group = packed >> np.uint64(bits)
    tied = np.zeros(len(x), np.bool_)
    equal = group[1:] == group[:-1]
    tied[1:] |= equal
    tied[:-1] |= equal
    places = np.flatnonzero(tied)
    some = order[places]
    order[places] = some[np.lexsort((y[some], x[some], group[places]))]
    starts = np.searchsorted(packed, np.arange(grid.cells + 1, dtype=np.uint64) << np.uint64(across + bits))
    return order, starts.astype(np.int64)


def _crowding(keys: Positions, cells: int) -> Crowding:
    """What grids hold, from the cells of the finest grid."""
    half = cells // 2
    if cells <= COUNTED:
        whole = np.bincount(keys, minlength=cells * cells).astype(np.float64)
        counts, square = whole[whole > 0], _halved(whole.reshape(cells, cells))
    else:  # sorted cells are counted without an array of all cells
        ordered = np.sort(keys)
        firsts = np.flatnonzero(np.diff(ordered, prepend=-1))
        counts = np.diff(firsts, append=len(ordered)).astype(np.float64)
        row, column = np.divmod(ordered[firsts], np.int32(cells))
        square = np.asarray(np.bincount((row >> 1) * half + (column >> 1), counts, half * half), np.float64).reshape(half, half)
    occupied, crest = [max(len(counts), 1)], [_crest(counts)]
    most = [min(4 * float(counts.max(initial=0)), len(keys))]
    if cells > 1:
        while True:
            held = square[square > 0]
            occupied.append(max(len(held), 1))
            crest.append(_crest(held))
            pairs = square[:-1] + square[1:] if len(square) > 1 else square
            most.append(float((pairs[:, :-1] + pairs[:, 1:] if len(square) > 1 else pairs).max()))
            if len(square) == 1:
                break
            square = _halved(square)
    return Crowding(*(np.array(values[::-1], np.float64) for values in (occupied, crest, most)))


def _halved(square: Doubles) -> Doubles:
    """Counts of a grid with half the cells a side; nothing of a single cell."""
    if len(square) == 1:
        return square[:0, :0]
    rows = square[::2] + square[1::2]
    return np.asarray(rows[:, ::2] + rows[:, 1::2])


def _crest(counts: Doubles) -> float:
    return max(1.0, float(np.quantile(counts[:: 1 + len(counts) // SAMPLE], 0.998))) if len(counts) else 1.0


def _padded(values: Floats) -> tuple[float, float]:
    """Lowest and highest value, kept apart where they coincide."""
    if not len(values):
        return -1.0, 1.0
    return _apart(float(values.min()), float(values.max()))


def _apart(low: float, high: float) -> tuple[float, float]:
    if high - low <= 1e-6 * max(abs(low), abs(high)):
        room = max(abs(low), 1.0) * 1e-3
        return low - room, high + room
    return low, high


def _robust(values: Floats, bounds: tuple[float, ...]) -> tuple[float, float]:
    """Bounds that hold all but the outliers, with some room; all of them where most values coincide."""
    low, high = bounds
    if not len(values):
        return low, high
    inner, outer = np.quantile(values[:: 1 + len(values) // SAMPLE].astype(np.float64), [OUTSIDE, 1 - OUTSIDE])
    room = 0.02 * (outer - inner)
    if outer - inner <= 1e-6 * max(abs(inner), abs(outer)):
        return low, high
    return max(low, float(inner - room)), min(high, float(outer + room))


def _cell(values: Floats, low: float, high: float, cells: int) -> Positions:
    cell: Positions = _scaled(values, low, cells / (high - low), cells - 1).astype(np.int32)
    return cell


def _scaled(values: Floats, low: float, factor: float, most: float) -> Doubles:
    """(values - low) * factor, kept within 0 and `most`."""
    scaled = values.astype(np.float64)
    scaled -= low
    scaled *= factor
    return np.clip(scaled, 0, most, out=scaled)
