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
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from core.compute import kernels, refine_kernels, selection
from core.compute.compilation import pair
from core.compute.nearest_kernels import FUSED_QUERIES, block_length, plan, smallest_bounds
from core.compute.proposals import Doubles
from core.compute.rounding import LOST, U32, chain_error, half_error, row_share
from core.compute.timing import Stopwatch
from core.compute.vectors import PAD, SANE_NORMS, WILD, Chunk, Poll, Report, Vectors
from core.types import DeviceKind, Floats, Ids, Metric, Mode, Way

# Candidates up to which a kernel computes and sorts those of a single query, on one core of the GPU; of many queries, all it can.
FEW_CANDIDATES, MANY_QUERIES = 256, 32


@dataclass(frozen=True)
class Candidates:
    """Of q queries in one chunk, or in all; lazy."""

    order: mx.array  # (q, c)
    error: mx.array  # (q, c) what it may be off by
    numbers: mx.array  # (q, c) positions in the chunk, or numbers among the kept rows
    left_out: mx.array  # (q,) no row that is no candidate has an order below this

    @property
    def arrays(self) -> list[mx.array]:
        return [self.order, self.error, self.numbers, self.left_out]


@dataclass(frozen=True)
class Settled:
    """Candidates of q queries in one chunk, sorted by order, with whether the k first are beyond doubt; lazy."""

    bits: mx.array  # as core.compute.refine_kernels.packed makes them, with positions in the chunk for numbers
    first: int  # number of the chunk's first position

    @property
    def arrays(self) -> list[mx.array]:
        return [self.bits]

    @property
    def apart(self) -> Candidates:
        order, error, positions, _, left_out = refine_kernels.unpacked(self.bits)
        return Candidates(order, error, positions + self.first, left_out)


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
    """Queries (q, d) in float16, scaled to a norm of 16..32; the terms (q, 3) of their bounds; and their lengths (q, 1)."""
    dims = q.shape[1]
    largest = mx.abs(q).max(axis=1, keepdims=True)
    lengths = largest * mx.sqrt(mx.square(q / mx.maximum(largest, 1e-37)).sum(axis=1, keepdims=True))
    scaling = mx.power(2.0, mx.clip(5.0 - mx.ceil(mx.log2(mx.where(lengths > 0, lengths, 32.0))), -120, 120))
    factor = 2.0 if metric == "l2" else 1.0
    rounding = 0.0 if metric == "l2" else 4.0 * chain_error(dims)
    slope = (factor * half_error(dims) + rounding) * lengths + LOST
    offset = mx.zeros_like(lengths)
    if metric == "cosine":
        offset = shift_products + 4.0 * chain_error(dims) * shift_length * lengths + 1e-36
    return (q * scaling).astype(mx.float16), mx.concatenate([factor / scaling, slope, offset], axis=1), lengths


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
    rows = (half, back, squares if metric == "l2" else bias, norms, inverse_norms)
    lowest, positions = _smallest(halves, terms, rows, metric, wanted, way, blocks)
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


@pair
def refined_candidates(
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
    k: int,
    way: Way,
    shift_length: float,
    complete: bool,
) -> mx.array:
    """As `candidates`, by custom kernels throughout, sorted, with whether the `k` first are settled; as `Settled.bits`."""
    halves, terms, lengths = refine_kernels.prepare(q, shift_products, metric=metric, shift_length=shift_length)
    rows = (half, back, squares if metric == "l2" else bias, norms, inverse_norms)
    lowest, positions = _smallest(halves, terms, rows, metric, wanted, way, ())
    return refine_kernels.refine(
        q,
        lengths,
        positions,
        lowest,
        own,
        shift,
        shift_products,
        rows32,
        back,
        norms,
        inverse_norms,
        metric=metric,
        k=k,
        complete=complete,
    )


