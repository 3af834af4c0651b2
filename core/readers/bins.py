""".fbin, .u8bin and .i8bin, mapped: the number of rows, that of dimensions (uint32 each), then the values.

Format: https://big-ann-benchmarks.com/neurips21.html#bench-datasets
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

DTYPES: dict[str, np.dtype[Any]] = {".fbin": np.dtype("<f4"), ".u8bin": np.dtype("u1"), ".i8bin": np.dtype("i1")}
HEADER = 8


def _open(path: Path, options: OpenOptions) -> Dataset:
    dtype = DTYPES[path.suffix.lower()]
    with path.open("rb") as file:
        header = file.read(HEADER)
    if len(header) < HEADER:
        raise UserError(f"{path} is cut short: {len(header)} bytes, and its header alone has {HEADER}; copy it again.")
    shape = (int.from_bytes(header[:4], "little"), int.from_bytes(header[4:], "little"))
    check_shape(shape, str(path))
    array, guard = map_array(path, shape, dtype, HEADER)
    return Dataset(path, array, path.suffix.lower()[1:], value_name(dtype, options, str(path)), guard=guard)


def _sniff(probe: Probe) -> bool:
    return probe.suffix in DTYPES


READER = Reader("fbin", tuple(DTYPES), _sniff, _open)
