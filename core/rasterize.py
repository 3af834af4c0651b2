"""Points to pixels: added up in linear light, then one tone curve from density to opacity.

Few points are drawn as anti-aliased discs; where many share the pixels, each is added to the pixel it lies on, or levels of the
index are, and every lit pixel lends its neighbours one point's disc. What a point looks like (its size, the way it is drawn, the
tone curve) depends on the scale and on the index as a whole, never on what is in view: a pan moves the picture and changes
nothing else, and a picture with a margin shows the same pixels as one without.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import pairwise
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from core import raster_backend
from core.point_index import PointIndex, Shown, View, build_index, everything_shown, snapped
from core.raster_levels import Level, Levels, build_levels
from core.raster_numpy import packed
from core.types import Floats

__all__ = [
    "Canvas",
    "Colours",
    "Levels",
    "PointIndex",
    "View",
    "build_index",
    "build_levels",
    "disc_radius",
    "draw",
    "everything_shown",
    "ground_pixel",
    "snapped",
]

# A window of so many pixels (before the pixel ratio) is what points are counted in, and no window may hold more than so many of
# them if they are to be drawn as discs.
WINDOW = 1_000_000
DISCS = 150_000
# Points on one pixel from which only their mean colour shows.
CROWD = 24.0
# A level's cells are at most so many pixels wide.
FINE = 1.0
SRGB_STEPS = 4096
# Entries of a table indexed by the upper half of a float32: sign, exponent and seven bits.
HALF_FLOATS = 1 << 15


@dataclass(frozen=True, eq=False)
class Colours:
    points: Floats  # (c, 3) linear light of each code
    background: Floats  # (3,) linear light
    shown: Shown | None = None  # (65536,) which codes are drawn; None: all

    @property
    def table(self) -> Floats:
        """Each code's light and a 1, or four zeros if it is hidden, (c, 4)."""
        table = np.ones((len(self.points), 4), np.float32)
        table[:, :3] = self.points
        if self.shown is not None:
            table[~self.shown[: len(table)]] = 0
        return table


