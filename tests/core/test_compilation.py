"""The eager/compiled pair: when it traces, what an observer learns of it, and that both ways give one result."""

from __future__ import annotations

import threading
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from core.compute.compilation import Observation, Pair, observe, pair
from core.types import MODES


def scaled(x: mx.array, y: mx.array, *, factor: int = 1, power: int = 1) -> tuple[mx.array, mx.array]:
    return factor * x**power + y, x @ y.T


def arrays(rows: int = 3, dtype: Any = mx.float32) -> tuple[mx.array, mx.array]:
    x = np.random.default_rng(rows).normal(size=(2, rows, 4))
    return mx.array(x[0], dtype), mx.array(x[1], dtype)


def traces_of(made: Pair, *given: mx.array, **static: Any) -> int:
    before = made.traces
    mx.eval(made("compiled", *given, **static))
    return made.traces - before


def test_both_modes_give_one_result() -> None:
    made = pair(scaled)
    for static in ({}, {"factor": 3}, {"factor": 3, "power": 2}):
        eager, compiled = made("eager", *arrays(), **static), made("compiled", *arrays(), **static)
        for one, other in zip(eager, compiled, strict=True):
            np.testing.assert_allclose(np.array(one), np.array(other), rtol=1e-6)


def test_it_traces_once_for_each_new_shape_dtype_and_static_argument() -> None:
    made = pair(scaled)
    assert traces_of(made, *arrays(3)) == 1
    assert traces_of(made, *arrays(3)) == 0
    assert traces_of(made, *arrays(5)) == 1
    assert traces_of(made, *arrays(3, mx.float16)) == 1
    assert traces_of(made, *arrays(3), factor=2) == 1
    assert traces_of(made, *arrays(3), factor=2, power=3) == 1
    # All of these were met before.
    for rows, static in [(3, {}), (5, {}), (3, {"factor": 2}), (3, {"power": 3, "factor": 2}), (3, {"factor": 2, "power": 3})]:
        assert traces_of(made, *arrays(rows), **static) == 0
    assert made.traces == 5


def test_other_values_in_arrays_of_one_shape_are_used_and_trace_nothing() -> None:
    made = pair(scaled)
    x, y = arrays()
    mx.eval(made("compiled", x, y))
    before = made.traces
    total, _ = made("compiled", x + 1, y)
    np.testing.assert_allclose(np.array(total), np.array(x) + 1 + np.array(y), rtol=1e-6)
    assert made.traces == before


def test_a_static_argument_is_never_baked_in_for_another_value() -> None:
    made = pair(scaled)
    x, y = arrays()
    for factor in (1, 2, 5, 2, 1):
        total, _ = made("compiled", x, y, factor=factor)
        np.testing.assert_allclose(np.array(total), factor * np.array(x) + np.array(y), rtol=1e-5, atol=1e-6)


def test_eager_never_traces() -> None:
    made = pair(scaled)
    for rows in (3, 3, 5):
        with observe() as seen:
            mx.eval(made("eager", *arrays(rows), factor=rows))
        assert seen.traces == 0
    assert made.traces == 0


def test_two_pairs_of_one_function_do_not_share_what_they_compiled() -> None:
    first, second = pair(scaled), pair(scaled)
    assert traces_of(first, *arrays()) == 1
    assert traces_of(second, *arrays()) == 1
    del second
    assert traces_of(first, *arrays()) == 0


@pytest.mark.parametrize("mode", MODES)
def test_the_first_call_of_each_kind_is_told_from_the_later_ones(mode: Any) -> None:
    made = pair(scaled)

    def first(*given: mx.array, **static: Any) -> bool:
        with observe() as seen:
            mx.eval(made(mode, *given, **static))
        return seen.first

    assert first(*arrays(3))
    assert not first(*arrays(3))
    assert first(*arrays(5))
    assert first(*arrays(3, mx.float16))
    assert first(*arrays(3), factor=2)
    assert not first(*arrays(3), factor=2)
    assert not first(*arrays(3))


def test_each_mode_has_its_own_first_call() -> None:
    made = pair(scaled)
    for mode in MODES:
        with observe() as seen:
            mx.eval(made(mode, *arrays()))
        assert seen.first


def test_an_observer_sees_every_pair_called_in_its_block_and_none_outside() -> None:
    one, other, outside = pair(scaled), pair(scaled), pair(scaled)
    mx.eval(outside("compiled", *arrays()))
    with observe() as seen:
        mx.eval(one("compiled", *arrays()))
        mx.eval(other("compiled", *arrays()), other("compiled", *arrays(5)))
    mx.eval(outside("compiled", *arrays(5)))
    assert seen.traces == 3
    assert seen.first


def test_of_nested_observers_the_outer_sees_all_and_the_inner_its_own() -> None:
    made = pair(scaled)
    with observe() as outer:
        mx.eval(made("compiled", *arrays(3)))
        with observe() as inner:
            mx.eval(made("compiled", *arrays(5)))
        assert (inner.traces, outer.traces) == (1, 2)
        with observe() as quiet:
            mx.eval(made("compiled", *arrays(5)))
        mx.eval(made("compiled", *arrays(7)))
    assert (quiet.traces, quiet.first) == (0, False)
    assert inner.traces == 1
    assert outer.traces == 3


def test_an_inner_observer_that_saw_nothing_does_not_end_the_outer_one() -> None:
    """Both have seen the same, nothing: they must still be told apart."""
    made = pair(scaled)
    with observe() as outer:
        with observe() as inner:
            pass
        mx.eval(made("compiled", *arrays()))
    assert (outer.traces, outer.first) == (1, True)
    assert (inner.traces, inner.first) == (0, False)


def test_an_observer_ends_with_its_block_even_by_an_exception() -> None:
    made = pair(scaled)
    seen: list[Observation] = []

    def fail() -> None:
        with observe() as observation:
            seen.append(observation)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    mx.eval(made("compiled", *arrays()))
    assert (seen[0].traces, seen[0].first) == (0, False)


def test_on_another_thread_everything_is_new() -> None:
    """MLX keeps what it compiled by thread: what is warm on one is cold on another."""
    made = pair(scaled)
    mx.eval(made("compiled", *arrays()))
    seen: list[Observation] = []

    def work() -> None:
        with observe() as observation:
            mx.eval(made("compiled", *arrays()))
        seen.append(observation)
        mx.synchronize()
        mx.clear_streams()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert (seen[0].traces, seen[0].first) == (1, True)
    with observe() as here:
        mx.eval(made("compiled", *arrays()))
    assert (here.traces, here.first) == (0, False)
