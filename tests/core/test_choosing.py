"""Areas and sets of rows."""

from __future__ import annotations

import numpy as np
import pytest

from core.choosing import Area, Box, How, Lasso, combined
from core.point_index import everything_shown
from core.rasterize import PointIndex, build_index

SQUARE = Lasso(np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, 1.0], [1.0, -1.0]]))
COORDS = np.random.default_rng(0).normal(0, 2, (3000, 2)).astype(np.float32)
INSIDE = np.flatnonzero((np.abs(COORDS) < 1).all(axis=1))


@pytest.fixture(scope="module")
def index() -> PointIndex:
    return build_index(COORDS, np.arange(len(COORDS)), (np.arange(len(COORDS)) % 3).astype(np.uint16))


@pytest.mark.parametrize("outline", [Box(-1, 1, -1, 1), SQUARE])
def test_the_rows_of_an_area_come_sorted(index: PointIndex, outline: Box | Lasso) -> None:
    np.testing.assert_array_equal(Area(index, outline).rows(), INSIDE)


@pytest.mark.parametrize("outline", [Box(-1, 1, -1, 1), SQUARE, None])
def test_hidden_codes_are_in_no_area(index: PointIndex, outline: Box | Lasso | None) -> None:
    shown = everything_shown()
    shown[1] = False
    rows = Area(index, outline, shown).rows()
    wanted = np.arange(len(COORDS)) if outline is None else INSIDE
    np.testing.assert_array_equal(rows, wanted[wanted % 3 != 1])


def test_without_an_outline_all_points_of_the_map_are_meant() -> None:
    coords = COORDS.copy()
    coords[5] = np.nan
    index = build_index(coords, np.arange(len(coords)) * 2, np.zeros(2 * len(coords), np.uint16))
    np.testing.assert_array_equal(Area(index).rows(), np.delete(np.arange(len(coords)) * 2, 5))


@pytest.mark.parametrize("seed", range(20))
def test_sets_of_rows_combine_as_sets_do(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = (np.unique(rng.integers(0, 200, rng.integers(0, 80))) for _ in range(2))
    first, second = set(a.tolist()), set(b.tolist())
    wanted: dict[How, set[int]] = {
        "replace": second,
        "add": first | second,
        "subtract": first - second,
        "toggle": first ^ second,
    }
    for how, rows in wanted.items():
        found = combined(a, b, how)
        assert found.dtype == np.int64
        assert found.tolist() == sorted(rows)
