"""Where a fitted linear projection puts vectors, those that are no row of its data set included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class LinearMap:
    directions: NDArray[np.float32]  # (d, a), orthonormal columns
    origin: NDArray[np.float64]  # (d,) what is mapped onto 0
    unit_length: bool  # vectors are divided by their length first

    def place(self, vector: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """The coordinates (a,) of a finite vector (d,)."""
        wide = vector.astype(np.float64)
        if self.unit_length and (length := float(np.linalg.norm(wide))) > 0:
            wide = wide / length
        return np.asarray((wide - self.origin) @ self.directions)
