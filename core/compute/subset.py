"""Some rows of a source: as a source of their own, and their mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.compute.vectors import Poll, Report, Rows, no_poll, no_report, strip_rows
from core.errors import UserError
from core.types import Ids


@dataclass(frozen=True, eq=False)
class SomeRows:
    """The rows `chosen` (m,), sorted, of another source."""

    source: Rows
    chosen: Ids

    @property
    def rows(self) -> int:
        return len(self.chosen)

    @property
    def dims(self) -> int:
        return self.source.dims

    def read(self, selection: slice | Ids) -> NDArray[np.floating[Any]]:
        return self.source.read(self.chosen[selection])

    def sample_rows(self, count: int) -> Ids:
        return np.unique(np.linspace(0, self.rows - 1, min(count, self.rows)).astype(np.int64))


def mean_of(source: Rows, rows: Ids, poll: Poll = no_poll, report: Report = no_report) -> NDArray[np.float64]:
    """The mean (d,) of some rows, summed in float64 strip by strip. Raises UserError if float64 cannot hold it."""
    summed = np.zeros(source.dims)
    step = strip_rows(source.dims)
    for start in range(0, len(rows), step):
        poll()
        with np.errstate(over="ignore", invalid="ignore"):
            summed += source.read(rows[start : start + step]).sum(axis=0, dtype=np.float64)
        if start // step % 32 == 0:
            report("Finding the mean", start, len(rows))
    if not len(rows) or not np.isfinite(summed).all():
        raise UserError(f"The {len(rows):,} selected rows have no mean within range; select rows of finite, smaller values.")
    return summed / len(rows)
