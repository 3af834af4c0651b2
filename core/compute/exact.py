"""What neighbours are sorted by, computed directly from the source's rows, on the host, in float64.

The 'order' of a row for a query is their squared distance (l2), 1 - cosine, minus the inner product, or the distance (l1, linf),
of the vectors times the scale of core.compute.vectors (but for the cosine, which has no scale).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.compute.vectors import Poll, Vectors, no_poll
from core.types import Ids, Metric

Doubles = NDArray[np.float64]
# float64 where its range will do, else long double, where that is longer.
Longs = NDArray[Any]
# Values beyond this, squared and summed, might overflow float64.
WIDE = 1e140
# Values worked on at once: arrays so small stay in the cache, where larger ones would fault in fresh pages.
STRIP_VALUES = 1 << 17
# From so many strips on it pays to start threads, which work on strips side by side.
MANY_STRIPS = 8


def direct_order(vectors: Vectors, metric: Metric, queries: Doubles, which: Ids, rows: Ids, poll: Poll = no_poll) -> Longs:
    """The order (p,) of each of `rows` (p,) of the file for the query that `which` (p,) names among `queries` (q, d)."""
    if metric == "cosine":
        queries = _near_one(queries)
        squares = np.square(queries).sum(axis=1)
    step = max(1, STRIP_VALUES // vectors.dims)

    def of(start: int) -> Longs:
        strip = slice(start, start + step)
        x, q = vectors.source.read(rows[strip]), queries[which[strip]]
        if metric == "cosine":
            return _cosine_order(x, q, squares[which[strip]])
        return _order(x, q, metric, vectors.scale)

    starts = range(0, len(rows), step)
    if len(starts) < MANY_STRIPS:
        parts = []
        for start in starts:
            poll()
            parts.append(of(start))
        return np.concatenate(parts) if parts else np.empty(0)
    with ThreadPoolExecutor(thread_name_prefix="kinscope-exact") as pool:
        coming = [pool.submit(of, start) for start in starts]
        try:
            parts = []
            for part in coming:
                poll()
                parts.append(part.result())
        finally:
            pool.shutdown(cancel_futures=True)
    return np.concatenate(parts)


def _order(x: NDArray[np.floating[Any]], q: Doubles, metric: Metric, scale: float) -> Longs:
    """The order of rows x (p, d) for as many queries q (p, d)."""
    with np.errstate(over="ignore"):
        largest = max(float(np.abs(x).max(initial=0.0)), float(np.abs(q).max(initial=0.0))) * scale
    dtype = np.longdouble if largest > WIDE else np.float64
    wide: Longs = x.astype(dtype)
    other: Longs = q.astype(dtype, copy=False)
    if scale != 1.0:
        wide, other = wide * scale, other * scale
    if metric == "inner_product":
        wide *= other
        return np.asarray(-wide.sum(axis=1))
    wide -= other
    if metric == "l2":
        return np.asarray(np.square(wide, out=wide).sum(axis=1))
    np.abs(wide, out=wide)
    return np.asarray(wide.sum(axis=1) if metric == "l1" else wide.max(axis=1))


def _cosine_order(x: NDArray[np.floating[Any]], q: Doubles, squares: Doubles) -> Doubles:
    """1 - cosine of rows x (p, d) and queries q (p, d), near 1, of these squared lengths (p,); 1 where either is zero."""
    # float32 in float64 has squares to spare; float64 has not.
    wide = x.astype(np.float64) if x.dtype == np.float32 else _near_one(x)
    products = (wide * q).sum(axis=1)
    norms = np.sqrt(np.square(wide, out=wide).sum(axis=1) * squares)
    order: Doubles = 1.0 - np.divide(products, norms, out=np.zeros_like(norms), where=norms > 0)
    order[np.abs(order) < 4 * np.finfo(np.float64).eps] = 0.0  # parallel vectors tie, whatever the rounding
    return order


def _near_one(x: NDArray[np.floating[Any]]) -> Doubles:
    """Rows times powers of two that bring each near 1, which changes no cosine and keeps squares in range."""
    near: Longs = np.ldexp(x, -np.frexp(np.abs(x).max(axis=1, keepdims=True, initial=0.0))[1])
    return near.astype(np.float64, copy=False)
