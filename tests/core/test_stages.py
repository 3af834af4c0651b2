"""What a search says of itself: its stages, the memory it took, and why it was a first one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.compute import vectors
from core.compute.search import NearestRows
from core.compute.vectors import ArrayRows, Vectors, scan_rows
from core.types import MODES, DeviceInfo, DeviceKind, Metric, Mode, Timing
from tests.core.conftest import LAYOUTS

ON_HOST = {"product", "selection", "exact distances", "transfer"}
ON_DEVICE = {"search on the device", "transfer"}
ROWS = np.random.default_rng(3).normal(size=(11_000, 16)).astype(np.float32)


def searcher(device: DeviceInfo, layout: DeviceKind, metric: Metric, budget: int = 1 << 40) -> NearestRows:
    source = ArrayRows(ROWS)
    return NearestRows(Vectors(source, scan_rows(source), layout, budget), metric, replace(device, kind=layout))


def timing_of(searching: NearestRows, k: int = 10, queries: int = 1, mode: Mode = "compiled") -> Timing:
    return searching.search(ROWS[:queries], k, mode).timing


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("metric", ["l2", "cosine", "l1"])
@pytest.mark.parametrize("mode", MODES)
def test_a_search_is_told_by_its_stages(device: DeviceInfo, layout: DeviceKind, metric: Metric, mode: Mode) -> None:
    timing = timing_of(searcher(device, layout, metric), mode=mode)
    stages = dict(timing.stages)
    on_host = layout == "cpu" or metric == "l1"
    # On a device the host decides only what is in doubt.
    assert set(stages) - {"exact distances"} == (ON_HOST if on_host else ON_DEVICE) - {"exact distances"}
    assert all(ms > 0 for ms in stages.values())
    assert sum(stages.values()) <= timing.ms


def test_vectors_that_do_not_fit_are_read_which_is_a_stage(device: DeviceInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = searcher(device, LAYOUTS[0], "l1")
    row_bytes = whole.vectors.nbytes // len(ROWS)
    monkeypatch.setitem(vectors.CHUNK_BYTES, LAYOUTS[0], 1024 * row_bytes)
    streaming = searcher(device, LAYOUTS[0], "l1", 8 * 1024 * row_bytes)
    assert not streaming.vectors.resident
    timing = timing_of(streaming)
    assert set(dict(timing.stages)) == ON_HOST | {"reading"}
    assert sum(ms for _, ms in timing.stages) <= timing.ms


def test_the_memory_holds_the_vectors_and_the_scores(device: DeviceInfo) -> None:
    searching = searcher(device, LAYOUTS[0], "l1")
    searching.vectors.upload()
    few, many = timing_of(searching), timing_of(searching, queries=200)
    assert few.memory_bytes >= searching.vectors.nbytes
    scores = 4 * 200 * len(ROWS)
    assert many.memory_bytes >= few.memory_bytes + scores // 2


def test_a_first_search_says_why(device: DeviceInfo) -> None:
    searching = searcher(device, LAYOUTS[0], "l1")
    timing_of(searching)
    again = timing_of(searching)
    assert (again.first, again.traces, again.reasons) == (False, 0, ())
    # Candidates come in steps: 11 neighbours take as many as 10.
    assert timing_of(searching, k=11).reasons == ()
    more = timing_of(searching, k=77)
    assert more.first
    assert any("number of candidates" in reason for reason in more.reasons)
    assert not any("queries" in reason for reason in more.reasons)
    assert "new shapes of queries, slack" in timing_of(searching, queries=3).reasons
