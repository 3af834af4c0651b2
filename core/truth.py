"""The true neighbours that came with a file, to compare ours with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

TruthMetric = Literal["l2", "cosine", "inner_product"]


@dataclass(frozen=True, eq=False)
class Truth:
    """Queries and the rows nearest to each, nearest first."""

    queries: NDArray[Any]  # (q, d)
    neighbours: NDArray[np.integer[Any]]  # (q, k) rows
    distance: str  # as the file calls it
    metric: TruthMetric | None  # ours, or None for one that is not computed here

    @property
    def k(self) -> int:
        return int(self.neighbours.shape[1])
