"""Files of every format, written by the format's own library or to its documented layout."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import safetensors.numpy
from numpy.typing import NDArray

X: NDArray[np.float32] = np.random.default_rng(5).normal(size=(40, 5)).astype(np.float32)
NAMES = ["zero", "one", "Ünï", "two words", *(f"name {i}" for i in range(4, 40))]
WORDS = [name.replace(" ", "_") for name in NAMES]

Write = Callable[[Path], None]


def fixed_size_list(x: NDArray[Any] = X) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), x.shape[1])


def lists(x: NDArray[Any] = X) -> pa.ListArray:
    return pa.array(x.tolist(), pa.list_(pa.from_numpy_dtype(x.dtype)))


def table(vectors: Any = None) -> pa.Table:
    return pa.table({"name": NAMES, "v": fixed_size_list() if vectors is None else vectors})


def side_by_side() -> pa.Table:
    return pa.table({"name": NAMES, **{f"x{i}": X[:, i] for i in range(5)}, "year": range(1980, 2020)})


def parquet(table: pa.Table, **options: Any) -> Write:
    return lambda path: pyarrow.parquet.write_table(table, path, **options)


def feather(table: pa.Table, compression: str = "uncompressed") -> Write:
    return lambda path: pyarrow.feather.write_feather(table, str(path), compression=compression)


def stream(table: pa.Table, rows: int = 7) -> Write:
    def write(path: Path) -> None:
        with pa.ipc.new_stream(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=rows)

    return write


def safetensors_file(**tensors: NDArray[Any]) -> Write:
    return lambda path: safetensors.numpy.save_file(tensors, path)


def index(make: Callable[[], Any]) -> Write:
    def write(path: Path) -> None:
        kind = make()
        kind.add(X)
        faiss.write_index(kind, str(path))

    return write


def raw(content: bytes) -> Write:
    def write(path: Path) -> None:
        path.write_bytes(content)

    return write


def spelt(x: NDArray[Any], mark: str) -> list[str]:
    return [mark.join(str(value) for value in row) for row in x]


def csv_bytes(mark: str = ",", header: bool = True) -> bytes:
    head = mark.join(["name", *(f"x{i}" for i in range(5))]) + "\n" if header else ""
    return (head + "".join(f"{n}{mark}{r}\n" for n, r in zip(NAMES, spelt(X, mark), strict=True))).encode()


def lists_in_csv(mark: str = ", ") -> bytes:
    return ("name,v\n" + "".join(f'{n},"[{r}]"\n' for n, r in zip(NAMES, spelt(X, mark), strict=True))).encode()


def json_lines() -> bytes:
    records = ({"name": n, "v": r} for n, r in zip(NAMES, X.tolist(), strict=True))
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()


def bare_json_lines() -> bytes:
    return "".join(json.dumps(row) + "\n" for row in X.tolist()).encode()


def word_lines(words: list[str], header: bool, end: str = "\n") -> bytes:
    head = f"{len(words)} 5{end}" if header else ""
    return (head + "".join(f"{w} {r}{end}" for w, r in zip(words, spelt(X, " "), strict=True))).encode()


def words_in_binary(end: bytes) -> bytes:
    return b"40 5\n" + b"".join(w.encode() + b" " + r.tobytes() + end for w, r in zip(WORDS, X, strict=True))


def vecs(x: NDArray[Any]) -> bytes:
    return b"".join(struct.pack("<i", x.shape[1]) + row.tobytes() for row in x)


def bins(x: NDArray[Any]) -> bytes:
    return struct.pack("<II", *x.shape) + x.tobytes()


def hdf5(path: Path | io.BytesIO, **options: Any) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("train", data=X, **options)
        file["test"] = X[:6]
        file["neighbors"] = np.argsort(np.linalg.norm(X[:6, None] - X, axis=2), axis=1)[:, :10].astype(np.int32)
        file["distances"] = np.sort(np.linalg.norm(X[:6, None] - X, axis=2), axis=1)[:, :10]
        file.attrs["distance"] = "euclidean"


def anndata(path: Path | io.BytesIO, sparse: str | None = None, **options: Any) -> None:
    """As anndata writes it (encoding-version 0.1.0 of the file, 0.2.0 of what is in it)."""
    with h5py.File(path, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        obs = file.create_group("obs")
        obs.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.2.0", "_index": "_index"})
        obs.attrs["column-order"] = np.array(["kind", "depth"], h5py.string_dtype())
        obs.create_dataset("_index", data=NAMES, dtype=h5py.string_dtype())
        obs["depth"] = np.arange(40)
        kind = obs.create_group("kind")
        kind.attrs.update({"encoding-type": "categorical", "encoding-version": "0.2.0", "ordered": False})
        kind.create_dataset("categories", data=["T cell", "B cell"], dtype=h5py.string_dtype())
        kind["codes"] = np.array([i % 2 for i in range(39)] + [-1], np.int8)
        file.create_group("obsm").create_dataset("X_pca", data=X, **options)
        if sparse is None:
            file["X"] = X[:, :3]
        else:
            _sparse(file.create_group("X"), sparse)


def _sparse(group: Any, kind: str) -> None:
    whole = np.where(X > 0.5, X, 0)
    lines = whole if kind == "csr" else whole.T
    group.attrs.update({"encoding-type": f"{kind}_matrix", "encoding-version": "0.1.0", "shape": whole.shape})
    group["data"] = lines[lines != 0]
    group["indices"] = np.nonzero(lines)[1].astype(np.int32)
    group["indptr"] = np.concatenate([[0], np.cumsum(np.count_nonzero(lines, axis=1))]).astype(np.int32)


def projector(path: Path, **more: Any) -> None:
    path.write_bytes(X.tobytes())
    path.with_name("metadata.tsv").write_text("\n".join(NAMES) + "\n", encoding="utf-8")
    entry = {"tensorName": "T", "tensorShape": [40, 5], "tensorPath": path.name, "metadataPath": "metadata.tsv", **more}
    path.with_name("projector_config.json").write_text(json.dumps({"embeddings": [entry]}))


# By file name: how it is written. All hold X; all but the bare ones hold the names as well.
NAMED: dict[str, Write] = {
    "fixed.parquet": parquet(table()),
    "lists.parquet": parquet(table(lists()), row_group_size=9),
    "plain.parquet": parquet(table(), compression="none", use_dictionary=False),
    "columns.parquet": parquet(side_by_side()),
    "fixed.arrow": feather(table()),
    "lists.arrow": feather(table(lists())),
    "columns.feather": feather(side_by_side()),
    "packed.feather": feather(table(), "zstd"),
    "packed_lists.feather": feather(table(lists()), "lz4"),
    "stream.arrow": stream(table()),
    "columns.csv": raw(csv_bytes()),
    "columns.tsv": raw(csv_bytes("\t")),
    "semicolons.csv": raw(csv_bytes(";")),
    "windows.csv": raw(b"\xef\xbb\xbf" + csv_bytes().replace(b"\n", b"\r\n")),
    "lists.csv": raw(lists_in_csv()),
    "numpy_lists.csv": raw(lists_in_csv(" ")),
    "records.jsonl": raw(json_lines()),
    "records.data": raw(json_lines()),
    "word2vec.txt": raw(word_lines(WORDS, header=True)),
    "original.txt": raw(word_lines(WORDS, header=True, end=" \n")),
    "fasttext.vec": raw(word_lines(WORDS, header=True)),
    "windows.vec": raw(word_lines(WORDS, header=True, end="\r\n")),
    "glove.txt": raw(word_lines(NAMES, header=False)),
    "gensim.bin": raw(words_in_binary(b"")),
    "original.bin": raw(words_in_binary(b"\n")),
    "cells.h5ad": lambda path: anndata(path),
    "packed.h5ad": lambda path: anndata(path, compression="gzip"),
    "tensors.bytes": projector,
}
BARE: dict[str, Write] = {
    "one.npy": lambda path: np.save(path, X),
    "one.npz": lambda path: np.savez(path, x=X),
    "one.safetensors": safetensors_file(x=X),
    "l2.faiss": index(lambda: faiss.IndexFlatL2(5)),
    "ip.faiss": index(lambda: faiss.IndexFlatIP(5)),
    "l1.index": index(lambda: faiss.IndexFlat(5, faiss.METRIC_L1)),
    "lp.index": index(lambda: faiss.IndexFlat(5, faiss.METRIC_Lp)),
    "rows.fvecs": raw(vecs(X)),
    "rows.fbin": raw(bins(X)),
    "truth.hdf5": hdf5,
    "packed.hdf5": lambda path: hdf5(path, compression="gzip", chunks=(7, 3)),
    "lists.jsonl": raw(bare_json_lines()),
    "bare.csv": raw("\n".join(spelt(X, ",")).encode()),
    "tensors.tsv": raw("\n".join(spelt(X, "\t")).encode()),
    "savetxt.txt": lambda path: np.savetxt(path, X),
}