def _smallest(
    halves: mx.array,
    terms: mx.array,
    rows: tuple[mx.array, ...],
    metric: Metric,
    wanted: int,
    way: Way,
    blocks: tuple[int, ...],
) -> tuple[mx.array, mx.array]:
    """The smallest bounds and the positions of their rows, (q, wanted) each."""
    if way == "plain":
        bounds = half_bounds(halves, terms, *rows, cosine=metric == "cosine")
        return selection.smallest(bounds, wanted, blocks)
    block = block_length(rows[0].shape[0], wanted)
    return smallest_bounds(halves, terms, *rows, cosine=metric == "cosine", k=wanted, block=block, way=way)


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
    share = row_share(dims, halves_only)
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
def settle(order: mx.array, error: mx.array, numbers: mx.array, left_out: mx.array, *, k: int) -> mx.array:
    """Candidates (q, c) sorted by order, with whether the k first are beyond doubt; as `Settled.bits`."""
    sorting = mx.argsort(order, axis=1)
    order, error, numbers = (mx.take_along_axis(a, sorting, axis=1) for a in (order, error, numbers))
    beyond = mx.full((order.shape[0], 1), mx.inf)
    lowest_after = mx.cummin(mx.concatenate([order - error, beyond], axis=1), axis=1, reverse=True)[:, 1 : k + 1]
    highest = order + error
    settled = (lowest_after > highest[:, :k]).all(axis=1) & (highest[:, k - 1] < left_out)
    return refine_kernels.packed(order, error, numbers, settled, left_out)


@dataclass(frozen=True)
class Near:
    """Candidates of queries whose neighbours float32 does not tell apart, sorted by order, (u, c) each."""

    order: Doubles  # of the scaled rows, as core.compute.exact means it; infinity where there is no candidate
    error: Doubles  # what it may be off by
    rows: Ids  # of the file, -1 where there is no candidate
    left_out: Doubles  # (u,) no row that is no candidate has an order below this

    def in_doubt(self, k: int) -> NDArray[np.bool_]:
        """Of which candidates, (u, c), an exact order is needed to tell the k first: those that others may change places with."""
        with np.errstate(invalid="ignore"):  # infinity less infinity: not below anything
            low, high = self.order - self.error, self.order + self.error
        beyond = np.full((len(low), 1), np.inf)
        lowest_after = np.minimum.accumulate(np.hstack([low, beyond])[:, ::-1], axis=1)[:, ::-1][:, 1:]
        highest_before = np.maximum.accumulate(np.hstack([-beyond, high]), axis=1)[:, :-1]
        doubt = (high >= lowest_after) | (low <= highest_before)
        doubt &= low <= high[:, :k].max(axis=1, keepdims=True)
        doubt |= np.isnan(self.order)
        doubt[:, k - 1] = True  # what is left out is told from it
        return np.asarray(doubt & (self.rows >= 0))


