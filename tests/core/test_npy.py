"""Reading .npy: what is opened holds the file's values, what is not is refused in a sentence."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from core.dataset import Dataset
from core.errors import UserError
from core.readers import open_dataset
from core.readers.options import OpenOptions
from tests.core.conftest import Refusal, needs_permissions

BFLOAT16 = OpenOptions(bfloat16=True)


def npy_bytes(array: NDArray[Any], version: tuple[int, int] = (1, 0)) -> bytes:
    file = io.BytesIO()
    npy_format.write_array(file, array, version)
    return file.getvalue()


def with_header(text: str, values: bytes) -> bytes:
    """A version 1 file whose header is `text`, padded as NumPy does it."""
    text += " " * (-(len(text) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode("latin1") + values


def write(folder: Path, content: bytes, name: str = "vectors.npy") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def normal(rows: int, dims: int) -> NDArray[np.float64]:
    return np.random.default_rng(rows).normal(size=(rows, dims))


VALID = npy_bytes(normal(4, 3).astype(np.float32))
HEADER_BYTES = len(VALID) - 48


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_opens_with_equal_values(tmp_path: Path, version: tuple[int, int]) -> None:
    x = normal(7, 5).astype(np.float32)
    dataset = open_dataset(write(tmp_path, npy_bytes(x, version)))
    assert (dataset.rows, dataset.dims, dataset.format, dataset.dtype_name) == (7, 5, "npy", "float32")
    np.testing.assert_array_equal(dataset.read(slice(None)), x)


@pytest.mark.parametrize(
    "dtype", ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "i1", "u1", "<i2", ">i2", "<u2", "<i4", ">i4", "<u4", "<i8", ">i8", "<u8"]
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_real_dtype_and_order_opens_with_equal_values(tmp_path: Path, dtype: str, order: Any) -> None:
    x = np.asarray(np.abs(normal(9, 4)) * 50, dtype, order=order)
    dataset = open_dataset(write(tmp_path, npy_bytes(x)))
    got = dataset.read(slice(2, 8))
    assert got.dtype.isnative
    assert got.dtype in (np.float32, np.float64)
    np.testing.assert_array_equal(got.astype(np.float64), x[2:8].astype(np.float64))
    assert dataset.dtype_name == x.dtype.name


@pytest.mark.parametrize("order", ["C", "F"])
def test_values_are_mapped_and_cannot_be_written(tmp_path: Path, order: Any) -> None:
    path = write(tmp_path, npy_bytes(np.zeros((3, 4), np.float32, order)))
    dataset = open_dataset(path)
    assert dataset.mapped
    assert not dataset.array.flags.writeable
    with path.open("r+b") as file:
        file.seek(-4, os.SEEK_END)
        file.write(np.float32(7).tobytes())
    assert dataset.array[2, 3] == 7


def test_content_counts_not_the_suffix(tmp_path: Path) -> None:
    dataset = open_dataset(write(tmp_path, VALID, "vectors.dat"))
    assert dataset.format == "npy"


def test_bytes_after_the_values_are_ignored(tmp_path: Path) -> None:
    dataset = open_dataset(write(tmp_path, VALID + b"more"))
    np.testing.assert_array_equal(dataset.read(slice(None)), normal(4, 3).astype(np.float32))


def test_uint16_is_read_as_bfloat16_only_if_asked_for(tmp_path: Path) -> None:
    x = normal(6, 4).astype(np.float32)
    bits = (x.view(np.uint32) >> 16).astype(np.uint16)
    path = write(tmp_path, npy_bytes(bits))
    plain = open_dataset(path)
    assert plain.dtype_name == "uint16"
    np.testing.assert_array_equal(plain.read(slice(None)), bits)
    asked = open_dataset(path, BFLOAT16)
    assert asked.dtype_name == "bfloat16"
    values = asked.read(slice(None))
    assert values.dtype == np.float32
    # Cut to 8 bits of significand: below the value by less than one part in 2^7.
    assert np.all(np.abs(values) <= np.abs(x))
    assert np.all(np.abs(values) > np.abs(x) * (1 - 2.0**-7))


def test_big_endian_bfloat16_gives_equal_values(tmp_path: Path) -> None:
    bits = np.array([[0x3F80, 0xC000], [0x7F80, 0x0000]])
    dataset = open_dataset(write(tmp_path, npy_bytes(bits.astype(">u2"))), BFLOAT16)
    np.testing.assert_array_equal(dataset.read(slice(None)), [[1.0, -2.0], [np.inf, 0.0]])


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i2", "u1", "u4"])
def test_bfloat16_of_anything_but_uint16_is_refused(tmp_path: Path, refusal: Refusal, dtype: str) -> None:
    path = write(tmp_path, npy_bytes(np.ones((3, 4), dtype)))
    assert "only uint16" in refusal(path, BFLOAT16)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        pytest.param(np.float32(1) * np.ones(()), "0-d", id="0-d"),
        pytest.param(np.ones(5, np.float32), "1-d", id="1-d"),
        pytest.param(np.ones((2, 3, 4), np.float32), "3-d", id="3-d"),
        pytest.param(np.ones((0, 4), np.float32), "no rows", id="no rows"),
        pytest.param(np.ones((4, 1), np.float32), "1 column", id="one column"),
        pytest.param(np.ones((4, 0), np.float32), "0 column", id="no columns"),
        pytest.param(np.ones((4, 3), np.complex64), "complex64", id="complex"),
        pytest.param(np.ones((4, 3), bool), "bool", id="bool"),
        pytest.param(np.full((4, 3), "word"), "text", id="text"),
        pytest.param(np.full((4, 3), b"word"), "text", id="bytes"),
        pytest.param(np.ones((4, 3), [("x", "f4"), ("y", "f4")]), "structured", id="structured"),
        pytest.param(np.zeros((4, 3), "M8[s]"), "datetime64", id="dates"),
        pytest.param(np.ones((4, 3), np.longdouble), "64 bits", id="long double"),
    ],
)
def test_what_is_no_table_of_real_vectors_is_refused(tmp_path: Path, refusal: Refusal, array: NDArray[Any], reason: str) -> None:
    assert reason in refusal(write(tmp_path, npy_bytes(array)))


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def test_pickled_objects_are_refused_and_never_unpickled(tmp_path: Path, refusal: Refusal) -> None:
    sprung = tmp_path / "sprung"
    array = np.empty((2, 2), object)
    array[:] = Trap(sprung)
    path = tmp_path / "vectors.npy"
    np.save(path, array, allow_pickle=True)
    assert "pickled" in refusal(path)
    assert not sprung.exists()
    np.load(path, allow_pickle=True)
    assert sprung.exists(), "the trap itself does not work"


def test_a_missing_file_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    assert "does not exist" in refusal(tmp_path / "vectors.npy")


def test_an_empty_file_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    assert "empty" in refusal(write(tmp_path, b""))


@pytest.mark.parametrize("name", ["vectors.npy", "vectors.dat"])
@pytest.mark.parametrize("content", [b"x", b"\x93NUMPZ\x01\x00", b"\x89PNG\r\n\x1a\n" + bytes(100), b"\x00" * 200])
def test_another_format_is_refused(tmp_path: Path, refusal: Refusal, name: str, content: bytes) -> None:
    refusal(write(tmp_path, content, name))


def test_a_folder_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    assert "folder" in refusal(tmp_path)


def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path, refusal: Refusal) -> None:
    path = tmp_path / "vectors.npy"
    os.mkfifo(path)
    assert "not a regular file" in refusal(path)


@pytest.mark.parametrize("name", ["a\0b.npy", "x" * 300 + ".npy"])
def test_an_impossible_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError):
        open_dataset(tmp_path / name)


@needs_permissions
def test_a_file_without_permission_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    path = write(tmp_path, VALID)
    path.chmod(0)
    assert "permission" in refusal(path)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_a_file_cut_at_any_byte_is_refused(tmp_path: Path, refusal: Refusal, version: tuple[int, int]) -> None:
    whole = npy_bytes(normal(4, 3).astype(np.float32), version)
    for length in range(len(whole)):
        sentence = refusal(write(tmp_path, whole[:length]))
        if length >= HEADER_BYTES + 12:
            assert "cut short" in sentence


@pytest.mark.parametrize(
    "shape",
    ["(-3, 4)", "(3, -4)", "(-3, -4)", "(4611686018427387904, 4)", "(10000000000000000000000, 4)", "(3, 4.0)", "3", "'34'"],
)
def test_an_impossible_shape_is_refused(tmp_path: Path, refusal: Refusal, shape: str) -> None:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
    refusal(write(tmp_path, with_header(header, bytes(4096))))


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), ",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } \"\"\"",
        "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (3, 4)}",
        "{'descr': 'nonsense', 'fortran_order': False, 'shape': (3, 4)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), 'more': 1}",
        "['descr']",
        "__import__('os')",
        "(" * 3000,
    ],
)
def test_a_damaged_header_is_refused(tmp_path: Path, refusal: Refusal, header: str) -> None:
    assert "damaged" in refusal(write(tmp_path, with_header(header, bytes(4096))))


def opened_or_refused(path: Path) -> None:
    """Whatever the file holds: a data set that can be read, or a UserError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's remarks about odd headers
        try:
            dataset = open_dataset(path)
        except UserError:
            return
        assert isinstance(dataset, Dataset)
        assert dataset.read(slice(0, 2)).shape == (min(2, dataset.rows), dataset.dims)


