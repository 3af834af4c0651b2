"""Vectors kept in a shorter float: what is searched and projected then are the rounded values, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.compute.vectors import Rows
from core.dataset import from_bfloat16
from core.errors import UserError
from core.types import Ids, Storage

Values = NDArray[np.floating[Any]]


def pack(x: Values, storage: Storage) -> NDArray[Any]:
    """x as it is kept: as it is for 'float32', else each value the nearest that `storage` holds, ties to even, in two bytes.

    bfloat16 is kept in uint16. Raises UserError for a finite value beyond the range of float16.
    """
    if storage == "float32":
        return x
    if storage == "float16":
        with np.errstate(over="ignore"):
            half = x.astype(np.float16)
        if (np.isinf(half) & np.isfinite(x)).any():
            raise UserError("Values beyond 65504 do not fit float16; choose bfloat16 or float32 to store them.")
        return half
    with np.errstate(over="ignore"):
        bits = x.astype(np.float32).view(np.uint32)
    near = bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)
    # Rounding could carry a NaN over into a number.
    return (np.where(np.isnan(x), bits | np.uint32(0x400000), near) >> 16).astype(np.uint16)


def unpack(kept: NDArray[Any], storage: Storage) -> Values:
    """What `pack` kept, in float32 (for 'float32' as it was given)."""
    if storage == "float32":
        return kept
    if storage == "float16":
        return kept.astype(np.float32)
    return from_bfloat16(kept)


@dataclass(frozen=True, eq=False)
class KeptRows:
    """Rows in memory as `pack` keeps them, as a source."""

    kept: NDArray[Any]  # (n, d)
    storage: Storage

    @property
    def rows(self) -> int:
        return int(self.kept.shape[0])

    @property
    def dims(self) -> int:
        return int(self.kept.shape[1])

    def read(self, selection: slice | Ids) -> Values:
        return unpack(self.kept[selection], self.storage)

    def sample_rows(self, count: int) -> Ids:
        return np.arange(0, self.rows, max(1, self.rows // count))


@dataclass(frozen=True, eq=False)
class RoundedRows:
    """Another source's rows, rounded to `storage` as they are read."""

    source: Rows
    storage: Storage

    @property
    def rows(self) -> int:
        return self.source.rows

    @property
    def dims(self) -> int:
        return self.source.dims

    def read(self, selection: slice | Ids) -> Values:
        return unpack(pack(self.source.read(selection), self.storage), self.storage)

    def sample_rows(self, count: int) -> Ids:
        return self.source.sample_rows(count)
