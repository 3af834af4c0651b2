"""Coarser levels: nothing is lost on the way, and colours change without building them again."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from core import raster_levels
from core.point_index import PointIndex, build_index
from core.raster_levels import build_levels
from tests.core.loops import LOOPS, loops

Table = NDArray[np.float32]


@pytest.fixture(params=LOOPS, autouse=True)
def inner_loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test holds for NumPy's loops and for the compiled ones."""
    monkeypatch.setattr("core.raster_backend._current", loops(request.param))


@pytest.fixture(autouse=True)
def few_points_have_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raster_levels, "MANY", 0)
    monkeypatch.setattr(raster_levels, "COARSEST", 16)


@pytest.fixture(params=["clusters", "half identical", "line", "none"])
def index(request: pytest.FixtureRequest) -> PointIndex:
    generator = np.random.default_rng(2)
    points = generator.normal(size=(0 if request.param == "none" else 30_000, 2))
    if len(points):
        points[::3] += 5
        points[::1000] *= 20
    if request.param == "half identical":
        points[::2] = points[1]
    if request.param == "line":
        points[:, 1] = 2
    return build_index(points.astype(np.float32), np.arange(len(points)), generator.integers(0, 6, len(points)).astype(np.uint16))


@pytest.fixture
def table() -> Table:
    return np.concatenate([np.random.default_rng(0).random((6, 3)), np.ones((6, 1))], axis=1).astype(np.float32)


def test_each_level_holds_the_light_of_all_points_but_outliers(index: PointIndex, table: Table) -> None:
    inside = np.delete(np.arange(index.count), index.outliers)
    expected = table[index.codes[inside]].sum(axis=0, dtype=np.float64)
    levels = build_levels(index, table).levels
    assert [level.cells for level in levels] == [index.grid.cells >> i for i in range(len(levels))]
    for level in levels:
        np.testing.assert_allclose(level.light.sum(axis=0, dtype=np.float64), expected, rtol=1e-5)


def test_records_are_the_means_of_their_cells_in_the_order_of_an_index(index: PointIndex, table: Table) -> None:
    for level in build_levels(index, table).levels:
        assert np.all(np.diff(level.keys) > 0)
        np.testing.assert_array_equal(np.repeat(np.arange(level.cells), np.diff(level.starts)), level.keys // level.cells)
        for start, stop in zip(level.starts[:-1], level.starts[1:], strict=True):
            assert np.all(np.diff(level.x[start:stop]) >= 0)
        step = (index.grid.x1 - index.grid.x0) / level.cells
        middle = index.grid.x0 + (level.keys % level.cells + 0.5) * step
        assert np.all(np.abs(level.x - middle) <= 0.5001 * step)


def test_other_colours_give_the_levels_that_they_would_have_been_built_with(index: PointIndex, table: Table) -> None:
    other = table.copy()
    other[2] = 0  # hidden
    other[:, 0] = 1 - other[:, 0]
    other[2] = 0
    codes = np.random.default_rng(5).integers(0, 6, index.count + 1).astype(np.uint16)
    recoloured = index.recoloured(codes)
    levels = build_levels(index, table)
    for now, colours in ((index, other), (recoloured, table), (recoloured, other)):
        for level, fresh in zip(levels.coloured(now, colours).levels, build_levels(now, colours).levels, strict=True):
            np.testing.assert_array_equal(level.light, fresh.light)
    assert levels.coloured(index, table.copy()) is levels


def test_few_points_have_no_levels(index: PointIndex, table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raster_levels, "MANY", index.count + 1)
    levels = build_levels(index, table)
    assert levels.levels == ()
    assert levels.coloured(index, table * 0).levels == ()
