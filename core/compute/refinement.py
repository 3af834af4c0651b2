"""Candidates put in order on the device: distances computed directly in float32, with a bound on their error.

On a GPU a batch of queries has tens of thousands of candidates, too many to compute on the host. Where two neighbours lie
closer than the error allows to tell, the host still decides (core.compute.knn).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from core.compute.compilation import pair
from core.compute.proposals import U32, Doubles
from core.compute.vectors import Chunk, Vectors
from core.types import Metric, Mode


@pair
def direct(
    queries: mx.array,
    data: mx.array,
    norms: mx.array,
    inverse_norms: mx.array,
    bias: mx.array,
    positions: mx.array,
    *,
    metric: Metric,
    groups: int,
) -> tuple[mx.array, mx.array, mx.array, mx.array]:
    """What sorts the candidates (q, k), less a constant a query; their shifted norms, inverse norms and biases.

    Sums are taken in `groups` and then over these: short chains of additions in whatever order a device likes, so that the error
    bound holds on all.
    """
    rows = data[positions]
    terms = mx.square(rows - queries[:, None, :]) if metric == "l2" else -rows * queries[:, None, :]
    order = terms.reshape(*terms.shape[:-1], groups, -1).sum(axis=-1).sum(axis=-1)
    return order, norms[positions], inverse_norms[positions], bias[positions]


@dataclass(frozen=True)
class Refined:
    """Of each candidate, (q, k) each, float64."""

    order: Doubles
    error: Doubles  # at most


class Refinement:
    def __init__(self, vectors: Vectors, metric: Metric) -> None:
        self._vectors, self._metric = vectors, metric
        # The divisor of d nearest its root: a chain of d/g + g additions instead of d.
        self._groups = max(g for g in range(1, math.isqrt(vectors.dims) + 1) if vectors.dims % g == 0)
        self._chain = (vectors.dims // self._groups + self._groups + 8) * U32

    def start(self, mode: Mode, queries: NDArray[np.float32], chunk: Chunk, positions: mx.array) -> tuple[mx.array, ...]:
        """Lazy outputs of `direct` for queries of a batch, as they are prepared."""
        assert chunk.half is not None
        half = chunk.half
        inputs = (mx.array(queries), chunk.data, half.norms, chunk.inverse_norms, half.bias, positions)
        found: tuple[mx.array, ...] = direct(mode, *inputs, metric=self._metric, groups=self._groups)
        return found

    def finish(self, queries: NDArray[np.float32], outputs: tuple[mx.array, ...]) -> Refined:
        """The order with its constant, and how far off it may be."""
        order, norms, inverse, bias = (np.array(a) for a in outputs)
        order = order.astype(np.float64)
        lengths = np.linalg.norm(queries, axis=1, keepdims=True)
        if self._metric == "l2":
            # Row and query are each off by a rounding, which shifts a small distance by as much.
            moved = 2 * U32 * (norms + lengths)
            error = self._chain * order + 2 * np.sqrt(order) * moved + moved**2
        else:
            constant = (queries.astype(np.float64) @ self._vectors.shift)[:, None]
            order -= constant
            error = (self._chain + 4 * U32) * lengths * norms + 2 * U32 * lengths * np.linalg.norm(self._vectors.shift)
            if self._metric == "cosine":
                order = 1.0 + order * inverse
                error = error * inverse + self._vectors.error * (np.abs(order) + 1.0)
        # Of a wild row the device holds only zeros.
        return Refined(order, np.where(bias < 0, np.inf, error))


def separated(order: Doubles, error: Doubles, k: int) -> NDArray[np.bool_]:
    """Whether the first k of each row of sorted `order` (q, c) are told apart from each other and from all after them, (q,)."""
    lowest_after = np.minimum.accumulate((order - error)[:, ::-1], axis=1)[:, ::-1][:, 1 : k + 1]
    return np.asarray((lowest_after > (order + error)[:, :k]).all(axis=1))
