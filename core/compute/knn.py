"""Exact k nearest neighbours by exhaustive search, every answer proven.

The device proposes, the host decides:
1. One product over all rows gives each row a lower bound of its distance to the query: the float32 score less its error bound
   (the terms come with the rows, see core.compute.vectors). The rows with the smallest bounds are the candidates.
2. Their distances are computed directly, sum((x - q)²) in float64, and sorted; ties go to the lower row.
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
from core.compute.compilation import pair
from core.compute.device import select
from core.compute.timing import fence, stopwatch
from core.compute.vectors import (
    NORM,
    ONE,
    PADDING,
    SANE_NORMS,
    SQUARE,
    ArrayRows,
    Chunk,
    Poll,
    Vectors,
    no_poll,
    scan_rows,
)
from core.types import METRICS, DeviceInfo, Exact, Ids, Metric, Mode, Timing

Doubles = NDArray[np.float64]

# Scores held at once, (queries, rows of a chunk): 128 MB.
MAX_SCORES = 1 << 25
# Rows whose distances are computed directly at once when an answer is computed in full.
DIRECT_ROWS = 1 << 14


def lower_bounds(queries: mx.array, data: mx.array, inverse_norms: mx.array, *, cosine: bool, columns: bool) -> mx.array:
    """Lower bounds, up to a constant a query, of the distances of all rows of a chunk: (q, width)."""
    products = queries @ (data if columns else data.T)
    return products * inverse_norms if cosine else products


bounds = pair(lower_bounds)


@pair
def propose(
    queries: mx.array, data: mx.array, inverse_norms: mx.array, *, cosine: bool, columns: bool, k: int, block: int
) -> tuple[mx.array, mx.array]:
    """The k smallest bounds of each query and their positions in the chunk, both (q, k)."""
    return selection.smallest(lower_bounds(queries, data, inverse_norms, cosine=cosine, columns=columns), k, block)


@dataclass(frozen=True)
class SearchResult:
    """Neighbours of q queries, nearest first."""

    distances: Doubles  # (q, k)
    ids: Ids  # (q, k)
    exact: tuple[Exact, ...]  # one a query
    timing: Timing


@dataclass(frozen=True)
class _Queries:
    """Queries made ready: what the product takes, and what turns its scores into bounds on `order`.

    `order` is what neighbours are sorted by, smallest first: the squared scaled distance, 1 - cosine, or minus the product.
    """

    raw: Doubles  # (q, d)
    coefficients: NDArray[np.float32]  # (q, width)
    constant: Doubles  # (q,); -infinity for a wild query, whose float32 products prove nothing


class NearestRows:
    """Searches `vectors` under one metric; several may share the same vectors."""

    def __init__(self, vectors: Vectors, metric: Metric, device: DeviceInfo) -> None:
        self.vectors = vectors
        self.metric: Metric = metric
        self.device = device

    def search(
        self,
        queries: ArrayLike,
        k: int,
        mode: Mode = "compiled",
        exclude: Sequence[int] | None = None,
        poll: Poll = no_poll,
    ) -> SearchResult:
        """The k nearest rows of each query (q, d); `exclude` names a row to leave out for each, the query's own.

        k is cut to the number of rows there are. Distances are euclidean (l2), 1 - cosine (a zero vector is at distance 1
        from everything) or the inner product itself, largest first.
        """
        raw = np.atleast_2d(np.asarray(queries, np.float64))
        own = np.full(len(raw), -1) if exclude is None else np.asarray(exclude)
        k = min(k, self.vectors.rows - (exclude is not None))
        with stopwatch(mode) as watch:
            prepared = self._prepare(raw)
            with watch.stage("scan"):
                candidates, left_out, bytes_read = self._propose(prepared, self._wanted(k), mode, poll)
            with watch.stage("exact distances"):
                answers = [
                    self._decide(prepared, i, k, candidates[i], left_out[i], int(own[i]), mode, poll) for i in range(len(raw))
                ]
        distances = np.array([self._distances(order) for order, _, _ in answers]).reshape(len(raw), k)
        ids = np.array([rows for _, rows, _ in answers], np.int64).reshape(len(raw), k)
        return SearchResult(distances, ids, tuple(e for _, _, e in answers), watch.timing(bytes_read))

    def _wanted(self, k: int) -> int:
        """Candidates to ask for: more than k, so that the proof succeeds; in steps, so that few shapes are compiled."""
        return -(-(k + 1 + max(16, k // 4)) // 16) * 16

    def _prepare(self, raw: Doubles) -> _Queries:
        vectors, error = self.vectors, self.vectors.error
        shift = vectors.shift.astype(np.float64)
        scaled = raw * vectors.scale
        norms = np.linalg.norm(scaled, axis=1)
        wild = norms > SANE_NORMS[1]
        scaled[wild] = 0.0
        # What products below float32's normal range may lose, even where a device rounds them to zero.
        lost = vectors.width * 2.0**-125
        coefficients = np.zeros((len(raw), vectors.width))
        extra = coefficients[:, vectors.dims :]
        extra[:, PADDING] = 1.0
        if self.metric == "l2":
            # |x - q|² = |x|² - 2 q·x + |q|², all shifted; 2|q||x| <= |q|² + |x|² splits the error between row and query.
            q = scaled - shift
            coefficients[:, : vectors.dims] = -2.0 * q
            extra[:, SQUARE] = 1.0
            constant = (1.0 - 3.0 * error) * np.square(q).sum(axis=1) - lost
        elif self.metric == "inner_product":
            coefficients[:, : vectors.dims] = -scaled
            extra[:, NORM] = -2.0 * error * norms - lost
            constant = -scaled @ shift - 1e-12 * np.abs(scaled) @ np.abs(shift) - lost
        else:
            unit = np.divide(scaled, norms[:, None], out=np.zeros_like(scaled), where=norms[:, None] > 0)
            coefficients[:, : vectors.dims] = -unit
            extra[:, NORM] = -2.0 * error
            extra[:, ONE] = -unit @ shift - 2.0 * error * np.linalg.norm(shift) - lost
            constant = np.full(len(raw), 1.0 - 4.0 * error)
        constant[wild] = -np.inf
        return _Queries(raw, coefficients.astype(np.float32), constant)

    def _propose(self, queries: _Queries, wanted: int, mode: Mode, poll: Poll) -> tuple[list[Ids], Doubles, int]:
        """Candidate rows of each query, the smallest bound left out for each, and the bytes read."""
        count = len(queries.raw)
        bounds_found: list[list[NDArray[np.float32]]] = [[] for _ in range(count)]
        rows_found: list[list[Ids]] = [[] for _ in range(count)]
        left_out = np.full(count, np.inf)
        bytes_read = 0
        for chunk in self.vectors.chunks(poll):
            width = chunk.inverse_norms.shape[0]
            k = min(wanted, width)
            block = selection.block_size(self.device.kind, width, k)
            step = max(1, MAX_SCORES // width)
            for start in range(0, count, step):
                poll()
                batch = slice(start, min(start + step, count))
                values, positions = self._propose_chunk(queries.coefficients[batch], chunk, k, block, mode)
                bytes_read += chunk.data.nbytes
                real = values < 1e38
                for i, query in enumerate(range(count)[batch]):
                    bounds_found[query].append(values[i][real[i]])
                    rows_found[query].append(chunk.file_rows(positions[i][real[i]]))
                if k < chunk.rows:
                    left_out[batch] = np.minimum(left_out[batch], values.max(axis=1))
        candidates = []
        for query in range(count):
            found, rows = np.concatenate(bounds_found[query]), np.concatenate(rows_found[query])
            if len(found) > wanted:
                part = np.argpartition(found, wanted - 1)
                left_out[query] = min(left_out[query], found[part[wanted:]].min())
                rows = rows[part[:wanted]]
            candidates.append(rows)
        return candidates, left_out + queries.constant, bytes_read

    def _propose_chunk(
        self, coefficients: NDArray[np.float32], chunk: Chunk, k: int, block: int, mode: Mode
    ) -> tuple[NDArray[np.float32], NDArray[np.uint32]]:
        values, positions = propose(
            mode,
            mx.array(coefficients),
            chunk.data,
            chunk.inverse_norms,
            cosine=self.metric == "cosine",
            columns=self.vectors.columns,
            k=k,
            block=block,
        )
        fence(values, positions)
        return np.array(values), np.array(positions)

    def _decide(
        self, queries: _Queries, index: int, k: int, rows: Ids, left_out: float, own: int, mode: Mode, poll: Poll
    ) -> tuple[Doubles, Ids, Exact]:
        query = queries.raw[index]
        order, rows = self._nearest(query, rows[rows != own], k)
        if len(rows) == k and (k == 0 or order[-1] < left_out):
            return order, rows, "proven"
        limit = order[-1] if len(rows) == k else np.inf
        possible = self._within(queries, index, limit, mode, poll)
        order, rows = self._nearest(query, possible[possible != own], k, poll)
        return order, rows, "computed in full"

    def _within(self, queries: _Queries, index: int, limit: float, mode: Mode, poll: Poll) -> Ids:
        """Every row whose lower bound does not exceed `limit`: all that could be among the nearest."""
        coefficients = mx.array(queries.coefficients[index : index + 1])
        found = []
        for chunk in self.vectors.chunks(poll):
            scores = bounds(
                mode,
                coefficients,
                chunk.data,
                chunk.inverse_norms,
                cosine=self.metric == "cosine",
                columns=self.vectors.columns,
            )
            fence(scores)
            host = np.array(scores)[0, : chunk.rows].astype(np.float64) + queries.constant[index]
            # Written so that a score of NaN (infinity less infinity) counts as possible.
            found.append(chunk.file_rows(np.flatnonzero(~(host > limit))))
        return np.concatenate(found)

    def _nearest(self, query: Doubles, rows: Ids, k: int, poll: Poll = no_poll) -> tuple[Doubles, Ids]:
        """The k of `rows` nearest to `query` by direct computation, ties to the lower row."""
        best_order, best_rows = np.empty(0), np.empty(0, np.int64)
        for start in range(0, len(rows), DIRECT_ROWS):
            poll()
            part = rows[start : start + DIRECT_ROWS]
            order = np.concatenate([best_order, self._order(query, part)])
            part = np.concatenate([best_rows, part])
            chosen = np.lexsort((part, order))[:k]
            best_order, best_rows = order[chosen], part[chosen]
        return best_order, best_rows

    def _order(self, query: Doubles, rows: Ids) -> Doubles:
        """What neighbours are sorted by, in float64, in the units of the bounds."""
        scale = self.vectors.scale
        x = self.vectors.source.read(rows).astype(np.float64)
        if scale != 1.0:
            x, query = x * scale, query * scale
        order: Doubles
        if self.metric == "l2":
            x -= query
            order = np.square(x).sum(axis=1)
            return order
        products = (x * query).sum(axis=1)
        if self.metric == "inner_product":
            order = -products
            return order
        norms = np.sqrt(np.square(x).sum(axis=1) * np.square(query).sum())
        order = 1.0 - np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)
        return order

    def _distances(self, order: Doubles) -> Doubles:
        if self.metric == "l2":
            return np.sqrt(order) / np.float64(self.vectors.scale)
        if self.metric == "inner_product":
            return -order / np.float64(self.vectors.scale**2)
        return np.maximum(order, 0.0)


class FlatIndex:
    """An exact index over vectors that are handed to it, after FAISS's IndexFlat.

    index = FlatIndex(128, "cosine")
    index.add(x)                            # (n, 128); rows are numbered in the order they come
    distances, ids = index.search(q, 10)    # (q, 10) each
    """

    def __init__(self, d: int, metric: Metric = "l2", device: DeviceInfo | None = None) -> None:
        if metric not in METRICS:
            raise ValueError(f"metric {metric!r} is none of {', '.join(METRICS)}")
        self.d = d
        self.metric: Metric = metric
        self.device = device or select()
        self._blocks: list[NDArray[np.floating[Any]]] = []
        self._searcher: NearestRows | None = None

    @property
    def ntotal(self) -> int:
        return sum(map(len, self._blocks))

    def add(self, x: ArrayLike) -> None:
        """Add rows (n, d). Raises ValueError for another width, or where a value is NaN or infinite."""
        block = self._checked(x)
        if not np.isfinite(block).all():
            raise ValueError("vectors to add hold NaN or infinity")
        self._blocks.append(block.copy())
        self._searcher = None

    def search(self, q: ArrayLike, k: int, mode: Mode = "compiled") -> tuple[Doubles, Ids]:
        """Distances and row numbers (q, min(k, n)) of the nearest rows, see NearestRows.search."""
        result = self.query(q, k, mode)
        return result.distances, result.ids

    def query(self, q: ArrayLike, k: int, mode: Mode = "compiled", exclude: Sequence[int] | None = None) -> SearchResult:
        """As `search`, with the proof and the time; `exclude` leaves out one row a query."""
        if k < 1:
            raise ValueError(f"k must be at least 1, not {k}")
        if not self._blocks:
            raise ValueError("the index is empty: add vectors first")
        if self._searcher is None:
            array = np.concatenate(self._blocks)
            self._blocks = [array]
            source = ArrayRows(array)
            vectors = Vectors(source, scan_rows(source), self.device.kind, self.device.budget_bytes)
            self._searcher = NearestRows(vectors, self.metric, self.device)
        return self._searcher.search(self._checked(q), k, mode, exclude)

    def _checked(self, x: ArrayLike) -> NDArray[np.floating[Any]]:
        array = np.atleast_2d(np.asarray(x))
        if array.ndim != 2 or array.shape[1] != self.d:
            raise ValueError(f"vectors of shape (rows, {self.d}) are needed, not {array.shape}")
        return array if array.dtype == np.float64 else array.astype(np.float32)
