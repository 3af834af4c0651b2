"""Arrays that are mapped where they lie in a file, once its size is known to hold them."""

from __future__ import annotations

import math
import mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.dataset import FileGuard
from core.errors import UserError


def map_array(
    path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], offset: int, fortran: bool = False, row_bytes: int | None = None
) -> tuple[NDArray[Any], FileGuard]:
    """Map the array that begins at `offset` of `path`. `row_bytes`: from row to row, if more than a row's values lie there.

    Raises UserError if the file is too short for it.
    """
    with path.open("rb") as file:
        guard = FileGuard.watch(path, file.fileno(), offset)
        values = math.prod(shape) * dtype.itemsize
        needed = offset + (values if row_bytes is None else (shape[0] - 1) * row_bytes + values // shape[0])
        if needed > guard.size:
            raise UserError(
                f"{path} is cut short: its header tells of {needed:,} bytes, the file has {guard.size:,}; copy it again."
            )
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if row_bytes is not None:
        return np.ndarray(shape, dtype, mapping, offset, strides=(row_bytes, dtype.itemsize)), guard
    return np.ndarray(shape, dtype, mapping, offset, order="F" if fortran else "C"), guard
