"""The vector that a query stands for, checked against the data set that it is asked of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.compute.subset import mean_of
from core.compute.vectors import Poll, Report, Vectors, no_poll, no_report
from core.dataset import Dataset
from core.errors import UserError
from core.queries import AnalogyQuery, FileQuery, MeanQuery, Query, RowQuery, VectorQuery
from core.types import Metric


def query_vector(
    query: Query, dataset: Dataset, vectors: Vectors, metric: Metric, poll: Poll = no_poll, report: Report = no_report
) -> NDArray[np.floating[Any]]:
    """The vector (d,) of `query`, asked of `dataset`, whose vectors these are.

    Raises UserError if it has no neighbours: a row that is not there or not finite, another number of dimensions, a vector
    without direction under the cosine.
    """
    match query:
        case RowQuery(row):
            _check_rows(dataset, (row,), vectors)
            found: NDArray[np.floating[Any]] = vectors.source.read(np.array([row]))[0]
            return found  # a row of zeros is asked about as any other
        case MeanQuery(rows):
            return mean_of(vectors.source, rows, poll, report)
        case AnalogyQuery(plus, minus):
            _check_rows(dataset, plus + minus, vectors)
            found = _sum_of(vectors, plus) - _sum_of(vectors, minus)
        case VectorQuery(vector):
            found = vector
        case FileQuery(other, row):
            if not 0 <= row < other.rows:
                raise UserError(f"{other.name} has no row {row:,}; its rows are 0 to {other.rows - 1:,}.")
            found = other.read(np.array([row]))[0]
    _check(query.name(lambda row: f"row {row:,}"), found, dataset, metric)
    return found


def _sum_of(vectors: Vectors, rows: tuple[int, ...]) -> NDArray[np.float64]:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(vectors.source.read(np.array(rows, np.int64)).sum(axis=0, dtype=np.float64))


def _check_rows(dataset: Dataset, rows: tuple[int, ...], vectors: Vectors) -> None:
    for row in rows:
        if not 0 <= row < dataset.rows:
            raise UserError(f"{dataset.name} has no row {row:,}; its rows are 0 to {dataset.rows - 1:,}.")
        if not vectors.scan.finite[row]:
            raise UserError(f"Row {row:,} of {dataset.name} holds NaN or infinity, so it has no neighbours; choose another.")


def _check(name: str, vector: NDArray[np.floating[Any]], dataset: Dataset, metric: Metric) -> None:
    if len(vector) != dataset.dims:
        raise UserError(
            f"The query ({name}) has {len(vector):,} dimensions, the vectors of {dataset.name} have {dataset.dims:,}; "
            "choose a vector of as many."
        )
    if not np.isfinite(vector).all():
        raise UserError(f"The query ({name}) holds NaN or infinity, so it has no neighbours; choose another vector.")
    if metric == "cosine" and not vector.any():
        raise UserError(
            f"The query ({name}) is all zeros and has no direction to tell a cosine by; choose another vector or metric."
        )
