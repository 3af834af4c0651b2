"""Columns of texts, block by block: kinds told from the first block and checked on the others."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.columns import Refuted, Texts
from core.kinds import Kind
from core.table import MAX_CATEGORIES, Column
from tests.made import make_column


def gathered(*blocks: list[str], as_text: bool = False) -> Column:
    texts = Texts(True, as_text)
    for block in blocks:
        texts.add(pa.array(block, pa.string()))
    return texts.finish("x")


def texts(column: Column) -> list[str]:
    return [column.text(row) for row in range(len(column))]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("date", ["2020-01-31", "", "1999-12-01"]),
        ("date", ["2020-01-31 10:00", "2020-01-31T10:00:05.25"]),
        ("date", ["2020-01-31T10:00:00Z", "2020-01-31T10:00:00+02:00"]),
        ("boolean", ["true", "False", "", "TRUE"]),
        ("url", ["https://example.org/a.png", "http://example.org"]),
        ("image", ["cat.png", "folder/a dog.JPEG"]),
        ("audio", ["a.wav", "b.mp3"]),
        ("text", ["cat.png", "dog"]),
        ("text", ["https://example.org", "no link"]),
        ("text", ["2020-01-31", "yesterday"]),
        ("text", ["2020-13-45", "2020-01-01"]),
        ("text", ["01/02/2020", "03/04/2020"]),
        ("text", ["true", "perhaps"]),
    ],
)
def test_kinds_are_told_from_values(kind: Kind, values: list[str]) -> None:
    assert make_column("x", values).kind == kind


def test_dates_are_seconds_and_missing_ones_are_missing() -> None:
    column = make_column("x", ["1970-01-02", "NA", "1970-01-01"])
    np.testing.assert_array_equal(column.values, [86400, np.nan, 0])
    assert texts(column) == ["1970-01-02", "", "1970-01-01"]


def test_times_of_other_zones_are_shown_in_utc() -> None:
    assert texts(make_column("x", ["2020-01-31T10:00:00+02:00"])) == ["2020-01-31 08:00:00"]


def test_days_and_times_in_different_blocks_are_one_column() -> None:
    column = gathered(["2020-01-31"], ["2020-01-31 10:00"])
    assert column.kind == "date"
    assert column.values[1] - column.values[0] == 36000


@pytest.mark.parametrize("later", ["seven", "007", "9007199254740993"])
def test_a_later_block_may_refute_numbers_which_are_then_read_as_text(later: str) -> None:
    with pytest.raises(Refuted):
        gathered(["1", "2"], [later])
    assert texts(gathered(["1.0", "2"], [later], as_text=True)) == ["1.0", "2", later]


def test_numbers_may_begin_after_blocks_of_nothing() -> None:
    column = gathered(["", "NA"], [""], ["3", "4"])
    assert column.kind == "number"
    np.testing.assert_array_equal(column.values, [np.nan, np.nan, np.nan, 3, 4])


def test_nothing_at_all_is_text() -> None:
    assert texts(gathered(["NA", ""], ["-"])) == ["NA", "", "-"]
    assert len(gathered()) == 0


def test_too_many_texts_in_a_later_block_are_no_categories_and_none_is_lost() -> None:
    first = ["a", "b"] * 5000
    second = [f"text {i}" for i in range(MAX_CATEGORIES)]
    column = gathered(first, second)
    assert column.kind == "text"
    assert texts(column) == [*first, *second]


@given(st.lists(st.lists(st.sampled_from(["a", "b", "", "ü"]), max_size=9), min_size=1, max_size=5), st.text(max_size=3))
def test_blocks_and_a_text_put_first_are_the_same_as_all_at_once(blocks: list[list[str]], first: str) -> None:
    first = f"w{first}"
    texts_ = Texts(True)
    for block in blocks:
        texts_.add(pa.array(block, pa.string()))
    texts_.put_first(first)
    column, whole = texts_.finish("x"), make_column("x", [first, *(text for block in blocks for text in block)])
    assert (column.kind, texts(column), column.categories) == (whole.kind, texts(whole), whole.categories)