@dataclass(frozen=True)
class HalfFound:
    """What the device found for q queries."""

    order: Doubles  # (q, k), as core.compute.exact means it
    rows: Ids  # (q, k) rows of the file
    doubtful: Ids  # queries for which that is not beyond doubt
    candidates: Near | None  # of these
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
        }

    def search(
        self, raw: NDArray[np.floating[Any]], k: int, own: Ids, mode: Mode, poll: Poll, report: Report, watch: Stopwatch
    ) -> HalfFound:
        """The k nearest rows of queries `raw` (q, d); `own` (q,) are rows of the file to leave out, or -1."""
        prepared = self._prepare(raw)
        numbers = np.where(own < 0, -1, self._vectors.numbers(own))
        # Half-precision bounds are wide: more candidates for the proof to succeed. In steps, so that few shapes are compiled;
        # the query's own row may be among them.
        wanted = -(-(k + 1 + max(48, k // 2)) // 16) * 16
        step = self._batch(wanted)
        batches = [slice(start, start + step) for start in range(0, len(raw), step)]
        with watch.stage("transfer"):
            arrays = [(mx.array(prepared.q[b]), mx.array(prepared.shift_products[b]), numbers[b]) for b in batches]
        found: list[list[Candidates | Settled]] = [[] for _ in batches]
        bytes_read = 0
        # Every chunk serves all batches before the next: where vectors stream, to read it is what costs.
        for chunk in coming(self._vectors, poll, report, watch):
            for batch, queries in zip(found, arrays, strict=True):
                poll()
                with watch.stage("search on the device"):
                    batch.append(self._search_chunk(*queries, chunk, wanted, k, mode))
                    if len(batches) > 1 or not self._vectors.resident:
                        mx.eval(*batch[-1].arrays)
                bytes_read += chunk.scanned_bytes
        parts = [
            self._settle(batch, k, mode, prepared.constant[part], prepared.unit[part], watch)
            for batch, part in zip(found, batches, strict=True)
        ]
        order, rows = (np.concatenate([p[i] for p in parts]) for i in range(2))
        doubtful = np.concatenate([p[2] + b.start for p, b in zip(parts, batches, strict=True)])
        near = [p[3] for p in parts if p[3] is not None]
        return HalfFound(order, rows, doubtful, _stacked(near) if near else None, bytes_read)

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

    def _settle(
        self, found: list[Candidates | Settled], k: int, mode: Mode, constant: Doubles, unit: Doubles, watch: Stopwatch
    ) -> tuple[Doubles, Ids, Ids, Near | None]:
        """Of a batch: order and rows (q, k), which queries are in doubt, and their candidates."""
        with watch.stage("search on the device"):
            alone = found[0] if len(found) == 1 else None
            bits = alone.bits if isinstance(alone, Settled) else settle(mode, *_joined(found).arrays, k=k)
            mx.eval(bits)
        with watch.stage("transfer"):
            order, error, numbers, settled, left_out = _fetched(bits)
            rows = self._vectors.file_rows(numbers[:, :k])
            doubtful = np.flatnonzero(settled == 0)
            near = None
            if doubtful.size:
                order64, error64 = order[doubtful].astype(np.float64), error[doubtful].astype(np.float64)
                all_rows = np.where(np.isinf(order64), -1, self._vectors.file_rows(numbers[doubtful]))
                # A distance here times `unit` plus `constant` is one there, but for rounding in float64: far below any error.
                scale, offset = unit[doubtful], constant[doubtful]
                beyond = left_out[doubtful].astype(np.float64) * scale[:, 0] + offset[:, 0]
                near = Near(order64 * scale + offset, error64 * scale, all_rows, beyond)
        return order[:, :k] * unit + constant, rows, doubtful, near

    def _search_chunk(
        self, q: mx.array, shift_products: mx.array, own: Ids, chunk: Chunk, wanted: int, k: int, mode: Mode
    ) -> Candidates | Settled:
        """As `candidates`, with numbers among the kept rows in place of positions, or settled already."""
        half = chunk.half
        assert half is not None
        width = chunk.ones.shape[0]
        wanted = min(wanted, width)
        here = np.where((own >= chunk.first) & (own < chunk.first + chunk.rows), own - chunk.first, -1)
        way = self.way(q.shape[0])
        inputs = (
            *(q, mx.array(here[:, None].astype(np.int32)), self._shift, shift_products),
            *(half.rows if chunk.stored is None else chunk.stored, half.rows, half.back, half.squares, half.norms, half.bias),
            chunk.inverse_norms,
        )
        complete = wanted >= chunk.rows
        if way != "plain" and wanted <= (FEW_CANDIDATES if q.shape[0] < MANY_QUERIES else refine_kernels.MAX_CANDIDATES):
            bits = refined_candidates(mode, *inputs, **self._static, wanted=wanted, k=min(k, wanted), way=way, complete=complete)
            return Settled(bits, chunk.first)
        order, error, at, left_out = candidates(
            mode,
            *inputs,
            **self._static,
            wanted=wanted,
            way=way,
            blocks=selection.block_sizes(self._kind, width, wanted),
            halves_only=self._vectors.halves_only,
            complete=complete,
        )
        return Candidates(order, error, at + chunk.first if chunk.first else at, left_out)

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


def _fetched(bits: mx.array) -> tuple[Floats, Floats, Ids, NDArray[np.uint32], Floats]:
    """What `Settled.bits` hold, on the host, in one go: order, error and numbers (q, c), settled and left_out (q,)."""
    host = np.array(bits)
    c = host.shape[1] // 3
    floats = host.view(np.float32)
    return floats[:, :c], floats[:, c : 2 * c], host[:, 2 * c : 3 * c].astype(np.int64), host[:, 3 * c], floats[:, 3 * c + 1]


def coming(vectors: Vectors, poll: Poll, report: Report, watch: Stopwatch) -> Iterator[Chunk]:
    """All chunks; to wait for those that are read from the file is a stage."""
    chunks = vectors.chunks(poll, report)
    return chunks if vectors.resident else watch.each("reading", chunks)


def _joined(found: list[Candidates | Settled]) -> Candidates:
    """Candidates of all chunks, not sorted any more."""
    apart = [f.apart if isinstance(f, Settled) else f for f in found]
    if len(apart) == 1:
        return apart[0]
    columns = zip(*(f.arrays[:3] for f in apart), strict=True)
    order, error, numbers = (mx.concatenate(list(parts), axis=1) for parts in columns)
    return Candidates(order, error, numbers, mx.stack([f.left_out for f in apart]).min(axis=0))


def _stacked(near: list[Near]) -> Near:
    parts = (np.concatenate([getattr(n, name) for n in near]) for name in ("order", "error", "rows", "left_out"))
    return Near(*parts)
