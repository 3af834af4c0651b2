"""Coarser levels of an index: one record an occupied cell, so that a picture of ten million points visits one million."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core import raster_backend
from core.point_index import CHUNK, PointIndex, Positions
from core.types import Floats, Ids

# Points from which levels are worth their memory, and the fewest cells a side of a level: a picture is larger than that.
MANY = 200_000
COARSEST = 256


@dataclass(frozen=True, eq=False)
class Level:
    """Records sorted like the points of an index: by rows of cells, then by x."""

    x: Floats  # (k,) mean place of the points in the cell
    y: Floats  # (k,)
    light: Floats  # (k, 4) linear light summed over the points that are shown, and their number
    keys: Positions  # (k,) the cell of the level's grid
    starts: Ids  # (cells + 1,) first record of each row of cells
    cells: int  # a side


@dataclass(frozen=True, eq=False)
class Levels:
    """The levels of an index, finest first; the finest has the index's own grid. Outliers are in none of them."""

    levels: tuple[Level, ...]
    firsts: Ids  # (k,) first point of each record of the finest level
    codes: NDArray[np.uint16]  # of the points that the light was summed of
    table: Floats  # (c, 4) with which it was

    def coloured(self, index: PointIndex, table: Floats) -> Levels:
        """The same records with the light of other codes, colours or codes hidden; itself if nothing differs."""
        if index.codes is self.codes and np.array_equal(table, self.table):
            return self
        return _lit(self, index, table)


def build_levels(index: PointIndex, table: Floats) -> Levels:
    """Levels of `index`. `table` (c, 4) gives each code's linear light and a 1, or four zeros if the code is hidden."""
    if index.count < MANY:
        return Levels((), np.empty(0, np.int64), index.codes, table)
    grid = index.grid
    cells = grid.cells
    keys = np.empty(index.count, np.int32)
    for start in range(0, index.count, CHUNK):
        part = slice(start, start + CHUNK)
        keys[part] = grid.keys(index.x[part], index.y[part])
    firsts = np.flatnonzero(np.diff(keys, prepend=-1))
    keys = keys[firsts]
    outside = np.zeros(index.count, np.bool_)
    outside[index.outliers] = True
    sums = np.zeros((len(firsts), 3))
    if len(firsts):
        raster_backend.current().sum_places(index.x, index.y, outside, firsts, sums)
    counts, x, y = sums.T
    levels = []
    while True:
        row, column = np.divmod(keys, np.int32(cells))
        starts = np.searchsorted(row, np.arange(cells + 1)).astype(np.int64)
        # A cell of outliers alone has a place, too, for the sake of the order.
        middle_x = grid.x0 + (column + 0.5) * ((grid.x1 - grid.x0) / cells)
        middle_y = grid.y0 + (row + 0.5) * ((grid.y1 - grid.y0) / cells)
        mean_x, mean_y = (np.where(counts > 0, s / np.maximum(counts, 1), m) for s, m in ((x, middle_x), (y, middle_y)))
        light = np.zeros((len(keys), 4), np.float32)
        levels.append(Level(mean_x.astype(np.float32), mean_y.astype(np.float32), light, keys, starts, cells))
        if cells <= COARSEST:
            break
        parents = _parents(levels[-1])
        size = (cells // 2) ** 2
        everything = np.bincount(parents, minlength=size)
        counts, x, y = (_gathered(parents, values, size) for values in (counts, x, y))
        keys = np.flatnonzero(everything).astype(np.int32)
        counts, x, y = counts[keys], x[keys], y[keys]
        cells //= 2
    return _lit(Levels(tuple(levels), firsts, index.codes, table), index, table)


def _lit(levels: Levels, index: PointIndex, table: Floats) -> Levels:
    lit: list[Level] = []
    sums = _finest_light(levels.firsts, index, table)
    for level in levels.levels:
        if lit:
            parents, size = _parents(lit[-1]), level.cells**2
            sums = np.stack([_gathered(parents, values, size)[level.keys] for values in sums.T], axis=1)
        lit.append(replace(level, light=sums.astype(np.float32)))
    return Levels(tuple(lit), levels.firsts, index.codes, table)


def _finest_light(firsts: Ids, index: PointIndex, table: Floats) -> NDArray[np.float64]:
    sums = np.zeros((len(firsts), 4))
    if len(firsts):
        raster_backend.current().sum_light(index.codes, table, firsts, sums)
        out = index.outliers
        np.subtract.at(sums, np.searchsorted(firsts, out, side="right") - 1, table[index.codes[out]])
    return sums


def _parents(level: Level) -> Positions:
    """The cell of the next coarser level in which each record lies."""
    row, column = np.divmod(level.keys, np.int32(level.cells))
    parents: Positions = (row >> 1) * np.int32(level.cells // 2) + (column >> 1)
    return parents


def _gathered(parents: Positions, values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """What each of the `size` cells of the next coarser level holds."""
    return np.asarray(np.bincount(parents, values, size), np.float64)
