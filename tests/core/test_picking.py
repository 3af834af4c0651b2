"""Pixel to point: the nearest within reach, as a search through all points finds it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.picking import nearest
from core.rasterize import PointIndex, build_index

# Distances are taken in float32: off by its rounding of the coordinates, in pixels.
ROUNDING = 2.0**-22


def index_of(points: NDArray[np.floating], rows: NDArray[np.int64] | None = None) -> PointIndex:
    rows = np.arange(len(points)) if rows is None else rows
    codes = np.zeros(int(rows.max(initial=0)) + 1, np.uint16)
    return build_index(np.asarray(points, np.float32).reshape(-1, 2), rows, codes)


def pixel_distances(index: PointIndex, x: float, y: float, scale: tuple[float, float]) -> dict[int, float]:
    """Distance in pixels of every point, by its row of the data set."""
    dx, dy = (index.x.astype(np.float64) - x) * scale[0], (index.y.astype(np.float64) - y) * scale[1]
    return dict(zip(index.rows.tolist(), np.hypot(dx, dy).tolist(), strict=True))


@given(
    seed=st.integers(0, 10_000),
    count=st.integers(1, 800),
    spread=st.sampled_from([1e-3, 1.0, 1e4]),
    centre=st.sampled_from([0.0, -3.0, 1000.0]),
    pixels=st.sampled_from([1.0, 30.0, 1000.0]),  # across the data
    stretch=st.sampled_from([1.0, 0.01, 50.0]),
    reach=st.sampled_from([0.5, 8.0, 100.0]),
    flipped=st.booleans(),
)
def test_the_nearest_point_is_the_one_brute_force_finds(
    seed: int, count: int, spread: float, centre: float, pixels: float, stretch: float, reach: float, flipped: bool
) -> None:
    generator = np.random.default_rng(seed)
    points = (centre * spread + spread * generator.uniform(-1, 1, (count, 2))).astype(np.float32)
    points[generator.random(count) < 0.1] = points[0]
    index = index_of(points, 3 * np.arange(count))
    scale = (pixels / spread, (-1 if flipped else 1) * stretch * pixels / spread)
    off = reach + ROUNDING * float(np.abs(points).max() * max(map(abs, scale)))
    slack = off - reach
    for x, y in (centre + 1.2 * generator.uniform(-1, 1, (8, 2))) * spread if centre == 0 else points[:8] + spread * 0.01:
        distances = pixel_distances(index, float(x), float(y), scale)
        best = min(distances.values())
        found = nearest(index, float(x), float(y), scale, reach)
        if found is None:
            assert best >= reach - slack
        else:
            assert distances[found] <= min(best, reach) + slack


def test_the_answer_is_a_row_of_the_data_set() -> None:
    index = index_of(np.array([[0.0, 0.0], [1.0, 0.0], [np.nan, 0.0], [0.0, 1.0]]), np.array([40, 7, 8, 100]))
    assert nearest(index, 0.1, 0.0, (10.0, 10.0), 5.0) == 40
    assert nearest(index, 0.9, 0.1, (10.0, 10.0), 5.0) == 7
    assert nearest(index, 0.0, 0.9, (10.0, 10.0), 5.0) == 100


@pytest.mark.parametrize("scale", [(10.0, 10.0), (10.0, -10.0), (-10.0, 10.0)])
def test_reach_is_a_circle_of_pixels(scale: tuple[float, float]) -> None:
    index = index_of(np.array([[0.0, 0.0], [100.0, 100.0]]))
    assert nearest(index, 0.25, 0.25, scale, 4.0) == 0
    assert nearest(index, 0.375, 0.0, scale, 4.0) == 0
    assert nearest(index, 0.0, -0.375, scale, 4.0) == 0
    # Within the square around the circle, but not in it.
    assert nearest(index, 0.375, 0.375, scale, 4.0) is None
    assert nearest(index, 0.5, 0.0, scale, 4.0) is None


def test_an_unequal_scale_counts_each_axis_in_its_own_pixels() -> None:
    index = index_of(np.array([[0.0, 0.0], [3.0, 0.4]]))
    assert nearest(index, 0.0, 0.4, (1.0, 100.0), 50.0) == 1
    assert nearest(index, 0.0, 0.4, (100.0, 1.0), 50.0) == 0


@pytest.mark.parametrize("x", [-1e6, 0.0, 1e6])
def test_far_outside_the_data_there_is_nothing(x: float) -> None:
    index = index_of(np.random.default_rng(0).normal(size=(100, 2)))
    assert nearest(index, x, 1e6, (1.0, 1.0), 10.0) is None


def test_of_no_points_none_is_nearest() -> None:
    for empty in (np.empty((0, 2)), np.full((5, 2), np.nan)):
        index = index_of(empty)
        assert index.count == 0
        assert nearest(index, 0.0, 0.0, (1.0, 1.0), 1e9) is None


@pytest.mark.parametrize("place", [0.0, 5.0, -1e6, 1e-12])
def test_points_on_one_place_are_found(place: float) -> None:
    index = index_of(np.full((50, 2), place))
    at = float(np.float32(place))
    assert nearest(index, at, at, (1.0, 1.0), 3.0) in range(50)


def test_points_on_a_line_are_found() -> None:
    along = np.linspace(0, 1, 500)
    for points in (np.stack([along, np.zeros(500)], 1), np.stack([np.zeros(500), along], 1)):
        index = index_of(points)
        for row in (0, 250, 499):
            assert nearest(index, points[row, 0], points[row, 1], (1e4, 1e4), 3.0) == row
