"""The order of points: every finite one is in it once, where drawing and picking look for it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from core import point_index
from core.point_index import OUTSIDE, Codes, PointIndex, build_index


def index_of(points: NDArray[np.floating], codes: Codes | None = None) -> PointIndex:
    coords = np.asarray(points, np.float32).reshape(-1, 2)
    return build_index(coords, np.arange(len(coords)), np.zeros(len(coords), np.uint16) if codes is None else codes)


def strewn(seed: int, count: int, spread: float, low: float) -> NDArray[np.float32]:
    """Normal points, some not finite, some far out, some identical."""
    generator = np.random.default_rng(seed)
    points = (low + spread * generator.normal(size=(count, 2))).astype(np.float32)
    points[generator.random(count) < 0.02] *= 1000
    points[generator.random(count) < 0.2] = points[0]
    points[generator.random(count) < 0.05, 0] = np.nan
    return points


strewn_points = st.builds(
    strewn,
    st.integers(0, 1000),
    st.integers(1, 3000),
    st.sampled_from([0.0, 1e-30, 1e-6, 1.0, 1e6, 1e30]),
    st.sampled_from([-2.0, 0.0, 1.0, 1e4]),
)


@given(points=strewn_points)
def test_every_finite_point_is_there_once_with_its_row(points: NDArray[np.float32]) -> None:
    index = index_of(points)
    finite = np.isfinite(points).all(axis=1)
    assert sorted(index.rows.tolist()) == np.flatnonzero(finite).tolist()
    assert index.left_out == np.count_nonzero(~finite)
    np.testing.assert_array_equal(np.stack([index.x, index.y], 1), points[index.rows])


@given(points=strewn_points)
def test_every_point_lies_in_the_row_of_cells_of_its_y_and_each_row_is_sorted(points: NDArray[np.float32]) -> None:
    index = index_of(points)
    assert (index.starts[0], index.starts[-1]) == (0, index.count)
    row = np.repeat(np.arange(index.grid.cells), np.diff(index.starts))
    np.testing.assert_array_equal(index.grid.rows(index.y), row)
    order = np.lexsort((index.rows, index.y, index.x, row))
    np.testing.assert_array_equal(order, np.arange(index.count))
    for i in np.random.default_rng(0).integers(0, max(index.count, 1), 20 if index.count else 0):
        first, last = index.grid.rows_between(float(index.y[i]), float(index.y[i]))
        assert index.starts[first] <= i < index.starts[last + 1]


@given(points=strewn_points)
def test_outliers_are_the_points_outside_the_grid(points: NDArray[np.float32]) -> None:
    index = index_of(points)
    grid = index.grid
    inside = (index.x >= grid.x0) & (index.x <= grid.x1) & (index.y >= grid.y0) & (index.y <= grid.y1)
    assert sorted(index.outliers.tolist()) == np.flatnonzero(~inside).tolist()
    assert np.all(np.diff(index.x[index.outliers]) >= 0)
    x0, x1, y0, y1 = index.bounds
    assert x0 < x1
    assert y0 < y1
    if index.count:
        assert x0 <= index.x.min() <= index.x.max() <= x1
        assert y0 <= index.y.min() <= index.y.max() <= y1


def test_one_point_far_out_does_not_make_the_others_share_a_cell() -> None:
    points = np.random.default_rng(0).normal(size=(20_000, 2))
    points[7] = 1e9
    index = index_of(points)
    assert len(np.unique(index.grid.keys(index.x, index.y))) > 2000
    assert 7 in index.rows[index.outliers]


def test_a_negative_zero_is_a_zero() -> None:
    points = np.array([[0.0, 1.0], [-0.0, 1.0], [0.0, -0.0], [-0.0, 0.0]] * 50)
    index = index_of(points)
    places = np.stack([index.x, index.y], 1)
    assert np.count_nonzero(np.any(places[1:] != places[:-1], axis=1)) == 1


@given(points=strewn_points, side=st.floats(0.01, 1.0), seed=st.integers(0, 100))
def test_no_window_holds_more_than_was_said(points: NDArray[np.float32], side: float, seed: int) -> None:
    index = index_of(points)
    grid, crowding = index.grid, index.crowding
    level = min(int(-np.log2(side)), len(crowding.most) - 1)
    wide, high = side * (grid.x1 - grid.x0), side * (grid.y1 - grid.y0)
    for i in np.random.default_rng(seed).integers(0, max(index.count, 1), 10 if index.count else 0):
        left, bottom = float(index.x[i]) - wide * 0.3, float(index.y[i]) - high * 0.7
        x, y = index.x.astype(np.float64), index.y.astype(np.float64)
        held = np.count_nonzero((x >= left) & (x < left + wide) & (y >= bottom) & (y < bottom + high))
        assert held <= crowding.most[level]
    assert np.all(np.diff(crowding.occupied) >= 0)
    assert crowding.occupied[0] == 1


def test_recoloured_points_have_the_codes_of_their_rows() -> None:
    points = np.random.default_rng(0).normal(size=(300, 2))
    points[5] = np.nan
    codes = np.arange(300).astype(np.uint16)
    index = index_of(points)
    np.testing.assert_array_equal(index.recoloured(codes).codes, codes[index.rows])
    np.testing.assert_array_equal(index.recoloured(codes).codes, index_of(points, codes).codes)
    assert not index.codes.any()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 50])
def test_few_points_or_none_make_an_index(count: int) -> None:
    assert index_of(np.ones((count, 2))).count == count


@pytest.mark.parametrize("factor", [1.0, 30.0])
def test_a_few_points_far_out_do_not_count_for_the_picture_of_the_whole(factor: float) -> None:
    coords = np.random.default_rng(0).standard_normal((20_000, 2)).astype(np.float32)
    coords[:5] *= factor
    index = build_index(coords, np.arange(len(coords)), np.zeros(len(coords), np.uint16))
    x0, x1, y0, y1 = index.core
    inside = (coords[:, 0] >= x0) & (coords[:, 0] <= x1) & (coords[:, 1] >= y0) & (coords[:, 1] <= y1)
    assert np.count_nonzero(~inside) <= len(coords) * 4 * OUTSIDE
    if factor == 1.0:
        assert index.core == index.bounds
    else:
        assert (x1 - x0) * (y1 - y0) < 0.1 * (index.bounds[1] - index.bounds[0]) * (index.bounds[3] - index.bounds[2])


@pytest.mark.parametrize("count", [2, 50, 5_000])
def test_cells_are_counted_alike_whether_sorted_or_not(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    points = np.random.default_rng(count).normal(size=(count, 2))
    counted = index_of(points).crowding
    monkeypatch.setattr(point_index, "COUNTED", 1)
    ordered = index_of(points).crowding
    for a, b in zip(vars(counted).values(), vars(ordered).values(), strict=True):
        np.testing.assert_array_equal(a, b)
