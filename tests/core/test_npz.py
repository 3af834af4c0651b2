"""Reading .npz: stored arrays are mapped, compressed ones unpacked, and a damaged archive is never more than refused."""

from __future__ import annotations

import io
import warnings
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.errors import ChoiceNeeded, UserError
from core.readers import npz, open_dataset
from core.readers.options import OpenOptions
from tests.core.conftest import Refusal

X = np.random.default_rng(1).normal(size=(40, 5)).astype(np.float32)


def stored(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def compressed(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def archive(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return file.getvalue()


def npy_bytes(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def write(folder: Path, content: bytes) -> Path:
    path = folder / "vectors.npz"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f4", "<f8", "i1"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("save", [stored, compressed])
def test_every_order_and_dtype_opens_with_equal_values(tmp_path: Path, save: Any, order: Any, dtype: str) -> None:
    x = np.asarray(X * 20, dtype, order=order)
    dataset = open_dataset(write(tmp_path, save(x=x)))
    assert dataset.format == "npz"
    assert dataset.array_name == "x"
    assert dataset.name == "vectors.npz: x"
    assert dataset.mapped is (save is stored)
    np.testing.assert_array_equal(dataset.read(slice(3, 30)).astype(np.float64), x[3:30].astype(np.float64))


def test_a_stored_array_is_mapped_where_it_lies(tmp_path: Path) -> None:
    content = stored(first=np.arange(50), x=X)
    path = write(tmp_path, content)
    dataset = open_dataset(path)
    place = content.index(X.tobytes())
    with path.open("r+b") as file:
        file.seek(place)
        file.write(np.float32(123).tobytes())
    assert dataset.array[0, 0] == 123


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_every_compression_is_unpacked(tmp_path: Path, compression: int) -> None:
    dataset = open_dataset(write(tmp_path, archive({"x.npy": npy_bytes(X)}, compression)))
    np.testing.assert_array_equal(dataset.read(slice(None)), X)


def test_unpacking_in_parts_gives_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npz, "UNPACK_BYTES", 7)
    dataset = open_dataset(write(tmp_path, compressed(x=X)))
    np.testing.assert_array_equal(dataset.read(slice(None)), X)


def test_a_local_header_with_an_extra_field_is_passed_over(tmp_path: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        entry = zipfile.ZipInfo("x.npy")
        entry.extra = b"\xca\xfe\x0b\x00" + bytes(11)
        made.writestr(entry, npy_bytes(X))
    dataset = open_dataset(write(tmp_path, file.getvalue()))
    np.testing.assert_array_equal(dataset.read(slice(None)), X)


@pytest.mark.parametrize("save", [stored, compressed])
def test_bfloat16_is_read_if_asked_for(tmp_path: Path, save: Any) -> None:
    bits = np.array([[0x3F80, 0xC000], [0x4000, 0xBF80]], np.uint16)
    dataset = open_dataset(write(tmp_path, save(x=bits)), OpenOptions(bfloat16=True))
    np.testing.assert_array_equal(dataset.read(slice(None)), [[1, -2], [2, -1]])


@pytest.mark.parametrize("save", [stored, compressed])
def test_of_several_tables_one_must_be_chosen(tmp_path: Path, save: Any) -> None:
    path = write(tmp_path, save(a=X, b=X[:7].astype(np.float64), names=np.array(["x", "y"])))
    with pytest.raises(ChoiceNeeded) as raised:
        open_dataset(path)
    assert [(c.name, c.shape, c.dtype) for c in raised.value.choices] == [("a", (40, 5), "float32"), ("b", (7, 5), "float64")]
    assert "--array" in str(raised.value)
    chosen = open_dataset(path, OpenOptions(array="b"))
    assert chosen.array_name == "b"
    np.testing.assert_array_equal(chosen.read(slice(None)), X[:7])


def test_the_only_table_of_numbers_needs_no_choice(tmp_path: Path) -> None:
    objects = np.empty((2, 2), object)
    path = write(tmp_path, stored(ids=np.arange(40), x=X, names=np.full((40, 1), "n"), objects=objects))
    assert open_dataset(path).array_name == "x"


def test_a_name_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path, refusal: Refusal) -> None:
    sentence = refusal(write(tmp_path, stored(a=X, b=X)), OpenOptions(array="c"))
    assert "'c'" in sentence
    assert "a, b" in sentence


def test_a_named_array_that_is_no_table_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    path = write(tmp_path, stored(a=X, ids=np.arange(40), objects=np.empty((2, 2), object)))
    assert "1-d" in refusal(path, OpenOptions(array="ids"))
    assert "pickled" in refusal(path, OpenOptions(array="objects"))


@pytest.mark.parametrize("arrays", [{"a": np.arange(3), "b": np.float32(1)}, {"a": np.zeros((0, 4)), "b": np.zeros((0, 3))}])
def test_no_table_among_several_arrays_is_refused(tmp_path: Path, refusal: Refusal, arrays: dict[str, Any]) -> None:
    refusal(write(tmp_path, stored(**arrays)))


@pytest.mark.parametrize("members", [{}, {"read.me": b"text"}])
def test_an_archive_without_arrays_is_refused(tmp_path: Path, refusal: Refusal, members: dict[str, bytes]) -> None:
    refusal(write(tmp_path, archive(members)))


def test_a_compressed_array_beyond_the_free_memory_is_refused_before_allocation(
    tmp_path: Path, refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, compressed(x=X))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=X.nbytes * 2 - 2))
    assert "compressed" in refusal(path)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=X.nbytes * 2))
    np.testing.assert_array_equal(open_dataset(path).read(slice(None)), X)


