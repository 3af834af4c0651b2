"""The columns of AnnData's obs as an Arrow stream.

Format: https://anndata.readthedocs.io/en/stable/fileformat-prose.html
"""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def write_obs(file: Any, out: BinaryIO) -> None:
    """Raises ValueError if they differ in length, or anything for a group that is laid out in another way."""
    obs = file["obs"]
    columns = _records(obs) if hasattr(obs, "shape") else _columns(obs)
    table = pa.table(columns)
    with pa.ipc.new_stream(out, table.schema) as stream:
        stream.write_table(table)


def _columns(obs: Any) -> dict[str, pa.Array]:
    index = _text(obs.attrs.get("_index", "_index"))
    order = [_text(name) for name in obs.attrs.get("column-order", list(obs))]
    names = [index, *(name for name in order if name not in (index, "__categories"))]
    return {name: _column(obs, name) for name in names if name in obs}


def _records(obs: Any) -> dict[str, pa.Array]:
    """The obs of old files: one array of records."""
    return {name: _plain(obs[name]) for name in obs.dtype.names}


def _column(obs: Any, name: str) -> pa.Array:
    """A column: an array, or a group of codes and categories, or of values and which are missing."""
    thing, old = obs[name], obs.get("__categories")
    if hasattr(thing, "shape"):
        values = thing[()]
        return _plain(values) if old is None or name not in old else _categorical(values, _plain(old[name][()]))
    if "codes" in thing:
        return _categorical(thing["codes"][()], _plain(thing["categories"][()]))
    return pa.array(thing["values"][()], mask=thing["mask"][()].astype(bool))


def _categorical(codes: NDArray[Any], categories: pa.Array) -> pa.Array:
    """A code below zero stands for a value that is missing."""
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32), mask=codes < 0), categories)


def _plain(values: NDArray[Any]) -> pa.Array:
    """Texts as text; bytes that are no UTF-8 show as the replacement character."""
    if values.dtype.kind in "OS":
        return pa.array([_text(value) for value in values.tolist()], pa.string())
    return pa.array(values)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
