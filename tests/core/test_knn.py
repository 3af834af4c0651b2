"""Exact nearest neighbours, against float64 brute force: everywhere the same rows, whatever the data."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.compute import exact, search, selection, vectors
from core.compute.knn import FlatIndex
from core.compute.search import NearestRows, SearchResult
from core.compute.vectors import CHUNKS_AT_ONCE, ArrayRows, Vectors, scan_rows
from core.errors import Cancelled, UserError
from core.types import METRICS, MODES, DeviceInfo, DeviceKind, Metric, Mode
from tests.core.conftest import LAYOUTS

Doubles = NDArray[np.float64]
Values = NDArray[np.floating[Any]]

AMPLE = 1 << 40

every_metric = pytest.mark.parametrize("metric", METRICS)
every_layout = pytest.mark.parametrize("layout", LAYOUTS)
every_mode = pytest.mark.parametrize("mode", MODES)


def normal(rows: int, dims: int, seed: int = 0, dtype: Any = np.float32) -> Values:
    return np.random.default_rng(seed).normal(size=(rows, dims)).astype(dtype)


def order_of(x: Doubles, q: Doubles, metric: Metric) -> Doubles:
    """What the nearest rows have least of, for one query."""
    order: Doubles
    if metric == "l2":
        order = np.square(x - q).sum(axis=1)
    elif metric == "l1":
        order = np.abs(x - q).sum(axis=1)
    elif metric == "linf":
        order = np.abs(x - q).max(axis=1)
    elif metric == "inner_product":
        order = -(x * q).sum(axis=1)
    else:
        norms = np.sqrt(np.square(x).sum(axis=1) * np.square(q).sum())
        order = 1 - np.divide((x * q).sum(axis=1), norms, out=np.zeros_like(norms), where=norms > 0)
    return order


def brute(x: Values, q: Values, k: int, metric: Metric, left_out: tuple[int, ...] = ()) -> tuple[Doubles, NDArray[np.int64]]:
    """Distances and rows of the k nearest, ties to the lower row, in float64."""
    # By a power of two, which is exact, so that squares stay in range.
    largest = max(float(np.abs(x[np.isfinite(x)]).max()), float(np.abs(q).max()), 1e-300)
    unit = 2.0 ** -float(np.floor(np.log2(largest))) if not 1e-100 < largest < 1e100 else 1.0
    distances, ids = [], []
    for query in np.atleast_2d(q).astype(np.float64) * unit:
        rows = np.setdiff1d(np.flatnonzero(np.isfinite(x).all(axis=1)), left_out)
        order = order_of(x[rows].astype(np.float64) * unit, query, metric)
        chosen = np.lexsort((rows, order))[:k]
        ids.append(rows[chosen])
        found = order[chosen]
        with np.errstate(over="ignore"):  # a product beyond float64 is infinite
            if metric == "l2":
                found = np.sqrt(found) / unit
            elif metric == "inner_product":
                found = -found / unit / unit
            elif metric != "cosine":
                found = found / unit
        distances.append(found)
    return np.array(distances), np.array(ids)


def assert_nearest(
    found: SearchResult,
    x: Values,
    q: Values,
    k: int,
    metric: Metric,
    left_out: tuple[int, ...] = (),
    layout: DeviceKind = LAYOUTS[0],
) -> None:
    """The rows are those of a search in float64, and so are the distances, but on a GPU: there these are float32."""
    distances, ids = brute(x, q, k, metric, left_out)
    assert found.distances.dtype == np.float64
    assert found.ids.dtype == np.int64
    np.testing.assert_array_equal(found.ids, ids)
    # A sum of d float64 terms is off by a few ulp of the sum of their magnitudes: of the distance itself, of 1, or of |x||q|.
    relative, absolute = (1e-12, 1e-14) if layout == "cpu" else (1e-5, 1e-6)
    sizes = np.full_like(distances, 1.0 if metric == "cosine" else 0.0)
    if metric == "inner_product":
        with np.errstate(over="ignore"):
            sizes = np.einsum("qkd,qd->qk", np.abs(x[ids].astype(np.float64)), np.abs(np.atleast_2d(q).astype(np.float64)))
    finite = np.isfinite(distances)
    np.testing.assert_array_equal(found.distances[~finite], distances[~finite])
    off = np.abs(found.distances[finite] - distances[finite])
    assert np.all(off <= relative * np.abs(distances[finite]) + absolute * sizes[finite])


def assert_same(found: SearchResult, whole: SearchResult) -> None:
    """However a search was cut up: the same rows at the same distances, to the last bit."""
    np.testing.assert_array_equal(found.ids, whole.ids)
    np.testing.assert_array_equal(found.distances, whole.distances)


def held(x: Values, layout: DeviceKind = LAYOUTS[0], budget: int = AMPLE) -> Vectors:
    source = ArrayRows(x)
    return Vectors(source, scan_rows(source), layout, budget)


def searcher(x: Values, metric: Metric, device: DeviceInfo, layout: DeviceKind = LAYOUTS[0], budget: int = AMPLE) -> NearestRows:
    return NearestRows(held(x, layout, budget), metric, replace(device, kind=layout))


def index_of(x: Values, metric: Metric, device: DeviceInfo, layout: DeviceKind = LAYOUTS[0]) -> FlatIndex:
    index = FlatIndex(x.shape[1], metric, replace(device, kind=layout))
    index.add(x)
    return index


# Ordinary data.


@every_metric
@every_layout
@every_mode
@pytest.mark.parametrize("k", [1, 10])
def test_the_nearest_are_found_and_proven(device: DeviceInfo, metric: Metric, layout: DeviceKind, mode: Mode, k: int) -> None:
    x, q = normal(3000, 24), normal(7, 24, seed=1)
    found = index_of(x, metric, device, layout).query(q, k, mode)
    assert_nearest(found, x, q, k, metric, layout=layout)
    assert found.exact == ("proven",) * 7
    assert found.timing.mode == mode


@every_metric
@every_layout
@pytest.mark.parametrize("k", [1, 2, 33, 150, 300])
def test_any_k_gives_the_first_k(device: DeviceInfo, metric: Metric, layout: DeviceKind, k: int) -> None:
    x, q = normal(2500, 10), normal(3, 10, seed=1)
    assert_nearest(index_of(x, metric, device, layout).query(q, k, "eager"), x, q, k, metric, layout=layout)


@every_metric
@pytest.mark.parametrize("rows", [1, 2, 40])
def test_k_is_cut_to_the_rows_there_are(device: DeviceInfo, metric: Metric, rows: int) -> None:
    x, q = normal(rows, 5), normal(2, 5, seed=1)
    found = index_of(x, metric, device).query(q, 100, "eager")
    assert found.ids.shape == (2, rows)
    assert_nearest(found, x, q, rows, metric)


@pytest.mark.parametrize("dims", [1, 2, 3, 100, 1000])
@every_metric
def test_any_number_of_dimensions_will_do(device: DeviceInfo, metric: Metric, dims: int) -> None:
    x, q = normal(300, dims), normal(2, dims, seed=1)
    if dims == 1 and metric == "cosine":
        return  # every distance is 0 or 2 but for rounding, which is no order
    assert_nearest(index_of(x, metric, device).query(q, 5, "eager"), x, q, 5, metric)


@every_metric
def test_rows_added_in_parts_are_numbered_in_the_order_they_come(device: DeviceInfo, metric: Metric) -> None:
    x, q = normal(900, 12), normal(3, 12, seed=1)
    index = FlatIndex(12, metric, device)
    for part in (slice(0, 1), slice(1, 500), slice(500, 900)):
        index.add(x[part])
        assert index.ntotal == part.stop
        assert_nearest(index.query(q, 8, "eager"), x[: part.stop], q, min(8, part.stop), metric)


def test_a_single_vector_may_be_added_and_searched(device: DeviceInfo) -> None:
    index = FlatIndex(3, "l2", device)
    index.add([1.0, 0.0, 0.0])
    index.add([[0.0, 2.0, 0.0]])
    distances, ids = index.search([0, 0, 0], 2)
    assert distances.tolist() == [[1.0, 2.0]]
    assert ids.tolist() == [[0, 1]]


def test_what_is_added_is_kept_apart_from_the_callers_array(device: DeviceInfo) -> None:
    x = normal(50, 4)
    index = index_of(x, "l2", device)
    kept = x.copy()
    x[:] = 0
    assert_nearest(index.query(kept[:2], 3, "eager"), kept, kept[:2], 3, "l2")


@every_metric
def test_float64_rows_are_told_apart_where_float32_sees_none(device: DeviceInfo, metric: Metric) -> None:
    x = normal(1, 6, dtype=np.float64) + 1e-11 * normal(200, 6, seed=1, dtype=np.float64)
    q = x[:2] + 1e-12 * normal(2, 6, seed=2, dtype=np.float64)
    if metric == "cosine":
        x, q = x + 1e-6 * normal(200, 6, seed=3, dtype=np.float64), q  # rounding of 1 - cosine hides smaller angles
    assert_nearest(index_of(x, metric, device).query(q, 5, "eager"), x, q, 5, metric)


@every_metric
def test_float64_and_float32_may_be_mixed(device: DeviceInfo, metric: Metric) -> None:
    single, double = normal(100, 6), normal(100, 6, seed=1, dtype=np.float64)
    index = index_of(single, metric, device)
    index.add(double)
    q = normal(2, 6, seed=2, dtype=np.float64)
    assert_nearest(index.query(q, 9, "eager"), np.concatenate([single, double]), q, 9, metric)


@every_metric
@pytest.mark.parametrize("dtype", [np.float16, np.int8, np.uint8, np.int32])
def test_other_real_types_are_taken_by_value(device: DeviceInfo, metric: Metric, dtype: Any) -> None:
    x = np.random.default_rng(0).integers(0, 100, (300, 20)).astype(dtype)
    found = index_of(x, metric, device).query(x[:3], 5, "eager")
    assert_nearest(found, x.astype(np.float32), x[:3].astype(np.float32), 5, metric)


@every_metric
@every_layout
def test_rows_named_in_exclude_are_left_out_and_only_they(device: DeviceInfo, metric: Metric, layout: DeviceKind) -> None:
    x = normal(600, 8)
    found = index_of(x, metric, device, layout).query(x[[5, 599]], 12, "eager", exclude=[5, 0])
    for i, (query, left_out) in enumerate([(5, 5), (599, 0)]):
        one = replace(found, distances=found.distances[i : i + 1], ids=found.ids[i : i + 1])
        assert_nearest(one, x, x[[query]], 12, metric, (left_out,), layout=layout)


@every_metric
def test_a_row_alone_has_no_neighbours(device: DeviceInfo, metric: Metric) -> None:
    found = index_of(normal(1, 4), metric, device).query(normal(1, 4), 3, "eager", exclude=[0])
    assert found.ids.shape == found.distances.shape == (1, 0)


def test_no_queries_have_no_answers(device: DeviceInfo) -> None:
    distances, ids = index_of(normal(10, 4), "l2", device).search(np.empty((0, 4)), 3)
    assert distances.shape == ids.shape == (0, 3)


# The same answer by every way.


@every_metric
@every_layout
def test_both_modes_give_the_same_answer_to_the_bit(device: DeviceInfo, metric: Metric, layout: DeviceKind) -> None:
    x, q = normal(5000, 30) + 3, normal(9, 30, seed=1)
    index = index_of(x, metric, device, layout)
    eager, compiled = index.query(q, 20, "eager"), index.query(q, 20, "compiled")
    np.testing.assert_array_equal(eager.ids, compiled.ids)
    np.testing.assert_array_equal(eager.distances, compiled.distances)


@every_metric
@every_layout
@every_mode
@pytest.mark.parametrize("resident", [True, False])
def test_many_chunks_give_the_same_answer_as_one(
    device: DeviceInfo, monkeypatch: pytest.MonkeyPatch, metric: Metric, layout: DeviceKind, mode: Mode, resident: bool
) -> None:
    x, q = normal(7000, 8), normal(5, 8, seed=1)
    x[1500:1700] = np.nan
    x[2048:3072] = np.inf  # one chunk without a single finite row
    whole = searcher(x, metric, device, layout).search(q, 40, mode)
    row_bytes = held(x, layout).nbytes // len(x)
    monkeypatch.setitem(vectors.CHUNK_BYTES, layout, 1024 * row_bytes)
    parts = searcher(x, metric, device, layout, AMPLE if resident else 8 * 1024 * row_bytes)
    assert parts.vectors.resident is resident
    assert len(list(parts.vectors.chunks())) == 7
    found = parts.search(q, 40, mode)
    assert_same(found, whole)
    assert_nearest(found, x, q, 40, metric, layout=layout)


@every_metric
def test_many_batches_of_queries_give_the_same_answer_as_one(
    device: DeviceInfo, monkeypatch: pytest.MonkeyPatch, metric: Metric
) -> None:
    x, q = normal(2000, 8), normal(23, 8, seed=1)
    index = index_of(x, metric, device)
    whole = index.query(q, 6, "eager")
    monkeypatch.setitem(selection.MAX_SCORES, LAYOUTS[0], 5 * 2048)
    parts = index.query(q, 6, "eager")
    assert_same(parts, whole)


@every_metric
def test_rows_computed_directly_in_parts_give_the_same_answer(
    device: DeviceInfo, monkeypatch: pytest.MonkeyPatch, metric: Metric
) -> None:
    x = np.repeat(normal(1, 4), 1000, axis=0)
    monkeypatch.setattr(search, "DIRECT_ROWS", 7)
    found = index_of(x, metric, device).query(x[:1], 20, "eager")
    assert found.exact == ("computed in full",)
    assert found.ids.tolist() == [list(range(20))]


@every_metric
def test_candidates_shared_out_among_threads_give_the_same_answer(
    device: DeviceInfo, monkeypatch: pytest.MonkeyPatch, metric: Metric
) -> None:
    x, q = normal(400, 8), normal(9, 8, seed=1)
    index = index_of(x, metric, device)
    whole = index.query(q, 30, "eager")
    monkeypatch.setattr(exact, "STRIP_VALUES", 5 * 8)
    shared = index.query(q, 30, "eager")
    assert_same(shared, whole)


def test_threads_end_when_a_search_is_told_to(device: DeviceInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "STRIP_VALUES", 8)
    source, rows, polled = held(normal(300, 8)), np.arange(300), 0

    def poll() -> None:
        nonlocal polled
        polled += 1
        if polled == 20:
            raise Cancelled

    with pytest.raises(Cancelled):
        exact.direct_order(source, "l2", np.zeros((1, 8)), np.zeros(300, np.int64), rows, poll)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("kinscope-exact")]


def test_a_search_polls_and_ends_when_told_to(device: DeviceInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vectors.CHUNK_BYTES, LAYOUTS[0], 1024 * (6 * 8 + 28))
    searching = searcher(normal(5000, 8), "l2", device)
    polled = 0

    def poll() -> None:
        nonlocal polled
        polled += 1
        if polled == 4:
            raise Cancelled

    with pytest.raises(Cancelled):
        searching.search(normal(1, 8), 5, poll=poll)
    assert polled == 4


# Data with traps.


def rows_with_nan() -> Values:
    x = normal(500, 16)
    x[3, 5], x[100, 0], x[499, 15] = np.nan, np.inf, -np.inf
    x[7] = np.nan
    return x


def scattered(count: int, factor: float) -> Values:
    """Ordinary rows, `count` of them multiplied."""
    x = normal(500, 16)
    x[np.random.default_rng(5).permutation(500)[:count]] *= np.float32(factor)
    return x


def powers(low: float, high: float, dtype: Any = np.float32) -> Values:
    """Rows of lengths from 10^low to 10^high."""
    exponents = np.random.default_rng(5).uniform(low, high, (500, 1))
    return (normal(500, 16, dtype=np.float64) * 10**exponents).astype(dtype)


def near_the_origin() -> Values:
    """Rows that lie aside, among which some point where most do but are shorter, down to nothing beside the others."""
    x = 3 + normal(500, 16)
    x[4::50] = 10.0 ** -np.arange(1.0, 11.0)[:, None]
    return x


TRAPS: dict[str, Values] = {
    "NaN and infinity": rows_with_nan(),
    "near-duplicates": normal(1, 16) + np.float32(1e-6) * normal(500, 16, seed=1),
    "near-duplicates far out": np.float32(100) * normal(1, 16) + np.float32(1e-4) * normal(500, 16, seed=1),
    "far from the origin": 1000 + normal(500, 16),
    "near the origin": near_the_origin(),
    "very far from the origin": np.float32(1e6) + normal(500, 16),
    "duplicates": np.repeat(normal(50, 16), 10, axis=0),
    "small whole numbers": np.random.default_rng(0).integers(0, 3, (500, 6)).astype(np.float32),
    "all rows equal": np.repeat(normal(1, 16), 500, axis=0),
    "all rows zero": np.zeros((500, 16), np.float32),
    "some rows zero": scattered(60, 0.0),
    "most rows zero": scattered(400, 0.0),
    "one huge row": scattered(1, 1e30),
    "many huge rows": scattered(100, 1e30),
    "one tiny row": scattered(1, 1e-30),
    "many tiny rows": scattered(100, 1e-30),
    "many very small rows": scattered(100, 1e-26),
    "many small rows": scattered(100, 1e-15),
    "a subnormal row": scattered(1, 1e-40),
    "many subnormal rows": scattered(100, 1e-42),
    "all rows subnormal": np.float32(1e-40) * normal(500, 16),
    "all rows tiny": np.float32(1e-25) * normal(500, 16),
    "all rows huge": np.float32(1e30) * normal(500, 16),
    "all rows nearly too large": np.float32(1e37) * normal(500, 16),
    "tiny and normal": powers(-35, 0),
    "every size": powers(-30, 30),
    "float64": normal(500, 16, dtype=np.float64),
    "float64 of 1e200": 1e200 * normal(500, 16, dtype=np.float64),
    "float64 of 1e-200": 1e-200 * normal(500, 16, dtype=np.float64),
    "float64 of every size": powers(-60, 60, np.float64),
}


@every_metric
@every_layout
@pytest.mark.parametrize("trap", TRAPS)
def test_no_data_leads_to_a_wrong_neighbour(device: DeviceInfo, metric: Metric, layout: DeviceKind, trap: str) -> None:
    x = TRAPS[trap]
    searching = searcher(x, metric, device, layout)
    typical = float(np.median(np.abs(x[np.isfinite(x)])))
    strange = typical * normal(2, x.shape[1], seed=9, dtype=np.float64)
    queries = np.concatenate([x[[0, 1, 250]].astype(np.float64), strange])
    queries = queries[np.isfinite(queries).all(axis=1)]
    for k in (1, 30):
        for asked in (queries[:1], queries):
            assert_nearest(searching.search(asked, k, "eager"), x, asked, k, metric, layout=layout)


@every_metric
@pytest.mark.parametrize("length", [0.0, 1e-45, 1e-38, 1e-30, 1e-10, 1e10, 1e20, 1e30, 1e38])
def test_no_query_leads_to_a_wrong_neighbour(device: DeviceInfo, metric: Metric, length: float) -> None:
    x = normal(500, 16)
    q = length * normal(3, 16, seed=1, dtype=np.float64)
    if metric == "l2" and length >= 1e20:
        # So far away, rows differ in distance by less than float64 can tell: only the distances can be right.
        found = searcher(x, metric, device).search(q, 5, "eager")
        np.testing.assert_allclose(found.distances, brute(x, q, 5, metric)[0], rtol=1e-12)
        return
    assert_nearest(searcher(x, metric, device).search(q, 5, "eager"), x, q, 5, metric)


@every_metric
def test_rows_with_nan_or_infinity_are_never_returned(device: DeviceInfo, metric: Metric) -> None:
    x = rows_with_nan()
    found = searcher(x, metric, device).search(normal(2, 16, seed=1), 1000, "eager")
    left = sorted(set(range(500)) - {3, 7, 100, 499})
    assert [sorted(row) for row in found.ids.tolist()] == [left, left]


def test_a_zero_vector_is_at_cosine_distance_one_from_everything(device: DeviceInfo) -> None:
    x = normal(50, 4)
    x[17] = 0
    index = index_of(x, "cosine", device)
    distances, ids = index.search(x[:1], 50)
    assert distances[0][ids[0] == 17] == 1.0
    distances, ids = index.search(np.zeros((1, 4)), 50)
    assert distances.tolist() == [[1.0] * 50]
    assert ids.tolist() == [list(range(50))]


@pytest.mark.parametrize("length", [1e-150, 1e-100, 1e-50, 1e50, 1e100, 1e150])
def test_a_float64_row_of_any_length_is_at_cosine_distance_zero_from_itself(device: DeviceInfo, length: float) -> None:
    x = normal(50, 4, dtype=np.float64)
    x[17] *= length
    distances, ids = index_of(x, "cosine", device).search(x[17], 1)
    assert ids.tolist() == [[17]]
    np.testing.assert_allclose(distances, 0, atol=1e-14)


@every_metric
def test_where_all_rows_are_equal_the_lowest_win_computed_in_full(device: DeviceInfo, metric: Metric) -> None:
    x = np.repeat(normal(1, 12), 400, axis=0)
    found = index_of(x, metric, device).query(normal(2, 12, seed=1), 5, "eager")
    assert found.exact == ("computed in full",) * 2
    assert found.ids.tolist() == [[0, 1, 2, 3, 4]] * 2


@every_metric
@every_layout
def test_more_huge_rows_than_candidates_are_all_considered(device: DeviceInfo, metric: Metric, layout: DeviceKind) -> None:
    x = normal(3000, 8)
    x[1000:1200] *= np.float32(1e25)
    q = normal(3, 8, seed=1)
    assert_nearest(index_of(x, metric, device, layout).query(q, 3, "eager"), x, q, 3, metric)


@pytest.mark.parametrize("size", [1e-20, 1e-24, 1e-28])
def test_tiny_rows_with_nearly_equal_products_are_told_apart(device: DeviceInfo, size: float) -> None:
    """Their squares vanish in float32, and with them any bound that is made from squares."""
    x = normal(1000, 16) * (np.random.default_rng(3).random((1000, 16)) < 0.3)  # sparse: the median is zero
    q = normal(1, 16, seed=1)
    q[0, 0] = 0.02
    x[x @ q[0] > 0] *= -1  # all ordinary rows are far, so that the tiny ones are nearest
    x[::4] = np.float32(size) * q
    x[::4, 0] *= 1 + 1e-4 * np.random.default_rng(4).random(250)  # too little for a sum in float32 to see
    queries = q.astype(np.float64) * np.linspace(1, 2, 10)[:, None]
    assert_nearest(index_of(x, "inner_product", device).query(queries, 3), x, queries, 3, "inner_product")


# The proof itself.


def true_order(x: Doubles, q: Doubles, metric: Metric) -> tuple[Doubles, Doubles]:
    """What neighbours are sorted by, and how far float64 may be off, both (q, n)."""
    if metric == "l2":
        squares = np.square(x[None] - q[:, None]).sum(axis=2)
        return squares, 1e-14 * squares
    if metric in ("l1", "linf"):
        away = np.abs(x[None] - q[:, None])
        order = away.sum(axis=2) if metric == "l1" else away.max(axis=2)
        return order, 1e-14 * order
    products, sizes = np.einsum("nd,qd->qn", x, q), np.einsum("nd,qd->qn", np.abs(x), np.abs(q))
    if metric == "inner_product":
        return -products, 1e-14 * sizes
    norms = np.linalg.norm(q, axis=1)[:, None] * np.linalg.norm(x, axis=1)
    cosines = np.divide(products, norms, out=np.zeros_like(norms), where=norms > 0)
    return 1 - cosines, np.full_like(norms, 1e-14)


def lower_bounds(searching: NearestRows, q: Doubles) -> Doubles:
    """What the device proves of every row of the only chunk, (q, n)."""
    arithmetic = searching.arithmetic
    prepared = arithmetic.prepare(q)
    (chunk,) = searching.vectors.chunks()
    scores = arithmetic.bounds("eager", *prepared.on_device(slice(None)), *arithmetic.chunk_arrays(chunk), **arithmetic.static())
    return np.array(scores, np.float64)[:, : chunk.rows] + prepared.constant[:, None]


@st.composite
def data_and_queries(draw: st.DrawFn) -> tuple[Values, Doubles]:
    rows, dims = draw(st.integers(1, 120)), draw(st.sampled_from([1, 2, 3, 8, 33, 200]))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    centre = draw(st.sampled_from([0.0, 1.0, 1000.0, 1e6])) * generator.choice([-1.0, 1.0, 0.3], dims)
    spread = draw(st.sampled_from([1e-6, 1e-3, 1.0, 100.0]))
    x = centre + spread * generator.normal(size=(rows, dims))
    if draw(st.booleans()):  # rows of many sizes
        x *= 10 ** generator.uniform(
            draw(st.sampled_from([-28.0, -12.0, -3.0])), draw(st.sampled_from([0.0, 3.0, 12.0])), (rows, 1)
        )
    if draw(st.booleans()):  # many zeros
        x *= generator.random((rows, dims)) < 0.2
    q = np.concatenate([x[:2], centre + spread * generator.normal(size=(3, dims)), generator.normal(size=(2, dims))])
    q *= draw(st.sampled_from([1.0, 1.0, 1e-20, 1e-6, 1e6, 1e15]))
    scale = draw(st.sampled_from([1.0, 1.0, 1e-20, 1e10, 1e20]))
    return (x * scale).astype(draw(st.sampled_from([np.float32, np.float64]))), q * scale


@every_metric
@every_layout
@settings(max_examples=100)
@given(case=data_and_queries())
def test_no_lower_bound_exceeds_the_true_distance(
    device: DeviceInfo, metric: Metric, layout: DeviceKind, case: tuple[Values, Doubles]
) -> None:
    x, q = case
    searching = searcher(x, metric, device, layout)
    lower = lower_bounds(searching, q)
    scale = searching.vectors.scale
    rows = x.astype(np.float64) * scale
    norms = np.linalg.norm(rows, axis=1)
    low, high = vectors.SANE_NORMS
    sane = (norms == 0) | (norms >= low) & (norms <= high)  # of the others nothing is claimed: they are always computed
    order, off = true_order(rows, q * scale, metric)
    assert np.all((lower <= order + off)[:, sane])


@every_metric
def test_the_bounds_of_ordinary_data_are_close(device: DeviceInfo, metric: Metric) -> None:
    """A bound of minus infinity would be right, too, and prove nothing."""
    x, q = normal(500, 32) + 10, normal(4, 32, seed=1) + 10
    lower = lower_bounds(searcher(x, metric, device), q.astype(np.float64))
    order, _ = true_order(x.astype(np.float64), q.astype(np.float64), metric)
    # d + 12 roundings of 2^-24, a few times over, of terms no larger than |x|² + |q|², or the sum of |x| + |q|, or 1.
    size = {"cosine": 1.0, "l1": 2 * float(np.abs(x).sum(axis=1).max()), "linf": 2 * float(np.abs(x).sum(axis=1).max())}.get(
        metric, 2 * float(np.square(x).sum(axis=1).max())
    )
    assert np.all(order - lower <= 20 * 44 * 2.0**-24 * size)


# What is refused.


def test_an_unknown_metric_is_refused(device: DeviceInfo) -> None:
    with pytest.raises(ValueError, match="manhattan"):
        FlatIndex(3, "manhattan", device)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(4, 5), (4, 7), (2, 3, 6), (5,)])
def test_vectors_of_another_width_are_refused(device: DeviceInfo, shape: tuple[int, ...]) -> None:
    index = index_of(normal(10, 6), "l2", device)
    with pytest.raises(ValueError, match="6"):
        index.add(np.zeros(shape))
    with pytest.raises(ValueError, match="6"):
        index.search(np.zeros(shape), 3)
    assert index.ntotal == 10


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_vectors_with_nan_or_infinity_are_refused(device: DeviceInfo, value: float) -> None:
    index = index_of(normal(10, 6), "l2", device)
    x = normal(3, 6)
    x[1, 2] = value
    with pytest.raises(ValueError, match="NaN"):
        index.add(x)
    assert index.ntotal == 10


@every_metric
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_queries_with_nan_or_infinity_are_refused(device: DeviceInfo, metric: Metric, value: float) -> None:
    q = normal(3, 6, seed=1)
    q[1, 2] = value
    with pytest.raises(ValueError, match="NaN"):
        index_of(normal(10, 6), metric, device).search(q, 3, "eager")


@pytest.mark.parametrize("k", [0, -1])
def test_a_k_below_one_is_refused(device: DeviceInfo, k: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        index_of(normal(10, 6), "l2", device).search(normal(1, 6), k)


def test_an_empty_index_is_refused(device: DeviceInfo) -> None:
    index = FlatIndex(6, "l2", device)
    with pytest.raises(ValueError, match="empty"):
        index.search(normal(1, 6), 3)
    index.add(np.empty((0, 6)))
    with pytest.raises(ValueError, match="empty"):
        index.search(normal(1, 6), 3)


def test_data_without_one_finite_row_are_the_users_problem() -> None:
    with pytest.raises(UserError, match="NaN"):
        scan_rows(ArrayRows(np.full((5, 3), np.nan)))


def test_too_little_memory_for_one_chunk_is_the_users_problem(device: DeviceInfo) -> None:
    x = normal(5000, 8)
    needed = 1024 * (12 + 2) * 4 * CHUNKS_AT_ONCE
    searcher(x, "l2", device, budget=needed)
    with pytest.raises(UserError, match="memory"):
        searcher(x, "l2", device, budget=needed - 1)
