"""Searching in fields, against Python's own way with texts."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import finding
from core.arrow_table import table_from_arrow
from core.errors import UserError
from core.finding import How, Search, find
from core.table import Table
from core.types import Ids

NAMES = ["Ada", "Grace Hopper", "ada lovelace", "naïve", "NAÏVE art", "a.b", "a+b (c)", "cab", "", "can't", "x\ny", "99 bottles"]
ROWS = len(NAMES)


@pytest.fixture
def table() -> Table:
    return table_from_arrow(
        "x",
        pa.table(
            {
                "name": pa.chunked_array([NAMES[:5], NAMES[5:]]),
                "kind": ["b", "a", None] * 4,
                "year": pa.array([1990, 2010, None, 2011, *range(2000, 2008)], pa.int32()),
                "day": pa.array(range(0, 366 * ROWS, 366), pa.int32()).cast(pa.date32()),
                "new": [True, False, None] * 4,
            }
        ),
    )


def hits(table: Table, text: str, column: str | None = None, how: How = "contains", within: Ids | None = None) -> list[int]:
    chosen = next((c for c in table.columns if c.name == column), None)
    return [row for found in find(table, Search(text, chosen, how), within) for row in found.rows.tolist()]


def expected(holds: Callable[[str], bool]) -> list[int]:
    return [row for row, name in enumerate(NAMES) if holds(name)]


@pytest.mark.parametrize("text", ["ada", "ADA", "a", "naïve", "NAÏ", "a.b", "a+b (c)", "'", "\n", " ", "zebra"])
def test_a_text_is_found_wherever_it_stands_small_or_capital(table: Table, text: str) -> None:
    assert hits(table, text, "name") == expected(lambda name: text.casefold() in name.casefold())


@pytest.mark.parametrize("text", ["ada", "a", "naïve", "art", "ab", "can", "can't", "a.b", "(c)", "99", "a+b"])
def test_a_word_is_found_only_whole(table: Table, text: str) -> None:
    bounds = rf"(?<!\w){re.escape(text)}(?!\w)"
    assert hits(table, text, "name", "word") == expected(lambda name: re.search(bounds, name, re.IGNORECASE) is not None)


@pytest.mark.parametrize("text", ["^ada", "a.b", "[0-9]+", "^$", "(hopper|art)$"])
def test_regular_expressions(table: Table, text: str) -> None:
    assert hits(table, text, "name", "regex") == expected(lambda name: re.search(text, name, re.IGNORECASE) is not None)


def test_what_is_no_regular_expression_is_told_at_once(table: Table) -> None:
    with pytest.raises(UserError, match="no regular expression: missing"):
        find(table, Search("a(b", None, "regex"))


@pytest.mark.parametrize(
    ("text", "column", "rows"),
    [
        ("year > 2007", None, [1, 3]),
        ("YEAR>=2007", None, [1, 3, 11]),
        ("year < 2000", None, [0]),
        ("year <= 2000", None, [0, 4]),
        ("year = 2010", None, [1]),
        ("year == 2,010", None, [1]),
        ("year != 2010", None, [0, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
        ("> 2007", "year", [1, 3]),
        ("2010", "year", [1]),
        ("2010", None, [1]),
        ("kind = A", None, [1, 4, 7, 10]),
        ("kind != a", None, [0, 2, 3, 5, 6, 8, 9, 11]),
        ("day > 1980-01-01", None, [10, 11]),
        ("day < 1971", None, [0]),
        ("day >= 1972-01", None, [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
        ("1972-01", "day", [2]),
        ("new = true", None, [0, 3, 6, 9]),
        ("name = ADA", None, [0]),
        ("name > b", None, []),
        ("nothing > 5", None, []),
        ("year > ten", None, []),
        ("b", "kind", [0, 3, 6, 9]),
    ],
)
def test_comparisons_and_columns(table: Table, text: str, column: str | None, rows: list[int]) -> None:
    assert hits(table, text, column) == rows


def test_all_columns_are_searched_unless_one_is_named(table: Table) -> None:
    assert hits(table, "true") == [0, 3, 6, 9]
    assert hits(table, "true", "name") == []


def test_hits_are_told_block_by_block_as_far_as_they_are_known(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "BLOCK", 5)
    told = list(find(table, Search("a", table.columns[0])))
    assert [(found.done, found.total) for found in told] == [(5, ROWS), (10, ROWS), (ROWS, ROWS)]
    assert np.concatenate([found.rows for found in told]).tolist() == expected(lambda name: "a" in name.casefold())


words = st.text("aAbä1> ", max_size=4)


@given(st.lists(words, min_size=1, max_size=20), words, words, st.sampled_from(["contains", "word"]))
def test_a_search_within_the_hits_of_one_that_it_narrows_is_the_same_as_anew(
    names: list[str], first: str, second: str, how: How
) -> None:
    others = 80  # so that hits are few enough to be gathered
    columns = {"name": [*names, *["b"] * others], "n": [*map(len, names), *[7] * others]}
    table = table_from_arrow("x", pa.table(columns))
    for column in (None, "name"):
        chosen = None if column is None else table.columns[0]
        if Search(second, chosen, how).narrows(Search(first, chosen)):
            within = np.array(hits(table, first, column), np.int64)
            assert hits(table, second, column, how, within) == hits(table, second, column, how)


def test_what_narrows(table: Table) -> None:
    name = table.columns[0]
    assert Search("abc", name).narrows(Search("Ab", name))
    assert not Search("ab", name).narrows(Search("abc", name))
    assert not Search("abc", name).narrows(Search("ab"))
    assert not Search("abc", name, "regex").narrows(Search("ab", name))
    assert not Search("201").narrows(Search("20"))
    assert not Search("year > 20").narrows(Search("year > 2"))
