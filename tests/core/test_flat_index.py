"""The index as a library: ids of the caller's own, removing, ranges, the graph of all pairs, saving and loading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from core.compute.knn import GRAPH_BATCH, FlatIndex
from core.errors import Cancelled, UserError
from core.types import METRICS, DeviceInfo, Metric

Values = NDArray[np.floating[Any]]
every_metric = pytest.mark.parametrize("metric", METRICS)


@pytest.fixture
def rows() -> Values:
    return np.random.default_rng(3).standard_normal((400, 9)).astype(np.float32)


def _index(rows: Values, device: DeviceInfo, metric: Metric = "l2", ids: Any = None) -> FlatIndex:
    index = FlatIndex(rows.shape[1], metric, device)
    index.add(rows, ids)
    return index


def test_the_callers_ids_come_back(device: DeviceInfo, rows: Values) -> None:
    plain = _index(rows, device)
    named = _index(rows, device, ids=1000 - 2 * np.arange(len(rows)))
    np.testing.assert_array_equal(named.search(rows[:5], 7)[1], 1000 - 2 * plain.search(rows[:5], 7)[1])


def test_numbers_go_on_after_the_largest_id(device: DeviceInfo, rows: Values) -> None:
    index = _index(rows[:2], device, ids=[5, 90])
    index.add(rows[2:4])
    assert {int(i) for i in index.search(rows[:1], 4)[1][0]} == {5, 90, 91, 92}


@pytest.mark.parametrize("ids", [[1, 1], [1], [[1, 2]]])
def test_ids_that_do_not_fit_are_refused(device: DeviceInfo, rows: Values, ids: Any) -> None:
    with pytest.raises(ValueError, match="id"):
        _index(rows[:2], device, ids=ids)


def test_removed_rows_are_never_found(device: DeviceInfo, rows: Values) -> None:
    index = _index(rows, device)
    before = index.search(rows[:1], 400)[1][0]
    assert index.remove([0, 17, 9999]) == 2
    after = index.search(rows[:1], 400)[1][0]
    np.testing.assert_array_equal(after, [i for i in before if i not in (0, 17)])


def test_reconstruct_gives_rows_as_they_were_added(device: DeviceInfo, rows: Values) -> None:
    index = _index(rows, device, ids=np.arange(400)[::-1])
    np.testing.assert_array_equal(index.reconstruct([399, 0, 5]), rows[[0, 399, 394]])
    with pytest.raises(KeyError):
        index.reconstruct([400])


@every_metric
def test_a_range_holds_just_the_rows_within(device: DeviceInfo, rows: Values, metric: Metric) -> None:
    index = _index(rows, device, metric)
    distances, ids = index.search(rows[:3], 400)
    radius = float(distances[1, 40])
    limits, found, found_ids = index.range_search(rows[:3], radius)
    for i in range(3):
        inside = distances[i] >= radius if metric == "inner_product" else distances[i] <= radius
        part = slice(limits[i], limits[i + 1])
        np.testing.assert_array_equal(found_ids[part], ids[i][inside])
        np.testing.assert_allclose(found[part], distances[i][inside], rtol=1e-12)
    assert limits[-1] == len(found)


def test_a_range_may_be_empty(device: DeviceInfo, rows: Values) -> None:
    limits, distances, ids = _index(rows, device).range_search(rows[:2] + 100, 0.5)
    assert limits.tolist() == [0, 0, 0]
    assert len(distances) == len(ids) == 0


@every_metric
def test_the_graph_joins_every_row_with_its_nearest(device: DeviceInfo, rows: Values, metric: Metric) -> None:
    index = _index(rows, device, metric)
    told: list[int] = []
    distances, ids = index.knn_graph(5, report=lambda stage, done, total: told.append(done))
    assert ids.shape == distances.shape == (400, 5)
    assert told == [*range(GRAPH_BATCH, 400, GRAPH_BATCH), 400]
    for row in (0, 255, 256, 399):
        found = index.query(rows[row], 5, exclude=[row])
        np.testing.assert_array_equal(ids[row], found.ids[0])


def test_a_graph_can_be_cancelled(device: DeviceInfo, rows: Values) -> None:
    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        _index(rows, device).knn_graph(3, poll=stop)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_saved_is_what_is_loaded(device: DeviceInfo, rows: Values, tmp_path: Path, dtype: Any) -> None:
    rows = rows.astype(dtype) / 3
    index = _index(rows, device, "cosine", ids=np.arange(400) * 7)
    index.save(tmp_path / "i.safetensors")
    again = FlatIndex.load(tmp_path / "i.safetensors", device)
    assert (again.metric, again.d, again.ntotal) == ("cosine", 9, 400)
    kept = again.reconstruct(np.arange(400) * 7)
    assert kept.dtype == dtype
    np.testing.assert_array_equal(kept, rows)
    np.testing.assert_array_equal(again.search(rows[:4], 6)[1], index.search(rows[:4], 6)[1])


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", b"\x10\x00\x00\x00\x00\x00\x00\x00{}              "])
def test_another_file_is_refused(device: DeviceInfo, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError):
        FlatIndex.load(path, device)
