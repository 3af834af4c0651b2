"""The search on a GPU, as one program that runs on the device and hands over k neighbours a query.

1. A product of float16 rows, half the bytes and many times the rate of float32, gives each row a lower bound of what neighbours
   are sorted by, its error in float32 taken off. The rows with the smallest bounds are the candidates.
2. Their distances are computed directly in float32, with a bound on their error.
3. A query is settled if its k nearest candidates are told apart from each other and from all others by more than these errors,
   and if no row left out can lie below the k-th. Where float32 cannot settle it, core.compute.search does, on the host.

The 'order' that neighbours are sorted by is, in the units of the stored rows: the squared distance (l2), minus the product with
the shifted row (inner_product), minus the cosine times the query's length (cosine).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from core.compute import kernels, selection
from core.compute.compilation import pair
from core.compute.nearest_kernels import FUSED_QUERIES, Way, block_length, plan, smallest_bounds
from core.compute.proposals import LOST, ROUNDED16, U16, U32, Doubles
from core.compute.timing import fence
from core.compute.vectors import PAD, SANE_NORMS, WILD, Chunk, Poll, Report, Vectors
from core.types import DeviceKind, Floats, Ids, Metric, Mode

# What a device may lose of a float16 product of norms 16 or more, times the root of d, by taking subnormal numbers for zero.
LOST16 = 2.0**-14 / 16


Candidates = tuple[mx.array, mx.array, mx.array, mx.array]  # as `candidates` gives them


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


def halved(q: mx.array, shift_products: mx.array, shift_length: float, metric: Metric) -> tuple[mx.array, mx.array, mx.array]:
    """Queries (q, d) in float16, scaled to a norm of 16..32; the terms (q, 3) of their bounds; and their lengths (q, 1).

    The float16 product of q and x, both scaled so, is off by at most error |q||x|: each factor rounded, the result rounded, the
    sum taken in float32, and entries too small for float16 lost.
    """
    dims = q.shape[1]
    error = 1.01 * (3 * U16 + (dims + 8) * U32 + 2 * math.sqrt(dims) * LOST16)
    largest = mx.abs(q).max(axis=1, keepdims=True)
    lengths = largest * mx.sqrt(mx.square(q / mx.maximum(largest, 1e-37)).sum(axis=1, keepdims=True))
    scaling = mx.power(2.0, mx.clip(5.0 - mx.ceil(mx.log2(mx.where(lengths > 0, lengths, 32.0))), -120, 120))
    factor = 2.0 if metric == "l2" else 1.0
    rounding = 0.0 if metric == "l2" else 4.0 * chain_error(dims)
    slope = (factor * error + rounding) * lengths + LOST
    offset = mx.zeros_like(lengths)
    if metric == "cosine":
        offset = shift_products + 4.0 * chain_error(dims) * shift_length * lengths + 1e-36
    return (q * scaling).astype(mx.float16), mx.concatenate([factor / scaling, slope, offset], axis=1), lengths


def chain_error(dims: int) -> float:
    """What a float32 sum of so many terms is off by at most, in any order, as a share of the sum of their magnitudes."""
    return 1.01 * (dims + 12) * U32


@pair
def candidates(
    q: mx.array,
    own: mx.array,
    shift: mx.array,
    shift_products: mx.array,
    rows32: mx.array,
    half: mx.array,
    back: mx.array,
    squares: mx.array,
    norms: mx.array,
    bias: mx.array,
    inverse_norms: mx.array,
    *,
    metric: Metric,
    wanted: int,
    way: Way,
    blocks: tuple[int, ...],
    shift_length: float,
    halves_only: bool,
    complete: bool,
) -> tuple[mx.array, mx.array, mx.array, mx.array]:
    """Of queries q (q, d), the `wanted` rows of a chunk with the smallest bounds: order, its error, position, (q, wanted) each;
    and below what order (q,) no row lies that is left out, nothing if the candidates are `complete`.

    `own` (q, 1) is the position of a row to leave out, or -1; `shift_products` (q, 1) are products of q with the `shift` (d,).
    """
    dims = q.shape[1]
    halves, terms, lengths = halved(q, shift_products, shift_length, metric)
    base = squares if metric == "l2" else bias
    rows = (half, back, base, norms, inverse_norms)
    if way == "plain":
        bounds = half_bounds(halves, terms, *rows, cosine=metric == "cosine")
        lowest, positions = selection.smallest(bounds, wanted, blocks)
    else:
        block = block_length(half.shape[0], wanted)
        lowest, positions = smallest_bounds(halves, terms, *rows, cosine=metric == "cosine", k=wanted, block=block, way=way)
    x = rows32[positions]
    if halves_only:
        x = x.astype(mx.float32) * back[positions][:, :, None]
    order, error = direct(q, x, lengths, norms[positions], shift, shift_products, metric, halves_only)
    if metric == "cosine":
        # Every row is at the same distance from a zero vector; squares of a tiny one have vanished.
        order = mx.where(inverse_norms[positions] == 0, 0.0, order)
        error = mx.where(inverse_norms[positions] == 0, 0.0, mx.where(inverse_norms[positions] > 1e12, mx.inf, error))
    error = mx.where(lowest < WILD / 10, mx.inf, error)  # of a wild row the device holds only zeros
    real = (lowest < PAD / 10) & (positions.astype(mx.int32) != own)
    order = mx.where(real, order, mx.inf)
    error = mx.where(real, error, 0.0)
    nothing_left = mx.full((q.shape[0],), mx.inf)
    left_out = nothing_left if complete else _left_out(lowest.max(axis=1), lengths[:, 0], dims, metric)
    return order, error, positions, left_out


def _left_out(bound: mx.array, lengths: mx.array, dims: int, metric: Metric) -> mx.array:
    """A bound (q,) as an order: with the query's share, and less what adding it may round away."""
    error = chain_error(dims)
    known = bound > WILD / 10  # else there are more wild rows than candidates
    if metric == "l2":
        square = mx.square(lengths) * (1.0 - 8.0 * error)
        bound = bound + square - 4.0 * U32 * (mx.abs(bound) + square) - 1e-36
    elif metric == "inner_product":
        bound = bound - 4.0 * U32 * mx.abs(bound) - 1e-36
    else:
        bound = bound - 4.0 * error * lengths
    sane = lengths <= SANE_NORMS[1]  # written so that a length of infinity or NaN is not
    return mx.where(sane & known, bound, -mx.inf)


