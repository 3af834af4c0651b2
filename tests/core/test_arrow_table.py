"""Metadata from Arrow tables: every type becomes a kind of column, and memory is shared."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from core.arrow_table import table_from_arrow
from core.columns import BLOCK
from core.table import Column


def column(values: Any, kind: Any = None) -> Column:
    table = table_from_arrow("x.parquet", pa.table({"x": pa.array(values, kind)}))
    assert table.rows == len(values)
    return table.columns[0]


def texts(column: Column) -> list[str]:
    return [column.text(row) for row in range(len(column))]


def test_a_table_keeps_names_order_and_source() -> None:
    table = table_from_arrow("x.parquet", pa.table({"b": [1.5, None], "a": ["x", "y"], "b2": [True, None]}))
    assert (table.source, table.rows) == ("x.parquet", 2)
    assert [(c.name, c.kind) for c in table.columns] == [("b", "number"), ("a", "text"), ("b2", "boolean")]
    assert [(c.name, c.text(1)) for c in table.columns] == [("b", ""), ("a", "y"), ("b2", "")]
    assert table.label(0) == "x"


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.decimal128(9, 3)])
def test_numbers_of_any_type_are_numbers(kind: Any) -> None:
    got = column([3, None, 1], kind)
    assert got.kind == "number"
    np.testing.assert_array_equal(got.values, [3, np.nan, 1])
    assert texts(got) == ["3", "", "1"]


def test_numbers_stay_in_the_memory_they_came_in() -> None:
    array = pa.array(np.arange(1000.0))
    got = table_from_arrow("x", pa.table({"x": array})).columns[0]
    assert got.data.chunks[0].buffers()[1].address == array.buffers()[1].address


def test_texts_stay_in_the_memory_they_came_in() -> None:
    array = pa.array([f"text {i}" for i in range(BLOCK + 10)])
    got = table_from_arrow("x", pa.table({"x": array})).columns[0]
    assert got.kind == "text"
    assert {chunk.buffers()[2].address for chunk in got.data.chunks} == {array.buffers()[2].address}
    assert got.text(BLOCK + 3) == f"text {BLOCK + 3}"


def test_whole_numbers_too_large_for_a_float_are_names() -> None:
    got = column([2**53 + 1, 2])
    assert got.kind == "text"
    assert texts(got) == ["9007199254740993", "2"]


def test_few_whole_numbers_are_classes_of_any_type() -> None:
    got = column([3, 1, 3, None, 3, 1, 3, None], pa.int16())
    assert got.categories == ("3", "1", "")
    assert got.codes is not None
    assert got.codes.tolist() == [0, 1, 0, 2, 0, 1, 0, 2]


def test_texts_that_are_digits_stay_texts_where_the_file_says_so() -> None:
    assert column(["1", "2", "3"]).kind == "text"


def test_truth_is_two_categories_and_two_numbers() -> None:
    got = column([True, None, False, True])
    assert texts(got) == ["true", "", "false", "true"]
    assert got.categories == ("true", "", "false")
    np.testing.assert_array_equal(got.values, [1, np.nan, 0, 1])


def test_pandas_categories_of_texts_and_of_numbers() -> None:
    got = column(pa.array(["b", "a", "b", None, "b", None]).dictionary_encode())
    assert (got.kind, got.categories) == ("category", ("b", "", "a"))
    assert texts(got) == ["b", "a", "b", "", "b", ""]
    assert column(pa.array([5, 5, 7]).dictionary_encode()).kind == "number"


def test_days_and_times_are_dates_in_seconds_since_1970() -> None:
    day = column([datetime.date(1970, 1, 2), None])
    assert (day.kind, texts(day)) == ("date", ["1970-01-02", ""])
    np.testing.assert_array_equal(day.values, [86400, np.nan])
    noon = datetime.datetime(1970, 1, 1, 12, tzinfo=datetime.UTC)
    time = column([noon, None], pa.timestamp("ns", "Europe/Berlin"))
    assert (time.kind, texts(time)) == ("date", ["1970-01-01 12:00:00", ""])
    np.testing.assert_array_equal(time.values, [43200, np.nan])


def test_times_without_a_time_of_day_are_days() -> None:
    assert texts(column([datetime.datetime(2020, 5, 4)], pa.timestamp("ms"))) == ["2020-05-04"]


def test_a_date_beyond_every_calendar_is_shown_all_the_same() -> None:
    (text,) = texts(column([2**60], pa.timestamp("us")))
    assert text


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([["a", "b"], None], ['["a", "b"]', ""]),
        ([{"k": 1}, None], ['{"k": 1}', ""]),
        ([b"caf\xc3\xa9", b"\xff"], ["café", "\ufffd"]),
        ([datetime.time(1, 2), None], ["01:02:00", ""]),
        ([None, None], ["", ""]),
    ],
    ids=["lists", "structures", "bytes", "times of day", "nothing"],
)
def test_what_is_neither_is_shown_as_text(values: list[Any], expected: list[str]) -> None:
    got = column(values)
    assert got.kind in ("text", "category")
    assert texts(got) == expected


def test_many_chunks_are_one_column() -> None:
    chunks = [[f"k{i % 3}" for i in range(n)] for n in (7, 1, 12)]
    got = table_from_arrow("x", pa.table({"x": pa.chunked_array(chunks)})).columns[0]
    assert got.kind == "category"
    assert texts(got) == [text for chunk in chunks for text in chunk]


def test_dates_that_end_in_words_are_text_to_the_last_letter() -> None:
    values = [*["2020-01-01"] * 1500, "some day"]
    chunks = pa.chunked_array([values[:1200], values[1200:]])
    got = table_from_arrow("x", pa.table({"x": chunks})).columns[0]
    assert got.kind == "category"
    assert texts(got) == values


def test_no_rows_are_a_table_too() -> None:
    for kind in (pa.string(), pa.float32(), pa.bool_(), pa.date32()):
        assert len(column([], kind)) == 0