@given(
    flips=st.lists(st.tuples(st.integers(0, HEADER_BYTES - 1), st.integers(0, 255)), max_size=6),
    length=st.integers(0, 2 * len(VALID)),
)
def test_a_mutated_header_is_opened_or_refused(
    tmp_path_factory: pytest.TempPathFactory, flips: list[tuple[int, int]], length: int
) -> None:
    content = bytearray(VALID)
    for position, value in flips:
        content[position] = value
    opened_or_refused(write(tmp_path_factory.getbasetemp(), bytes(content[:length])))


PIECES = ["{", "}", "(", ")", "'descr'", "'fortran_order'", "'shape'", ":", ",", "'<f4'", "'<f4,<i8'", "'O'", "[('a', 'f4')]"]
PIECES += ["True", "False", "3", "4", "3L", "-", "1e400", "None", '"', "'", "\\", "#", " ", "\t", "\n", "\xa0", "[]"]


@given(st.lists(st.sampled_from(PIECES), max_size=20))
@example(["{", "'descr'", ":", "'<f4'", ",", "'fortran_order'", ":", "False", ",", "'shape'", ":", "(", "3", ",", "4", ")", "}"])
@example(["{", "'descr'", ":", "'<f4'", ",", "'fortran_order'", ":", "True", ",", "'shape'", ":", "(", "3L", ",", "4", ")", "}"])
def test_any_header_text_is_opened_or_refused(tmp_path_factory: pytest.TempPathFactory, pieces: list[str]) -> None:
    opened_or_refused(write(tmp_path_factory.getbasetemp(), with_header("".join(pieces), bytes(256))))
