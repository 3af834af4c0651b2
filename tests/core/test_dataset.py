"""Vectors of a file: rows are converted when read, samples are spread, and a file that changes is noticed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.dataset import Dataset, working_dtype
from core.errors import UserError
from core.readers import open_dataset

PAGE = 4096


def in_memory(array: np.ndarray) -> Dataset:
    return Dataset(Path("vectors.npy"), array, "npy", array.dtype.name)


@pytest.mark.parametrize(
    ("dtype", "working"),
    [
        ("f2", "f4"),
        ("f4", "f4"),
        ("f8", "f8"),
        ("i1", "f4"),
        ("u1", "f4"),
        ("i2", "f4"),
        ("u2", "f4"),
        ("i4", "f8"),
        ("u8", "f8"),
    ],
)
def test_rows_are_read_in_the_smallest_type_that_holds_their_values(dtype: str, working: str) -> None:
    assert np.dtype(working_dtype(np.dtype(dtype))) == np.dtype(working)
    limits = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" else np.finfo(dtype)
    x = np.array([[limits.min, limits.max], [0, 1]], dtype)
    got = in_memory(x).read(slice(None))
    assert got.dtype == np.dtype(working)
    if x.dtype.itemsize < 8:
        np.testing.assert_array_equal(got.astype(x.dtype), x)


@pytest.mark.parametrize("selection", [slice(1, 4), np.array([4, 0, 4])])
def test_what_is_read_is_a_copy_in_rows(selection: Any) -> None:
    x = np.asfortranarray(np.arange(15, dtype=np.float32).reshape(5, 3))
    got = in_memory(x).read(selection)
    np.testing.assert_array_equal(got, x[selection])
    assert got.flags.c_contiguous
    got[:] = -1
    assert x.min() == 0


def test_two_openings_of_one_file_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "vectors.npy"
    np.save(path, np.ones((3, 2)))
    first, second = open_dataset(path), open_dataset(path)
    assert first != second
    assert first in {first}
    assert first.name == "vectors.npy"
    assert (first.rows, first.dims, first.bytes) == (3, 2, 48)


@pytest.fixture
def big(tmp_path: Path) -> Path:
    path = tmp_path / "vectors.npy"
    np.save(path, np.ones((PAGE, 8), np.float32))
    return path


@pytest.mark.parametrize("length", [0, 1, 100, PAGE, 10 * PAGE])
def test_a_file_that_shrinks_while_open_is_refused(big: Path, length: int) -> None:
    """To touch the lost pages would kill the process."""
    dataset = open_dataset(big)
    os.truncate(big, length)
    with pytest.raises(UserError, match="shrunk") as raised:
        dataset.read(slice(PAGE - 8, PAGE))
    assert str(big) in str(raised.value)


def test_a_stored_archive_that_shrinks_while_open_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vectors.npz"
    np.savez(path, x=np.ones((PAGE, 8), np.float32))
    dataset = open_dataset(path)
    os.truncate(path, PAGE)
    with pytest.raises(UserError, match="shrunk"):
        dataset.read(slice(PAGE - 8, PAGE))


def test_a_file_rewritten_in_place_is_refused(big: Path) -> None:
    dataset = open_dataset(big)
    status = big.stat()
    os.utime(big, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    with pytest.raises(UserError, match="changed"):
        dataset.read(slice(0, 1))


@pytest.mark.parametrize("replace", [True, False])
def test_a_file_replaced_or_removed_by_name_keeps_its_old_values(big: Path, replace: bool) -> None:
    """The mapping holds the old file, whatever its name now leads to."""
    dataset = open_dataset(big)
    if replace:
        other = big.with_name("other.npy")
        np.save(other, np.zeros((2, 2)))
        os.replace(other, big)
    else:
        big.unlink()
    np.testing.assert_array_equal(dataset.read(slice(PAGE - 1, PAGE)), np.ones((1, 8)))


def test_the_watch_on_a_file_ends_with_its_data_set(big: Path) -> None:
    dataset = open_dataset(big)
    assert dataset.guard is not None
    fd = dataset.guard.fd
    os.fstat(fd)
    del dataset
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


@given(rows=st.integers(1, 3000), count=st.integers(1, 3000))
def test_a_sample_is_sorted_distinct_in_range_and_no_larger_than_asked_for(rows: int, count: int) -> None:
    ids = in_memory(np.empty((rows, 2), np.float32)).sample_rows(count)
    assert 1 <= len(ids) <= count
    assert ids[0] >= 0
    assert ids[-1] < rows
    assert np.all(np.diff(ids) > 0)


def test_a_sample_is_the_same_each_time_and_reaches_both_ends() -> None:
    dataset = in_memory(np.empty((100_000, 2), np.float32))
    ids = dataset.sample_rows(2000)
    np.testing.assert_array_equal(ids, dataset.sample_rows(2000))
    assert ids[0] == 0
    assert ids[-1] == 99_999
    assert len(ids) == 2000
    assert np.diff(ids).max() < 100_000 / 100


def test_a_sample_of_all_rows_is_all_rows() -> None:
    np.testing.assert_array_equal(in_memory(np.empty((50, 2))).sample_rows(50), np.arange(50))
