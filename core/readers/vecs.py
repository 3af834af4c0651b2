""".fvecs, .bvecs and .ivecs, mapped: before each row its dimension in 32 bits. Values of float32, uint8, int32.

Format: http://corpus-texmex.irisa.fr
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from core.dataset import Dataset
from core.errors import UserError
from core.readers.arrays import check_shape, value_name
from core.readers.mapped import map_array
from core.readers.options import OpenOptions, Probe, Reader

DTYPES: dict[str, np.dtype[Any]] = {".fvecs": np.dtype("<f4"), ".bvecs": np.dtype("u1"), ".ivecs": np.dtype("<i4")}
PREFIX = np.dtype("<i4")
# Rows whose dimension is looked at. One row of another length moves all that follow it, which the last would show.
CHECKED = 4096


def _open(path: Path, options: OpenOptions) -> Dataset:
    dtype = DTYPES[path.suffix.lower()]
    size = path.stat().st_size
    with path.open("rb") as file:
        dims = int.from_bytes(file.read(PREFIX.itemsize), "little", signed=True)
    row_bytes = PREFIX.itemsize + dims * dtype.itemsize
    if dims < 1 or row_bytes > size:
        raise UserError(f"{path} is no {path.suffix} file: its first row is said to have {dims:,} dimensions; save it again.")
    if size % row_bytes:
        raise UserError(
            f"{path} is cut short or its rows differ in length: {size:,} bytes are no whole number of rows of {dims:,} "
            "dimensions; copy it again."
        )
    shape = (size // row_bytes, dims)
    check_shape(shape, str(path))
    prefixes, _ = map_array(path, (shape[0], 1), PREFIX, 0, row_bytes=row_bytes)
    looked_at = np.unique(np.linspace(0, shape[0] - 1, CHECKED).astype(np.int64))
    if (wrong := np.flatnonzero(prefixes[looked_at, 0] != dims)).size:
        row = int(looked_at[wrong[0]])
        lengths = f"the first has {dims:,} dimensions, row {row:,} says {prefixes[row, 0]:,}"
        raise UserError(f"{path} has rows of unequal length: {lengths}; save it anew.")
    array, guard = map_array(path, shape, dtype, PREFIX.itemsize, row_bytes=row_bytes)
    return Dataset(path, array, path.suffix.lower()[1:], value_name(dtype, options, str(path)), guard=guard)


def _sniff(probe: Probe) -> bool:
    return probe.suffix in DTYPES


READER = Reader("fvecs", tuple(DTYPES), _sniff, _open)
