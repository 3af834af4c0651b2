"""Writing results: the new file whole, or the old one as it was."""

from __future__ import annotations

import csv
import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.columns import make_column
from core.dataset import Dataset
from core.errors import Cancelled, UserError
from core.export import STEP, save_npy, save_table, save_vectors
from core.table import Table
from tests.core.conftest import needs_permissions

OLD, NEW = np.arange(3), np.arange(12.0, dtype=np.float32).reshape(4, 3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "out.npy"
    np.save(path, OLD)
    return path


def assert_old_file_alone(path: Path) -> None:
    np.testing.assert_array_equal(np.load(path), OLD)
    assert os.listdir(path.parent) == [path.name]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "out.npy"
    save_npy(path, NEW)
    got = np.load(path)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, NEW)
    assert os.listdir(tmp_path) == ["out.npy"]


def test_an_older_file_is_replaced(path: Path) -> None:
    save_npy(path, NEW)
    np.testing.assert_array_equal(np.load(path), NEW)
    assert os.listdir(path.parent) == [path.name]


def test_the_old_file_stands_until_the_new_one_is_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = os.replace
    seen = []

    def watched(source: str, target: Path) -> None:
        seen.append((np.load(target).tolist(), np.load(source).tolist()))
        replace(source, target)

    monkeypatch.setattr(os, "replace", watched)
    save_npy(path, NEW)
    assert seen == [(OLD.tolist(), NEW.tolist())]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: Any, array: Any, **options: Any) -> None:
        file.write(b"some of it")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(UserError, match="No space left"):
        save_npy(path, NEW)
    monkeypatch.undo()
    assert_old_file_alone(path)


def test_a_fault_of_ours_leaves_the_old_file_and_nothing_else(path: Path) -> None:
    with pytest.raises(ValueError, match="pickle"):
        save_npy(path, np.array([{}], object))
    assert_old_file_alone(path)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file") as raised:
        save_npy(tmp_path / "none" / "out.npy", NEW)
    assert "out.npy" in str(raised.value)


def test_a_folder_in_the_place_of_the_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "out.npy"
    path.mkdir()
    with pytest.raises(UserError):
        save_npy(path, NEW)
    assert os.listdir(tmp_path) == ["out.npy"]


@needs_permissions
def test_an_unwritable_folder_is_told_and_leaves_the_old_file(path: Path) -> None:
    path.parent.chmod(0o500)
    try:
        with pytest.raises(UserError, match="Permission denied"):
            save_npy(path, NEW)
    finally:
        path.parent.chmod(0o700)
    assert_old_file_alone(path)


ROWS = np.array([1, 3])


def _dataset(path: Path, array: Any) -> Dataset:
    return Dataset(path, array, "npy", str(array.dtype))


def test_vectors_are_written_as_they_are_read(path: Path) -> None:
    for dtype in (np.float16, np.float32, np.float64, np.int8):
        array = np.arange(15).reshape(5, 3).astype(dtype)
        save_vectors(path, _dataset(path, array), ROWS)
        got = np.load(path)
        np.testing.assert_array_equal(got, array[ROWS])
        assert got.dtype == (np.float64 if dtype == np.float64 else np.float32)
    assert os.listdir(path.parent) == [path.name]


def test_many_vectors_are_written_step_by_step(path: Path) -> None:
    array = np.random.default_rng(0).random((3 * STEP + 5, 2), np.float32)
    told: list[int] = []
    save_vectors(path, _dataset(path, array), np.arange(len(array)), told.append)
    np.testing.assert_array_equal(np.load(path), array)
    assert told == [0, STEP, 2 * STEP, 3 * STEP]


def test_a_table_is_written_with_its_fields(tmp_path: Path) -> None:
    columns = (make_column("name", ["a", 'say "b", c', "c", "ü\nd", "e"]), make_column("weight", ["1", "2", "3", "", "0.5"]))
    out = tmp_path / "out.csv"
    save_table(out, Table("t.tsv", 5, columns), ROWS)
    with out.open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["row", "name", "weight"], ["1", 'say "b", c', "2"], ["3", "ü\nd", ""]]
    save_table(out, None, ROWS)
    assert out.read_text().split() == ["row", "1", "3"]


def test_an_export_that_is_given_up_leaves_the_old_file_and_nothing_else(path: Path) -> None:
    def told(written: int) -> None:
        if written:
            raise Cancelled

    with pytest.raises(Cancelled):
        save_vectors(path, _dataset(path, np.ones((STEP + 1, 2))), np.arange(STEP + 1), told)
    assert_old_file_alone(path)
    with pytest.raises(Cancelled):
        save_table(path, None, np.arange(STEP + 1), told)
    assert_old_file_alone(path)