class Canvas:
    """Memory and threads to draw with, kept from one picture to the next; for one thread at a time.

    Each of `bands` threads of `pool` draws lines of its own; the picture does not depend on how many there are.
    """

    def __init__(self, pool: Executor | None = None, bands: int = 1) -> None:
        self._pool = pool
        self._bands = bands if pool else 1
        self._memory = np.empty(0, np.float32)

    def frames(self, count: int, height: int, width: int) -> list[Floats]:
        """Frames of zeros, (height, width, 4) each, valid until the next are asked for."""
        size = height * width * 4
        if self._memory.size < count * size or self._memory.size > 4 * count * size:
            self._memory = np.zeros(count * size, np.float32)
        else:
            self._memory[: count * size] = 0
        return [self._memory[i * size : (i + 1) * size].reshape(height, width, 4) for i in range(count)]

    def by_bands(self, lines: int, work: Callable[[int, int], object]) -> None:
        """Call work(low, high) for bands that make up all lines."""
        if self._pool is None or self._bands == 1:
            work(0, lines)
            return
        edges = np.linspace(0, lines, self._bands + 1).astype(int).tolist()
        for done in [self._pool.submit(work, low, high) for low, high in pairwise(edges)]:
            done.result()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where data lie in a frame, and which part of the data may."""

    sx: float
    sy: float
    ox: int
    oy: int
    width: int
    height: int

    @property
    def numbers(self) -> tuple[float, float, int, int]:
        return self.sx, self.sy, self.ox, self.oy

    def part(self, index: PointIndex, stride: int, low: int, high: int) -> tuple[int, int, float, float]:
        """First and last row of cells (of `stride` cells of the index) and bounds of x that lines `low` to `high` may show."""
        first, last = index.grid.rows_between((self.oy + low - 2) / self.sy, (self.oy + high + 2) / self.sy)
        return first // stride, last // stride, (self.ox - 2) / self.sx, (self.ox + self.width + 2) / self.sx


@dataclass(frozen=True, slots=True)
class _Look:
    """What points look like at a scale."""

    radius: float  # in device pixels
    discs: bool
    alone: float  # opacity of a single point
    crest: float  # points on a pixel that are opaque


def draw(
    index: PointIndex,
    view: View,
    colours: Colours,
    pixel_ratio: float,
    levels: Levels | None = None,
    canvas: Canvas | None = None,
    backend: ModuleType | None = None,
) -> NDArray[np.uint32]:
    """The picture (height, width) as 0xffRRGGBB, top row first.

    A view that is not `snapped` is drawn as if it were. `levels` of the index, in these colours, make it quick where cells are
    smaller than pixels; `backend` holds the inner loops, the best there are if it is not given.
    """
    loops = backend or raster_backend.current()
    canvas = canvas or Canvas()
    look = _look(index, view, pixel_ratio)
    place, margin = _place(view, look.radius)
    picture = np.empty((view.height, view.width), np.uint32)
    opacity = _opacity(look)
    background = np.ascontiguousarray(colours.background, np.float32)
    if look.discs:
        frame, top = _add_discs(loops, canvas, index, place, colours.table, look.radius)
        canvas.by_bands(
            view.height,
            lambda low, high: loops.tone_discs(frame, top, margin, opacity, _CRISPNESS, _SRGB, background, picture, low, high),
        )
    else:
        frame = _add_points(loops, canvas, index, place, colours.table, levels)
        taps = _taps(look.radius)
        canvas.by_bands(
            view.height,
            lambda low, high: loops.tone_points(frame, margin, taps, opacity, _SRGB, background, picture, low, high),
        )
    return picture


def ground_pixel(colours: Colours) -> np.uint32:
    """What a picture holds where there is no point."""
    return np.uint32(packed(np.ascontiguousarray(colours.background, np.float32)[None], _SRGB)[0])


def disc_radius(crowd: float, pixel_ratio: float) -> float:
    """Radius of a point in device pixels where a window holds `crowd`: 4 for a hundred, falling to 1.25 for half a million."""
    return float(np.clip(4.4 - 0.75 * np.log10(max(crowd, 10) / 30), 1.25, 4.2)) * pixel_ratio


def _look(index: PointIndex, view: View, pixel_ratio: float) -> _Look:
    """The look at the view's scale, from what grids of cells the size of a window, and of a pixel, hold."""
    grid, crowding = index.grid, index.crowding
    sx, sy = view.scale
    pixels = (grid.x1 - grid.x0) * sx * (grid.y1 - grid.y0) * sy
    window = 0.5 * np.log2(pixels / (WINDOW * pixel_ratio**2))
    crowd = max(1.0, _at(max(index.count, 1) / crowding.occupied, window))
    most = index.count if window < 0 else float(crowding.most[min(int(window), len(crowding.most) - 1)])
    radius = disc_radius(crowd, pixel_ratio)
    discs = most <= DISCS
    # A pixel takes the points of a disc around it, or those that lie on it.
    crest = _at(crowding.crest, 0.5 * np.log2(pixels / (np.pi * radius**2 if discs else 1)))
    alone = float(np.clip(1.1 - 0.1 * np.log10(max(crowd, 10)), 0.6, 0.95))
    return _Look(radius, discs, alone, max(8.0, crest))


def _at(held: NDArray[np.float64], level: float) -> float:
    """What a cell of a grid of 2**level cells a side holds, between those known; finer cells hold less by their area."""
    finest = len(held) - 1
    known = float(np.exp(np.interp(level, np.arange(len(held)), np.log(held))))
    return known * float(4.0 ** min(0.0, finest - level))


def _reach(radius: float) -> int:
    """Whole pixels that a disc may extend from the pixel of its centre."""
    return int(np.ceil(radius + 0.5))


