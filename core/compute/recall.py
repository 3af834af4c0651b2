"""How our neighbours agree with the true ones that came with a file.

A neighbour counts if it is no farther than the k-th of the file's, so that ties are no misses, as in
https://github.com/erikbern/ann-benchmarks (metrics.py). Distances of the file's rows are computed here, not read from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.compute.search import NearestRows
from core.compute.vectors import Poll, Report
from core.errors import UserError
from core.truth import Truth
from core.types import Metric, Mode

QUERIES_AT_ONCE = 256
# Of the distance: what float32, in which searches on a GPU answer, may be off.
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Agreement:
    found: int  # neighbours that count, of queries * k
    nearer: int  # queries whose k-th neighbour is nearer than the file's


def compare(searcher: NearestRows, truth: Truth, k: int, mode: Mode, poll: Poll, report: Report) -> Agreement:
    """Search the neighbours of all queries of `truth`. Raises UserError if it names rows that are not there."""
    rows, queries = searcher.vectors.rows, np.asarray(truth.queries)
    listed = truth.neighbours[:, :k]
    if listed.min() < 0 or listed.max() >= rows:
        raise UserError(f"The ground truth names rows that are not among the {rows:,} of the data set; it is of another one.")
    found = nearer = 0
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        report("Checking recall", start, len(queries))
        some = slice(start, start + QUERIES_AT_ONCE)
        ours = searcher.search(queries[some], k, mode, poll=poll).distances
        theirs = _distances(searcher, queries[some], listed[some])
        sign = -1 if searcher.metric == "inner_product" else 1  # of inner products the largest are the nearest
        limit = (sign * theirs).max(axis=1, keepdims=True)
        slack = TOLERANCE * np.maximum(np.abs(limit), np.finfo(np.float32).tiny)
        found += int(np.count_nonzero(sign * ours <= limit + slack))
        nearer += int(np.count_nonzero(sign * ours[:, -1:] < limit - slack))
    return Agreement(found, nearer)


def _distances(searcher: NearestRows, queries: NDArray[Any], ids: NDArray[Any]) -> NDArray[np.float64]:
    """Between each query (q, d) and its rows (q, k), in float64."""
    x = searcher.vectors.source.read(ids.astype(np.int64).ravel()).reshape(*ids.shape, -1).astype(np.float64)
    q = queries.astype(np.float64)[:, None]
    metric: Metric = searcher.metric
    if metric == "l2":
        return np.asarray(np.linalg.norm(x - q, axis=2))
    products = (x * q).sum(axis=2)
    if metric == "inner_product":
        return np.asarray(products)
    norms = np.linalg.norm(x, axis=2) * np.linalg.norm(q, axis=2)
    return np.asarray(1 - np.divide(products, norms, out=np.zeros_like(norms), where=norms > 0))
