"""Pixel to point: the nearest within reach, and all in a box or lasso, as a search through all points finds them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from core import picking
from core.picking import in_box, in_lasso, nearest
from core.rasterize import PointIndex, build_index, everything_shown
from tests.core.loops import LOOPS, loops

# Distances are taken in float32: off by its rounding of the coordinates, in pixels.
ROUNDING = 2.0**-22


@pytest.fixture(params=LOOPS, autouse=True, scope="module")
def inner_loops(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test holds for NumPy's loops and for the compiled ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.raster_backend._current", loops(request.param))
        yield


def index_of(
    points: NDArray[np.floating], rows: NDArray[np.int64] | None = None, codes: NDArray[np.generic] | None = None
) -> PointIndex:
    rows = np.arange(len(points)) if rows is None else rows
    inks = np.zeros(int(rows.max(initial=0)) + 1, np.uint16) if codes is None else codes.astype(np.uint16)
    return build_index(np.asarray(points, np.float32).reshape(-1, 2), rows, inks)


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


@pytest.mark.parametrize("pixels", [1.0, 30.0, 1e4, 1e8])
def test_a_crowd_on_one_place_does_not_make_picking_long(pixels: float) -> None:
    """Half of all points are identical: how many places are looked at does not grow with the crowd."""
    looked = {}
    for count in (4000, 400_000):
        points = np.random.default_rng(0).normal(size=(2000 + count, 2))
        points[2000:] = points[0]
        index = index_of(points)
        x, y = points[0]
        searches = [
            picking._search(index, x + dx / pixels, y + 3 / pixels, (pixels, pixels), 12.0, None, None)
            for dx in (-9, -2, 0, 1, 8)
        ]
        assert all(position >= 0 for position, _ in searches)
        looked[count] = max(places for _, places in searches)
    assert looked[400_000] <= looked[4000] + 4096


def test_of_points_on_one_place_the_last_is_picked_as_it_is_drawn_on_top() -> None:
    points = np.zeros((10_000, 2))
    points[::2] = np.random.default_rng(0).normal(size=(5000, 2)) + 10
    index = index_of(points, codes=np.arange(10_000) >= 6000)
    assert nearest(index, 0.0, 0.0, (1.0, 1.0), 3.0) == 9999
    shown = everything_shown()
    shown[1] = False
    assert nearest(index, 0.0, 0.0, (1.0, 1.0), 3.0, shown) == 5999
    shown[0] = False
    assert nearest(index, 0.0, 0.0, (1.0, 1.0), 3.0, shown) is None


@given(
    seed=st.integers(0, 1000),
    count=st.integers(1, 2000),
    hidden=st.sets(st.integers(0, 4)),
    factor=st.sampled_from([1e-3, 1.0, 1e5]),
)
def test_hidden_codes_are_picked_by_nothing(seed: int, count: int, hidden: set[int], factor: float) -> None:
    generator = np.random.default_rng(seed)
    points, codes = factor * generator.normal(size=(count, 2)), generator.integers(0, 5, count)
    index, shown = index_of(points, codes=codes), everything_shown()
    shown[list(hidden)] = False
    visible = np.flatnonzero(shown[codes])
    alone = index_of(points[visible], visible, codes)
    scale = (20 / factor, 20 / factor)
    for x, y in factor * generator.normal(size=(5, 2)):
        assert nearest(index, x, y, scale, 9.0, shown) == nearest(alone, x, y, scale, 9.0)
    box = (-factor, factor / 2, -factor / 3, 2 * factor)
    assert sorted(in_box(index, *box, shown)) == sorted(in_box(alone, *box))
    corners = factor * generator.normal(size=(7, 2))
    assert sorted(in_lasso(index, corners, shown)) == sorted(in_lasso(alone, corners))


def inside(points: NDArray[np.float64], corners: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each point is inside by the even-odd rule: edge by edge, for all points."""
    odd = np.zeros(len(points), np.bool_)
    x, y = points.T
    for (ax, ay), (bx, by) in zip(np.roll(corners, 1, axis=0), corners, strict=True):
        crossed = (ay > y) != (by > y)
        odd[crossed] ^= x[crossed] < bx + (y[crossed] - by) / (ay - by) * (ax - bx)
    return odd


@given(
    seed=st.integers(0, 1000),
    count=st.integers(1, 3000),
    corners=st.sampled_from([3, 4, 5, 12, 200]),
    factor=st.sampled_from([1e-6, 1.0, 1e6]),
    centre=st.sampled_from([0.0, 3.0]),
    wild=st.booleans(),
)
def test_a_lasso_holds_the_points_that_the_even_odd_rule_says(
    seed: int, count: int, corners: int, factor: float, centre: float, wild: bool
) -> None:
    generator = np.random.default_rng(seed)
    points = (factor * (centre + generator.normal(size=(count, 2)))).astype(np.float32)
    points[generator.random(count) < 0.02] *= 50
    points[generator.random(count) < 0.3] = points[0]
    points[generator.random(count) < 0.02] = np.nan
    if wild:  # an outline that crosses itself at every turn
        outline = generator.normal(size=(corners, 2))
    else:
        turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)
        outline = (1 + 0.5 * generator.random(corners))[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    outline = factor * (centre + outline)
    expected = np.flatnonzero(
        np.isfinite(points).all(axis=1) & inside(np.nan_to_num(points.astype(np.float64), nan=1e30), outline)
    )
    assert sorted(in_lasso(index_of(points), outline)) == expected.tolist()


@pytest.mark.parametrize("axis", [0, 1])
def test_a_lasso_of_level_and_upright_edges_takes_its_inside(axis: int) -> None:
    along = np.stack(np.meshgrid(np.arange(40), np.arange(40)), axis=-1).reshape(-1, 2).astype(np.float32)
    corners = np.array([[4.5, 2.5], [30.5, 2.5], [30.5, 9.5], [12.5, 9.5], [12.5, 33.5], [4.5, 33.5]])
    corners = corners if axis == 0 else corners[:, ::-1]
    found = along[in_lasso(index_of(along), corners)]
    assert len(found) == 26 * 7 + 8 * 24


def test_of_less_than_three_corners_or_no_points_nothing_is_inside() -> None:
    index = index_of(np.random.default_rng(0).normal(size=(100, 2)))
    for corners in (np.empty((0, 2)), np.zeros((1, 2)), np.array([[-9.0, -9.0], [9.0, 9.0]])):
        assert len(in_lasso(index, corners)) == 0
    assert len(in_lasso(index_of(np.empty((0, 2))), np.array([[-9.0, -9.0], [9.0, -9.0], [0.0, 9.0]]))) == 0


@given(seed=st.integers(0, 1000), count=st.integers(1, 3000), factor=st.sampled_from([1e-30, 1.0, 1e30]))
def test_a_box_holds_its_points_and_those_on_its_sides(seed: int, count: int, factor: float) -> None:
    generator = np.random.default_rng(seed)
    points = (factor * generator.normal(size=(count, 2))).astype(np.float32)
    points[::7] *= 30
    x0, x1 = sorted(points[generator.integers(0, count, 2), 0].astype(float))
    y0, y1 = sorted(points[generator.integers(0, count, 2), 1].astype(float))
    expected = (points[:, 0] >= x0) & (points[:, 0] <= x1) & (points[:, 1] >= y0) & (points[:, 1] <= y1)
    found = in_box(index_of(points), x0, x1, y0, y1)
    assert found.dtype == np.int64
    assert sorted(found) == np.flatnonzero(expected).tolist()
