"""Distances of all rows to one, against float64 NumPy: every metric, both layouts, resident or streamed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.compute.distances import distances_to
from core.compute.service import Service
from core.compute.vectors import Poll, Report, Vectors, no_poll, no_report
from core.dataset import Dataset
from core.errors import Cancelled, UserError
from core.queries import RowQuery
from core.types import METRICS, DeviceKind, DistancesRequest, DistancesResult, Floats, Metric
from tests.core.conftest import LAYOUTS, Quiet
from tests.core.test_knn import Doubles, Values, held, normal, order_of

every_metric = pytest.mark.parametrize("metric", METRICS)
every_layout = pytest.mark.parametrize("layout", LAYOUTS)


def expected(x: Values, row: int, metric: Metric) -> Doubles:
    wide = x.astype(np.float64)
    order = order_of(wide, wide[row], metric)
    if metric == "l2":
        return np.asarray(np.sqrt(order))
    return -order if metric == "inner_product" else order


def assert_close(found: Values, x: Values, row: int, metric: Metric) -> None:
    """Within what float32 products may be off: in proportion to the vectors' lengths, for l2 after the root of their squares."""
    right = expected(x, row, metric)
    lengths = np.linalg.norm(x.astype(np.float64), axis=1)
    size = {"cosine": np.ones(len(x)), "inner_product": lengths * lengths[row]}.get(metric, lengths + lengths[row])
    off = np.abs(found.astype(np.float64) - right)
    if metric == "l2":
        off = np.abs(np.square(found.astype(np.float64)) - np.square(right)) / np.maximum(size, 1e-300)
    assert np.all(off <= 4e-6 * size + 1e-30)


def to_row(vectors: Vectors, row: int, metric: Metric, poll: Poll = no_poll, report: Report = no_report) -> Floats:
    return distances_to(vectors, vectors.source.read(np.array([row]))[0], metric, poll, report, row)


@every_metric
@every_layout
@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_all_rows_are_measured(device: object, metric: Metric, layout: DeviceKind, offset: float) -> None:
    x = normal(3000, 24) + np.float32(offset)
    found = to_row(held(x, layout), 17, metric)
    assert found.shape == (3000,)
    assert found.dtype == np.float32
    assert_close(found, x, 17, metric)


@every_metric
@every_layout
def test_a_set_that_streams_gives_the_same(device: object, metric: Metric, layout: DeviceKind) -> None:
    x = normal(20_000, 12)
    whole, streamed = held(x, layout), held(x, layout, 1 << 20)
    assert whole.resident
    assert not streamed.resident
    told: list[tuple[int, int]] = []
    found = to_row(streamed, 3, metric, no_poll, lambda stage, done, total: told.append((done, total)))
    np.testing.assert_allclose(found, to_row(whole, 3, metric), rtol=1e-5, atol=1e-6)
    assert len(told) > 1
    assert told[-1] == (20_000, 20_000)


@every_metric
@every_layout
def test_rows_left_out_have_no_distance(device: object, metric: Metric, layout: DeviceKind) -> None:
    x = normal(500, 8)
    x[[3, 77]] = np.nan
    found = to_row(held(x, layout), 5, metric)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(found)), [3, 77])
    kept = ~np.isnan(found)
    assert_close(found[kept], x[kept], 4, metric)


@every_metric
@every_layout
def test_rows_of_wild_norm_are_measured_too(device: object, metric: Metric, layout: DeviceKind) -> None:
    x = normal(400, 6, dtype=np.float64)
    x[7] *= 1e25
    x[9] = 0.0
    found = to_row(held(x, layout), 5, metric)
    with np.errstate(over="ignore"):
        right = expected(x, 5, metric)
    np.testing.assert_allclose(found, right, rtol=1e-4, atol=1e-5)


@every_metric
@every_layout
def test_a_query_of_wild_norm_is_answered(device: object, metric: Metric, layout: DeviceKind) -> None:
    x = normal(300, 6, dtype=np.float64)
    x[7] *= 1e25
    found = to_row(held(x, layout), 7, metric)
    with np.errstate(over="ignore"):
        right = expected(x, 7, metric).astype(np.float32)
    np.testing.assert_allclose(found, right, rtol=1e-6, atol=1e-6)


@every_layout
def test_tiny_values_keep_their_distances(device: object, layout: DeviceKind) -> None:
    x = normal(300, 6, dtype=np.float64) * 1e-30
    np.testing.assert_allclose(to_row(held(x, layout), 7, "l2"), expected(x, 7, "l2"), rtol=1e-4, atol=1e-36)


def test_a_poll_that_raises_ends_it(device: object) -> None:
    def poll() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        to_row(held(normal(300, 6)), 0, "l2", poll)


def test_the_service_measures_and_gives_way(service: Service) -> None:
    x = normal(2000, 8)
    dataset = Dataset(Path("x.npy"), x, "npy", "float32")
    job = Quiet()
    result = service.handle(DistancesRequest(dataset, RowQuery(11), "cosine"), job)
    assert isinstance(result, DistancesResult)
    assert (result.dataset, result.query, result.metric) == (dataset, RowQuery(11), "cosine")
    assert_close(result.distances, x, 11, "cosine")
    assert job.gave_way > 0


@pytest.mark.parametrize(("row", "reason"), [(-1, "has no row"), (50, "has no row"), (3, "holds NaN or infinity")])
def test_rows_that_cannot_be_asked_about_are_refused(service: Service, row: int, reason: str) -> None:
    x = normal(50, 4)
    x[3, 1] = np.inf
    with pytest.raises(UserError, match=reason):
        service.handle(DistancesRequest(Dataset(Path("x.npy"), x, "npy", "float32"), RowQuery(row), "l2"), Quiet())