def _place(view: View, radius: float) -> tuple[_Place, int]:
    """Where data lie in a frame of a view, and how many pixels the frame is larger on each side, so that discs need no bounds."""
    margin = 2 * _reach(radius) + 1
    sx, sy = view.scale
    ox, oy = round(view.x0 * sx) - margin, round(view.y0 * sy) - margin
    return _Place(sx, sy, ox, oy, view.width + 2 * margin, view.height + 2 * margin), margin


def _add_discs(
    loops: ModuleType, canvas: Canvas, index: PointIndex, place: _Place, table: Floats, radius: float
) -> tuple[Floats, Floats]:
    frame, top = canvas.frames(2, place.height, place.width)
    reach = _reach(radius)

    def band(low: int, high: int) -> None:
        part = place.part(index, 1, low - reach, high + reach)
        points = (index.x, index.y, index.codes, table, index.starts)
        loops.add_discs(*points, part, place.numbers, radius, reach, frame, top, low, high)

    canvas.by_bands(place.height, band)
    return frame, top


def _add_points(
    loops: ModuleType, canvas: Canvas, index: PointIndex, place: _Place, table: Floats, levels: Levels | None
) -> Floats:
    (frame,) = canvas.frames(1, place.height, place.width)
    level = _level(index, place, levels)

    def band(low: int, high: int) -> None:
        to = (place.numbers, frame, low, high)
        if level is None:
            loops.add_points(index.x, index.y, index.codes, table, index.starts, place.part(index, 1, low, high), *to)
            return
        part = place.part(index, index.grid.cells // level.cells, low, high)
        loops.add_records(level.x, level.y, level.light, level.starts, part, *to)
        loops.add_points(*outliers, (0, 0, *part[2:]), *to)

    if level is not None:
        out = index.outliers
        starts = np.array([0, len(out)])
        outliers = (index.x[out], index.y[out], index.codes[out], table, starts)
    canvas.by_bands(place.height, band)
    return frame


def _level(index: PointIndex, place: _Place, levels: Levels | None) -> Level | None:
    """The coarsest level whose cells are no larger than a pixel, if there is one."""
    grid = index.grid
    fine = [
        level
        for level in (levels.levels if levels else ())
        if (grid.x1 - grid.x0) * place.sx <= FINE * level.cells and (grid.y1 - grid.y0) * place.sy <= FINE * level.cells
    ]
    return fine[-1] if fine else None


def _taps(radius: float) -> Floats:
    """Weights of a disc around the middle of a pixel, (2 * reach + 1 squared,), its own pixel left out."""
    steps = np.arange(-_reach(radius) + 1, _reach(radius))
    weights = np.clip(radius + 0.5 - np.hypot(steps[:, None], steps), 0, 1).astype(np.float32)
    weights[len(steps) // 2, len(steps) // 2] = 0
    return weights


def _opacity(look: _Look) -> Floats:
    """Opacity by number of points: it grows with the logarithm, from that of a single point to 1 at the crest."""
    crowd = np.log(np.maximum(_NUMBERS, 1)) / np.log(look.crest)
    opacity = np.minimum(_NUMBERS, 1) * (look.alone + (1 - look.alone) * np.minimum(crowd, 1))
    return np.asarray(opacity, np.float32)


def _half_floats() -> NDArray[np.float64]:
    """The number that stands for each float32 of the same upper half."""
    bits = (np.arange(HALF_FLOATS, dtype=np.uint32) << 16) + (1 << 15)
    with np.errstate(invalid="ignore"):
        numbers = bits.view(np.float32).astype(np.float64)
    return np.nan_to_num(numbers, nan=1e30, posinf=1e30).clip(0, 1e30)


def _srgb_table() -> NDArray[np.uint32]:
    linear = np.linspace(0, 1, SRGB_STEPS)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(encoded * 255).astype(np.uint32)


_NUMBERS = _half_floats()
_CRISPNESS = np.clip(1 - np.log(np.maximum(_NUMBERS, 1)) / np.log(CROWD), 0, 1).astype(np.float32)
_SRGB = _srgb_table()