def test_memory_does_not_limit_a_stored_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=0))
    np.testing.assert_array_equal(open_dataset(write(tmp_path, stored(x=X))).read(slice(None)), X)


@pytest.mark.parametrize("rows", [41, 10**6, 10**12, 10**18])
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("after", [b"", bytes(1 << 16)])
def test_a_header_that_claims_more_than_its_member_holds_is_refused(
    tmp_path: Path, refusal: Refusal, rows: int, compression: int, after: bytes
) -> None:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (rows, 5)})
    members = {"x.npy": file.getvalue() + X.tobytes(), "after.bin": after}
    refusal(write(tmp_path, archive(members, compression)))


def opened_or_refused(path: Path) -> None:
    """Whatever the archive holds: a data set that can be read, or a UserError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # remarks of zipfile and NumPy about odd headers
        try:
            dataset = open_dataset(path)
        except UserError:
            return
        assert dataset.read(slice(0, 2)).shape == (min(2, dataset.rows), dataset.dims)


SMALL = {"x": X[:6], "ids": np.arange(6)}
DAMAGED = {save.__name__: save(**SMALL) for save in (stored, compressed)}


@pytest.mark.parametrize("kind", DAMAGED)
def test_an_archive_cut_at_any_byte_is_refused(tmp_path: Path, refusal: Refusal, kind: str) -> None:
    whole = DAMAGED[kind]
    for length in range(0, len(whole), 3):
        refusal(write(tmp_path, whole[:length]))


def test_an_archive_with_any_byte_changed_is_opened_or_refused(tmp_path: Path) -> None:
    values = (0, 1, 12, 14, 93, 0x80, 0xFF)
    for whole in DAMAGED.values():
        # Local headers and the directory, where one byte decides on what is read and how.
        structure = [i for i in range(len(whole)) if i < 80 or i > len(whole) - 150]
        for position in structure:
            for value in values:
                opened_or_refused(write(tmp_path, whole[:position] + bytes([value]) + whole[position + 1 :]))


@given(data=st.data(), kind=st.sampled_from(sorted(DAMAGED)))
def test_an_archive_with_several_bytes_changed_is_opened_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, kind: str
) -> None:
    content = bytearray(DAMAGED[kind])
    for position, value in data.draw(st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=8)):
        content[position] = value
    opened_or_refused(write(tmp_path_factory.getbasetemp(), bytes(content)))


def test_changed_values_of_a_compressed_array_are_refused(tmp_path: Path, refusal: Refusal) -> None:
    whole = bytearray(DAMAGED["compressed"])
    # In the middle of the first member's compressed values; its checksum no longer fits.
    start = 30 + len("x.npy") + 20
    with zipfile.ZipFile(io.BytesIO(DAMAGED["compressed"])) as made:
        middle = start + made.getinfo("x.npy").compress_size - 40
    whole[middle] ^= 0xFF
    assert "damaged" in refusal(write(tmp_path, bytes(whole)))
