"""What is timed: the work itself, and not what ran in between."""

from __future__ import annotations

import mlx.core as mx
import pytest

from core.compute.compilation import pair
from core.compute.timing import fence, stopwatch


@pair
def doubled(x: mx.array) -> mx.array:
    return x + x


def test_other_work_within_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr("core.compute.timing.perf_counter", lambda: float(next(clock)))

    def urgent() -> None:
        with stopwatch("compiled") as inner:  # starts at 3, stops at 4
            fence(doubled("compiled", mx.ones(7)))
        assert inner.timing(0).traces == 1

    # The outer one starts at 0; its stage lasts from 1 to 6, of which 2 to 5 are spent elsewhere.
    with stopwatch("compiled") as watch, watch.stage("work"):
        watch.leaving_out(urgent)()
    timing = watch.timing(0)  # stopped at 7
    assert timing.stages == (("work", 2000.0),)
    assert timing.ms == 4000.0
    assert (timing.traces, timing.first) == (0, False)


def test_other_work_that_fails_leaves_the_stopwatch_whole() -> None:
    def fails() -> None:
        raise ValueError("stop")

    with stopwatch("compiled") as watch:
        with pytest.raises(ValueError, match="stop"):
            watch.leaving_out(fails)()
        fence(doubled("compiled", mx.ones(11)))
    assert watch.timing(0).traces == 1


def test_memory_is_the_peak_of_the_work_itself() -> None:
    """Eight MB are made in between by other work, four by the work itself."""
    large, small = 8_000_000, 4_000_000
    held = mx.zeros(250_000)
    fence(held)
    before = mx.get_active_memory()
    with stopwatch("eager") as watch:
        fence(mx.ones(small // 4) + 1)
        watch.leaving_out(lambda: fence(mx.ones(large // 4) + 1))()
    assert before + small <= watch.timing(0).memory_bytes < before + large


def test_a_stopwatch_within_another_takes_no_memory_from_it() -> None:
    with stopwatch("eager") as outer:
        fence(mx.ones(1_000_000) + 1)
        with stopwatch("eager") as inner:
            fence(mx.ones(10) + 1)
    assert outer.timing(0).memory_bytes >= 4_000_000 > inner.timing(0).memory_bytes
    with stopwatch("eager") as outer, stopwatch("eager") as inner:
        fence(mx.ones(1_000_000) + 1)
    assert outer.timing(0).memory_bytes == inner.timing(0).memory_bytes >= 4_000_000


def test_memory_of_nothing_is_what_is_held() -> None:
    held = mx.zeros(250_000)
    fence(held)
    with stopwatch("eager") as watch:
        pass
    assert watch.timing(0).memory_bytes >= held.nbytes


def test_waiting_for_items_is_a_stage_and_working_on_them_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr("core.compute.timing.perf_counter", lambda: float(next(clock)))
    with stopwatch("eager") as watch:
        for _ in watch.each("reading", "abc"):
            next(clock)
    # A second for each of three, and one to learn that there are no more.
    assert watch.timing(0).stages == (("reading", 4000.0),)


def test_stages_add_up() -> None:
    with stopwatch("eager") as watch:
        for _ in range(3):
            with watch.stage("a"):
                pass
        with watch.stage("b"):
            pass
    timing = watch.timing(5)
    assert [name for name, _ in timing.stages] == ["a", "b"]
    assert timing.bytes_read == 5
    assert sum(ms for _, ms in timing.stages) <= timing.ms
