"""AnnData's .h5ad: the tables in obsm and X, dense or sparse, and the columns of obs.

Format: https://anndata.readthedocs.io/en/stable/fileformat-prose.html
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.arrow_table import table_from_arrow
from core.dataset import Dataset
from core.errors import ArrayChoice, UserError
from core.readers.arrays import check_shape, choose, is_table
from core.readers.arrow_faults import told_plainly
from core.readers.options import OpenOptions
from core.readers.room import check_room
from core.table import Table

if TYPE_CHECKING:
    from core.readers.hdf5 import File

PARTS = ("data", "indices", "indptr")
# Values of a sparse matrix that are spread out at a time.
BLOCK_VALUES = 1 << 22


def open_anndata(file: File, options: OpenOptions) -> Dataset:
    path = file.path
    arrays = tuple(_tables(file))
    if not arrays:
        raise UserError(f"{path} holds neither X nor tables in obsm; save the vectors in obsm.")
    chosen = choose(path, arrays, options.array, file.preview)
    name, rows = chosen.name, chosen.shape[0] if chosen.shape else 0
    metadata = (lambda: _read_obs(file, rows)) if file.has_obs else None
    if name in file.sparse:
        array = _spread(file, name, options)
        return Dataset(path, array, "h5ad", array.dtype.name, name, False, None, arrays, metadata)
    array, guard, dtype_name = file.values(name, options)
    return Dataset(path, array, "h5ad", dtype_name, name, guard is not None, guard, arrays, metadata)


def _tables(file: File) -> list[ArrayChoice]:
    """What may be looked at: tables of obsm, then X."""
    inside = [name for name in file.arrays if name.startswith("obsm/") and name.count("/") == 1]
    found = [choice for choice in map(file.choice, inside) if is_table(choice)]
    if "X" in file.arrays:
        found.append(replace(file.choice("X"), is_source=True))
    elif "X" in file.sparse:
        found.append(ArrayChoice("X", tuple(file.sparse["X"]["shape"]), file.choice("X/data").dtype, is_source=True))
    return found


def _spread(file: File, name: str, options: OpenOptions) -> NDArray[Any]:
    """A sparse matrix as an array. Raises UserError if it does not fit in memory or its parts do not fit each other."""
    where, shape = f"{file.path} ({name})", tuple(file.sparse[name]["shape"])
    check_shape(shape, where)
    parts = [file.choice(f"{name}/{part}") for part in PARTS]
    whole = all("int" in part.dtype for part in parts[1:]) and is_table(ArrayChoice("", (1, 2), parts[0].dtype))
    if not whole or any(len(part.shape) != 1 for part in parts) or file.sparse[name]["kind"] not in ("csr", "csc"):
        raise _damaged(where)
    by_rows = file.sparse[name]["kind"] == "csr"
    lines, length = shape if by_rows else shape[::-1]
    if parts[0].shape != parts[1].shape or parts[2].shape != (lines + 1,):
        raise _damaged(where)
    itemsize = np.dtype(parts[0].dtype).itemsize
    check_room(where, shape[0] * shape[1] * itemsize + parts[0].shape[0] * (itemsize + 8), "is sparse")
    data, indices, pointers = file.read([part.name for part in parts], options.told)
    starts = pointers.astype(np.int64)
    if starts[0] != 0 or starts[-1] > len(data) or np.any(np.diff(starts) < 0):
        raise _damaged(where)
    out = np.zeros(shape, data.dtype)
    target = out if by_rows else out.T
    line = 0
    while line < lines:
        end = max(line + 1, int(np.searchsorted(starts, starts[line] + BLOCK_VALUES, "right")) - 1)
        some = slice(int(starts[line]), int(starts[end]))
        places = indices[some].astype(np.int64)
        if places.size and not 0 <= places.min() <= places.max() < length:
            raise _damaged(where)
        target[np.repeat(np.arange(line, end), np.diff(starts[line : end + 1])), places] = data[some]
        line = end
        options.told(line, lines)
    return out


def _damaged(where: str) -> UserError:
    return UserError(f"{where} is a damaged sparse matrix: its parts do not fit each other; save it again.")


def _read_obs(file: File, rows: int) -> Table:
    """The columns of obs. Raises UserError if they cannot be read or are not as long as the vectors."""
    with told_plainly(file.path, "HDF5"):
        table = pa.ipc.open_stream(file.obs()).read_all()
        if not table.num_columns:
            raise UserError(f"{file.path} has no columns in obs; shown without labels.")
        if table.num_rows != rows:
            raise UserError(f"{file.path} tells of {table.num_rows:,} rows in obs, of {rows:,} in the vectors; save it again.")
        return table_from_arrow(f"{file.path} (obs)", table)
