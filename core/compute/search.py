"""Exact k nearest neighbours by exhaustive search, every answer proven.

The device proposes, the host decides:
1. One cheap product over all rows gives each row a lower bound of its distance to the query (core.compute.proposals). The rows
   with the smallest bounds are the candidates.
2. Their distances are computed directly, sum((x - q)²) in float64, and sorted; ties go to the lower row. On a GPU the device
   does all this in float16 and float32, and the host only where that leaves a doubt (core.compute.half_search).
3. If the k-th of these is below every bound left out, no other row can belong: 'proven'. If not (ties, near-duplicates, data
   of wild scale), every row whose bound does not exceed the k-th distance is computed directly: 'computed in full'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.compute import selection
from core.compute.exact import Longs, direct_order
from core.compute.half_search import HalfSearch, coming
from core.compute.lanes import lanes
from core.compute.pieces import pieces
from core.compute.proposals import Arithmetic, Doubles, Prepared, RowArithmetic, proposer_for, select
from core.compute.timing import Stopwatch, begin, fence, stopwatch
from core.compute.vectors import PAD, WILD, Chunk, Poll, Report, Vectors, no_poll, no_report
from core.errors import UserError
from core.types import DeviceInfo, Exact, Ids, Metric, Mode, Timing, Way

# Rows whose distances are computed directly at once when an answer is computed in full.
DIRECT_ROWS = 1 << 14


@dataclass(frozen=True)
class SearchResult:
    """Neighbours of q queries, nearest first."""

    distances: Doubles  # (q, k), from float64; on a GPU from two float32 by kernels, else from one, to 1e-5 relative
    ids: Ids  # (q, k)
    exact: tuple[Exact, ...]  # one a query
    timing: Timing
    way: Way = "plain"  # MLX's own operations, or custom kernels


@dataclass(frozen=True)
class _Candidates:
    """Candidates of q queries; an entry that is only padding has row -1."""

    bounds: Doubles  # (q, c)
    rows: Ids  # (q, c)
    left_out: Doubles  # (q,) no row left out has an order below this


@dataclass(frozen=True)
class _Part:
    """Some consecutive rows of a chunk."""

    chunk: Chunk
    first: int  # position in the chunk
    width: int
    arrays: tuple[mx.array, ...]  # as the arithmetic's chunk_arrays, of these rows


class NearestRows:
    """Searches `vectors` under one metric; several may share the same vectors."""

    def __init__(self, vectors: Vectors, metric: Metric, device: DeviceInfo, use_kernel: bool | None = None) -> None:
        """`use_kernel` None takes custom kernels where they are measured to be faster, True wherever the device runs any.

        Raises UserError where it is True and there are none.
        """
        proposer = proposer_for(vectors, metric)
        if use_kernel and proposer is not None:
            raise UserError(f"No custom kernel searches by {metric} on this device; leave use_kernel (--kernel) away.")
        self.vectors = vectors
        self.metric: Metric = metric
        self.device = device
        self.arithmetic: Arithmetic = proposer or RowArithmetic(vectors, metric)
        self._on_gpu = HalfSearch(vectors, metric, device.kind, use_kernel) if proposer is None else None
        self._max_scores = selection.scores_at_once(device.kind, vectors.working_bytes)

    def search(
        self,
        queries: ArrayLike,
        k: int,
        mode: Mode = "compiled",
        exclude: Sequence[int] | None = None,
        poll: Poll = no_poll,
        report: Report = no_report,
    ) -> SearchResult:
        """The k nearest rows of each query (q, d); `exclude` names a row to leave out for each, the query's own.

        k is cut to the number of rows there are. Distances are euclidean (l2), 1 - cosine (a zero vector is at distance 1
        from everything) or the inner product itself, largest first. `report` is told how far a pass over vectors is that do not
        fit in memory.
        """
        raw = np.atleast_2d(np.asarray(queries))
        raw = raw.astype(np.float32 if np.can_cast(raw.dtype, np.float32, "safe") else np.float64, copy=False)
        own = np.full(len(raw), -1) if exclude is None else np.asarray(exclude)
        k = min(k, self.vectors.rows - (exclude is not None))
        if not len(raw):
            with stopwatch(mode) as watch:
                pass
            return SearchResult(np.empty((0, k)), np.empty((0, k), np.int64), (), watch.timing(0))
        with stopwatch(mode) as watch:
            run = self._search_on_host if self._on_gpu is None else self._search_on_gpu
            order, ids, exact, bytes_read = run(raw, k, own, mode, poll, report, watch)
        way = "plain" if self._on_gpu is None else self._on_gpu.way(len(raw))
        return SearchResult(self._distances(order), ids, tuple(exact), watch.timing(bytes_read), way)

    def within(self, query: ArrayLike, radius: float, mode: Mode = "compiled", poll: Poll = no_poll) -> tuple[Doubles, Ids]:
        """Distances and rows of all rows within `radius` of one query (d,), nearest first, computed directly.

        For the inner product: of all rows whose product is at least `radius`.
        """
        raw = np.atleast_2d(np.asarray(query, np.float64))
        scale = self.vectors.scale
        limit = {"l2": (radius * scale) ** 2, "cosine": radius, "inner_product": -radius * scale**2}.get(
            self.metric, radius * scale
        )
        possible = self._within(self.arithmetic.prepare(raw), 0, limit + 1e-9 * abs(limit), mode, poll)
        order, rows = self._nearest(raw, possible, len(possible), poll)
        distances = self._distances(order)
        inside = distances >= radius if self.metric == "inner_product" else distances <= radius
        return distances[inside], rows[inside]

    def _search_on_host(
        self, raw: NDArray[np.floating[Any]], k: int, own: Ids, mode: Mode, poll: Poll, report: Report, watch: Stopwatch
    ) -> tuple[Longs, Ids, list[Exact], int]:
        """Order and rows (q, k) of the nearest, how each query's were proven, and the bytes read."""
        prepared = self.arithmetic.prepare(raw.astype(np.float64))
        # In steps, so that few shapes are compiled; the query's own row may be among them.
        wanted = -(-(k + 1 + max(16, k // 4)) // 16) * 16
        found, bytes_read = self._propose(prepared, wanted, mode, poll, report, watch)
        with watch.stage("exact distances"):
            rows = np.where(found.rows == own[:, None], -1, found.rows)
            real = rows >= 0
            if real.all():  # of millions it takes as long to look for the others as to compute
                which = np.repeat(np.arange(len(rows)), rows.shape[1])
                order = direct_order(self.vectors, self.metric, prepared.raw, which, rows.ravel(), poll).reshape(rows.shape)
            else:
                direct = direct_order(self.vectors, self.metric, prepared.raw, np.nonzero(real)[0], rows[real], poll)
                order = np.full(rows.shape, np.inf, direct.dtype)
                order[real] = direct
            nearest, ids, settled = _settled(order, rows, found.left_out, k)
            exact = self._decide(prepared, np.arange(len(raw)), nearest, ids, settled, own, mode, poll)
        return nearest, ids, exact, bytes_read

    def _search_on_gpu(
        self, raw: NDArray[np.floating[Any]], k: int, own: Ids, mode: Mode, poll: Poll, report: Report, watch: Stopwatch
    ) -> tuple[Longs, Ids, list[Exact], int]:
        """As `_search_on_host`; the host decides only what the device leaves open."""
        assert self._on_gpu is not None
        found = self._on_gpu.search(raw, k, own, mode, poll, report, watch)
        nearest: Longs = found.order
        ids = found.rows
        exact: list[Exact] = ["proven"] * len(raw)
        doubtful = found.doubtful
        if doubtful.size:
            with watch.stage("exact distances"):
                prepared = self.arithmetic.prepare(raw[doubtful].astype(np.float64))
                near = found.candidates
                assert near is not None
                which, place = np.nonzero(near.in_doubt(k))
                direct = direct_order(self.vectors, self.metric, prepared.raw, which, near.rows[which, place], poll)
                order = near.order.astype(direct.dtype)
                order[which, place] = direct
                part_nearest, part_ids, settled = _settled(order, near.rows, near.left_out, k)
                told = self._decide(prepared, doubtful, part_nearest, part_ids, settled, own, mode, poll)
                nearest = nearest.astype(part_nearest.dtype, copy=False)
                nearest[doubtful], ids[doubtful] = part_nearest, part_ids
                for query, how in zip(doubtful, told, strict=True):
                    exact[query] = how
        return nearest, ids, exact, found.bytes_read

    def _propose(
        self, prepared: Prepared, wanted: int, mode: Mode, poll: Poll, report: Report, watch: Stopwatch
    ) -> tuple[_Candidates, int]:
        """The `wanted` most promising rows of each query, over all chunks; and the bytes read."""
        kind, bytes_read = self.device.kind, 0
        streams = lanes(kind) if self.vectors.columns else lanes(kind)[:1]
        one_core = self.arithmetic.one_core
        size = len(prepared.raw), self.vectors.dims, self.vectors.chunk_width
        cut = pieces(kind, *size, wanted, self._max_scores, len(streams), one_core)
        found: list[list[_Candidates]] = [[] for _ in cut.batches]
        # Every chunk serves all queries before the next: where vectors stream, to read it is what costs.
        for chunk in coming(self.vectors, poll, report, watch):
            parts = cut.parts(chunk.ones.shape[0])
            places = [(part, batch) for part in range(len(parts)) for batch in range(len(found))]
            taken: dict[int, _Part] = {}
            for start in range(0, len(places), cut.at_once):
                poll()
                now = places[start : start + cut.at_once]
                taken = {i: taken.get(i) or self._part(chunk, parts[i]) for i, _ in now}
                asked = [(cut.batches[batch], taken[part]) for part, batch in now]
                for (_, batch), candidates in zip(
                    now, self._propose_at_once(prepared, asked, wanted, mode, streams, watch), strict=True
                ):
                    found[batch].append(candidates)
            bytes_read += chunk.scanned_bytes * len(found)
        return _stacked([_best(_stacked(of_batch, axis=1), wanted) for of_batch in found], axis=0), bytes_read

    def _part(self, chunk: Chunk, rows: slice) -> _Part:
        arrays = self.arithmetic.chunk_arrays(chunk)
        if (rows.start, rows.stop) != (0, chunk.ones.shape[0]):
            # A product with part of a wider array would copy it each time.
            arrays = tuple(mx.contiguous(a[..., rows]) for a in arrays)
        return _Part(chunk, rows.start, rows.stop - rows.start, arrays)

    def _propose_at_once(
        self,
        prepared: Prepared,
        asked: list[tuple[slice, _Part]],
        wanted: int,
        mode: Mode,
        streams: list[mx.Stream],
        watch: Stopwatch,
    ) -> list[_Candidates]:
        """The candidates of some queries in some part of a chunk each, selected side by side."""
        with watch.stage("transfer"):
            inputs = [prepared.on_device(batch) for batch, _ in asked]
        bounds, chosen = [], []
        with watch.stage("product"):
            for stream, queries, (_, part) in zip(streams, inputs, asked, strict=False):
                with mx.stream(stream if self.arithmetic.one_core else streams[0]):
                    bounds.append(self._bounds(mode, queries, part.arrays))
            begin(*bounds)
            if len(asked) > 1:
                mx.eval(*bounds)
        # A single piece is under way as a whole before any of it is waited for: so product and selection are told apart at no
        # cost, but for the time it takes to wake up.
        with watch.stage("selection"):
            for stream, scores in zip(streams, bounds, strict=False):
                k = min(wanted, scores.shape[1])
                with mx.stream(stream):
                    blocks = selection.block_sizes(self.device.kind, scores.shape[1], k)
                    chosen.append(select(mode, scores, wanted=k, blocks=blocks))
            begin(*(array for pair in chosen for array in pair))
        if len(asked) == 1:
            with watch.stage("product"):
                mx.eval(*bounds)
        with watch.stage("selection"):
            fence(*(array for pair in chosen for array in pair))
        with watch.stage("transfer"):
            return [
                _candidates(values, positions, part, prepared.constant[batch])
                for (values, positions), (batch, part) in zip(chosen, asked, strict=True)
            ]

    def _bounds(self, mode: Mode, inputs: Sequence[mx.array], arrays: Sequence[mx.array]) -> mx.array:
        """Bounds (q, width) of the rows in a chunk's arrays, or in a part of them; lazy."""
        bounds: mx.array = self.arithmetic.bounds(mode, *inputs, *arrays, **self.arithmetic.static())
        return bounds

    def _decide(
        self,
        prepared: Prepared,
        numbers: Ids,
        order: Longs,
        rows: Ids,
        settled: NDArray[np.bool_],
        own: Ids,
        mode: Mode,
        poll: Poll,
    ) -> list[Exact]:
        """How each query's neighbours were proven; those of queries not `settled` are computed in full, in place.

        `numbers` (q,) are the prepared queries' places in `own`.
        """
        k = order.shape[1]
        exact: list[Exact] = ["proven"] * len(order)
        for i in np.flatnonzero(~settled):
            limit = order[i, -1] if k and rows[i, -1] >= 0 else np.inf
            possible = self._within(prepared, int(i), float(limit), mode, poll)
            order[i], rows[i] = self._nearest(prepared.raw[i : i + 1], possible[possible != own[numbers[i]]], k, poll)
            exact[i] = "computed in full"
        return exact

    def _within(self, prepared: Prepared, index: int, limit: float, mode: Mode, poll: Poll) -> Ids:
        """Every row whose lower bound does not exceed `limit`: all that could be among the nearest."""
        inputs = prepared.on_device(slice(index, index + 1))
        found = []
        for chunk in self.vectors.chunks(poll):
            scores = self._bounds(mode, inputs, self.arithmetic.chunk_arrays(chunk))
            fence(scores)
            host = _without_wild(np.array(scores)[0, : chunk.rows]) + prepared.constant[index]
            # Written so that a score of NaN (infinity less infinity) counts as possible.
            found.append(chunk.file_rows(np.flatnonzero(~(host > limit))))
        return np.concatenate(found)

    def _nearest(self, query: Doubles, rows: Ids, k: int, poll: Poll) -> tuple[Longs, Ids]:
        """The k of `rows` nearest to the one `query` (1, d) by direct computation, ties to the lower row."""
        best_order: Longs = np.empty(0)
        best_rows = np.empty(0, np.int64)
        for start in range(0, len(rows), DIRECT_ROWS):
            part = rows[start : start + DIRECT_ROWS]
            direct = direct_order(self.vectors, self.metric, query, np.zeros(len(part), np.int64), part, poll)
            order, part = np.concatenate([best_order, direct]), np.concatenate([best_rows, part])
            chosen = np.lexsort((part, order))[:k]
            best_order, best_rows = order[chosen], part[chosen]
        return best_order, best_rows

    def _distances(self, order: Longs) -> Doubles:
        """What an `order` stands for; it may be overwritten."""
        scale = order.dtype.type(self.vectors.scale)
        with np.errstate(over="ignore"):  # a distance or product beyond float64 is infinite
            if self.metric == "l2":
                np.sqrt(order, out=order)
            elif self.metric == "inner_product":
                np.negative(order, out=order)
                order /= scale  # twice, for its square may overflow
            elif self.metric == "cosine":
                return np.asarray(np.maximum(order, 0.0, out=order), np.float64)
            if scale != 1.0:
                order /= scale
            return np.asarray(order, np.float64)


def _candidates(values: mx.array, positions: mx.array, part: _Part, constant: Doubles) -> _Candidates:
    """Bounds selected from a part, (q, k), and their positions in it, with what a query's bounds lack (q,)."""
    chunk = part.chunk
    host, at = _without_wild(np.array(values)), np.array(positions)
    real = host < PAD / 10
    where = np.minimum(at + np.uint32(part.first), max(chunk.rows - 1, 0))
    rows = np.where(real, chunk.file_rows(where) if chunk.rows else -1, -1)
    complete = host.shape[1] >= min(part.width, chunk.rows - part.first)
    left_out = np.full(len(host), np.inf) if complete else host.max(axis=1) + constant
    return _Candidates(host + constant[:, None], rows, left_out)


def _without_wild(scores: NDArray[np.float32]) -> Doubles:
    """Scores in float64; of a wild row, -infinity: nothing is known of it."""
    return np.where(scores < WILD / 10, -np.inf, scores.astype(np.float64))


def _settled(order: Longs, rows: Ids, left_out: Doubles, k: int) -> tuple[Longs, Ids, NDArray[np.bool_]]:
    """The k first of candidates (q, c) by order, ties to the lower row, and whether none that was left out can belong, (q,)."""
    sorting = np.argsort(order, axis=1)  # several times as fast as a sort by two keys, which few queries need
    ordered = np.take_along_axis(order, sorting, axis=1)
    tied = ~(ordered[:, :-1] < ordered[:, 1:]).all(axis=1)
    sorting[tied] = np.lexsort((rows[tied], order[tied]), axis=1)
    order, rows = np.take_along_axis(order, sorting[:, :k], axis=1), np.take_along_axis(rows, sorting[:, :k], axis=1)
    if order.shape[1] < k:
        missing = ((0, 0), (0, k - order.shape[1]))
        order, rows = np.pad(order, missing, constant_values=np.inf), np.pad(rows, missing, constant_values=-1)
    settled = order[:, -1] < left_out if k else np.ones(len(order), bool)
    return order, rows, settled


def _stacked(parts: list[_Candidates], axis: int) -> _Candidates:
    """Candidates of several batches (axis 0) or of several chunks (axis 1) as one."""
    if len(parts) == 1:
        return parts[0]
    left_out = [part.left_out for part in parts]
    return _Candidates(
        np.concatenate([part.bounds for part in parts], axis),
        np.concatenate([part.rows for part in parts], axis),
        np.concatenate(left_out) if axis == 0 else np.minimum.reduce(left_out),
    )


def _best(found: _Candidates, wanted: int) -> _Candidates:
    """The `wanted` candidates of smallest bound; what is dropped counts as left out."""
    if found.bounds.shape[1] <= wanted:
        return found
    part = np.argpartition(found.bounds, wanted - 1, axis=1)
    kept, dropped = part[:, :wanted], part[:, wanted:]
    nearest_dropped = np.take_along_axis(found.bounds, dropped, axis=1).min(axis=1)
    return _Candidates(
        np.take_along_axis(found.bounds, kept, axis=1),
        np.take_along_axis(found.rows, kept, axis=1),
        np.minimum(found.left_out, nearest_dropped),
    )