def direct(
    q: mx.array,
    x: mx.array,
    lengths: mx.array,
    norms: mx.array,
    shift: mx.array,
    shift_products: mx.array,
    metric: Metric,
    halves_only: bool,
) -> tuple[mx.array, mx.array]:
    """Order of rows x (q, c, d) and what it may be off by at most, (q, c) each.

    Sums are taken in groups and then over these: short chains of additions in whatever order a device likes, so that the error
    bound holds on all.
    """
    dims = q.shape[1]
    groups = _groups(dims)
    chain = 1.01 * (dims // groups + groups + 8) * U32
    lost = dims * LOST
    # What the rounding of a row moves it by, for each unit of its norm.
    share = 2.0 * U32 + (math.sqrt(dims) * ROUNDED16 if halves_only else 0.0)
    if metric == "l2":
        order = _sum(mx.square(x - q[:, None, :]), groups)
        # Row and query are each off by a rounding, which shifts a small distance by as much.
        moved = 1.01 * (share * norms + 2.0 * U32 * lengths)
        return order, 1.01 * (chain * order + 2 * mx.sqrt(order) * moved + mx.square(moved)) + lost
    order = _sum(-x * q[:, None, :], groups)
    error = 1.01 * (chain + 2 * U32 + share) * lengths * norms + lost
    if metric == "inner_product":
        return order, error
    whole = mx.sqrt(_sum(mx.square(x + shift), groups))
    inverse = mx.where(whole > 0, 1.0 / mx.maximum(whole, 1e-30), 0.0)
    order = (order - shift_products) * inverse
    error = (error + 4 * U32 * mx.abs(shift_products)) * inverse
    return order, 1.01 * (error + mx.abs(order) * (chain + 4 * U32 + 2 * share * norms * inverse))


def _sum(terms: mx.array, groups: int) -> mx.array:
    return terms.reshape(*terms.shape[:-1], groups, -1).sum(axis=-1).sum(axis=-1)


def _groups(dims: int) -> int:
    """The divisor of `dims` nearest its root: a chain of d/g + g additions instead of d."""
    return max(g for g in range(1, math.isqrt(dims) + 1) if dims % g == 0)


@pair
def settle(
    order: mx.array, error: mx.array, numbers: mx.array, left_out: mx.array, *, k: int
) -> tuple[mx.array, mx.array, mx.array]:
    """The k first of candidates (q, c) by order, their numbers, (q, k) each; and whether that is beyond doubt, (q,)."""
    sorting = mx.argsort(order, axis=1)
    order, error, numbers = (mx.take_along_axis(a, sorting, axis=1) for a in (order, error, numbers))
    beyond = mx.full((order.shape[0], 1), mx.inf)
    lowest_after = mx.cummin(mx.concatenate([order - error, beyond], axis=1), axis=1, reverse=True)[:, 1 : k + 1]
    highest = order + error
    settled = (lowest_after > highest[:, :k]).all(axis=1) & (highest[:, k - 1] < left_out)
    return order[:, :k], numbers[:, :k], settled


@dataclass(frozen=True)
class HalfFound:
    """What the device found for q queries."""

    order: Doubles  # (q, k), of the scaled rows, as core.compute.search means it
    rows: Ids  # (q, k) rows of the file
    settled: NDArray[np.bool_]  # (q,) whether that is beyond doubt
    candidates: Ids  # (q, c) rows of the file, -1 where there is none; only where a query is not settled
    left_out: Doubles  # (q,) no row that is no candidate has an order below this
    bytes_read: int


@dataclass(frozen=True)
class _Prepared:
    q: Floats  # (q, d) in the units of the stored rows
    shift_products: Floats  # (q, 1)
    constant: Doubles  # (q, 1) order here times `unit` plus this is the order that core.compute.search means
    unit: Doubles  # (q, 1)


class HalfSearch:
    """Searches `vectors`, in the layout of a GPU, under l2, cosine or inner_product.

    `use_kernel` takes core.compute.nearest_kernels or leaves them; None takes them where they are measured to be faster.
    """

    def __init__(self, vectors: Vectors, metric: Metric, kind: DeviceKind, use_kernel: bool | None = None) -> None:
        if use_kernel:
            kernels.require()
        self._vectors, self._metric, self._kind, self._use_kernel = vectors, metric, kind, use_kernel
        self._shift = mx.array(vectors.shift)
        self._static: dict[str, Any] = {
            "metric": metric,
            "shift_length": float(np.linalg.norm(vectors.shift.astype(np.float64))),
            "halves_only": vectors.halves_only,
        }

    def search(self, raw: NDArray[np.floating[Any]], k: int, own: Ids, mode: Mode, poll: Poll, report: Report) -> HalfFound:
        """The k nearest rows of queries `raw` (q, d); `own` (q,) are rows of the file to leave out, or -1."""
        prepared = self._prepare(raw)
        numbers = np.where(own < 0, -1, self._vectors.numbers(own))
        # Half-precision bounds are wide: more candidates for the proof to succeed. In steps, so that few shapes are compiled;
        # the query's own row may be among them.
        wanted = -(-(k + 1 + max(48, k // 2)) // 16) * 16
        step = self._batch(wanted)
        batches = [slice(start, start + step) for start in range(0, len(raw), step)]
        arrays = [(mx.array(prepared.q[b]), mx.array(prepared.shift_products[b]), numbers[b]) for b in batches]
        found: list[list[Candidates]] = [[] for _ in batches]
        bytes_read = 0
        # Every chunk serves all batches before the next: where vectors stream, to read it is what costs.
        for chunk in self._vectors.chunks(poll, report):
            for batch, queries in zip(found, arrays, strict=True):
                poll()
                batch.append(self._search_chunk(*queries, chunk, wanted, mode))
                if len(batches) > 1 or not self._vectors.resident:
                    mx.eval(*batch[-1])
                bytes_read += chunk.scanned_bytes
        parts = [self._settle(batch, k, mode) for batch in found]
        order, rows, settled, others, left_out = (np.concatenate(part) for part in zip(*parts, strict=True))
        return HalfFound(
            order * prepared.unit + prepared.constant,
            rows,
            settled,
            others,
            left_out * prepared.unit[:, 0] + prepared.constant[:, 0],
            bytes_read,
        )

    def way(self, queries: int) -> Way:
        """How so many queries at once are searched."""
        if self._use_kernel is None:
            return plan(self._kind, queries)
        return "plain" if not self._use_kernel else "fused" if queries <= FUSED_QUERIES["cuda"] else "product"

    def _batch(self, wanted: int) -> int:
        """Queries to take at once: so many that scores, and the rows of the candidates, fit the memory there is for work."""
        vectors = self._vectors
        scores = selection.scores_at_once(self._kind, vectors.working_bytes) // min(vectors.step, vectors.source.rows)
        return max(1, min(scores, vectors.working_bytes // (12 * vectors.dims * wanted)))

    def _settle(self, found: list[Candidates], k: int, mode: Mode) -> tuple[Doubles, Ids, NDArray[np.bool_], Ids, Doubles]:
        """Of a batch: order, rows, whether settled, rows of all candidates if one is not, and the bound of those left out."""
        order, error, numbers = (_joined([f[i] for f in found]) for i in range(3))
        left_out = found[0][3] if len(found) == 1 else mx.stack([f[3] for f in found]).min(axis=0)
        nearest, at, settled = settle(mode, order, error, numbers, left_out, k=k)
        fence(nearest, at, settled, left_out)
        done = np.array(settled)
        others = np.full((len(done), order.shape[1]), -1)
        if not done.all():
            others = self._vectors.file_rows(np.array(numbers).astype(np.int64))
            others[np.isinf(np.array(order))] = -1
        rows = self._vectors.file_rows(np.array(at).astype(np.int64))
        return np.array(nearest).astype(np.float64), rows, done, others, np.array(left_out).astype(np.float64)

    def _search_chunk(self, q: mx.array, shift_products: mx.array, own: Ids, chunk: Chunk, wanted: int, mode: Mode) -> Candidates:
        """As `candidates`, with numbers among the kept rows in place of positions."""
        half = chunk.half
        assert half is not None
        width = chunk.ones.shape[0]
        wanted = min(wanted, width)
        here = np.where((own >= chunk.first) & (own < chunk.first + chunk.rows), own - chunk.first, -1)
        order, error, positions, left_out = candidates(
            mode,
            q,
            mx.array(here[:, None].astype(np.int32)),
            self._shift,
            shift_products,
            half.rows if chunk.stored is None else chunk.stored,
            half.rows,
            half.back,
            half.squares,
            half.norms,
            half.bias,
            chunk.inverse_norms,
            **self._static,
            wanted=wanted,
            way=self.way(q.shape[0]),
            blocks=selection.block_sizes(self._kind, width, wanted),
            complete=wanted >= chunk.rows,
        )
        return order, error, positions + chunk.first if chunk.first else positions, left_out

    def _prepare(self, raw: NDArray[np.floating[Any]]) -> _Prepared:
        vectors = self._vectors
        # In float32 where the queries are: a power of two and one subtraction leave nothing to round twice.
        q: NDArray[Any] = raw if vectors.scale == 1.0 else raw * raw.dtype.type(vectors.scale)
        zero, one = np.zeros((len(raw), 1)), np.ones((len(raw), 1))
        with np.errstate(over="ignore", invalid="ignore"):
            if self._metric == "l2":
                q = q - vectors.shift
                return _Prepared(q.astype(np.float32, copy=False), zero.astype(np.float32), zero, one)
            if self._metric == "cosine":
                # A power of two changes no cosine and keeps squares in range.
                q = np.ldexp(raw, -np.frexp(np.abs(raw).max(axis=1, keepdims=True))[1])
            products: Doubles = (q @ vectors.shift.astype(np.float64))[:, None]
        q32, products32 = q.astype(np.float32, copy=False), products.astype(np.float32)
        if self._metric == "inner_product":
            return _Prepared(q32, products32, -products, one)
        lengths = np.sqrt(np.einsum("ij,ij->i", q, q, dtype=np.float64))[:, None]
        unit: Doubles = np.divide(1.0, lengths, out=zero, where=lengths > 0)
        return _Prepared(q32, products32, one, unit)


def _joined(parts: list[mx.array]) -> mx.array:
    return parts[0] if len(parts) == 1 else mx.concatenate(parts, axis=1)
