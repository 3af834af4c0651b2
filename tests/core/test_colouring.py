"""Codes of rows: categories, steps of a range, bands of distances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.colouring import BANDS, BINS, LEVELS, MISSING, SHARES, band_codes, category_codes, one_code, range_codes, survey
from tests.made import make_column

numbers = st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=60)
finite = st.floats(-1e300, 1e300)


def test_without_a_choice_all_rows_are_alike() -> None:
    coded = one_code(5)
    assert coded.codes.tolist() == [0] * 5
    assert (int(coded.counts[0]), int(coded.counts.sum())) == (5, 5)


def test_the_empty_category_is_missing_and_the_rest_keep_their_order() -> None:
    column = make_column("x", ["b", "", "b", "a", "", "", "b", "a", "b", " "])
    assert column.codes is not None
    coded = category_codes(column.codes, column.categories)
    assert coded.codes.tolist() == [0, MISSING, 0, 1, MISSING, MISSING, 0, 1, 0, MISSING]
    assert (int(coded.counts[0]), int(coded.counts[1]), int(coded.counts[MISSING])) == (4, 2, 4)


def test_more_categories_than_codes_are_refused() -> None:
    with pytest.raises(ValueError, match="more than there are codes"):
        category_codes(np.zeros(3, np.int32), tuple(str(i) for i in range(MISSING)))


@given(numbers, finite, finite)
def test_codes_rise_with_the_numbers_and_stay_in_their_range(values: list[float], a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    if high / 2 - low / 2 <= LEVELS * 1e-300:
        low, high = low - 1.0 - abs(low) * 1e-6, high + 1.0 + abs(high) * 1e-6
    array = np.array(values)
    coded = range_codes(array, low, high)
    missing = np.isnan(array)
    assert np.array_equal(coded.codes == MISSING, missing)
    order = np.argsort(array[~missing])
    ordered = coded.codes[~missing][order].astype(int)
    assert np.all(np.diff(ordered) >= 0)
    assert np.all(ordered < LEVELS)
    assert np.all(coded.codes[~missing & (array <= low)] == 0)
    assert np.all(coded.codes[~missing & (array >= high)] == LEVELS - 1)
    assert coded.counts.sum() == len(values)


def test_the_range_leaves_out_the_extreme_values() -> None:
    values = np.arange(10_001.0)
    values[:3] = -1e9
    spread = survey(values)
    assert (spread.low, spread.high) == (200.0, 9800.0)
    assert (spread.smallest, spread.largest) == (-1e9, 10_000.0)
    assert spread.first == pytest.approx(200 - 9600)
    assert spread.whole
    assert spread.bins.sum() == 10_001


@given(numbers)
def test_every_column_of_numbers_has_a_range_on_its_axis(values: list[float]) -> None:
    spread = survey(np.array(values))
    assert spread.first <= spread.low < spread.high <= spread.last
    assert spread.bins.shape == (BINS,)
    assert spread.bins.sum() in (0, np.count_nonzero(~np.isnan(values)))


@pytest.mark.parametrize("values", [[3.0, 3.0], [0.0] * 99 + [7.0], [1e15], [np.nan], [np.inf, -np.inf]])
def test_columns_of_little_variety_have_a_range_too(values: list[float]) -> None:
    spread = survey(np.array(values))
    assert spread.low < spread.high
    assert range_codes(np.array(values), spread.low, spread.high).codes.shape == (len(values),)


@pytest.mark.parametrize("largest_first", [False, True])
def test_bands_hold_their_shares_of_the_rows_the_nearest_first(largest_first: bool) -> None:
    distances = np.random.default_rng(0).normal(size=5000).astype(np.float32)
    distances[[7, 8]] = np.nan
    coded, edges = band_codes(distances, largest_first)
    assert len(edges) == BANDS - 1
    assert int(coded.counts[MISSING]) == 2
    shares = np.cumsum(coded.counts[:BANDS]) / 4998
    np.testing.assert_allclose(shares[:-1], SHARES, atol=0.001)
    order = np.argsort(-distances[:7] if largest_first else distances[:7])
    assert np.all(np.diff(coded.codes[:7][order].astype(int)) >= 0)
    for band, edge in enumerate(edges):
        within = distances[coded.codes <= band]
        assert np.all(within >= edge) if largest_first else np.all(within <= edge)


def test_equal_distances_share_a_band() -> None:
    coded, _ = band_codes(np.ones(50, np.float32), False)
    assert np.unique(coded.codes).size == 1


def test_without_any_distance_all_are_missing() -> None:
    coded, edges = band_codes(np.full(4, np.nan, np.float32), False)
    assert coded.codes.tolist() == [MISSING] * 4
    assert edges == ()
