"""Recall against the true neighbours of a file: ours are all found, ties are no misses, wrong truths are told."""

from __future__ import annotations

import numpy as np
import pytest

from core.compute.recall import Agreement, compare
from core.compute.search import NearestRows
from core.compute.vectors import ArrayRows, Vectors, no_poll, no_report, scan_rows
from core.errors import Cancelled, UserError
from core.truth import Truth, TruthMetric
from core.types import DeviceInfo, Floats, Ids

K = 10


@pytest.fixture(params=[3, 600])
def queries(request: pytest.FixtureRequest) -> Floats:
    return np.random.default_rng(1).normal(size=(request.param, 8)).astype(np.float32)


@pytest.fixture
def x() -> Floats:
    return np.random.default_rng(0).normal(size=(500, 8)).astype(np.float32)


def true_neighbours(x: Floats, queries: Floats, metric: TruthMetric) -> Ids:
    wide, q = x.astype(np.float64), queries.astype(np.float64)
    if metric == "l2":
        distances = np.linalg.norm(q[:, None] - wide, axis=2)
    else:
        distances = -q @ wide.T
        if metric == "cosine":
            distances /= np.linalg.norm(wide, axis=1)
    return np.argsort(distances, axis=1, kind="stable")[:, :K]


def agreement(device: DeviceInfo, x: Floats, queries: Floats, ids: Ids, metric: TruthMetric = "l2") -> Agreement:
    source = ArrayRows(x)
    vectors = Vectors(source, scan_rows(source), device.kind, device.budget_bytes)
    vectors.upload(no_poll, no_report)
    searcher = NearestRows(vectors, metric, device)
    return compare(searcher, Truth(queries, ids, metric, metric), K, "eager", no_poll, no_report)


@pytest.mark.parametrize("metric", ["l2", "cosine", "inner_product"])
def test_all_true_neighbours_are_found(device: DeviceInfo, x: Floats, queries: Floats, metric: TruthMetric) -> None:
    found = agreement(device, x, queries, true_neighbours(x, queries, metric), metric)
    assert found == Agreement(K * len(queries), 0)


def test_of_rows_that_tie_any_will_do(device: DeviceInfo, x: Floats, queries: Floats) -> None:
    twice = np.concatenate([x, x])
    ids = true_neighbours(x, queries, "l2")
    ids[:, ::2] += len(x)
    rows = np.repeat(ids[:, : K // 2], 2, axis=1)
    rows[:, 1::2] = (rows[:, 1::2] + len(x)) % len(twice)  # both of each pair, in no order
    assert agreement(device, twice, queries, rows) == Agreement(K * len(queries), 0)


def test_a_truth_that_is_none_is_told(device: DeviceInfo, x: Floats, queries: Floats) -> None:
    wrong = true_neighbours(x, queries, "l2")
    wrong[0, -1] = np.argmax(np.linalg.norm(x - queries[0], axis=1))
    assert agreement(device, x, queries, wrong) == Agreement(K * len(queries), 1)


def test_neighbours_that_are_missed_are_counted(device: DeviceInfo, x: Floats, queries: Floats) -> None:
    """The truth of more rows than are searched: what they would have been is missed."""
    near = queries[0] + np.float32(1e-3) * np.arange(1, 5, dtype=np.float32)[:, None]
    whole = np.concatenate([x, near])
    ids = true_neighbours(whole, queries[:1], "l2")
    source = ArrayRows(whole)
    scan = scan_rows(source)
    vectors = Vectors(source, scan, device.kind, device.budget_bytes)
    vectors.upload(no_poll, no_report)

    class Blind(NearestRows):
        def search(self, *args, **options):  # type: ignore[no-untyped-def]
            found = super().search(args[0], 2 * K, *args[2:], **options)
            return type(found)(found.distances[:, 4 : 4 + K], found.ids[:, 4 : 4 + K], found.exact, found.timing)

    found = compare(Blind(vectors, "l2", device), Truth(queries[:1], ids, "l2", "l2"), K, "eager", no_poll, no_report)
    assert found == Agreement(K - 4, 0)


@pytest.mark.parametrize("row", [-1, 500])
def test_rows_that_are_not_there_are_refused(device: DeviceInfo, x: Floats, queries: Floats, row: int) -> None:
    ids = true_neighbours(x, queries, "l2")
    ids[0, 0] = row
    with pytest.raises(UserError, match="of another one"):
        agreement(device, x, queries, ids)


def test_it_can_be_cancelled(device: DeviceInfo, x: Floats) -> None:
    def poll() -> None:
        raise Cancelled

    source = ArrayRows(x)
    vectors = Vectors(source, scan_rows(source), device.kind, device.budget_bytes)
    vectors.upload(no_poll, no_report)
    truth = Truth(x[:3], true_neighbours(x, x[:3], "l2"), "l2", "l2")
    with pytest.raises(Cancelled):
        compare(NearestRows(vectors, "l2", device), truth, K, "eager", poll, no_report)
