"""Which colour a code has: categories, numbers and distances, on a dark and on a light ground."""

from __future__ import annotations

from functools import cache

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray

from app.theme import Theme
from core.colouring import BANDS, COLOURED, LEVELS, TABLE, Kind

# Okabe and Ito, Color Universal Design (2008): black on a light ground, white in its place on a dark one; the yellow is deepened
# on a light ground.
OKABE_ITO = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#0072B2", "#D55E00", "#F4F4F8")
OKABE_ITO_LIGHT = ("#2C8FC9", "#E08A00", "#009E73", "#C2649A", "#B8A500", "#0060A0", "#D55E00", "#1B1B22")
# The lightness and chroma in OKLab that further colours may have: apart from the ground and from grey, and not garish.
LIGHTNESS = {"dark": (0.50, 0.92), "light": (0.42, 0.76)}
CHROMA = (0.06, 0.19)
# The part of a colour map that parts from the ground.
CLEAR = {"dark": (0.18, 1.0), "light": (0.0, 0.92)}

Table = NDArray[np.float64]


def point_colour(theme: Theme) -> str:
    """Of points that stand for nothing but themselves."""
    return "#8d9bb5" if theme.dark else "#5b6b8c"


def grey(theme: Theme) -> str:
    """Of missing values and of categories beyond those with a colour."""
    return "#63636f" if theme.dark else "#b4b4be"


@cache
def colours(kind: Kind, theme: Theme) -> tuple[str, ...]:
    """The colour '#rrggbb' of each of the TABLE codes."""
    if kind == "one":
        return (point_colour(theme),) * TABLE
    if kind == "category":
        first = category_colours(theme)
    else:
        first = gradient(theme) if kind in ("number", "order") else band_colours(theme)
    return (*first, *(grey(theme),) * (TABLE - len(first)))


@cache
def light_table(kind: Kind, theme: Theme) -> NDArray[np.float32]:
    """The colours of `colours` as linear light (TABLE, 3)."""
    return linear_light(list(colours(kind, theme)))


@cache
def category_colours(theme: Theme) -> tuple[str, ...]:
    """Okabe and Ito's, then each time the colour farthest from all before it, from the ground and from grey, in OKLab.

    Farthest-point traversal: Gonzalez, Clustering to minimize the maximum intercluster distance (1985).
    """
    chosen = list(OKABE_ITO if theme.dark else OKABE_ITO_LIGHT)
    steps = np.linspace(0, 255, 16).round()
    candidates = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3).astype(int)
    names = np.array([f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in candidates.tolist()])
    places = oklab(linear_light(names.tolist()))
    lightness, chroma = places[:, 0], np.hypot(places[:, 1], places[:, 2])
    (low, high), (dull, garish) = LIGHTNESS[theme.name], CHROMA
    fit = (lightness >= low) & (lightness <= high) & (chroma >= dull) & (chroma <= garish)
    names, places = names[fit], places[fit]
    taken = oklab(linear_light([*chosen, theme.ground, grey(theme)]))
    nearest = np.linalg.norm(places[:, None] - taken, axis=2).min(axis=1)
    while len(chosen) < COLOURED:
        best = int(nearest.argmax())
        chosen.append(str(names[best]))
        nearest = np.minimum(nearest, np.linalg.norm(places - places[best], axis=1))
    return tuple(chosen)


@cache
def gradient(theme: Theme) -> tuple[str, ...]:
    """LEVELS colours from low to high: viridis (Smith, van der Walt and Firing, CC0), as pyqtgraph carries it."""
    low, high = CLEAR[theme.name]
    viridis = pg.colormap.get("viridis")
    return tuple(colour.name() for colour in viridis.map(np.linspace(low, high, LEVELS), mode="qcolor"))


@cache
def band_colours(theme: Theme) -> tuple[str, ...]:
    """BANDS colours, the nearest first and clearest against the ground."""
    steps = np.linspace(0, LEVELS - 1, BANDS).round().astype(int)
    every = gradient(theme)
    return tuple(every[i] for i in (steps[::-1] if theme.dark else steps))


def linear_light(names: list[str]) -> NDArray[np.float32]:
    """sRGB '#rrggbb' as linear light (c, 3)."""
    encoded = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in names])
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4).astype(np.float32)


def oklab(light: NDArray[np.float32]) -> Table:
    """Linear light (c, 3) in OKLab (c, 3), where distances are about what eyes see.

    Ottosson, A perceptual color space for image processing (2020).
    """
    to_cones = [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566]]
    to_cones.append([0.0883024619, 0.2817188376, 0.6299787005])
    to_lab = [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099]]
    to_lab.append([0.0259040371, 0.7827717662, -0.8086757660])
    return np.asarray(np.cbrt(light.astype(np.float64) @ np.array(to_cones).T) @ np.array(to_lab).T)
