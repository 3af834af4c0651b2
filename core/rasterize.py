"""Points to pixels: anti-aliased discs added up in linear light, then one tone curve from density to opacity.

Pure functions of an index and a view, NumPy only, meant to run on a worker thread.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.types import Floats, Ids

Doubles = NDArray[np.float64]

# Points a cell of the grid holds on average, and the most cells a side.
CELL_POINTS = 4
MAX_CELLS = 1024
# Disc samples accumulated at once: bounds memory at 10 million points.
BATCH = 1 << 22
# Points on one pixel from which only their mean colour shows.
CROWD = 24.0
SRGB_STEPS = 4096


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


@dataclass(frozen=True, eq=False)
class PointIndex:
    """Finite points sorted by the rows of a grid, then by its columns: the same index draws and picks."""

    x: Floats  # (m,)
    y: Floats  # (m,)
    rows: Ids  # (m,) row of the data set of each point
    codes: NDArray[np.uint16]  # (m,) colour of each point
    bounds: tuple[float, float, float, float]  # x0, x1, y0, y1 of all points
    cells: int  # a side
    starts: NDArray[np.int64]  # (cells + 1,) first point of each row of cells

    @property
    def count(self) -> int:
        return len(self.x)

    def recoloured(self, codes: NDArray[np.uint16]) -> PointIndex:
        """The same points with other colours, `codes` given by row of the data set."""
        return replace(self, codes=codes[self.rows])

    def cell_rows(self, low: float, high: float) -> tuple[int, int]:
        """First and last row of cells that may hold a y from `low` to `high`; one more each side covers rounding."""
        _, _, y0, y1 = self.bounds
        first, last = np.floor((np.array([low, high]) - y0) / (y1 - y0) * self.cells)
        return int(np.clip(first - 1, 0, self.cells - 1)), int(np.clip(last + 1, 0, self.cells - 1))


def build_index(coords: Floats, rows: Ids, codes: NDArray[np.uint16]) -> PointIndex:
    """Index points `coords` (m, 2) of data set rows `rows` (m,); `codes` (n,) are given by row. Non-finite points stay out."""
    finite = np.isfinite(coords).all(axis=1)
    coords, rows = coords[finite], rows[finite]
    x, y = coords[:, 0], coords[:, 1]
    bounds = (*_padded(x), *_padded(y))
    cells = int(np.clip(np.sqrt(len(rows) / CELL_POINTS), 1, MAX_CELLS))
    row, column = _cell(y, bounds[2], bounds[3], cells), _cell(x, bounds[0], bounds[1], cells)
    order = np.argsort(row * cells + column, kind="stable")
    starts = np.searchsorted(row[order], np.arange(cells + 1))
    rows = rows[order]
    return PointIndex(np.ascontiguousarray(x[order]), np.ascontiguousarray(y[order]), rows, codes[rows], bounds, cells, starts)


def draw(index: PointIndex, view: View, colours: Floats, background: Floats, pixel_ratio: float) -> NDArray[np.uint32]:
    """The picture (height, width) as 0xffRRGGBB, top row first.

    `colours` (c, 3) and `background` (3,) are linear light. Equal views drawn at a pan's distance show the same pixels: points
    keep their place on the pixel grid.
    """
    layers = _accumulate(index, view, colours, pixel_ratio)
    margin = layers.margin
    return _tone(layers, background, index.count)[margin:-margin, margin:-margin][::-1]


def snapped(view: View) -> View:
    """The view moved by less than a pixel, so that the data's origin falls on a pixel's corner."""
    sx, sy = view.scale
    x0, y0 = np.floor(view.x0 * sx + 0.5) / sx, np.floor(view.y0 * sy + 0.5) / sy
    return replace(view, x0=x0, x1=x0 + view.width / sx, y0=y0, y1=y0 + view.height / sy)


def disc_radius(visible: int, pixel_ratio: float) -> float:
    """Radius of a point in device pixels: 4 for a hundred points, falling smoothly to 0.8 for two million."""
    return float(np.clip(4.4 - 0.75 * np.log10(max(visible, 10) / 30), 0.8, 4.2)) * pixel_ratio


@dataclass(frozen=True, eq=False)
class _Layers:
    """What has been added up for each pixel of a picture, flat."""

    light: Floats  # (3, pixels) summed over points
    density: Floats  # (pixels,) in points
    top: Floats  # (3, pixels) light of the point drawn last
    cover: Floats  # (pixels,) how much of the pixel that point covers
    width: int  # of a row, margins included
    margin: int  # pixels around the picture, so that discs at its rim need no bounds


def _reach(radius: float) -> int:
    """Whole pixels that a disc may extend from the pixel of its centre."""
    return int(np.ceil(radius + 0.5))


def _accumulate(index: PointIndex, view: View, colours: Floats, pixel_ratio: float) -> _Layers:
    sx, sy = view.scale
    first, last = index.cell_rows(view.y0 - 8 / sy, view.y1 + 8 / sy)
    part = slice(int(index.starts[first]), int(index.starts[last + 1]))
    fx = (index.x[part].astype(np.float64) - view.x0) * sx
    fy = (index.y[part].astype(np.float64) - view.y0) * sy
    inside = (fx >= 0) & (fx < view.width) & (fy >= 0) & (fy < view.height)
    radius = disc_radius(int(np.count_nonzero(inside)), pixel_ratio)
    # A point just outside still shows its rim, and its whole disc needs room in the sums.
    reach = _reach(radius)
    margin = 2 * reach + 1
    near = (fx > -reach) & (fx < view.width + reach) & (fy > -reach) & (fy < view.height + reach)
    fx, fy, codes = fx[near] + margin, fy[near] + margin, index.codes[part][near]
    width, height = view.width + 2 * margin, view.height + 2 * margin
    pixels = height * width
    layers = _Layers(
        np.zeros((3, pixels), np.float32),
        np.zeros(pixels, np.float32),
        np.zeros((3, pixels), np.float32),
        np.zeros(pixels, np.float32),
        width,
        margin,
    )
    taps = (2 * reach + 1) ** 2
    step = max(1, BATCH // taps)
    for start in range(0, len(fx), step):
        part = slice(start, start + step)
        _add_discs(layers, fx[part], fy[part], colours[codes[part]], radius)
    return layers


def _add_discs(layers: _Layers, fx: Doubles, fy: Doubles, light: Floats, radius: float) -> None:
    """Add anti-aliased discs of `light` (p, 3) at pixel positions fx, fy."""
    reach = _reach(radius)
    column, row = np.floor(fx).astype(np.int32), np.floor(fy).astype(np.int32)
    taps = np.arange(-reach, reach + 1, dtype=np.int32)
    dx = (taps + 0.5).astype(np.float32) - (fx - column).astype(np.float32)[:, None]
    dy = (taps + 0.5).astype(np.float32) - (fy - row).astype(np.float32)[:, None]
    distance = np.sqrt(dx[:, None, :] ** 2 + dy[:, :, None] ** 2)
    weight = np.clip(radius + 0.5 - distance, 0, 1)
    pixel = (row[:, None] + taps)[:, :, None] * layers.width + (column[:, None] + taps)[:, None, :]
    touched = weight > 0
    point = np.nonzero(touched)[0]
    pixel, weight = pixel[touched], weight[touched]
    pixels = len(layers.density)
    for channel in range(3):
        shade = light[point, channel]
        layers.light[channel] += np.bincount(pixel, weight * shade, pixels)
        layers.top[channel][pixel] = shade  # of several points on a pixel, the last stays
    layers.density[:] += np.bincount(pixel, weight, pixels)
    layers.cover[pixel] = weight


def _tone(layers: _Layers, background: Floats, count: int) -> NDArray[np.uint32]:
    """Blend over the background; opacity grows with the logarithm of density.

    Where few points meet, the one on top shows, as a crisp dot; where many do, their mean colour.
    """
    filled = np.flatnonzero(layers.density > 1e-3)
    n = layers.density[filled]
    alone = float(np.clip(1.1 - 0.1 * np.log10(max(count, 10)), 0.5, 0.95))  # opacity of a single point
    top = max(8.0, float(np.quantile(n, 0.998))) if n.size else 8.0
    crowd = np.log(np.maximum(n, 1.0))
    alpha = np.minimum(n, 1.0) * (alone + (1 - alone) * np.minimum(crowd / np.log(top), 1.0))
    mean = layers.light[:, filled] / n
    crisp = np.clip(1.0 - crowd / np.log(CROWD), 0.0, 1.0) * layers.cover[filled]
    mean += crisp * (layers.top[:, filled] - mean)
    blended = background[:, None] + alpha * (mean - background[:, None])
    picture = np.full(len(layers.density), _pack(_encode(background)[:, None])[0], np.uint32)
    picture[filled] = _pack(_encode(blended))
    return picture.reshape(-1, layers.width)


def _pack(channels: NDArray[np.uint32]) -> NDArray[np.uint32]:
    packed: NDArray[np.uint32] = 0xFF000000 | channels[0] << 16 | channels[1] << 8 | channels[2]
    return packed


def _srgb_table() -> NDArray[np.uint32]:
    linear = np.linspace(0, 1, SRGB_STEPS)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(encoded * 255).astype(np.uint32)


_SRGB = _srgb_table()


def _encode(linear: Floats) -> NDArray[np.uint32]:
    """Linear light 0 to 1 as sRGB bytes."""
    encoded: NDArray[np.uint32] = _SRGB[np.clip(linear * (SRGB_STEPS - 1) + 0.5, 0, SRGB_STEPS - 1).astype(np.int32)]
    return encoded


def _padded(values: Floats) -> tuple[float, float]:
    """Lowest and highest value, kept apart where they coincide."""
    if not len(values):
        return -1.0, 1.0
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-6 * max(abs(low), abs(high)):
        room = max(abs(low), 1.0) * 1e-3
        return low - room, high + room
    return low, high


def _cell(values: Floats, low: float, high: float, cells: int) -> NDArray[np.int32]:
    cell: NDArray[np.int32] = np.clip((values.astype(np.float64) - low) * (cells / (high - low)), 0, cells - 1).astype(np.int32)
    return cell
