"""Chosen points drawn over all others, which step back.

The codes of an index are doubled: even for a chosen point, odd for another. Two pictures then show one half each, and the chosen
lie on top wherever they lie, however many others crowd there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from core.point_index import CODES, PointIndex, View
from core.raster_levels import Levels
from core.rasterize import Canvas, Colours, draw, ground_pixel
from core.types import Ids

# What is left of the colours of the others, over the ground.
LEFT = 0.16


@dataclass(frozen=True, eq=False)
class Parted:
    """An index whose chosen points are told from the others, and its levels for each half."""

    index: PointIndex
    back: Levels
    front: Levels


def part(index: PointIndex, levels: Levels, chosen: Ids) -> Parted:
    """Part the points of the data set rows `chosen` from the others; `levels` are those of the index."""
    if index.count and int(index.codes.max()) >= CODES // 2:
        raise ValueError(f"codes to be parted must be below {CODES // 2}")
    last = max(int(index.rows.max(initial=-1)), int(chosen.max(initial=-1)))
    others = np.ones(last + 1, np.uint16)
    others[chosen] = 0
    codes = index.codes * np.uint16(2) + np.take(others, index.rows)
    return Parted(replace(index, codes=codes), levels, levels)


def halves(colours: Colours) -> tuple[Colours, Colours]:
    """What doubled codes look like behind, with the chosen hidden and the others faint, and in front, with the others hidden."""
    points = np.repeat(colours.points, 2, axis=0)
    shown = np.ones(CODES, np.bool_) if colours.shown is None else np.repeat(colours.shown[: CODES // 2], 2)
    back, front = shown.copy(), shown.copy()
    back[::2], front[1::2] = False, False
    faint = colours.background + (points - colours.background) * np.float32(LEFT)
    return Colours(faint, colours.background, back), Colours(points, colours.background, front)


def draw_parted(
    parted: Parted,
    view: View,
    colours: Colours,
    pixel_ratio: float,
    canvas: Canvas | None = None,
    backend: ModuleType | None = None,
) -> tuple[NDArray[np.uint32], Parted]:
    """The picture, as `draw` makes it, and what was parted with its levels in these colours."""
    back, front = halves(colours)
    index = parted.index
    kept = replace(parted, back=parted.back.coloured(index, back.table), front=parted.front.coloured(index, front.table))
    picture = draw(index, view, back, pixel_ratio, kept.back, canvas, backend)
    over = draw(index, view, front, pixel_ratio, kept.front, canvas, backend)
    np.copyto(picture, over, where=over != ground_pixel(colours))
    return picture, kept
