"""The process that reads HDF5: `python -m core.hdf5.child list|values|obs LIMIT PATH [NAME…]`, answers on standard output.

`list` prints what the file holds as a line of JSON, `values` the bytes of arrays in C order, `obs` an Arrow stream of the columns
of AnnData's obs. A fault is told on standard error, in the last line.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from contextlib import suppress
from typing import Any, BinaryIO

import h5py
import numpy as np

from core.hdf5.obs import write_obs

BLOCK_BYTES = 1 << 22
# Objects in a file that are looked at for arrays.
MAX_OBJECTS = 10_000
PREVIEW_VALUES = 8


def main(what: str, limit: str, path: str, *names: str) -> None:
    # More memory than a sound file needs here is not taken, whatever a damaged one asks for.
    with suppress(OSError, ValueError):  # not every system sets such a limit
        resource.setrlimit(resource.RLIMIT_AS, (int(limit), int(limit)))
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    with out, h5py.File(path, "r", locking=False) as file:
        match what:
            case "list":
                out.write(json.dumps(_listed(file)).encode() + b"\n")
            case "values":
                for name in names:
                    _write_values(file[name], out)
            case "obs":
                write_obs(file, out)


def _listed(file: Any) -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    sparse: dict[str, Any] = {}
    seen = 0

    def visit(name: str, thing: Any) -> bool | None:
        nonlocal seen
        seen += 1
        if isinstance(thing, h5py.Dataset):
            arrays[name] = _array(thing)
        elif {"data", "indices", "indptr"} <= thing.keys():
            sparse[name] = _sparse(thing)
        return True if seen == MAX_OBJECTS else None

    file.visititems(visit)
    is_anndata = _text(file.attrs.get("encoding-type")) == "anndata" or ("obs" in file and ("X" in file or "obsm" in file))
    distance = _text(file.attrs.get("distance"))
    return {"arrays": arrays, "sparse": sparse, "anndata": is_anndata, "obs": "obs" in file, "distance": distance}


def _array(array: Any) -> dict[str, Any]:
    dtype = array.dtype
    plain = dtype.kind in "fiu" and dtype.names is None
    chunk_bytes = int(np.prod(array.chunks or (1,), dtype=object)) * dtype.itemsize
    return {
        "shape": list(array.shape or ()),
        "dtype": dtype.str if plain else "",
        "kind": "text" if dtype.kind in "OSU" else str(dtype),
        "offset": array.id.get_offset() if plain and array.chunks is None else None,
        "elsewhere": bool(array.external or array.is_virtual),
        "chunk_bytes": chunk_bytes,
        "first": _first(array) if plain and chunk_bytes <= BLOCK_BYTES else [],
    }


def _first(array: Any) -> list[float]:
    """The beginning of the first row, of a table."""
    if len(array.shape or ()) != 2 or not all(array.shape) or array.external:
        return []
    return [float(value) for value in array[0, :PREVIEW_VALUES]]


def _sparse(group: Any) -> dict[str, Any]:
    attrs = group.attrs
    shape = attrs.get("shape", attrs.get("h5sparse_shape", ()))
    kind = _text(attrs.get("encoding-type")) or _text(attrs.get("h5sparse_format"))
    return {"shape": [int(extent) for extent in shape], "kind": kind[:3]}


def _write_values(array: Any, out: BinaryIO) -> None:
    """In steps of whole chunks, since each is unpacked as one."""
    rows = array.shape[0]
    row_bytes = max(1, int(np.prod(array.shape[1:], dtype=object)) * array.dtype.itemsize)
    step = max(1, BLOCK_BYTES // row_bytes)
    if array.chunks is not None:
        step = max(array.chunks[0], step // array.chunks[0] * array.chunks[0])
    for start in range(0, rows, step):
        out.write(np.ascontiguousarray(array[start : start + step]).data)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else "" if value is None else str(value)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Exception as error:
        sys.exit(" ".join(str(error).split()) or type(error).__name__)
