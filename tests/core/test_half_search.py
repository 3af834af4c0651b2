"""The whole search by custom kernels, their sources run on the CPU by the shim, against float64 NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from core.compute import nearest_kernels, refine_kernels, vectors
from core.compute.search import NearestRows
from core.compute.storage import RoundedRows
from core.compute.vectors import ArrayRows, Vectors, scan_rows
from core.types import DeviceInfo, Metric, Storage
from tests.core.conftest import UNDER_TEST
from tests.core.kernel_backend import Backend, needs_shim, running_on
from tests.core.test_knn import TRAPS, assert_nearest, normal

METRICS: tuple[Metric, ...] = ("l2", "cosine", "inner_product")
every_metric = pytest.mark.parametrize("metric", METRICS)
pytestmark = [needs_shim, pytest.mark.skipif(UNDER_TEST.kind != "cpu", reason="the shim stands in for a GPU")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture
def backend(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    with running_on("cuda", folder, monkeypatch) as made:
        yield made


def by_kernels(x: np.ndarray, metric: Metric, device: DeviceInfo, storage: Storage = "float32") -> NearestRows:
    source = ArrayRows(x) if storage == "float32" else RoundedRows(ArrayRows(x), storage)
    held = Vectors(source, scan_rows(source), "cuda", 1 << 40, storage)
    return NearestRows(held, metric, replace(device, kind="cuda"), use_kernel=True)


@every_metric
@pytest.mark.parametrize("trap", list(TRAPS))
def test_no_data_leads_kernels_to_a_wrong_neighbour(backend: Backend, device: DeviceInfo, metric: Metric, trap: str) -> None:
    x = TRAPS[trap]
    typical = float(np.median(np.abs(x[np.isfinite(x)])))
    strange = typical * normal(2, x.shape[1], seed=9, dtype=np.float64)
    queries = np.concatenate([x[[0, 250]].astype(np.float64), strange])
    queries = queries[np.isfinite(queries).all(axis=1)]
    found = by_kernels(x, metric, device).search(queries, 20, "eager")
    assert found.way == "fused"
    assert_nearest(found, x, queries, 20, metric, layout="cuda")


@every_metric
@pytest.mark.parametrize("queries", [1, nearest_kernels.FUSED_QUERIES["cuda"] + 1])
@pytest.mark.parametrize("storage", get_args(Storage))
def test_many_chunks_and_both_ways_find_the_nearest(
    backend: Backend, device: DeviceInfo, monkeypatch: pytest.MonkeyPatch, metric: Metric, queries: int, storage: Storage
) -> None:
    x, q = normal(2500, 12), normal(queries, 12, seed=1)
    x[1030] = np.nan
    monkeypatch.setitem(vectors.CHUNK_BYTES, "cuda", 1024 * 110)
    searching = by_kernels(x, metric, device, storage)
    assert len(list(searching.vectors.chunks())) == 3
    found = searching.search(q, 7, "eager", exclude=[2] * queries)
    truth = searching.vectors.source.read(slice(None))
    assert_nearest(found, truth, q, 7, metric, (2,), layout="cuda")
    assert found.exact == ("proven",) * queries
    assert found.way == ("fused" if queries == 1 else "product")


@every_metric
def test_more_candidates_than_the_kernel_sorts_are_sorted_otherwise(
    backend: Backend, device: DeviceInfo, metric: Metric, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, q = normal(3000, 12), normal(2, 12, seed=1)

    def refuse(*_arguments: object, **_named: object) -> None:
        raise AssertionError("these are more candidates than shared memory holds")

    monkeypatch.setattr(refine_kernels, "refine", refuse)
    found = by_kernels(x, metric, device).search(q, 1400, "eager")
    assert_nearest(found, x, q, 1400, metric, layout="cuda")
