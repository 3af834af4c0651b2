"""Cheap arithmetic that proposes candidates, with a bound on what it can get wrong.

Both ways give, for each query and row, a lower bound, up to a constant a query, of what neighbours are sorted by ('order'): the
squared distance (l2), 1 - cosine, minus the inner product, or the distance (l1, linf), of the scaled vectors (see
core.compute.vectors).

- `ColumnArithmetic`, on a CPU: one float32 product over rows stored with their norms gives the bounds with no pass over
  (queries, rows) beside it.
- `HalfArithmetic`, on a GPU: the product is taken of a float16 copy of the rows, half the bytes and many times the rate; norms
  and error bounds are applied in float32, in one kernel when compiled.
- `DifferenceArithmetic`, for l1 and linf, which no product helps: absolute differences, one dimension after the other, so that
  never more than a few arrays of (queries, rows) are held; compiled, several dimensions make one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Protocol

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from core.compute import selection
from core.compute.compilation import Pair, pair
from core.compute.vectors import NORM, ONE, PADDING, SANE_NORMS, SQUARE, Chunk, Vectors, half_exponent
from core.types import Metric

Doubles = NDArray[np.float64]

# What products below float32's normal range may lose, a term, even where a device rounds them to zero.
LOST = 2.0**-125
# Unit roundoff of float32, and of float16 with what a device may lose by rounding its subnormal numbers to zero.
U32, U16, LOST16 = 2.0**-24, 2.0**-11, 2.0**-14


@dataclass(frozen=True)
class Prepared:
    """Queries made ready: what the device takes, and what turns its scores into bounds."""

    raw: Doubles  # (q, d)
    direct: NDArray[np.float32]  # (q, d) in the units of the stored rows: shifted (l2), plain, or unit (cosine)
    inputs: tuple[NDArray[Any], ...]  # each (q, …)
    constant: Doubles  # (q,); -infinity for a wild query, of which float32 products prove nothing

    def on_device(self, batch: slice) -> list[mx.array]:
        return [mx.array(np.ascontiguousarray(a[batch])) for a in self.inputs]


class Arithmetic(Protocol):
    """A way to propose candidates."""

    propose: Pair  # (queries' inputs, chunk's arrays) -> k smallest bounds and their positions, (q, k) each
    bounds: Pair  # likewise -> bounds of all rows, (q, width)

    def prepare(self, raw: Doubles) -> Prepared: ...
    def chunk_arrays(self, chunk: Chunk) -> tuple[mx.array, ...]: ...
    def static(self) -> dict[str, Hashable]: ...
    def wanted(self, k: int) -> int: ...


def arithmetic_for(vectors: Vectors, metric: Metric) -> Arithmetic:
    if metric in ("l1", "linf"):
        return DifferenceArithmetic(vectors, metric)
    return ColumnArithmetic(vectors, metric) if vectors.columns else HalfArithmetic(vectors, metric)


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


def proposing(bounds: Callable[..., mx.array]) -> Pair:
    """A pair that selects from the `bounds` of all rows: the k smallest of each query and their positions, (q, k) each."""

    def propose(*arrays: mx.array, k: int, blocks: tuple[int, ...], **static: Hashable) -> tuple[mx.array, mx.array]:
        return selection.smallest(bounds(*arrays, **static), k, blocks)

    return pair(propose)


# On a CPU


def column_bounds(queries: mx.array, data: mx.array, inverse_norms: mx.array, *, cosine: bool) -> mx.array:
    """Queries (q, d + 4), rows (d + 4, width) -> (q, width)."""
    products = queries @ data
    return products * inverse_norms if cosine else products


class ColumnArithmetic:
    propose = proposing(column_bounds)
    bounds = pair(column_bounds)

    def __init__(self, vectors: Vectors, metric: Metric) -> None:
        self._vectors, self._metric = vectors, metric

    def wanted(self, k: int) -> int:
        return k + max(16, k // 4)

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
        return Prepared(raw, q.astype(np.float32), (coefficients.astype(np.float32),), constant)


# On a GPU


def half_bounds(
    queries: mx.array,
    terms: mx.array,
    half: mx.array,
    back: mx.array,
    base: mx.array,
    norms: mx.array,
    inverse_norms: mx.array,
    *,
    cosine: bool,
) -> mx.array:
    """Queries (q, d) float16, their terms (q, 3) float32, rows (width, d) float16 -> (q, width) float32.

    base - terms₀ (q·x) - terms₁ |x| - terms₂, times 1/|x| for the cosine; `back` (width,) undoes the scaling of each row.
    """
    products = (queries @ half.T).astype(mx.float32) * back
    scores = base - terms[:, 0:1] * products - terms[:, 1:2] * norms - terms[:, 2:3]
    return scores * inverse_norms if cosine else scores


class HalfArithmetic:
    """The float16 product of q and x, both scaled to a norm of 16..32, is off by at most error |q||x|: each factor rounded, the
    result rounded, the sum taken in float32, and entries too small for float16 lost.
    """

    propose = proposing(half_bounds)
    bounds = pair(half_bounds)

    def __init__(self, vectors: Vectors, metric: Metric) -> None:
        self._vectors, self._metric = vectors, metric
        lost = float(np.sqrt(vectors.dims)) * LOST16 / 16
        self._error = 1.01 * (3 * U16 + (vectors.dims + 8) * U32 + 2 * lost)

    def wanted(self, k: int) -> int:
        # Wider bounds than float32's: more candidates for the proof to succeed.
        return k + max(48, k // 2)

    def static(self) -> dict[str, Hashable]:
        return {"cosine": self._metric == "cosine"}

    def chunk_arrays(self, chunk: Chunk) -> tuple[mx.array, ...]:
        assert chunk.half is not None
        base = chunk.half.squares if self._metric == "l2" else chunk.half.bias
        return chunk.half.rows, chunk.half.back, base, chunk.half.norms, chunk.inverse_norms

    def prepare(self, raw: Doubles) -> Prepared:
        vectors, error32 = self._vectors, self._vectors.error
        shift = vectors.shift.astype(np.float64)
        scaled, norms, wild = _split(raw, vectors)
        factor = 2.0 if self._metric == "l2" else 1.0
        q = scaled - shift if self._metric == "l2" else scaled if self._metric == "inner_product" else unit_rows(scaled)
        lengths = np.linalg.norm(q, axis=1)
        to_half = np.exp2(half_exponent(lengths))
        halves = q * to_half[:, None]
        terms = np.zeros((len(raw), 3))
        terms[:, 0] = factor / to_half
        terms[:, 1] = factor * self._error * lengths + LOST
        if self._metric == "l2":
            constant = (1.0 - 6.0 * error32) * np.square(q).sum(axis=1) - 1e-36
        elif self._metric == "inner_product":
            terms[:, 1] += 4.0 * error32 * norms
            constant = -q @ shift - 1e-12 * np.abs(q) @ np.abs(shift) - 1e-36
        else:
            terms[:, 1] += 4.0 * error32
            terms[:, 2] = q @ shift + 4.0 * error32 * np.linalg.norm(shift) + 1e-36
            constant = np.full(len(raw), 1.0 - 4.0 * error32)
        constant[wild] = -np.inf
        return Prepared(raw, q.astype(np.float32), (halves.astype(np.float16), terms.astype(np.float32)), constant)


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
    propose = proposing(difference_bounds)
    bounds = pair(difference_bounds)

    def __init__(self, vectors: Vectors, metric: Metric) -> None:
        self._vectors, self._metric = vectors, metric

    def wanted(self, k: int) -> int:
        return k + max(16, k // 4)

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
        return Prepared(raw, direct, (direct, slack[:, None].astype(np.float32)), constant)
