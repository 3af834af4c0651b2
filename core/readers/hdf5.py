""".hdf5, by h5py: any of its arrays (n, d); AnnData's .h5ad and ann-benchmarks' ground truth are known by their layout.

An array that lies in one piece is mapped. Formats: https://github.com/erikbern/ann-benchmarks#data-sets and core/readers/h5ad.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.dataset import Dataset, FileGuard
from core.errors import ArrayChoice, Cancelled, UserError
from core.readers import h5ad
from core.readers.arrays import check_vectors, choose, first_values, is_table, one_line, value_name
from core.readers.extras import library
from core.readers.mapped import map_array
from core.readers.options import OpenOptions, Reader
from core.readers.room import check_room
from core.truth import Truth

MAGIC = b"\x89HDF\r\n\x1a\n"
BLOCK_BYTES = 1 << 24
# What ann-benchmarks calls our metrics.
METRICS = {"euclidean": "l2", "l2": "l2", "angular": "cosine", "cosine": "cosine", "dot": "inner_product", "ip": "inner_product"}
# Objects in a file that are looked at for arrays.
MAX_OBJECTS = 10_000


def _open(path: Path, options: OpenOptions) -> Dataset:
    h5py = library("h5py", path)
    with opened(h5py, path) as file:
        if h5ad.is_anndata(file):
            return h5ad.open_anndata(path, file, options)
        found = arrays_in(h5py, file)
        if not found:
            raise UserError(f"{path} holds no arrays; save the vectors in it again.")
        arrays = tuple(ArrayChoice(name, tuple(array.shape or ()), array.dtype.name) for name, array in found.items())
        # Of ann-benchmarks' arrays only one is meant to be looked at.
        wanted = options.array or ("train" if {"train", "test"} <= found.keys() else None)
        name = choose(path, arrays, wanted, lambda name: preview(found[name])).name
        array, guard, dtype_name = values(path, found[name], name, options)
        return Dataset(
            path, array, "hdf5", dtype_name, name, guard is not None, guard, arrays, truth=_truth(path, file, found, name)
        )


@contextmanager
def opened(h5py: Any, path: Path) -> Iterator[Any]:
    """The file; whatever h5py cannot read in it becomes a UserError."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except (UserError, Cancelled):
        raise
    except Exception as error:  # a damaged file fails in a dozen ways
        raise UserError(f"{path} cannot be read as HDF5 ({one_line(error)}); copy or save it again.") from None


def arrays_in(h5py: Any, file: Any) -> dict[str, Any]:
    """Every array of a file by its path in it."""
    found: dict[str, Any] = {}
    seen = 0

    def visit(name: str, thing: Any) -> bool | None:
        nonlocal seen
        seen += 1
        if isinstance(thing, h5py.Dataset):
            found[name] = thing
        return True if seen == MAX_OBJECTS else None

    file.visititems(visit)
    return found


def values(path: Path, array: Any, name: str, options: OpenOptions) -> tuple[NDArray[Any], FileGuard | None, str]:
    """The values of an array (n, d): mapped if they lie in one piece, else read in blocks; and the name of their type."""
    where = f"{path} ({name})"
    check_vectors(array.dtype, tuple(array.shape or ()), where)
    dtype_name = value_name(array.dtype, options, where)
    if array.external or array.is_virtual:
        raise UserError(f"{where} keeps its values in other files; save them in one.")
    offset = array.id.get_offset()
    if offset is not None and array.chunks is None:
        mapped, guard = map_array(path, array.shape, array.dtype, offset)
        return mapped, guard, dtype_name
    return read_blocks(where, array, options), None, dtype_name


def read_blocks(where: str, array: Any, options: OpenOptions) -> NDArray[Any]:
    rows, row_bytes = array.shape[0], max(1, array[:0].nbytes, int(np.prod(array.shape[1:])) * array.dtype.itemsize)
    chunk_bytes = int(np.prod(array.chunks or (1,), dtype=object)) * array.dtype.itemsize
    check_room(where, max(rows * row_bytes, chunk_bytes), "is compressed or in pieces")
    out = np.empty(array.shape, array.dtype)
    # Whole chunks, since each is unpacked as one.
    step = max(1, BLOCK_BYTES // row_bytes)
    if array.chunks is not None:
        step = max(array.chunks[0], step // array.chunks[0] * array.chunks[0])
    for start in range(0, rows, step):
        part = out[start : start + step]
        array.read_direct(part, np.s_[start : start + len(part)])
        options.told(start, rows)
    return out


def preview(array: Any) -> str:
    chunk_bytes = int(np.prod(array.chunks or (1,), dtype=object)) * array.dtype.itemsize
    return first_values(array[0, :8]) if chunk_bytes <= BLOCK_BYTES else ""


def _truth(path: Path, file: Any, found: dict[str, Any], name: str) -> Truth | None:
    """Test queries and their neighbours, if the file has them and they fit the vectors."""
    if name != "train" or not {"test", "neighbors"} <= found.keys():
        return None
    test, near, train = found["test"], found["neighbors"], found["train"]
    tables = all(is_table(ArrayChoice("", tuple(a.shape or ()), a.dtype.name)) for a in (test, near))
    if not tables or test.shape[1] != train.shape[1] or test.shape[0] != near.shape[0] or near.dtype.kind not in "iu":
        return None
    quiet = OpenOptions()
    queries, neighbours = (read_blocks(f"{path} ({a.name.strip('/')})", a, quiet) for a in (test, near))
    distance = file.attrs.get("distance", "")
    distance = distance.decode("utf-8", "replace") if isinstance(distance, bytes) else str(distance)
    return Truth(queries, neighbours, distance, METRICS.get(distance))


READER = Reader("hdf5", (".hdf5", ".h5", ".h5ad"), lambda probe: probe.head.startswith(MAGIC), _open)
