"""Columns of metadata: numbers, categories or text, by what their cells hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.table import MAX_AT_FIRST, MAX_CATEGORIES, MAX_CLASSES, Table
from tests.made import make_column


def test_a_column_of_numbers_keeps_their_values() -> None:
    column = make_column("x", ["1", "-2.5", "1e3", " 7 ", "inf"])
    assert column.kind == "number"
    np.testing.assert_array_equal(column.values, [1, -2.5, 1000, 7, np.inf])
    assert [column.text(i) for i in range(4)] == ["1", "-2.5", "1000", "7"]


def test_empty_cells_among_numbers_are_missing_and_shown_as_nothing() -> None:
    column = make_column("x", ["1", "", "  ", "nan"])
    assert column.kind == "number"
    np.testing.assert_array_equal(column.values, [1, np.nan, np.nan, np.nan])
    assert [column.text(i) for i in range(4)] == ["1", "", "", ""]


@pytest.mark.parametrize("texts", [["", ""], ["nan", "nan"], ["1", "2", "x"], ["1,5", "2,5"]])
def test_what_is_not_all_numbers_is_no_column_of_numbers(texts: list[str]) -> None:
    assert make_column("x", texts).kind != "number"


@pytest.mark.parametrize("number", ["1234567890123456789", "9007199254740993"])
def test_a_long_whole_number_is_shown_with_all_its_digits(number: str) -> None:
    """Long numbers are names (of posts, of patients): two that differ in the last digit must look different."""
    assert make_column("id", [number, "1"]).text(0) == number


def test_repeated_texts_are_categories_the_most_frequent_first_then_by_name() -> None:
    column = make_column("kind", ["b", "c", "a", "c", "b", "c", "a", "c"])
    assert column.kind == "category"
    assert column.categories == ("c", "a", "b")
    assert column.codes is not None
    assert [column.categories[i] for i in column.codes] == ["b", "c", "a", "c", "b", "c", "a", "c"]
    assert [column.text(i) for i in range(3)] == ["b", "c", "a"]


def test_unique_texts_are_no_categories() -> None:
    column = make_column("name", [f"name {i}" for i in range(1000)])
    assert column.kind == "text"
    assert column.codes is None
    assert column.text(999) == "name 999"


def test_texts_used_less_than_twice_on_average_are_no_categories() -> None:
    assert make_column("x", ["a", "b", "a"]).kind == "text"
    assert make_column("x", ["a", "b", "a", "b"]).kind == "category"


def test_more_texts_than_a_legend_holds_are_no_categories() -> None:
    texts = [f"kind {i}" for i in range(MAX_CATEGORIES)] * 3
    assert make_column("x", texts).kind == "category"
    assert make_column("x", [*texts, "another", "another"]).kind == "text"


@given(st.lists(st.text(max_size=12), min_size=1, max_size=60))
def test_a_column_of_words_gives_back_every_text(texts: list[str]) -> None:
    texts = [f"w{text}" for text in texts]  # none of them a number
    column = make_column("x", texts)
    assert [column.text(i) for i in range(len(texts))] == texts
    if column.codes is not None:
        assert [column.categories[i] for i in column.codes] == texts
        assert len(set(column.categories)) == len(column.categories)


def table(**columns: list[str]) -> Table:
    made = tuple(make_column(name, texts) for name, texts in columns.items())
    return Table("labels.tsv", len(made[0]), made)


def test_a_row_is_named_by_the_first_column_that_is_not_numbers() -> None:
    read = table(id=["1", "2"], name=["ant", "bee"], other=["x", "y"])
    assert read.label_column.name == "name"
    assert read.label(1) == "bee"
    assert [(c.name, c.text(0)) for c in read.columns] == [("id", "1"), ("name", "ant"), ("other", "x")]


def test_a_row_is_named_by_a_number_where_there_is_nothing_else() -> None:
    assert table(id=["10", "20"], year=["1990", "2000"]).label(1) == "20"


def test_the_map_is_coloured_by_the_category_with_the_most_values() -> None:
    read = table(name=list("abcdefgh"), sex=list("mfmfmfmf"), kind=list("xyzwxyzw"), year=list("12341234"))
    column = read.colour_column
    assert column is not None
    assert column.name == "kind"


def test_without_categories_the_map_has_no_colour_column() -> None:
    assert table(name=["a", "b"], year=["1", "2"]).colour_column is None


@pytest.mark.parametrize("texts", [["007", "010", "123"], ["1_000", "2"]])
def test_codes_that_look_like_numbers_stay_as_they_are_written(texts: list[str]) -> None:
    column = make_column("code", texts)
    assert [column.text(row) for row in range(len(texts))] == texts


def test_the_map_is_first_coloured_by_groups_not_by_texts_that_happen_to_repeat() -> None:
    groups = make_column("group", [f"g{i % 4}" for i in range(600)])
    texts = make_column("text", ["short"] * 400 + [f"a text of its own {i}" for i in range(200)])
    table = Table("x", 600, (texts, groups))
    assert table.colour_column is groups


@pytest.mark.parametrize("absent", ["NA", "n/a", "null", "None", " - ", "?", "NaN"])
def test_what_stands_for_a_missing_number_is_missing(absent: str) -> None:
    column = make_column("x", ["1.5", absent, "2"])
    assert column.kind == "number"
    np.testing.assert_array_equal(column.values, [1.5, np.nan, 2])


def test_commas_may_part_thousands() -> None:
    column = make_column("x", ["1,234", "12,345,678.5", "-9,000", "7"])
    assert column.kind == "number"
    np.testing.assert_array_equal(column.values, [1234, 12_345_678.5, -9000, 7])


@pytest.mark.parametrize("texts", [["0,123", "1"], ["1,23", "4"], ["9,007,199,254,740,993", "1"], ["NA", "-"]])
def test_other_commas_and_what_is_missing_throughout_make_no_numbers(texts: list[str]) -> None:
    assert make_column("x", texts).kind != "number"


def test_few_whole_numbers_are_classes_too_the_most_frequent_first() -> None:
    column = make_column("digit", ["3", "1", "3", "", "3", "1", "3", ""])
    assert column.kind == "number"
    assert column.categories == ("3", "1", "")
    assert column.codes is not None
    assert column.codes.tolist() == [0, 1, 0, 2, 0, 1, 0, 2]


@pytest.mark.parametrize(
    "texts",
    [["0.5", "1", "0.5", "1"], ["1", "2", "3", "1"], [str(i) for i in range(MAX_CLASSES + 1)] * 3],
    ids=["not whole", "hardly repeated", "many"],
)
def test_other_numbers_are_no_classes(texts: list[str]) -> None:
    column = make_column("x", texts)
    assert column.kind == "number"
    assert column.codes is None


def test_words_colour_the_map_before_classes_and_a_few_values_before_many() -> None:
    rows = 4 * (MAX_AT_FIRST + 1)
    many = [f"m{i % (MAX_AT_FIRST + 1)}" for i in range(rows)]
    few, digits = [f"f{i % 3}" for i in range(rows)], [str(i % 9) for i in range(rows)]
    chosen = [
        table(digits=digits, few=few, many=many).colour_column,
        table(digits=digits, many=many).colour_column,
        table(digits=digits).colour_column,
    ]
    assert [column.name if column else None for column in chosen] == ["few", "many", "digits"]
