"""Vectors to measure on, and the truth about them, computed in float64."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.types import Floats, Ids, Metric

# Values in a strip of rows: one strip is drawn by one thread, and is turned to float64 at once.
STRIP_VALUES = 1 << 22


def normal(n: int, d: int, seed: int = 0) -> Floats:
    """Standard normal vectors (n, d), the same on every machine; drawn by all cores."""
    x = np.empty((n, d), np.float32)

    def fill(part: slice) -> None:
        np.random.default_rng((seed, part.start)).standard_normal(out=x[part], dtype=np.float32)

    with ThreadPoolExecutor() as pool:
        list(pool.map(fill, _strips(n, d)))
    return x


def decaying(n: int, d: int) -> Floats:
    """64 decaying directions in noise, of mean zero, (n, d): what embeddings' spectra look like."""
    generator = np.random.default_rng(1)
    basis = np.linalg.qr(generator.standard_normal((d, min(64, d))))[0].astype(np.float32)
    strength = (4 * 0.93 ** np.arange(basis.shape[1])).astype(np.float32)
    along = normal(n, basis.shape[1], 2)
    x = normal(n, d, 3)
    for part in _strips(n, d):
        x[part] *= np.float32(0.3)
        x[part] += (along[part] * strength) @ basis.T
    x -= x.mean(axis=0, dtype=np.float64).astype(np.float32)
    return x


def true_neighbours(x: Floats, queries: Floats, k: int, metric: Metric) -> Ids:
    """The k nearest rows of x (n, d) to each of a few queries (q, d), nearest first, (q, k)."""
    asked = queries.astype(np.float64)
    order = np.empty((len(asked), len(x)))
    for part in _strips(*x.shape):
        rows = x[part].astype(np.float64)
        if metric == "l2":
            order[:, part] = np.einsum("ij,ij->i", rows, rows) - 2.0 * asked @ rows.T
        elif metric == "inner_product":
            order[:, part] = -asked @ rows.T
        elif metric == "l1":
            order[:, part] = [np.abs(rows - query).sum(axis=1) for query in asked]
        else:
            raise ValueError(f"there is no reference for {metric}")
    nearest = np.argpartition(order, k - 1, axis=1)[:, :k]
    return np.take_along_axis(nearest, np.take_along_axis(order, nearest, axis=1).argsort(axis=1), axis=1)


def recall(found: NDArray[np.integer[Any]], true: Ids) -> float:
    """The share of the true ids (q, k) among those found for the same first q queries, (at least q, k)."""
    return float(np.mean([np.isin(wanted, ids).mean() for wanted, ids in zip(true, found, strict=False)]))


def leading_subspace(x: Floats, k: int) -> NDArray[np.float64]:
    """The k leading right singular vectors of x (n, d), as columns (d, k), through the Gram matrix."""
    gram = np.zeros((x.shape[1], x.shape[1]))
    for part in _strips(*x.shape):
        rows = x[part].astype(np.float64)
        gram += rows.T @ rows
    return np.linalg.eigh(gram)[1][:, ::-1][:, :k]


def subspace_error(found: NDArray[np.floating[Any]], true: NDArray[np.float64]) -> float:
    """The sine of the largest angle between the span of `found` (d, k) and that of the orthonormal `true` (d, k)."""
    basis = np.linalg.qr(found.astype(np.float64))[0]
    return float(np.linalg.norm(basis - true @ (true.T @ basis), 2))


def relative_error(found: NDArray[np.floating[Any]], true: NDArray[np.float64]) -> float:
    """The Frobenius norm of what `found` is off by, over that of `true`."""
    return float(np.linalg.norm(found - true) / np.linalg.norm(true))


def z_step(x: Floats, v: Floats) -> NDArray[np.float64]:
    """Z = Xᵀ(X·V), (d, p), of x (n, d) and v (d, p)."""
    z, wide = np.zeros(v.shape), v.astype(np.float64)
    for part in _strips(*x.shape):
        rows = x[part].astype(np.float64)
        z += rows.T @ (rows @ wide)
    return z


def _strips(n: int, d: int) -> Iterator[slice]:
    step = max(1, STRIP_VALUES // d)
    return (slice(start, min(start + step, n)) for start in range(0, n, step))
