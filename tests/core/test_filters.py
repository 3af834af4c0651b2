"""Filters, against NumPy: which rows pass, and how those spread that pass all the others."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.arrow_table import table_from_arrow
from core.colouring import BINS, FILTERED, bins_of, category_codes, survey, without
from core.filters import Among, Filter, Holding, Range, apply, filter_for
from core.table import Table

ROWS = 500
RNG = np.random.default_rng(0)
YEAR = np.where(RNG.random(ROWS) < 0.1, np.nan, RNG.integers(1900, 2020, ROWS))
KIND = RNG.integers(0, 4, ROWS)
NAMES = [f"Thing {i}" for i in range(ROWS)]


@pytest.fixture(scope="module")
def table() -> Table:
    kinds = pa.array(["a", "b", "c", None], pa.string()).take(pa.array(KIND))
    return table_from_arrow("x", pa.table({"year": YEAR, "kind": kinds, "name": NAMES, "new": KIND > 1}))


def test_each_kind_of_column_has_its_filter_which_all_pass(table: Table) -> None:
    filters = [filter_for(column) for column in table.columns]
    assert [type(f) for f in filters] == [Range, Among, Holding, Among]
    result = apply(table, filters)
    assert result.passed is None
    assert result.count == ROWS


def test_a_range_holds_its_ends_and_no_missing_value(table: Table) -> None:
    year = table.columns[0]
    for low, high in ((1950.0, 1990.0), (1950.0, None), (None, 1950.0)):
        passed = apply(table, [Range(year, low, high)]).passed
        assert passed is not None
        expected = ((low or 0) <= YEAR) & ((high or 9999) >= YEAR)
        np.testing.assert_array_equal(passed, expected)


def test_categories_are_left_out_the_missing_one_too(table: Table) -> None:
    kind = table.columns[1]
    codes = frozenset(kind.categories.index(name) for name in ("b", ""))
    passed = apply(table, [Among(kind, codes)]).passed
    np.testing.assert_array_equal(passed, (KIND == 0) | (KIND == 2))


def test_texts_are_held_small_or_capital(table: Table) -> None:
    passed = apply(table, [Holding(table.columns[2], "thing 49")]).passed
    assert passed is not None
    assert np.flatnonzero(passed).tolist() == [49, *range(490, 500)]


ranges = st.tuples(st.none() | st.integers(1890, 2030), st.none() | st.integers(1890, 2030))


@given(ranges, st.sets(st.integers(0, 3)), st.sampled_from(["", "1", "thing 2", "zebra"]))
def test_all_filters_count_together_and_each_shows_what_the_others_leave(
    table: Table, years: tuple[int | None, int | None], codes: set[int], text: str
) -> None:
    year, kind, name = table.columns[:3]
    filters: list[Filter] = [Range(year, *years), Among(kind, frozenset(codes)), Holding(name, text)]
    low, high = (-np.inf if years[0] is None else years[0]), (np.inf if years[1] is None else years[1])
    in_range = np.ones(ROWS, bool) if years == (None, None) else (low <= YEAR) & (high >= YEAR)
    assert kind.codes is not None
    among = ~np.isin(kind.codes, list(codes))
    holding = np.array([text in entry.lower() for entry in NAMES])
    result = apply(table, filters)
    passed = in_range & among & holding
    assert result.count == passed.sum()
    np.testing.assert_array_equal(np.ones(ROWS, bool) if result.passed is None else result.passed, passed)
    np.testing.assert_array_equal(result.shares[kind], np.bincount(kind.codes[in_range & holding], minlength=4))
    bins = bins_of(year.values, survey(year.values))
    np.testing.assert_array_equal(result.shares[year], np.bincount(bins[among & holding], minlength=BINS)[:BINS])


def test_what_is_known_already_is_not_worked_out_again(table: Table) -> None:
    year, kind = table.columns[:2]
    first = apply(table, [Range(year, 1950.0), Among(kind, frozenset({0}))])
    second = apply(table, [Range(year, 1950.0), Among(kind, frozenset({1}))], first)
    assert second.axes[year] is first.axes[year]
    assert second.held[Range(year, 1950.0)] is first.held[Range(year, 1950.0)]
    assert Among(kind, frozenset({0})) not in second.held


def test_bins_are_counted_as_in_the_survey() -> None:
    values = np.concatenate([RNG.normal(size=3000), [np.nan] * 7, [1e9, -1e9]])
    spread = survey(values)
    bins = bins_of(values, spread)
    np.testing.assert_array_equal(np.bincount(bins, minlength=BINS + 1), [*spread.bins, 7])


def test_rows_that_do_not_pass_have_a_code_of_their_own() -> None:
    coded = category_codes(np.array([0, 1, 1, 0]), ("a", "b"))
    left = without(coded, np.array([True, False, True, True]))
    assert left.codes.tolist() == [0, FILTERED, 1, 0]
    assert (int(left.counts[0]), int(left.counts[1]), int(left.counts[FILTERED])) == (2, 1, 1)
    assert coded.codes.tolist() == [0, 1, 1, 0]
