"""Exports: every format is read back with equal values and fields; given up, an export leaves what was there."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from numpy.typing import NDArray

from core.arrow_table import table_from_arrow
from core.dataset import Dataset
from core.errors import Cancelled, UserError
from core.readers import open_dataset
from core.table import Table
from core.writers import SUFFIXES, save
from core.writers.content import PART_ROWS, Content, content_of
from tests.made import make_column

ROWS = np.array([1, 3])
NAMES = ["a", 'say "b", c', "c", "ü d", "e"]
X = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
TABLE = Table("t.tsv", 5, (make_column("name", NAMES), make_column("weight", ["1", "2", "3", "", "0.5"])))


def dataset(array: NDArray[Any] = X) -> Dataset:
    return Dataset(Path("vectors.npy"), array, "npy", array.dtype.name)


def vectors(rows: NDArray[np.int64], table: Table | None = TABLE, array: NDArray[Any] = X) -> Content:
    return content_of(dataset(array), rows, table, vectors=True)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("table", [TABLE, None])
@pytest.mark.parametrize("rows", [ROWS, np.arange(5)])
def test_vectors_are_read_back(tmp_path: Path, suffix: str, table: Table | None, rows: NDArray[np.int64]) -> None:
    path = tmp_path / f"out{suffix}"
    written = save(path, vectors(rows, table), lambda written: None)
    assert sorted(os.listdir(tmp_path)) == sorted(p.name for p in written)
    got = open_dataset(path)
    np.testing.assert_array_equal(got.read(slice(None)), X[rows])
    if suffix != ".npy" and table is not None:
        assert got.metadata is not None
        read = got.metadata()
        assert [read.label(i) for i in range(len(rows))] == [NAMES[row] for row in rows]
        names = [c.name for c in read.columns]
        assert names == (["name", "weight"] if len(rows) == 5 else ["row", "name", "weight"])


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_vectors_are_written_as_they_are_read(tmp_path: Path, suffix: str, dtype: str) -> None:
    array = (X * 20).astype(dtype)
    path = tmp_path / f"out{suffix}"
    save(path, vectors(ROWS, array=array))
    got = open_dataset(path).array
    in_text = suffix in (".csv", ".tsv", ".jsonl")
    np.testing.assert_array_equal(got, array[ROWS].astype(np.float32) if in_text else array[ROWS])
    assert got.dtype == (np.float64 if dtype == "f8" and not in_text else np.float32)


def test_labels_are_written_as_csv(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    save(out, content_of(dataset(), ROWS, TABLE))
    with out.open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["row", "name", "weight"], ["1", 'say "b", c', "2"], ["3", "ü d", ""]]
    save(out, content_of(dataset(), np.arange(5)))
    assert out.read_text().split() == ['"row"', "0", "1", "2", "3", "4"]


def test_the_numbers_of_the_rows_are_written_as_npy(tmp_path: Path) -> None:
    save(tmp_path / "out.npy", content_of(dataset(), ROWS, TABLE))
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), ROWS)


def test_neighbours_are_written_with_rank_and_distance(tmp_path: Path) -> None:
    content = content_of(dataset(), ROWS[::-1].copy(), TABLE, distances=np.array([0.25, 1.5]))
    save(tmp_path / "out.jsonl", content)
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines[0] == {"rank": 1, "row": 3, "distance": 0.25, "name": "ü d", "weight": None}
    assert [line["row"] for line in lines] == [3, 1]


def test_coordinates_are_written_beside_the_fields(tmp_path: Path) -> None:
    coords = np.array([[0.5, np.nan], [2, 3]], np.float32)
    content = content_of(dataset(), ROWS, TABLE, coords=coords)
    save(tmp_path / "out.csv", content)
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [
            ["row", "name", "weight", "x", "y"],
            ["1", 'say "b", c', "2", "0.5", "nan"],
            ["3", "ü d", "", "2", "3"],
        ]
    save(tmp_path / "out.jsonl", content)
    assert json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])["coordinates"] == [0.5, None]


def test_the_projectors_pair_has_a_header_only_over_several_columns(tmp_path: Path) -> None:
    tensors, metadata = tmp_path / "tensors.tsv", tmp_path / "metadata.tsv"
    assert save(tensors, vectors(np.arange(5))) == (tensors, metadata)
    assert len(tensors.read_text().splitlines()) == 5
    assert metadata.read_text().splitlines()[0] == "name\tweight"
    save(tensors, vectors(np.arange(5), Table("", 5, TABLE.columns[:1])))
    assert len(metadata.read_text().splitlines()) == 5


def test_dates_booleans_and_categories_keep_their_kinds(tmp_path: Path) -> None:
    days = pa.array([0, 1, 2, None, 4], pa.date32())
    arrow = pa.table({"day": days, "yes": [True, False, None, True, True], "kind": pa.array(list("aabba")).dictionary_encode()})
    table = table_from_arrow("t", arrow)
    path = tmp_path / "out.parquet"
    save(path, content_of(dataset(), ROWS, table, vectors=True))
    read = pyarrow.parquet.read_table(path)
    for name in arrow.column_names:
        assert read[name].to_pylist() == arrow[name].take(pa.array(ROWS)).to_pylist()
    for suffix in (".csv", ".jsonl"):
        save(tmp_path / f"out{suffix}", content_of(dataset(), ROWS, table))
        assert "1970-01-02" in (tmp_path / f"out{suffix}").read_text()


def test_columns_of_a_reserved_name_are_kept(tmp_path: Path) -> None:
    save(tmp_path / "out.csv", content_of(dataset(), ROWS, Table("", 5, (make_column("row", NAMES),))))
    assert (tmp_path / "out.csv").read_text().splitlines()[0] == '"row","row_"'


def test_another_suffix_is_refused_with_those_that_are_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="jsonl"):
        save(tmp_path / "out.xyz", vectors(ROWS))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_export_that_is_given_up_leaves_the_old_file_and_nothing_else(tmp_path: Path, suffix: str) -> None:
    def told(written: int) -> None:
        if written:
            raise Cancelled

    path = tmp_path / f"out{suffix}"
    path.write_bytes(b"old")
    with pytest.raises(Cancelled):
        save(path, vectors(np.arange(PART_ROWS + 1), None, np.ones((PART_ROWS + 1, 2), np.float32)), told)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_many_rows_are_written_step_by_step(tmp_path: Path, suffix: str) -> None:
    array = np.random.default_rng(0).random((3 * PART_ROWS + 5, 2), np.float32)
    told: list[int] = []
    path = tmp_path / f"out{suffix}"
    save(path, vectors(np.arange(len(array)), None, array), told.append)
    np.testing.assert_array_equal(open_dataset(path).read(slice(None)), array)
    assert told == [0, PART_ROWS, 2 * PART_ROWS, 3 * PART_ROWS]
