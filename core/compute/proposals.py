"""Cheap arithmetic that proposes candidates, with a bound on what it can get wrong.

All give, for each query and row, a lower bound, up to a constant a query, of what neighbours are sorted by ('order'): the
squared distance (l2), 1 - cosine, minus the inner product, or the distance (l1, linf), of the scaled vectors (see
core.compute.vectors).

- `ColumnArithmetic`, on a CPU: one float32 product over rows stored with their norms gives the bounds with no pass over
  (queries, rows) beside it.
- `RowArithmetic`, on a GPU, over rows as they are stored there; only for what core.compute.half_search leaves open.
- `DifferenceArithmetic`, for l1 and linf, which no product helps: absolute differences, one dimension after the other, so that
  never more than a few arrays of (queries, rows) are held; compiled, several dimensions make one pass.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Protocol

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from core.compute import selection
from core.compute.compilation import Pair, pair
from core.compute.rounding import LOST, ROUNDED16, U32
from core.compute.vectors import NORM, ONE, PADDING, SANE_NORMS, SQUARE, Chunk, Vectors
from core.types import Metric

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Prepared:
    """Queries made ready: what the device takes, and what turns its scores into bounds."""

    raw: Doubles  # (q, d)
    inputs: tuple[NDArray[Any], ...]  # each (q, …)
    constant: Doubles  # (q,); -infinity for a wild query, of which float32 products prove nothing

    def on_device(self, batch: slice) -> list[mx.array]:
        return [mx.array(np.ascontiguousarray(a[batch])) for a in self.inputs]


class Arithmetic(Protocol):
    """A way to bound what neighbours are sorted by."""

    bounds: Pair  # (queries' inputs, chunk's arrays) -> bounds of all rows, (q, width)
    one_core: bool  # whether MLX computes them on one core of a CPU

    def prepare(self, raw: Doubles) -> Prepared: ...
    def chunk_arrays(self, chunk: Chunk) -> tuple[mx.array, ...]: ...
    def static(self) -> dict[str, Hashable]: ...


def proposer_for(vectors: Vectors, metric: Metric) -> Arithmetic | None:
    """None where core.compute.half_search proposes."""
    if metric in ("l1", "linf"):
        return DifferenceArithmetic(vectors, metric)
    return ColumnArithmetic(vectors, metric) if vectors.columns else None


def _split(raw: Doubles, vectors: Vectors) -> tuple[Doubles, Doubles, NDArray[np.bool_]]:
    """Queries in the units of the stored rows, their norms, and which are wild; those are set to zero."""
    scaled = raw * vectors.scale
    norms = np.linalg.norm(scaled, axis=1)
    wild = norms > SANE_NORMS[1]
    scaled[wild] = 0.0
    norms[wild] = 0.0
    return scaled, norms, wild


def unit_rows(x: Doubles) -> Doubles:
    """Rows divided by their length; a zero row stays zero."""
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    unit: Doubles = np.divide(x, norms, out=np.zeros_like(x), where=norms > 0)
    return unit


@pair
def select(bounds: mx.array, *, wanted: int, blocks: tuple[int, ...]) -> tuple[mx.array, mx.array]:
    """Of the bounds (q, width) of all rows, the `wanted` smallest of each query and their positions, (q, wanted) each.

    A function of its own beside the arithmetic, so that both can be timed: MLX fuses nothing across them.
    """
    return selection.smallest(bounds, wanted, blocks)


# On a CPU


def column_bounds(queries: mx.array, data: mx.array, inverse_norms: mx.array, *, cosine: bool) -> mx.array:
    """Queries (q, d + 4), rows (d + 4, width) -> (q, width)."""
    products = queries @ data
    return products * inverse_norms if cosine else products


class ColumnArithmetic:
    bounds = pair(column_bounds)
    one_core = False

    def __init__(self, vectors: Vectors, metric: Metric) -> None:
        self._vectors, self._metric = vectors, metric

    def static(self) -> dict[str, Hashable]:
        return {"cosine": self._metric == "cosine"}

    def chunk_arrays(self, chunk: Chunk) -> tuple[mx.array, ...]:
        return chunk.data, chunk.inverse_norms

    def prepare(self, raw: Doubles) -> Prepared:
        vectors, error = self._vectors, self._vectors.error
        shift = vectors.shift.astype(np.float64)
        scaled, norms, wild = _split(raw, vectors)
        lost = vectors.width * LOST
        coefficients = np.zeros((len(raw), vectors.width))
        extra = coefficients[:, vectors.dims :]
        extra[:, PADDING] = 1.0
        if self._metric == "l2":
            # |x - q|² = |x|² - 2 q·x + |q|², all shifted; 2|q||x| <= |q|² + |x|² splits the error between row and query.
            q = scaled - shift
            coefficients[:, : vectors.dims] = -2.0 * q
            extra[:, SQUARE] = 1.0
            constant = (1.0 - 3.0 * error) * np.square(q).sum(axis=1) - lost
        elif self._metric == "inner_product":
            q = scaled
            coefficients[:, : vectors.dims] = -q
            extra[:, NORM] = -2.0 * error * norms - lost
            constant = -scaled @ shift - 1e-12 * np.abs(scaled) @ np.abs(shift) - lost
        else:
            q = unit_rows(scaled)
            coefficients[:, : vectors.dims] = -q
            extra[:, NORM] = -2.0 * error
            extra[:, ONE] = -q @ shift - 2.0 * error * np.linalg.norm(shift) - lost
            constant = np.full(len(raw), 1.0 - 4.0 * error)
        constant[wild] = -np.inf
        return Prepared(raw, (coefficients.astype(np.float32),), constant)


# On a GPU, where core.compute.half_search leaves a doubt


def row_bounds(
    queries: mx.array,
    terms: mx.array,
    data: mx.array,
    base: mx.array,
    norms: mx.array,
    inverse_norms: mx.array,
    *,
    cosine: bool,
) -> mx.array:
    """Queries (q, d), their terms (q, 2), rows (width, d) -> (q, width): base - q·x - terms₀ |x| - terms₁."""
    scores = base - queries @ data.T - terms[:, 0:1] * norms - terms[:, 1:2]
    return scores * inverse_norms if cosine else scores


class RowArithmetic:
    bounds = pair(row_bounds)
    one_core = False

    def __init__(self, vectors: Vectors, metric: Metric) -> None:
        self._vectors, self._metric = vectors, metric
        # Where only halves are kept, entries that were subnormal numbers have lost digits.
        self._error = 2.0 * vectors.error + (float(np.sqrt(vectors.dims)) * ROUNDED16 if vectors.halves_only else 0.0)

    def static(self) -> dict[str, Hashable]:
        return {"cosine": self._metric == "cosine"}

    def chunk_arrays(self, chunk: Chunk) -> tuple[mx.array, ...]:
        assert chunk.half is not None
        base = chunk.half.squares if self._metric == "l2" else chunk.half.bias
        return chunk.data, base, chunk.half.norms, chunk.inverse_norms

    def prepare(self, raw: Doubles) -> Prepared:
        vectors, error = self._vectors, self._error
        shift = vectors.shift.astype(np.float64)
        scaled, norms, wild = _split(raw, vectors)
        lost = vectors.dims * LOST
        terms = np.zeros((len(raw), 2))
        if self._metric == "l2":
            q = 2.0 * (scaled - shift)
            squares = np.square(q).sum(axis=1) / 4.0
            terms[:, 0] = 2.0 * error * np.sqrt(squares)
            constant = (1.0 - 6.0 * vectors.error) * squares - lost
        elif self._metric == "inner_product":
            q = scaled
            terms[:, 0] = 2.0 * error * norms
            constant = -q @ shift - 1e-12 * np.abs(q) @ np.abs(shift) - lost
        else:
            q = unit_rows(scaled)
            terms[:, 0] = 2.0 * error
            terms[:, 1] = q @ shift + 4.0 * vectors.error * np.linalg.norm(shift) + lost
            constant = np.full(len(raw), 1.0 - 4.0 * vectors.error)
        constant[wild] = -np.inf
        return Prepared(raw, (q.astype(np.float32), terms.astype(np.float32)), constant)


# For l1 and linf


def difference_bounds(
    queries: mx.array,
    slack: mx.array,
    data: mx.array,
    base: mx.array,
    norms: mx.array,
    *,
    metric: Metric,
    columns: bool,
    dims: int,
) -> mx.array:
    """Queries (q, d), their slack (q, 1), rows (d…, width) or (width, d) -> (q, width)."""
    totals = mx.zeros((queries.shape[0], norms.shape[0]))
    for i in range(dims):
        away = mx.abs((data[i] if columns else data[:, i]) - queries[:, i : i + 1])
        totals = totals + away if metric == "l1" else mx.maximum(totals, away)
    return base + totals * (1.0 - 1.01 * (dims + 8) * U32) - slack - slack_share(dims) * norms


def slack_share(dims: int) -> float:
    """What the rounding of a stored row may move it by, for each unit of its norm, in l1 and so in linf."""
    return 2.02 * U32 * float(np.sqrt(dims))


class DifferenceArithmetic:
    bounds = pair(difference_bounds)
    one_core = True

    def __init__(self, vectors: Vectors, metric: Metric) -> None:
        self._vectors, self._metric = vectors, metric

    def static(self) -> dict[str, Hashable]:
        return {"metric": self._metric, "columns": self._vectors.columns, "dims": self._vectors.dims}

    def chunk_arrays(self, chunk: Chunk) -> tuple[mx.array, ...]:
        if chunk.half is not None:
            return chunk.data, chunk.half.bias, chunk.half.norms
        dims = self._vectors.dims
        return chunk.data, chunk.data[dims + PADDING], chunk.data[dims + NORM]

    def prepare(self, raw: Doubles) -> Prepared:
        vectors = self._vectors
        scaled, _, wild = _split(raw, vectors)
        q = scaled - vectors.shift.astype(np.float64)
        slack = slack_share(vectors.dims) * np.linalg.norm(q, axis=1) + vectors.dims * LOST
        constant = np.where(wild, -np.inf, 0.0)
        direct = q.astype(np.float32)
        return Prepared(raw, (direct, slack[:, None].astype(np.float32)), constant)
