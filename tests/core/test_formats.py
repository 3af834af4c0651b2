"""Every format: what its own library wrote opens with equal values, names, and mapped where it can be."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import faiss
import h5py
import numpy as np
import psutil
import pyarrow as pa
import pytest

from core.dataset import Dataset
from core.errors import Cancelled, ChoiceNeeded
from core.readers import open_dataset
from core.readers.options import OpenOptions
from core.readers.torch import LEGACY
from tests.core import written
from tests.core.conftest import Refusal
from tests.core.written import BARE, NAMED, NAMES, WORDS, Write, X

MAPPED = {"one.npy", "one.npz", "one.safetensors", "l2.faiss", "ip.faiss", "l1.index", "lp.index", "rows.fvecs", "rows.fbin"}
MAPPED |= {"truth.hdf5", "cells.h5ad", "tensors.bytes", "fixed.arrow", "lists.arrow"}
OBSM = OpenOptions("obsm/X_pca")


def opened(folder: Path, name: str, write: Write, options: OpenOptions | None = None) -> Dataset:
    path = folder / name
    write(path)
    return open_dataset(path, OBSM if options is None and name.endswith(".h5ad") else options)


@pytest.mark.parametrize("name", [*NAMED, *BARE])
def test_what_is_written_opens_with_equal_values(tmp_path: Path, name: str) -> None:
    dataset = opened(tmp_path, name, (NAMED | BARE)[name])
    assert dataset.dtype_name == "float32"
    assert dataset.mapped is (name in MAPPED)
    np.testing.assert_array_equal(dataset.read(slice(None)), X)
    np.testing.assert_array_equal(dataset.read(slice(3, 9)), X[3:9])
    np.testing.assert_array_equal(dataset.read(np.array([7, 0, 39])), X[[7, 0, 39]])


@pytest.mark.parametrize("name", NAMED)
def test_the_names_of_the_rows_are_read(tmp_path: Path, name: str) -> None:
    dataset = opened(tmp_path, name, NAMED[name])
    assert dataset.metadata is not None
    table = dataset.metadata()
    assert table.rows == len(X)
    joined = name.endswith((".vec", ".bin")) or name in ("word2vec.txt", "original.txt")
    assert [table.label(row) for row in range(40)] == (WORDS if joined else NAMES)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
@pytest.mark.parametrize("kind", ["fixed", "lists", "safetensors", "hdf5", "feather"])
def test_every_dtype_keeps_its_values(tmp_path: Path, kind: str, dtype: str) -> None:
    x = (np.abs(X) * 50).astype(dtype)
    write: dict[str, Write] = {
        "fixed": written.parquet(written.table(written.fixed_size_list(x))),
        "lists": written.parquet(written.table(written.lists(x))),
        "feather": written.feather(written.table(written.fixed_size_list(x))),
        "safetensors": written.safetensors_file(x=x),
        "hdf5": lambda path: h5py.File(path, "w").create_dataset("x", data=x).file.close(),
    }
    dataset = opened(tmp_path, "vectors.data", write[kind])
    assert dataset.dtype_name == x.dtype.name
    np.testing.assert_array_equal(dataset.array, x)


def test_bfloat16_of_safetensors_needs_no_asking(tmp_path: Path) -> None:
    header = b'{"x":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]}}'
    bits = np.array([[0x3F80, 0xC000], [0x4000, 0xBF80]], "<u2")
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bits.tobytes())
    dataset = open_dataset(path)
    assert dataset.dtype_name == "bfloat16"
    np.testing.assert_array_equal(dataset.read(slice(None)), [[1, -2], [2, -1]])


@pytest.mark.parametrize(("suffix", "dtype"), [(".bvecs", "u1"), (".ivecs", "<i4"), (".u8bin", "u1"), (".i8bin", "i1")])
def test_whole_numbers_are_mapped(tmp_path: Path, suffix: str, dtype: str) -> None:
    x = (np.abs(X) * 30).astype(dtype)
    content = written.vecs(x) if suffix.endswith("vecs") else written.bins(x)
    dataset = opened(tmp_path, f"rows{suffix}", written.raw(content))
    assert dataset.mapped
    np.testing.assert_array_equal(dataset.read(slice(None)), x)


@pytest.mark.parametrize("kind", ["csr", "csc"])
def test_a_sparse_x_is_spread_out(tmp_path: Path, kind: str) -> None:
    dataset = opened(tmp_path, "cells.h5ad", lambda path: written.anndata(path, kind), OpenOptions("X"))
    np.testing.assert_array_equal(dataset.read(slice(None)), np.where(X > 0.5, X, 0))


def test_columns_of_obs_keep_their_kinds_and_what_is_missing(tmp_path: Path) -> None:
    dataset = opened(tmp_path, "cells.h5ad", NAMED["cells.h5ad"])
    assert dataset.metadata is not None
    name, kind, depth = dataset.metadata().columns
    assert [c.kind for c in (name, kind, depth)] == ["text", "category", "number"]
    assert [kind.text(row) for row in (0, 1, 39)] == ["T cell", "B cell", ""]
    np.testing.assert_array_equal(depth.values, np.arange(40))


def test_the_ground_truth_of_ann_benchmarks_is_found(tmp_path: Path) -> None:
    truth = opened(tmp_path, "truth.hdf5", BARE["truth.hdf5"]).truth
    assert truth is not None
    np.testing.assert_array_equal(truth.queries, X[:6])
    assert (truth.k, truth.distance, truth.metric) == (10, "euclidean", "l2")
    np.testing.assert_array_equal(truth.neighbours[:, 0], range(6))


def test_a_projectors_configuration_opens_and_tells_what_is_not_used(tmp_path: Path) -> None:
    written.projector(tmp_path / "a.bytes", sprite={"imagePath": "s.png"}, bookmarksPath="b.json")
    dataset = open_dataset(tmp_path / "projector_config.json")
    np.testing.assert_array_equal(dataset.read(slice(None)), X)
    assert "b.json" in dataset.notes[0]
    assert "s.png" in dataset.notes[1]
    assert dataset.metadata is not None
    assert dataset.metadata().label(3) == NAMES[3]


def test_a_projectors_sprite_is_a_column_of_the_parts_of_its_picture(tmp_path: Path) -> None:
    written.projector(tmp_path / "a.bytes", sprite={"imagePath": "sheets/s.png", "singleImageDim": [8, 6]})
    (tmp_path / "sheets").mkdir()
    # A PNG of 40 pixels' width holds five to a line.
    (tmp_path / "sheets" / "s.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(4) + b"IHDR" + (40).to_bytes(4, "big") + bytes(40))
    dataset = open_dataset(tmp_path / "projector_config.json")
    assert dataset.notes == ()
    assert dataset.metadata is not None
    table = dataset.metadata()
    column = table.columns[-1]
    assert (column.name, column.kind, table.label(7)) == ("sprite", "image", NAMES[7])
    assert [column.text(row) for row in (0, 4, 5, 12)] == [
        f"sheets/s.png#xywh={at},8,6" for at in ("0,0", "32,0", "0,6", "16,12")
    ]
    written.projector(tmp_path / "a.bytes", sprite={"imagePath": "none.png", "singleImageDim": [8, 6]})
    assert "none.png is no picture" in open_dataset(tmp_path / "projector_config.json").notes[0]


def test_metadata_lies_beside_the_projectors_tensors(tmp_path: Path) -> None:
    for tensors, metadata in (("tensors.tsv", "metadata.tsv"), ("a_vectors.tsv", "a_metadata.tsv"), ("b.tsv", "b_metadata.tsv")):
        (tmp_path / metadata).write_text("name\tsize\n" + "".join(f"{n}\t{i}\n" for i, n in enumerate(NAMES)), encoding="utf-8")
        dataset = opened(tmp_path, tensors, BARE["tensors.tsv"])
        assert dataset.metadata is not None
        assert [c.name for c in dataset.metadata().columns] == ["name", "size"]


def choices(path: Path) -> dict[str, tuple[tuple[int, ...], str, str]]:
    with pytest.raises(ChoiceNeeded) as raised:
        open_dataset(path)
    return {c.name: (c.shape, c.dtype, c.preview) for c in raised.value.choices}


SEVERAL: dict[str, Write] = {
    "two.safetensors": written.safetensors_file(a=X, b=X[:7].astype(np.float16), c=np.arange(3)),
    "two.parquet": written.parquet(written.table().append_column("w", written.lists(X.astype(np.float64)))),
    "two.arrow": written.feather(written.table().append_column("w", written.lists(X.astype(np.float64)))),
    "two.h5ad": lambda path: written.anndata(path),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_of_several_tables_one_must_be_chosen(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    SEVERAL[name](path)
    found = choices(path)
    assert len(found) == 2
    for chosen, (shape, dtype, preview) in found.items():
        dataset = open_dataset(path, OpenOptions(chosen))
        assert dataset.array.shape == shape
        assert dataset.dtype_name == dtype
        assert dataset.array_name == chosen
        assert {a.name for a in dataset.arrays} >= set(found)
        first = preview.removesuffix(" …").split()
        np.testing.assert_allclose([float(value) for value in first], dataset.array[0, : len(first)], rtol=1e-3)


def test_numbered_columns_are_two_tables_if_they_begin_differently(tmp_path: Path) -> None:
    table = pa.table({**{f"a{i}": X[:, i] for i in range(3)}, **{f"b{i}": X[:, i] for i in range(2)}, "c7": X[:, 0]})
    path = tmp_path / "two.parquet"
    written.parquet(table)(path)
    assert set(choices(path)) == {"a0 to a2", "b0 to b1"}
    dataset = open_dataset(path, OpenOptions("a0 to a2"))
    assert dataset.metadata is not None
    assert [c.name for c in dataset.metadata().columns] == ["c7"]


def test_missing_values_are_nan_and_missing_lists_rows_of_nan(tmp_path: Path) -> None:
    rows = [[1.0, 2.0], None, [None, 4.0]]
    path = tmp_path / "holes.parquet"
    written.parquet(pa.table({"v": pa.array(rows, pa.list_(pa.float32()))}))(path)
    np.testing.assert_array_equal(open_dataset(path).read(slice(None)), [[1, 2], [np.nan, np.nan], [np.nan, 4]])
    csv = tmp_path / "holes.csv"
    csv.write_text("x,y\n1,2\n,3\nNaN,4\n")
    np.testing.assert_array_equal(open_dataset(csv).read(slice(None)), [[1, 2], [np.nan, 3], [np.nan, 4]])


def test_text_that_is_no_utf8_is_kept_visible(tmp_path: Path) -> None:
    for name, content in {
        "a.csv": b"name,x,y\nb\xffd,1.5,2\nok,3,4\n",
        "a.vec": b"2 2\nb\xffd 1.5 2\nok 3 4\n",
        "a.bin": b"2 2\nb\xffd " + np.array([1.5, 2], "<f4").tobytes() + b"ok " + np.array([3, 4], "<f4").tobytes(),
    }.items():
        dataset = opened(tmp_path, name, written.raw(content))
        np.testing.assert_array_equal(dataset.read(slice(None)), [[1.5, 2], [3, 4]])
        assert dataset.metadata is not None
        assert [dataset.metadata().label(row) for row in (0, 1)] == ["b\ufffdd", "ok"]


def test_words_of_glove_may_be_numbers_or_have_spaces(tmp_path: Path) -> None:
    path = tmp_path / "glove.txt"
    path.write_text("the 0.1 0.2 0.3\n2010 1 2 3\n. . . 4 5 6\n1 2 7 8 9\n")
    dataset = open_dataset(path)
    assert dataset.metadata is not None
    assert [dataset.metadata().label(row) for row in range(4)] == ["the", "2010", ". . .", "1 2"]
    np.testing.assert_array_equal(dataset.read(slice(1, 4)), [[1, 2, 3], [4, 5, 6], [7, 8, 9]])


def test_pandas_columns_without_names_are_a_header(tmp_path: Path) -> None:
    path = tmp_path / "frame.csv"
    path.write_text(",0,1,2\na,1,2,3\nb,4,5,6\n")
    dataset = open_dataset(path)
    np.testing.assert_array_equal(dataset.read(slice(None)), [[1, 2, 3], [4, 5, 6]])
    assert dataset.metadata is not None
    assert dataset.metadata().label(1) == "b"


def test_quoted_fields_may_hold_lines(tmp_path: Path) -> None:
    path = tmp_path / "quoted.csv"
    path.write_text('text,x,y\n"two\nlines, and a comma",1,2\nplain,3,4\n')
    dataset = open_dataset(path)
    np.testing.assert_array_equal(dataset.read(slice(None)), [[1, 2], [3, 4]])
    assert dataset.metadata is not None
    assert dataset.metadata().label(0) == "two\nlines, and a comma"


@pytest.mark.parametrize("name", ["lists.parquet", "packed.feather", "stream.arrow", "columns.csv", "records.jsonl", "glove.txt"])
def test_what_cannot_be_mapped_is_checked_against_the_memory_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: Refusal, name: str
) -> None:
    path = tmp_path / name
    NAMED[name](path)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": X.nbytes // 4}))
    assert "may be used now" in refusal(path)


@pytest.mark.parametrize("name", ["lists.parquet", "columns.csv", "records.jsonl", "glove.txt", "gensim.bin", "packed.h5ad"])
def test_reading_can_be_given_up(tmp_path: Path, name: str) -> None:
    def told(done: int, total: int) -> None:
        raise Cancelled

    array = "obsm/X_pca" if name.endswith(".h5ad") else None
    with pytest.raises(Cancelled):
        opened(tmp_path, name, NAMED[name], OpenOptions(array, told=told))


def test_an_index_that_keeps_no_plain_vectors_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    path = tmp_path / "other.faiss"
    other: Any = faiss.IndexHNSWFlat(5, 4)
    other.add(X)
    faiss.write_index(other, str(path))
    assert "another kind" in refusal(path)


def test_bfloat16_is_refused_where_there_are_no_words_of_16_bits(tmp_path: Path, refusal: Refusal) -> None:
    for name in ("rows.fvecs", "l2.faiss", "bare.csv", "lists.jsonl"):
        path = tmp_path / name
        BARE[name](path)
        assert "only uint16" in refusal(path, OpenOptions(bfloat16=True))


def test_a_library_that_is_missing_is_named_with_the_extra(
    tmp_path: Path, refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "truth.hdf5"
    written.hdf5(path)
    monkeypatch.setitem(sys.modules, "h5py", None)  # as if it were not installed
    assert "pip install 'kinscope[formats]'" in refusal(path)


@pytest.mark.skipif(find_spec("lance") is not None, reason="lance is installed")
def test_a_folder_of_lance_needs_its_library(tmp_path: Path, refusal: Refusal) -> None:
    path = tmp_path / "vectors.lance"
    path.mkdir()
    assert "pip install pylance" in refusal(path)


@pytest.mark.skipif(find_spec("lance") is None, reason="lance is not installed")
def test_lance_opens_with_equal_values(tmp_path: Path) -> None:
    lance = pytest.importorskip("lance")
    path = tmp_path / "vectors.lance"
    lance.write_dataset(written.table(), str(path))
    dataset = open_dataset(path)
    np.testing.assert_array_equal(dataset.read(slice(None)), X)
    assert dataset.metadata is not None
    assert dataset.metadata().label(3) == NAMES[3]


@pytest.mark.skipif(find_spec("torch") is not None, reason="torch is installed")
@pytest.mark.parametrize("content", [b"PK\x03\x04" + bytes(26) + b"archive/data.pkl", LEGACY + bytes(90)])
def test_a_torch_file_needs_torch_and_is_never_unpickled_without(tmp_path: Path, refusal: Refusal, content: bytes) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    assert "pip install torch" in refusal(path)
