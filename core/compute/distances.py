"""Distances of all rows to a query, in float32: to colour by, where the last digits do not show."""

from __future__ import annotations

from collections.abc import Callable

import mlx.core as mx
import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.compute.exact import direct_order
from core.compute.proposals import unit_rows
from core.compute.timing import fence
from core.compute.vectors import ONE, SANE_NORMS, SQUARE, Chunk, Poll, Report, Vectors, no_poll, no_report
from core.types import Floats, Ids, Metric

Doubles = NDArray[np.float64]
# Cosine distances below this are what rounding leaves of 0.
ROUNDING = 1e-6
Scores = Callable[[Chunk], mx.array]


def distances_to(
    vectors: Vectors, query: ArrayLike, metric: Metric, poll: Poll = no_poll, report: Report = no_report, own: int | None = None
) -> Floats:
    """The distance of every row of the file to `query` (d,), (n,), or the inner product itself; NaN in rows that are left out.

    `own` is the row that the query is, if it is one. `poll` is called and `report` told for every chunk.
    """
    query = np.asarray(query, np.float64)[None]
    scores = _scores(vectors, query, metric)
    found = np.full(vectors.source.rows, np.nan, np.float32)
    for chunk in vectors.chunks(poll):
        rows = chunk.file_rows(np.arange(chunk.rows))
        direct = rows[chunk.wild]
        if scores is None:
            direct = rows
        else:
            values = scores(chunk)
            fence(values)
            found[rows] = _finished(np.array(values)[: chunk.rows].astype(np.float64), metric, vectors.scale)
        if len(direct):
            found[direct] = _direct(vectors, query, metric, direct, poll)
        report("Measuring distances", min(chunk.start + vectors.step, vectors.source.rows), vectors.source.rows)
    if own is not None and metric in ("l2", "l1", "linf"):
        found[own] = 0.0  # where rounding would leave a trace
    return found


def _direct(vectors: Vectors, query: Doubles, metric: Metric, rows: Ids, poll: Poll) -> Floats:
    """For rows, or a query, of wild norm, of which float32 products tell nothing."""
    order = direct_order(vectors, metric, query, np.zeros(len(rows), np.int64), rows, poll)
    return _finished(np.asarray(order), metric, vectors.scale)


def _finished(order: NDArray[np.floating], metric: Metric, scale: float) -> Floats:
    """What neighbours are sorted by as the distance that is told."""
    with np.errstate(over="ignore"):  # beyond float32 is infinite
        if metric == "l2":
            distances = np.sqrt(np.maximum(order, 0.0)) / scale
        elif metric == "inner_product":
            distances = -order / scale / scale
        elif metric == "cosine":
            distances = np.where(order < ROUNDING, 0.0, order)
        else:
            distances = order / scale
        return np.asarray(distances, np.float32)


def _scores(vectors: Vectors, query: Doubles, metric: Metric) -> Scores | None:
    """What gives a chunk's scores (width,), in the units of the stored rows; None for a query of wild norm."""
    scaled = query * vectors.scale
    norm = float(np.linalg.norm(scaled))
    if norm > SANE_NORMS[1] or 0.0 < norm < SANE_NORMS[0]:
        return None
    shift = vectors.shift.astype(np.float64)
    if metric in ("l1", "linf"):
        return _by_differences(vectors, scaled[0] - shift, metric)
    if metric == "l2":
        away = scaled - shift
        return _by_product(vectors, -2.0 * away, float(np.square(away).sum()), squared=True)
    direction = unit_rows(scaled) if metric == "cosine" else scaled
    product = _by_product(vectors, -direction, -float((direction @ shift)[0]))
    if metric == "cosine":
        return lambda chunk: 1.0 + product(chunk) * chunk.inverse_norms
    return product


def _by_product(vectors: Vectors, coefficients: Doubles, constant: float, squared: bool = False) -> Scores:
    """Scores x · coefficients (1, d) + constant, and the squared norm of x if it is asked for."""
    # The stored squares are less by their error bound.
    of_square = 1.0 / (1.0 - 3.0 * vectors.error)
    if vectors.columns:
        whole = np.zeros((1, vectors.width), np.float32)
        whole[:, : vectors.dims] = coefficients
        extra = whole[:, vectors.dims :]
        extra[:, ONE] = constant
        extra[:, SQUARE] = of_square if squared else 0.0
        queries = mx.array(whole)
        return lambda chunk: (queries @ chunk.data)[0]
    column = mx.array(coefficients[0].astype(np.float32))

    def scores(chunk: Chunk) -> mx.array:
        product = chunk.data @ column + constant
        if not squared:
            return product
        assert chunk.half is not None
        return product + chunk.half.squares * of_square

    return scores


def _by_differences(vectors: Vectors, query: Doubles, metric: Metric) -> Scores:
    """Sum, or largest, of the absolute differences to the query (d,), one dimension after the other."""
    values = query.astype(np.float32).tolist()

    def scores(chunk: Chunk) -> mx.array:
        data = chunk.data
        totals = mx.zeros(chunk.ones.shape)
        for i, value in enumerate(values):
            away = mx.abs((data[i] if vectors.columns else data[:, i]) - value)
            totals = totals + away if metric == "l1" else mx.maximum(totals, away)
        return totals

    return scores
