"""The search on a GPU, as one program that runs on the device and hands over k neighbours a query.

1. A product of float16 rows, half the bytes and many times the rate of float32, gives each row a lower bound of what neighbours
   are sorted by, its error in float32 taken off. The rows with the smallest bounds are the candidates.
2. Their distances are computed directly, with a bound on their error: by a kernel as sums of two float32, by MLX's operations
   in float32 alone.
3. A query is settled if its k nearest candidates are told apart from each other and from all others by more than these errors,
   and if no row left out can lie below the k-th. Where that does not settle it, core.compute.search does, on the host.

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
from core.compute.rounding import LOST, MOST_LOST, U32, chain_error, half_error, half_share
from core.compute.timing import Stopwatch
from core.compute.vectors import PAD, SANE_NORMS, WILD, Chunk, Poll, Report, Vectors, rounded_by
from core.types import DeviceKind, Floats, Ids, Metric, Mode, Way


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

    found: mx.array  # and `nearest`, as core.compute.refine_kernels.packed makes them, with positions in the chunk for numbers
    nearest: mx.array
    first: int  # number of the chunk's first position

    @property
    def arrays(self) -> list[mx.array]:
        return [self.found, self.nearest]

    @property
    def apart(self) -> Candidates:
        order, error, positions = refine_kernels.unpacked(self.found)
        return Candidates(order, error, positions + self.first, self.nearest[:, -1].view(mx.float32))


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
    rounded: mx.array,
    own: mx.array,
    shift: mx.array,
    shift_products: mx.array,
    rows32: mx.array,
    half: mx.array,
    back: mx.array,
    squares: mx.array,
    norms: mx.array,
    rounded_rows: mx.array,
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

    `rounded` (q, 1) is how far q may lie from the queries, as rounded_rows (width,) for the rows; `own` (q, 1) the position of
    a row to leave out, or -1; `shift_products` (q, 1) are products of q with the `shift` (d,).
    """
    dims = q.shape[1]
    halves, terms, lengths = halved(q, shift_products, shift_length, metric)
    rows = (half, back, squares if metric == "l2" else bias, norms, inverse_norms)
    lowest, positions = _smallest(halves, terms, rows, metric, wanted, way, blocks)
    x = rows32[positions]
    if halves_only:
        x = x.astype(mx.float32) * back[positions][:, :, None]
    away = rounded_rows[positions] + (half_share(dims) if halves_only else 0.0) * norms[positions]
    order, error = direct(q, x, lengths, rounded, norms[positions], away, shift, shift_products, metric)
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
    rounded: mx.array,
    own: mx.array,
    shift: mx.array,
    shift_products: mx.array,
    rows32: mx.array,
    half: mx.array,
    back: mx.array,
    squares: mx.array,
    norms: mx.array,
    rounded_rows: mx.array,
    bias: mx.array,
    inverse_norms: mx.array,
    *,
    metric: Metric,
    wanted: int,
    k: int,
    way: Way,
    shift_length: float,
    complete: bool,
) -> tuple[mx.array, mx.array]:
    """As `candidates`, by custom kernels throughout, sorted, with whether the `k` first are settled; as `Settled` has them."""
    halves, terms, lengths = refine_kernels.prepare(q, shift_products, metric=metric, shift_length=shift_length)
    rows = (half, back, squares if metric == "l2" else bias, norms, inverse_norms)
    lowest, positions = _smallest(halves, terms, rows, metric, wanted, way, ())
    return refine_kernels.refine(
        q,
        lengths,
        rounded,
        positions,
        lowest,
        own,
        shift,
        rows32,
        back,
        norms,
        rounded_rows,
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
    rounded: mx.array,
    norms: mx.array,
    away: mx.array,
    shift: mx.array,
    shift_products: mx.array,
    metric: Metric,
) -> tuple[mx.array, mx.array]:
    """Order of rows x (q, c, d) and what it may be off by at most, (q, c) each.

    `rounded` (q, 1) and `away` (q, c) are how far queries and rows may lie from what is stored. Sums are taken in groups and then
    over these: short chains of additions in whatever order a device likes, so that the error bound holds on all.
    """
    dims = q.shape[1]
    groups = _groups(dims)
    chain = 1.01 * (dims // groups + groups + 8) * U32
    lost = dims * LOST
    if metric == "l2":
        order = _sum(mx.square(x - q[:, None, :]), groups)
        # That shifts a small distance by as much.
        moved = 1.01 * (away + rounded)
        return order, 1.01 * (chain * order + 2 * mx.sqrt(order) * moved + mx.square(moved)) + lost
    order = _sum(-x * q[:, None, :], groups)
    error = 1.01 * ((chain * lengths + rounded) * norms + (lengths + rounded) * away) + lost
    if metric == "inner_product":
        return order, error
    whole = mx.sqrt(_sum(mx.square(x + shift), groups))
    inverse = mx.where(whole > 0, 1.0 / mx.maximum(whole, 1e-30), 0.0)
    order = (order - shift_products) * inverse
    error = (error + 4 * U32 * mx.abs(shift_products)) * inverse
    error = 1.01 * (error + mx.abs(order) * (chain + 4 * U32 + 2 * away * inverse) + rounded)
    return order, mx.where(away < MOST_LOST * whole, error, mx.inf)


def _sum(terms: mx.array, groups: int) -> mx.array:
    return terms.reshape(*terms.shape[:-1], groups, -1).sum(axis=-1).sum(axis=-1)


def _groups(dims: int) -> int:
    """The divisor of `dims` nearest its root: a chain of d/g + g additions instead of d."""
    return max(g for g in range(1, math.isqrt(dims) + 1) if dims % g == 0)


@pair
def settle(order: mx.array, error: mx.array, numbers: mx.array, left_out: mx.array, *, k: int) -> tuple[mx.array, mx.array]:
    """Candidates (q, c) sorted by order, with whether the k first are beyond doubt; as `Settled` has them."""
    sorting = mx.argsort(order, axis=1)
    order, error, numbers = (mx.take_along_axis(a, sorting, axis=1) for a in (order, error, numbers))
    beyond = mx.full((order.shape[0], 1), mx.inf)
    lowest_after = mx.cummin(mx.concatenate([order - error, beyond], axis=1), axis=1, reverse=True)[:, 1 : k + 1]
    highest = order + error
    settled = (lowest_after > highest[:, :k]).all(axis=1) & (highest[:, k - 1] < left_out)
    return refine_kernels.packed(order, error, numbers, settled, left_out, k)


@dataclass(frozen=True)
class Near:
    """Candidates of queries whose neighbours the device does not tell apart, sorted by order, (u, c) each."""

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
class _Batch:
    """Some queries on the device."""

    q: mx.array
    rounded: mx.array
    shift_products: mx.array
    own: Ids  # numbers among the kept rows to leave out, or -1


@dataclass(frozen=True)
class _Prepared:
    q: Floats  # (q, d) in the units of the stored rows
    rounded: Floats  # (q, 1) how far these may lie from the queries
    shift_products: Floats  # (q, 1)
    constant: Doubles  # (q, 1) order here times `unit` plus this is the order that core.compute.search means
    unit: Doubles  # (q, 1)

    def on_device(self, batch: slice, own: Ids) -> _Batch:
        q, rounded, products = (mx.array(a[batch]) for a in (self.q, self.rounded, self.shift_products))
        return _Batch(q, rounded, products, own[batch])


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
            arrays = [prepared.on_device(b, numbers) for b in batches]
        found: list[list[Candidates | Settled]] = [[] for _ in batches]
        bytes_read = 0
        # Every chunk serves all batches before the next: where vectors stream, to read it is what costs.
        for chunk in coming(self._vectors, poll, report, watch):
            for batch, queries in zip(found, arrays, strict=True):
                poll()
                with watch.stage("search on the device"):
                    batch.append(self._search_chunk(queries, chunk, wanted, k, mode))
                    if len(batches) > 1 or not self._vectors.resident:
                        mx.eval(*batch[-1].arrays)
                bytes_read += chunk.scanned_bytes
        parts = [
            self._settle(batch, k, mode, prepared.constant[part], prepared.unit[part], watch)
            for batch, part in zip(found, batches, strict=True)
        ]
        order, rows = _whole([p[0] for p in parts]), _whole([p[1] for p in parts])
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
        return max(1, min(scores, vectors.working_bytes // ((12 * vectors.dims + 32) * wanted)))

    def _settle(
        self, found: list[Candidates | Settled], k: int, mode: Mode, constant: Doubles, unit: Doubles, watch: Stopwatch
    ) -> tuple[Doubles, Ids, Ids, Near | None]:
        """Of a batch: order and rows (q, k), which queries are in doubt, and their candidates."""
        with watch.stage("search on the device"):
            alone = found[0] if len(found) == 1 else None
            arrays = alone.arrays if isinstance(alone, Settled) else settle(mode, *_joined(found).arrays, k=k)
            mx.eval(*arrays)
        with watch.stage("transfer"):
            candidates, nearest = arrays
            host = np.array(nearest)
            order, second = host[:, :k].view(np.float32), host[:, k : 2 * k].view(np.float32)
            rows = self._vectors.file_rows(host[:, 2 * k : 3 * k].astype(np.int64))
            doubtful = np.flatnonzero(host[:, -2] == 0)
            near = None
            if doubtful.size:
                bits = np.array(candidates if doubtful.size == len(host) else candidates[mx.array(doubtful)])
                near = self._near(bits, host[doubtful, -1].view(np.float32), constant[doubtful], unit[doubtful])
        # In place: k of many queries are millions, for which every fresh array costs as much as the device's work.
        orders = order.astype(np.float64)
        orders += second
        orders *= unit
        orders += constant
        return orders, rows, doubtful, near

    def _near(self, bits: NDArray[np.uint32], left_out: Floats, constant: Doubles, unit: Doubles) -> Near:
        """Of doubtful queries, what core.compute.refine_kernels.packed tells of all candidates."""
        c = bits.shape[1] // 4
        order, second, error = (bits[:, i * c : (i + 1) * c].view(np.float32).astype(np.float64) for i in range(3))
        rows = np.where(np.isinf(order), -1, self._vectors.file_rows(bits[:, 3 * c :].astype(np.int64)))
        # A distance here times `unit` plus `constant` is one there, but for rounding in float64: far below any error.
        beyond = left_out.astype(np.float64) * unit[:, 0] + constant[:, 0]
        return Near((order + second) * unit + constant, error * unit, rows, beyond)

    def _search_chunk(self, queries: _Batch, chunk: Chunk, wanted: int, k: int, mode: Mode) -> Candidates | Settled:
        """As `candidates`, with numbers among the kept rows in place of positions, or settled already."""
        half = chunk.half
        assert half is not None
        width = chunk.ones.shape[0]
        wanted = min(wanted, width)
        own, first = queries.own, chunk.first
        here = np.where((own >= first) & (own < first + chunk.rows), own - first, -1).astype(np.int32)[:, None]
        way = self.way(len(own))
        inputs = (
            *(queries.q, queries.rounded, mx.array(here), self._shift, queries.shift_products),
            *(half.rows if chunk.stored is None else chunk.stored, half.rows, half.back, half.squares, half.norms, half.rounded),
            *(half.bias, chunk.inverse_norms),
        )
        complete = wanted >= chunk.rows
        if way != "plain" and wanted <= refine_kernels.MAX_CANDIDATES:
            refined, nearest = refined_candidates(
                mode, *inputs, **self._static, wanted=wanted, k=min(k, wanted), way=way, complete=complete
            )
            return Settled(refined, nearest, chunk.first)
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
        # In float32 where the queries are: a power of two leaves nothing to round.
        q: NDArray[Any] = raw if vectors.scale == 1.0 else raw * raw.dtype.type(vectors.scale)
        zero, one = np.zeros((len(raw), 1)), np.ones((len(raw), 1))
        nothing = zero.astype(np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            if self._metric == "l2":
                q32 = (q - vectors.shift if vectors.shift.any() else q).astype(np.float32, copy=False)
                return _Prepared(q32, self._rounding(q, vectors.shift, q32), nothing, zero, one)
            if self._metric == "cosine":
                # A power of two changes no cosine and keeps squares in range.
                q = np.ldexp(raw, -np.frexp(np.abs(raw).max(axis=1, keepdims=True))[1])
            products: Doubles = (q @ vectors.shift.astype(np.float64))[:, None]
            q32, products32 = q.astype(np.float32, copy=False), products.astype(np.float32)
            rounded = self._rounding(q, np.zeros_like(vectors.shift), q32)
        if self._metric == "inner_product":
            return _Prepared(q32, rounded, products32, -products, one)
        lengths = np.sqrt(np.einsum("ij,ij->i", q, q, dtype=np.float64))[:, None]
        unit: Doubles = np.divide(1.0, lengths, out=zero, where=lengths > 0)
        return _Prepared(q32, rounded, products32, one, unit)

    def _rounding(self, q: NDArray[np.floating[Any]], shift: Floats, stored: Floats) -> Floats:
        """How far `stored` may lie from q - shift, (q, 1)."""
        if q.dtype == np.float32 and not shift.any():
            return np.zeros((len(q), 1), np.float32)
        return rounded_by(q, shift, stored)[:, None]


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


def _whole(parts: list[NDArray[Any]]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _stacked(near: list[Near]) -> Near:
    return Near(*(_whole([getattr(n, name) for n in near]) for name in ("order", "error", "rows", "left_out")))
