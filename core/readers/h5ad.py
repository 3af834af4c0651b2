"""AnnData's .h5ad: the tables in obsm and X, dense or sparse, and the columns of obs.

Format: https://anndata.readthedocs.io/en/stable/fileformat-prose.html
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.arrow_table import table_from_arrow
from core.dataset import Dataset
from core.errors import ArrayChoice, UserError
from core.readers import hdf5
from core.readers.arrays import check_shape, choose
from core.readers.extras import library
from core.readers.options import OpenOptions
from core.readers.room import check_room
from core.table import Table

SPARSE = ("csr_matrix", "csc_matrix")
# Values of a sparse matrix that are spread out at a time.
BLOCK_VALUES = 1 << 22


def is_anndata(file: Any) -> bool:
    return text(file.attrs.get("encoding-type", "")) == "anndata" or ("obs" in file and ("X" in file or "obsm" in file))


def open_anndata(path: Path, file: Any, options: OpenOptions) -> Dataset:
    h5py = library("h5py", path)
    found = _tables(h5py, file)
    if not found:
        raise UserError(f"{path} holds neither X nor tables in obsm; save the vectors in obsm.")
    arrays = tuple(ArrayChoice(name, _shape(thing), _dtype(thing)) for name, thing in found.items())
    name = choose(path, arrays, options.array, lambda name: _preview(found[name])).name
    thing, where = found[name], f"{path} ({name})"
    rows = _shape(thing)[0] if _shape(thing) else 0
    metadata = (lambda: read_obs(path, rows)) if "obs" in file else None
    if isinstance(thing, h5py.Group):
        check_shape(_shape(thing), where)
        array = _spread(where, thing, options)
        return Dataset(path, array, "h5ad", array.dtype.name, name, False, None, arrays, metadata, notes=("X is sparse.",))
    array, guard, dtype_name = hdf5.values(path, thing, name, options)
    return Dataset(path, array, "h5ad", dtype_name, name, guard is not None, guard, arrays, metadata)


def _tables(h5py: Any, file: Any) -> dict[str, Any]:
    """What may be looked at: arrays of obsm that are tables, then X."""
    found = {}
    obsm = file.get("obsm")
    if isinstance(obsm, h5py.Group):
        found = {f"obsm/{name}": thing for name, thing in obsm.items() if isinstance(thing, h5py.Dataset)}
    whole = file.get("X")
    if isinstance(whole, h5py.Dataset) or (isinstance(whole, h5py.Group) and _is_sparse(whole)):
        found["X"] = whole
    return found


def _is_sparse(group: Any) -> bool:
    kind = text(group.attrs.get("encoding-type", "")) or f"{text(group.attrs.get('h5sparse_format', ''))}_matrix"
    return kind in SPARSE and {"data", "indices", "indptr"} <= group.keys()


def _shape(thing: Any) -> tuple[int, ...]:
    if hasattr(thing, "shape"):
        return tuple(thing.shape or ())
    shape = thing.attrs.get("shape", thing.attrs.get("h5sparse_shape", ()))
    return tuple(int(extent) for extent in shape)


def _dtype(thing: Any) -> str:
    return str((thing if hasattr(thing, "dtype") else thing["data"]).dtype.name)


def _preview(thing: Any) -> str:
    return hdf5.preview(thing) if hasattr(thing, "dtype") else "sparse"


def _spread(where: str, group: Any, options: OpenOptions) -> NDArray[Any]:
    """A sparse matrix as an array, some rows (or columns) at a time. Raises UserError if it does not fit in memory."""
    rows, columns = _shape(group)
    by_rows = "csr" in (text(group.attrs.get("encoding-type", "")) or text(group.attrs.get("h5sparse_format", "")))
    data, indices, pointers = group["data"], group["indices"], group["indptr"]
    check_room(where, rows * columns * data.dtype.itemsize, "is sparse")
    lines, length = (rows, columns) if by_rows else (columns, rows)
    if data.dtype.kind not in "fiu" or indices.dtype.kind not in "iu" or pointers.dtype.kind not in "iu":
        raise UserError(f"{where} is sparse with values that are no real numbers; save it again.")
    if pointers.shape != (lines + 1,) or data.shape != indices.shape or len(data.shape) != 1:
        raise _damaged(where)
    check_room(where, (lines + 1) * 8, "is sparse")
    starts = pointers[:].astype(np.int64)
    if starts[0] != 0 or starts[-1] > data.shape[0] or np.any(np.diff(starts) < 0) or np.any(np.diff(starts) > length):
        raise _damaged(where)
    out = np.zeros((rows, columns), data.dtype)
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


def read_obs(path: Path, rows: int) -> Table:
    """The columns of obs. Raises UserError if they cannot be read or are not as long as the vectors."""
    h5py = library("h5py", path)
    with hdf5.opened(h5py, path) as file:
        obs = file["obs"]
        if not isinstance(obs, h5py.Group):
            return table_from_arrow(f"{path} (obs)", _records(path, obs, rows))
        index = text(obs.attrs.get("_index", "_index"))
        order = [text(name) for name in obs.attrs.get("column-order", list(obs))]
        names = [index, *(name for name in order if name != index)]
        columns = {name: _column(obs, name) for name in names if name in obs and name != "__categories"}
    if wrong := next((name for name, column in columns.items() if len(column) != rows), None):
        raise UserError(
            f"{path} tells of {len(columns[wrong]):,} rows in the column {wrong!r} of obs, of {rows:,} in the vectors; "
            "save it again."
        )
    if not columns:
        raise UserError(f"{path} has no columns in obs; shown without labels.")
    return table_from_arrow(f"{path} (obs)", pa.table(columns))


def _records(path: Path, obs: Any, rows: int) -> pa.Table:
    """The obs of old files: one array of records."""
    check_room(f"{path} (obs)", obs.size * obs.dtype.itemsize)
    if obs.dtype.names is None or obs.shape != (rows,):
        raise UserError(f"{path} has an obs that does not fit its vectors; save it again.")
    return pa.table({name: _plain(obs[name]) for name in obs.dtype.names})


def _column(obs: Any, name: str) -> pa.Array:
    """A column: an array, or a group of codes and categories, or of values and which are missing."""
    thing = obs[name]
    if not hasattr(thing, "shape"):
        if "codes" in thing:
            return _categorical(_read(thing["codes"]), _plain(_read(thing["categories"])))
        mask = _read(thing["mask"]).astype(bool)
        return pa.array(_read(thing["values"]), mask=mask)
    old = obs.get("__categories")
    if old is not None and name in old:
        return _categorical(_read(thing), _plain(_read(old[name])))
    return _plain(_read(thing))


def _read(array: Any) -> NDArray[Any]:
    check_room(array.name, int(array.size) * max(array.dtype.itemsize, 8))
    return np.asarray(array[()])


def _categorical(codes: NDArray[Any], categories: pa.Array) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32), mask=codes < 0), categories)


def _plain(values: NDArray[Any]) -> pa.Array:
    """Texts as text; bytes that are no UTF-8 show as the replacement character."""
    if values.dtype.kind in "OS":
        return pa.array([v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values.tolist()], pa.string())
    return pa.array(values)


def text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
