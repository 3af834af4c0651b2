"""An exact index over vectors that are handed to it, after FAISS's IndexFlat."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import mlx.core as mx
import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.compute.device import select
from core.compute.proposals import Doubles
from core.compute.search import NearestRows, SearchResult
from core.compute.vectors import ArrayRows, Poll, Report, Vectors, no_poll, no_report, scan_rows
from core.errors import UserError
from core.export import write_whole
from core.types import METRICS, DeviceInfo, Ids, Metric, Mode

# Rows searched at once for a graph of all pairs.
GRAPH_BATCH = 256


class FlatIndex:
    """Exact nearest neighbours of vectors kept whole.

        index = FlatIndex(128, "cosine")
        index.add(x)                            # (n, 128); rows are numbered in the order they come, or ids=...
        distances, ids = index.search(q, 10)    # (q, 10) each

    Distances are Euclidean (l2), 1 - cosine (a zero vector is at distance 1 from everything), the inner product itself, largest
    first (inner_product), the sum (l1) or the largest (linf) of the absolute differences.
    """

    def __init__(self, d: int, metric: Metric = "l2", device: DeviceInfo | None = None) -> None:
        if metric not in METRICS:
            raise ValueError(f"metric {metric!r} is none of {', '.join(METRICS)}")
        self.d = d
        self.metric: Metric = metric
        self.device = device or select()
        self._rows: NDArray[np.floating[Any]] = np.empty((0, d), np.float32)
        self._ids: Ids = np.empty(0, np.int64)
        self._waiting: list[NDArray[np.floating[Any]]] = []  # added, not yet joined
        self._searcher: NearestRows | None = None

    @property
    def ntotal(self) -> int:
        return len(self._ids)

    def add(self, x: ArrayLike, ids: ArrayLike | None = None) -> None:
        """Add rows (n, d), under `ids` (n,) or the numbers that follow.

        Raises ValueError for another width, a NaN or infinity, or an id twice.
        """
        block = self._checked(x)
        start = int(self._ids.max()) + 1 if self.ntotal else 0
        added = np.arange(start, start + len(block)) if ids is None else np.asarray(ids, np.int64)
        if added.shape != (len(block),):
            raise ValueError(f"{len(block)} ids are needed, not an array of shape {added.shape}")
        joined = np.concatenate([self._ids, added])
        if ids is not None and len(np.unique(joined)) < len(joined):
            raise ValueError("an id is given twice, or is in the index already")
        self._ids = joined
        self._waiting.append(block.copy())
        self._searcher = None

    def remove(self, ids: ArrayLike) -> int:
        """Remove the rows of these ids; return how many there were."""
        kept = ~np.isin(self._ids, np.asarray(ids, np.int64))
        removed = int(np.count_nonzero(~kept))
        if removed:
            self._rows, self._ids = self._joined()[kept], self._ids[kept]
            self._searcher = None
        return removed

    def reconstruct(self, ids: ArrayLike) -> NDArray[np.floating[Any]]:
        """The rows of these ids, (m, d), as they were added. Raises KeyError for an id that is not there."""
        wanted = np.atleast_1d(np.asarray(ids, np.int64))
        order = np.argsort(self._ids)
        place = np.searchsorted(self._ids, wanted, sorter=order).clip(max=max(self.ntotal - 1, 0))
        if not self.ntotal or (self._ids[order[place]] != wanted).any():
            raise KeyError(f"not all of these ids are in the index: {wanted.tolist()}")
        return np.asarray(self._joined()[order[place]])

    def search(self, q: ArrayLike, k: int, mode: Mode = "compiled") -> tuple[Doubles, Ids]:
        """Distances and ids (q, min(k, n)) of the nearest rows to q (q, d), nearest first, ties to the row added first."""
        result = self.query(q, k, mode)
        return result.distances, result.ids

    def query(self, q: ArrayLike, k: int, mode: Mode = "compiled", exclude: Sequence[int] | None = None) -> SearchResult:
        """As `search`, with the proof and the time; `exclude` leaves out one row (by position) a query."""
        _check_k(k)
        found = self._ready().search(self._checked(q), k, mode, exclude)
        return SearchResult(found.distances, self._ids[found.ids], found.exact, found.timing)

    def range_search(self, q: ArrayLike, radius: float, mode: Mode = "compiled") -> tuple[Ids, Doubles, Ids]:
        """All rows within `radius` of each query (q, d), nearest first: (limits (q + 1,), distances, ids).

        Query i's are at limits[i]:limits[i + 1]. For the inner product these are the rows of a product of at least `radius`.
        """
        found = [self._ready().within(query, radius, mode) for query in self._checked(q)]
        limits = np.cumsum([0, *(len(rows) for _, rows in found)])
        distances = np.concatenate([d for d, _ in found]) if found else np.empty(0)
        return limits, distances, self._ids[np.concatenate([rows for _, rows in found]) if found else np.empty(0, np.int64)]

    def knn_graph(self, k: int, mode: Mode = "compiled", poll: Poll = no_poll, report: Report = no_report) -> tuple[Doubles, Ids]:
        """Distances and ids (n, min(k, n - 1)) of every row's nearest other rows."""
        _check_k(k)
        searcher, rows = self._ready(), self._joined()
        distances, ids = [], []
        for start in range(0, self.ntotal, GRAPH_BATCH):
            batch = np.arange(start, min(start + GRAPH_BATCH, self.ntotal))
            found = searcher.search(rows[batch], k, mode, batch.tolist(), poll)
            distances.append(found.distances)
            ids.append(self._ids[found.ids])
            report("Joining neighbours", int(batch[-1]) + 1, self.ntotal)
        return np.concatenate(distances), np.concatenate(ids)

    def save(self, path: Path | str) -> None:
        """Write rows, ids and metric in the safetensors format, whole or not at all. Raises UserError if that cannot be."""
        rows = self._joined()
        # Bit patterns in 32-bit words: safetensors through MLX knows no float64 on a GPU, and no value may change.
        words = np.ascontiguousarray(rows).view(np.uint32)
        tensors = {"rows": mx.array(words), "ids": mx.array(self._ids.view(np.uint32))}
        told = {"metric": self.metric, "dtype": rows.dtype.name, "d": str(self.d)}
        # Under a name that MLX does not lengthen, in the folder where it is to stand.
        write_whole(Path(path), lambda whole: mx.save_safetensors(str(whole), tensors, told), suffix=".safetensors")

    @classmethod
    def load(cls, path: Path | str, device: DeviceInfo | None = None) -> FlatIndex:
        """Read what `save` wrote. Raises UserError for a file that it did not write."""
        try:
            loaded = mx.load(str(path), format="safetensors", return_metadata=True)
            tensors, told = cast(tuple[dict[str, mx.array], dict[str, Any]], loaded)
            index = cls(int(told["d"]), told["metric"], device)
            index.add(np.array(tensors["rows"]).view(told["dtype"]), np.array(tensors["ids"]).view(np.int64))
        except (RuntimeError, KeyError, ValueError, TypeError) as error:
            raise UserError(f"{path} is not an index that Kinscope saved ({error}); save it again.") from None
        return index

    def _joined(self) -> NDArray[np.floating[Any]]:
        if self._waiting:
            self._rows = np.concatenate([self._rows, *self._waiting]) if len(self._rows) else np.concatenate(self._waiting)
            self._waiting = []
        return self._rows

    def _ready(self) -> NearestRows:
        if not self.ntotal:
            raise ValueError("the index is empty: add vectors first")
        if self._searcher is None:
            source = ArrayRows(self._joined())
            vectors = Vectors(source, scan_rows(source), self.device.kind, self.device.budget_bytes)
            self._searcher = NearestRows(vectors, self.metric, self.device)
        return self._searcher

    def _checked(self, x: ArrayLike) -> NDArray[np.floating[Any]]:
        array = np.atleast_2d(np.asarray(x))
        if array.ndim != 2 or array.shape[1] != self.d:
            raise ValueError(f"vectors of shape (rows, {self.d}) are needed, not {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError("vectors hold NaN or infinity")
        return array if array.dtype == np.float64 else array.astype(np.float32)


def _check_k(k: int) -> None:
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
