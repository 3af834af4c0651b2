"""How a search on a CPU is cut into pieces and worked on by several cores: what that must not change."""

from __future__ import annotations

import threading
from typing import get_args

import mlx.core as mx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.compute import lanes as lanes_module
from core.compute import pieces as cutting
from core.compute.compilation import observe, pair
from core.compute.lanes import lanes
from core.compute.pieces import pieces
from core.compute.vectors import ROW_MULTIPLE
from core.types import DeviceInfo, DeviceKind, Metric, Mode
from tests.core.conftest import UNDER_TEST
from tests.core.test_knn import assert_nearest, assert_same, index_of, normal

on_a_cpu = pytest.mark.skipif(UNDER_TEST.kind != "cpu", reason="a GPU works on one piece at a time")


@given(
    kind=st.sampled_from(get_args(DeviceKind)),
    queries=st.integers(1, 5000),
    dims=st.integers(1, 4096),
    blocks=st.integers(1, 2000),
    wanted=st.sampled_from([16, 32, 48, 1264, 5136]),
    most=st.integers(1, 1 << 26),
    count=st.integers(1, 8),
    one_core=st.booleans(),
)
def test_pieces_cover_everything_once_and_fit(
    kind: DeviceKind, queries: int, dims: int, blocks: int, wanted: int, most: int, count: int, one_core: bool
) -> None:
    width = blocks * ROW_MULTIPLE
    cut = pieces(kind, queries, dims, width, wanted, most, count, one_core)
    for whole, parts in ((queries, cut.batches), (width, cut.parts(width))):
        assert [part.start for part in parts] == [0, *(part.stop for part in parts[:-1])]
        assert parts[-1].stop == whole
        sizes = [part.stop - part.start for part in parts]
        assert len(set(sizes[:-1])) <= 1
        assert sizes[-1] <= sizes[0]
    assert cut.part_rows % ROW_MULTIPLE == 0
    assert cut.part_rows == width or cut.part_rows >= 10 * wanted
    most_queries = cut.batches[0].stop
    assert 1 <= cut.at_once <= count
    # One query against one part at a time is the least there can be.
    assert most_queries * cut.part_rows * cut.at_once <= max(most, cut.part_rows)


@on_a_cpu
@pytest.mark.parametrize("mode", get_args(Mode))
@pytest.mark.parametrize("metric", get_args(Metric))
def test_however_it_is_cut_the_answer_is_the_same(
    device: DeviceInfo, monkeypatch: pytest.MonkeyPatch, metric: Metric, mode: Mode
) -> None:
    x, q = normal(5000, 6), normal(21, 6, seed=1)
    index = index_of(x, metric, device)
    whole = index.query(q, 9, mode)
    monkeypatch.setattr(cutting, "MANY_QUERIES", 2)
    monkeypatch.setattr(cutting, "PART_ROWS", 1024)
    monkeypatch.setattr(cutting, "ROWS_PER_CANDIDATE", 1)
    monkeypatch.setattr(cutting, "FEW_QUERIES", 3)
    monkeypatch.setattr(cutting, "KEPT_SCORES", 1)
    cut = index.query(q, 9, mode)
    assert_same(cut, whole)
    assert cut.exact == whole.exact == ("proven",) * len(q)
    assert_nearest(cut, x, q, 9, metric)


def on_a_thread(monkeypatch: pytest.MonkeyPatch, cores: int, ask: str) -> list[str]:
    """The streams that a new thread is given on a machine of so many cores."""
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    made: list[str] = []

    def run() -> None:
        mx.set_default_device(mx.Device(mx.cpu))
        kind: DeviceKind = "cpu" if ask == "cpu" else "metal"
        made.extend(str(stream) for stream in lanes(kind))
        assert [str(stream) for stream in lanes(kind)] == made  # the same again
        results = []
        for number, stream in enumerate(lanes(kind)):
            with mx.stream(stream):
                results.append(mx.full((3,), float(number)) * 2.0)
        mx.eval(*results)
        assert [float(r[0]) for r in results] == [2.0 * i for i in range(len(results))]
        mx.synchronize()
        mx.clear_streams()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return made


def test_a_thread_has_a_stream_for_each_core(monkeypatch: pytest.MonkeyPatch) -> None:
    one, three, many = (on_a_thread(monkeypatch, cores, "cpu") for cores in (1, 3, 64))
    assert [len(set(made)) for made in (one, three, many)] == [1, 3, lanes_module.MOST]
    assert not set(three) & set(many)  # streams belong to their threads
    assert len(on_a_thread(monkeypatch, 3, "gpu")) == 1


@on_a_cpu
def test_a_function_is_compiled_for_each_stream_and_says_so() -> None:
    @pair
    def doubled(x: mx.array) -> mx.array:
        return x * 2.0 + 1.0

    here, there = mx.default_stream(mx.default_device()), mx.new_stream(mx.cpu)
    told = []
    for stream in (here, there, there):
        with observe() as seen, mx.stream(stream):
            mx.eval(doubled("compiled", mx.ones(4)))
        told.append((seen.traces, seen.first, seen.reasons))
    assert told == [
        (1, True, ["first compiled call of doubled"]),
        (1, True, ["first compiled call of doubled on another core"]),
        (0, False, []),
    ]
