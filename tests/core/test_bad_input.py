"""Files that are damaged, lie about their size or hold something else: one sentence each, before memory is taken."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import psutil
import pyarrow as pa
import pytest

from core.errors import UserError
from core.readers import open_dataset
from core.readers.options import OpenOptions
from tests.core import written
from tests.core.conftest import Refusal
from tests.core.written import BARE, NAMED, X

ALL = {**NAMED, **BARE}
OBSM = OpenOptions("obsm/X_pca")
# Text may end anywhere: what is left is a shorter file. HDF5 takes a process for each length, so that fewer are tried.
IN_TEXT = (".csv", ".tsv", ".jsonl", ".data", ".txt", ".vec")
BINARY = [name for name in ALL if not name.endswith(IN_TEXT)]


def options(name: str) -> OpenOptions | None:
    return OBSM if name.endswith(".h5ad") else None


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def sound(folder: Path, name: str) -> tuple[Path, bytes]:
    path = folder / name
    ALL[name](path)
    return path, path.read_bytes()


def taken() -> int:
    return int(psutil.Process().memory_info().rss)


@pytest.mark.parametrize("name", BINARY)
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, refusal: Refusal, name: str) -> None:
    _path, whole = sound(tmp_path, name)
    slow = name.endswith((".hdf5", ".h5ad"))
    lengths = range(1, len(whole), len(whole) // 5) if slow else [*range(1, min(len(whole), 130)), *range(130, len(whole), 61)]
    for length in lengths:
        # The end of a file may be padding; a stream of Arrow may end after any batch, .fvecs after any row.
        if name == "stream.arrow" or (slow and length > len(whole) - 2000) or (name == "rows.fvecs" and length % 24 == 0):
            continue
        refusal(write(tmp_path, name, whole[:length]), options(name))


@pytest.mark.parametrize("name", [name for name in ALL if not name.endswith((".data", ".txt", ".vec", ".bin"))])
@pytest.mark.parametrize("content", [b"", b"\x00" * 300, b"\xff" * 300, b"not what it is called, and nothing else\n" * 9])
def test_another_content_is_refused(tmp_path: Path, refusal: Refusal, name: str, content: bytes) -> None:
    _path, _ = sound(tmp_path, name)
    refusal(write(tmp_path, name, content))


@pytest.mark.parametrize("name", sorted({Path(name).suffix for name in ALL} | {".pt", ".lance"}))
def test_a_pipe_and_a_device_are_refused(tmp_path: Path, refusal: Refusal, name: str) -> None:
    path = tmp_path / f"pipe{name}"
    os.mkfifo(path)
    assert "not a regular file" in refusal(path)
    link = tmp_path / f"device{name}"
    link.symlink_to("/dev/zero")
    assert "not a regular file" in refusal(link)


HUGE = (2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1, -1, -(2**63), 10**6)


@pytest.mark.parametrize("rows", HUGE)
@pytest.mark.parametrize("dims", [5, *HUGE])
def test_sizes_beyond_the_file_are_refused(tmp_path: Path, refusal: Refusal, rows: int, dims: int) -> None:
    before = taken()
    values = bytes(400)
    header = json.dumps({"x": {"dtype": "F32", "shape": [rows, dims], "data_offsets": [0, 4 * rows * dims]}}).encode()
    refusal(write(tmp_path, "a.safetensors", len(header).to_bytes(8, "little") + header + values))
    refusal(write(tmp_path, "a.bin", f"{abs(rows)}0 {abs(dims)}\n".encode() + b"word " + values[:190]))
    refusal(write(tmp_path, "a.vec", f"{abs(rows)}0 {abs(dims)}\nword 1 2 3 4 5\n".encode()))
    low, wide = dims & 0xFFFFFFFF, rows & 0xFFFFFFFF
    refusal(write(tmp_path, "a.fbin", struct.pack("<II", wide, low) + values))
    refusal(write(tmp_path, "a.fvecs", struct.pack("<I", low) + values[:399]))
    rows_64 = max(min(rows, 2**63 - 1), -(2**63))
    faiss = b"IxF2" + struct.pack("<Iqqq?i", low, rows_64, 0, 0, True, 1) + struct.pack("<Q", (rows * dims) & (2**64 - 1))
    refusal(write(tmp_path, "a.faiss", faiss + values))
    (tmp_path / "projector_config.json").write_text(
        json.dumps({"embeddings": [{"tensorShape": [rows, dims], "tensorPath": "a.bytes"}]})
    )
    refusal(write(tmp_path, "a.bytes", values))
    assert taken() - before < 100e6


@pytest.mark.parametrize("length", [0, 1, 99, 2**31, 2**63, 2**64 - 1])
def test_a_header_of_impossible_length_is_refused(tmp_path: Path, refusal: Refusal, length: int) -> None:
    refusal(write(tmp_path, "a.safetensors", length.to_bytes(8, "little") + b'{"x":{}}'))


@pytest.mark.parametrize(
    "entry",
    [
        '{"x":1}',
        "[]",
        '{"x":{"dtype":"F32","shape":[2,2],"data_offsets":[8,0]}}',
        '{"x":{"dtype":"F32","shape":[2,2],"data_offsets":[0,99]}}',
        '{"x":{"dtype":"F32","shape":[2,3],"data_offsets":[0,16]}}',
        '{"x":{"dtype":"F32","shape":[-2,-2],"data_offsets":[0,16]}}',
        '{"x":{"dtype":"F8_E4M3","shape":[4,4],"data_offsets":[0,16]}}',
        '{"x":{"dtype":"BOOL","shape":[4,4],"data_offsets":[0,16]}}',
        '{"x":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}',
        '{"x":{"dtype":"F32","shape":[0,4],"data_offsets":[0,0]}}',
        '{"x":{"dtype":"F32","shape":[1e999,4],"data_offsets":[0,16]}}',
        '{"__metadata__":{"a":"b"}}',
        "{" * 4000,
    ],
)
def test_a_wrong_tensor_is_refused(tmp_path: Path, refusal: Refusal, entry: str) -> None:
    header = entry.encode()
    refusal(write(tmp_path, "a.safetensors", len(header).to_bytes(8, "little") + header + bytes(16)))


def ragged(kind: str) -> Callable[[Path], None]:
    rows = [[1.0, 2.0, 3.0]] * 30 + [[1.0, 2.0]] + [[1.0, 2.0, 3.0]] * 9
    table = pa.table({"v": pa.array(rows, pa.list_(pa.float32()))})
    return {
        "parquet": written.parquet(table),
        "feather": written.feather(table),
        "csv": written.raw(b"v\n" + b"".join(b'"%s"\n' % str(row).encode() for row in rows)),
        "columns.csv": written.raw(b"x,y,z\n" + b"".join(str(row)[1:-1].encode() + b"\n" for row in rows)),
        "jsonl": written.raw(b"".join(json.dumps({"v": row}).encode() + b"\n" for row in rows)),
        "bare.jsonl": written.raw(b"".join(json.dumps(row).encode() + b"\n" for row in rows)),
        "vec": written.raw(b"40 3\n" + b"".join(b"w " + " ".join(map(str, row)).encode() + b"\n" for row in rows)),
        "fvecs": written.raw(b"".join(struct.pack("<i", len(row)) + np.array(row, "<f4").tobytes() for row in [*rows, rows[0]])),
    }[kind]


@pytest.mark.parametrize("kind", ["parquet", "feather", "csv", "columns.csv", "jsonl", "bare.jsonl", "vec", "fvecs"])
def test_rows_of_unequal_length_are_refused(tmp_path: Path, refusal: Refusal, kind: str) -> None:
    path = tmp_path / f"ragged.{kind}"
    ragged(kind)(path)
    sentence = refusal(path)
    if kind in ("parquet", "feather", "csv", "jsonl", "bare.jsonl", "vec"):
        assert "30" in sentence


NO_VECTORS = {
    "a.parquet": written.parquet(pa.table({"name": ["a", "b"], "year": [1, 2]})),
    "b.parquet": written.parquet(pa.table({"v": pa.array([["a", "b"], ["c", "d"]])})),
    "c.parquet": written.parquet(pa.table({"v": pa.array([], pa.list_(pa.float32()))})),
    "d.parquet": written.parquet(pa.table({"v": pa.array([[], []], pa.list_(pa.float32()))})),
    "e.parquet": written.parquet(pa.table({"v": pa.array([[1.0], [2.0]])})),
    "a.feather": written.feather(pa.table({"name": ["a", "b"]})),
    "a.csv": written.raw(b"name,kind\na,b\nc,d\n"),
    "b.csv": written.raw(b"x,y\n"),
    "c.csv": written.raw(b"x,y\n1,2\n3,word\n"),
    "d.csv": written.raw(b"x0,x1\n1,2\n" * 200_000),
    "a.jsonl": written.raw(b'{"name":"a"}\n{"name":"b"}\n'),
    "b.jsonl": written.raw(b'{"v":["a","b"]}\n{"v":["c","d"]}\n'),
    "c.jsonl": written.raw(b'{"v":[1,2]}\n{"v":[1,"x"]}\n'),
    "d.jsonl": written.raw(b'{"v":[1,2]}\nnot JSON\n'),
    "e.jsonl": written.raw(b'{"v":' * 5000),
    "a.vec": written.raw(b"2 3\nword 1 2 3\nword 1 x 3\n"),
    "a.hdf5": lambda path: h5py.File(path, "w").close(),
    "b.hdf5": lambda path: h5py.File(path, "w").create_dataset("x", data=["a", "b"]).file.close(),
    "c.hdf5": lambda path: h5py.File(path, "w").create_dataset("x", data=np.zeros(3, "f4,i4")).file.close(),
    "projector_config.json": written.raw(b'{"embeddings": []}'),
    "other.bytes": written.raw(bytes(400)),
}


@pytest.mark.parametrize("name", NO_VECTORS)
def test_what_holds_no_vectors_is_refused(tmp_path: Path, refusal: Refusal, name: str) -> None:
    path = tmp_path / name
    NO_VECTORS[name](path)
    refusal(path)


def test_whole_numbers_with_holes_are_refused(tmp_path: Path, refusal: Refusal) -> None:
    path = tmp_path / "holes.parquet"
    written.parquet(pa.table({"v": pa.array([[1, None], [2, 3]], pa.list_(pa.int8()))}))(path)
    assert "missing values" in refusal(path)


@pytest.mark.parametrize("claimed", [1000, 10**6, 10**12])
def test_hdf5_that_claims_more_than_it_stores_is_refused(tmp_path: Path, refusal: Refusal, claimed: int) -> None:
    path = tmp_path / "bomb.hdf5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", shape=(claimed, 1 << 22), dtype="f4", chunks=(1, 1 << 10), compression="gzip", fillvalue=0)
    before = taken()
    assert "may be used now" in refusal(path)
    assert taken() - before < 100e6


def test_parquet_that_unpacks_to_more_than_the_memory_is_refused(
    tmp_path: Path, refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bomb.parquet"
    zeros = written.fixed_size_list(np.zeros((20_000, 512), np.float32))
    written.parquet(pa.table({"v": zeros}), compression="zstd")(path)
    assert path.stat().st_size < 1e6
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 1 << 20}))
    assert "may be used now" in refusal(path)


def test_a_compressed_arrow_batch_that_claims_terabytes_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    path = tmp_path / "bomb.feather"
    NAMED["packed.feather"](path)
    whole = path.read_bytes()
    size = struct.pack("<q", X.nbytes)  # what each buffer unpacks to lies before it
    assert whole.count(size) == 1
    path.write_bytes(whole.replace(size, struct.pack("<q", 1 << 42)))
    before = taken()
    assert "may be used now" in refusal(path)
    assert taken() - before < 100e6


def test_a_line_without_an_end_is_refused(tmp_path: Path, refusal: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.readers.lines.MAX_LINE", 1 << 12)
    monkeypatch.setattr("core.readers.lines.BLOCK", 1 << 10)
    assert "a line of more" in refusal(write(tmp_path, "a.vec", b"1 2\nword" + b" 1" * 9000))


def test_a_configuration_that_leads_elsewhere_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    config = tmp_path / "projector_config.json"
    for tensors in ("https://example.org/a.bytes", "none.bytes", "a\0b.bytes", "x" * 400, ".", "/dev/zero"):
        config.write_text(json.dumps({"embeddings": [{"tensorShape": [4, 5], "tensorPath": tensors}]}))
        refusal(config)
    NAMED["tensors.bytes"](tmp_path / "tensors.bytes")
    for shape in ([41, 5], [39, 5], [40], [40, 0], [40, 5, 1], None, ["a", "b"]):
        config.write_text(json.dumps({"embeddings": [{"tensorShape": shape, "tensorPath": "tensors.bytes"}]}))
        with pytest.raises(UserError):
            open_dataset(config)


@pytest.mark.parametrize("part", ["data", "indices", "indptr"])
@pytest.mark.parametrize("damage", ["shorter", "negative", "beyond", "text"])
def test_a_damaged_sparse_matrix_is_refused(tmp_path: Path, refusal: Refusal, part: str, damage: str) -> None:
    path = tmp_path / "cells.h5ad"
    written.anndata(path, "csr")
    with h5py.File(path, "r+") as file:
        values = file[f"X/{part}"][()]
        del file[f"X/{part}"]
        wrong = {"shorter": values[:-1], "negative": -values - 1, "beyond": values + 10**6, "text": values.astype("S")}[damage]
        file[f"X/{part}"] = wrong
    if part == "data" and damage in ("negative", "beyond"):
        open_dataset(path, OpenOptions("X"))  # values may be any
    else:
        refusal(path, OpenOptions("X"))


def test_obs_that_does_not_fit_is_told_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "cells.h5ad"
    written.anndata(path)
    with h5py.File(path, "r+") as file:
        del file["obs/_index"], file["obs/depth"], file["obs/kind"]
        file["obs/_index"] = np.arange(39)
    dataset = open_dataset(path, OBSM)
    assert dataset.metadata is not None
    with pytest.raises(UserError, match="39 rows in obs"):
        dataset.metadata()
