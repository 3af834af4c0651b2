"""An exact index over vectors that are handed to it, after FAISS's IndexFlat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import mlx.core as mx
import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.compute.device import select
from core.compute.proposals import Doubles
from core.compute.search import NearestRows, SearchResult
from core.compute.storage import KeptRows, pack, unpack
from core.compute.vectors import Poll, Report, Vectors, no_poll, no_report, scan_rows
from core.errors import UserError
from core.export import write_whole
from core.types import METRICS, STORAGES, DeviceInfo, Ids, Metric, Mode, Storage

# Rows searched at once for a graph of all pairs; more where every batch has to read the vectors anew.
GRAPH_BATCH, STREAMED_BATCH = 256, 8192


class FlatIndex:
    """Exact nearest neighbours of vectors kept whole.

        index = FlatIndex(128, "cosine")
        index.add(x)                            # (n, 128); rows are numbered in the order they come, or ids=...
        distances, ids = index.search(q, 10)    # (q, 10) each

    Distances are Euclidean (l2), 1 - cosine (a zero vector is at distance 1 from everything), the inner product itself, largest
    first (inner_product), the sum (l1) or the largest (linf) of the absolute differences.

    With `storage` 'float16' or 'bfloat16' vectors are rounded as they are added, and take a third of the memory on a GPU; answers
    are exact for the rounded vectors. `use_kernel` is for core.compute.search.NearestRows.
    """

    def __init__(
        self,
        d: int,
        metric: Metric = "l2",
        device: DeviceInfo | None = None,
        storage: Storage = "float32",
        use_kernel: bool | None = None,
    ) -> None:
        if metric not in METRICS:
            raise ValueError(f"metric {metric!r} is none of {', '.join(METRICS)}")
        if storage not in STORAGES:
            raise ValueError(f"storage {storage!r} is none of {', '.join(STORAGES)}")
        self.d = d
        self.metric: Metric = metric
        self.device = device or select()
        self.storage: Storage = storage
        self.use_kernel = use_kernel
        self._rows: NDArray[Any] = np.empty((0, d), np.float32)  # as core.compute.storage keeps them
        self._ids: Ids = np.empty(0, np.int64)
        self._counted = True  # ids are 0, 1, 2, …
        self._waiting: list[NDArray[Any]] = []  # added, not yet joined
        self._searcher: NearestRows | None = None

    @property
    def ntotal(self) -> int:
        return len(self._ids)

    def add(self, x: ArrayLike, ids: ArrayLike | None = None) -> None:
        """Add rows (n, d), under `ids` (n,) or the numbers that follow.

        Raises ValueError for another width, a NaN or infinity, or an id twice, UserError for a value beyond float16's range
        where that is the storage.
        """
        block = pack(self._checked(x), self.storage)
        start = int(self._ids.max()) + 1 if self.ntotal else 0
        added = np.arange(start, start + len(block)) if ids is None else np.asarray(ids, np.int64)
        if added.shape != (len(block),):
            raise ValueError(f"{len(block)} ids are needed, not an array of shape {added.shape}")
        joined = np.concatenate([self._ids, added])
        if ids is not None and len(np.unique(joined)) < len(joined):
            raise ValueError("an id is given twice, or is in the index already")
        self._counted = self._counted and bool(np.array_equal(added, np.arange(self.ntotal, len(joined))))
        self._ids = joined
        self._waiting.append(block.copy())
        self._searcher = None

    def remove(self, ids: ArrayLike) -> int:
        """Remove the rows of these ids; return how many there were."""
        kept = ~np.isin(self._ids, np.asarray(ids, np.int64))
        removed = int(np.count_nonzero(~kept))
        if removed:
            self._rows, self._ids = self._joined()[kept], self._ids[kept]
            self._counted = False
            self._searcher = None
        return removed

    def reconstruct(self, ids: ArrayLike) -> NDArray[np.floating[Any]]:
        """The rows of these ids, (m, d), rounded if the storage is short.

        Raises KeyError for an id that is not there.
        """
        wanted = np.atleast_1d(np.asarray(ids, np.int64))
        order = np.argsort(self._ids)
        place = np.searchsorted(self._ids, wanted, sorter=order).clip(max=max(self.ntotal - 1, 0))
        if not self.ntotal or (self._ids[order[place]] != wanted).any():
            raise KeyError(f"not all of these ids are in the index: {wanted.tolist()}")
        return unpack(self._joined()[order[place]], self.storage)

    def search(self, q: ArrayLike, k: int, mode: Mode = "compiled") -> tuple[Doubles, Ids]:
        """Distances and ids (q, min(k, n)) of the nearest rows to q (q, d), nearest first, ties to the row added first."""
        result = self.query(q, k, mode)
        return result.distances, result.ids

    def query(self, q: ArrayLike, k: int, mode: Mode = "compiled", exclude: Sequence[int] | None = None) -> SearchResult:
        """As `search`, with the proof and the time; `exclude` leaves out one row (by position) a query."""
        _check_k(k)
        found = self._ready().search(self._checked(q), k, mode, exclude)
        return found if self._counted else replace(found, ids=self._ids[found.ids])

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
        step = GRAPH_BATCH if searcher.vectors.resident else STREAMED_BATCH
        for start in range(0, self.ntotal, step):
            batch = np.arange(start, min(start + step, self.ntotal))
            found = searcher.search(unpack(rows[batch], self.storage), k, mode, batch.tolist(), poll)
            distances.append(found.distances)
            ids.append(self._ids[found.ids])
            report("Joining neighbours", int(batch[-1]) + 1, self.ntotal)
        return np.concatenate(distances), np.concatenate(ids)

    def save(self, path: Path | str) -> None:
        """Write rows, ids and metric in the safetensors format, whole or not at all. Raises UserError if that cannot be."""
        rows = self._joined()
        # Bit patterns: safetensors through MLX knows no float64 on a GPU, and no value may change.
        words = np.ascontiguousarray(rows).view(np.uint16 if rows.itemsize == 2 else np.uint32)
        tensors = {"rows": mx.array(words), "ids": mx.array(self._ids.view(np.uint32))}
        told = {"metric": self.metric, "dtype": rows.dtype.name, "d": str(self.d), "storage": self.storage}
        # Under a name that MLX does not lengthen, in the folder where it is to stand.
        write_whole(Path(path), lambda whole: mx.save_safetensors(str(whole), tensors, told), suffix=".safetensors")

    @classmethod
    def load(cls, path: Path | str, device: DeviceInfo | None = None) -> FlatIndex:
        """Read what `save` wrote. Raises UserError for a file that it did not write."""
        try:
            loaded = mx.load(str(path), format="safetensors", return_metadata=True)
            tensors, told = cast(tuple[dict[str, mx.array], dict[str, Any]], loaded)
            storage = told.get("storage", "float32")
            index = cls(int(told["d"]), told["metric"], device, storage)
            rows = np.array(tensors["rows"]).view(told["dtype"])
            index.add(unpack(rows, storage), np.array(tensors["ids"]).view(np.int64))
        except (RuntimeError, KeyError, ValueError, TypeError) as error:
            raise UserError(f"{path} is not an index that Kinscope saved ({error}); save it again.") from None
        return index

    def _joined(self) -> NDArray[Any]:
        if self._waiting:
            self._rows = np.concatenate([self._rows, *self._waiting]) if len(self._rows) else np.concatenate(self._waiting)
            self._waiting = []
        return self._rows

    def _ready(self) -> NearestRows:
        if not self.ntotal:
            raise ValueError("the index is empty: add vectors first")
        if self._searcher is None:
            source = KeptRows(self._joined(), self.storage)
            vectors = Vectors(source, scan_rows(source), self.device.kind, self.device.budget_bytes, self.storage)
            self._searcher = NearestRows(vectors, self.metric, self.device, self.use_kernel)
        return self._searcher

    def _checked(self, x: ArrayLike) -> NDArray[np.floating[Any]]:
        array = np.atleast_2d(np.asarray(x))
        if array.ndim != 2 or array.shape[1] != self.d:
            raise ValueError(f"vectors of shape (rows, {self.d}) are needed, not {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError("vectors hold NaN or infinity")
        return array if array.dtype == np.float64 else array.astype(np.float32, copy=False)


def _check_k(k: int) -> None:
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
