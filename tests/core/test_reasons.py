"""Why a call is a first one: what is told is what is new beside the nearest call before."""

from __future__ import annotations

import mlx.core as mx
import pytest

from core.compute.compilation import Pair, observe, pair
from core.types import MODES, Mode


def blend_of(queries: mx.array, rows: mx.array, *, wanted: int = 1, half: bool = False, power: float = 1.0) -> mx.array:
    return (queries @ rows.T) * wanted


def told(made: Pair, *arrays: mx.array, mode: Mode = "compiled", **static: object) -> list[str]:
    with observe() as seen:
        mx.eval(made(mode, *arrays, **static))
    assert seen.first == bool(seen.reasons)
    return seen.reasons


def zeros(rows: int, dims: int = 4, dtype: mx.Dtype = mx.float32) -> mx.array:
    return mx.zeros((rows, dims), dtype)


def test_the_first_call_of_each_mode_is_called_so() -> None:
    made = pair(blend_of)
    assert told(made, zeros(1), zeros(9)) == ["first compiled call of blend of"]
    assert told(made, zeros(1), zeros(9), mode="eager") == ["first uncompiled call of blend of"]


@pytest.mark.parametrize("mode", MODES)
def test_a_call_met_before_has_no_reason(mode: Mode) -> None:
    made = pair(blend_of)
    for wanted in (1, 2):
        told(made, zeros(1), zeros(9), mode=mode, wanted=wanted)
    assert told(made, zeros(1), zeros(9), mode=mode, wanted=1) == []


def test_what_is_new_is_named() -> None:
    made = pair(blend_of)
    told(made, zeros(1), zeros(9), wanted=32)
    assert told(made, zeros(5), zeros(9), wanted=32) == ["new shape (5, 4) of queries"]
    assert told(made, zeros(1), zeros(9), wanted=48) == ["new number of candidates: 32 → 48"]
    assert told(made, zeros(1), zeros(9, dtype=mx.float16), wanted=32) == ["new data type float16 of rows"]
    assert told(made, zeros(1, 3), zeros(9, 3), wanted=32) == ["new shapes of queries, rows"]
    assert told(made, zeros(1), zeros(9), wanted=32, power=1 / 3) == ["new power: left out → 0.3333"]
    assert told(made, zeros(1), zeros(9)) == ["new number of candidates: 48 → left out"]


def test_several_new_things_are_all_told() -> None:
    made = pair(blend_of)
    told(made, zeros(1), zeros(9), wanted=32)
    assert told(made, zeros(2), zeros(9, dtype=mx.float16), wanted=48, half=True) == [
        "new shape (2, 4) of queries",
        "new data type float16 of rows",
        "new half: left out → True",
        "new number of candidates: 32 → 48",
    ]


def test_it_is_told_beside_the_nearest_call_not_the_last() -> None:
    made = pair(blend_of)
    told(made, zeros(1), zeros(9), wanted=32)
    told(made, zeros(7), zeros(8), wanted=64)
    assert told(made, zeros(1), zeros(9), wanted=48) == ["new number of candidates: 32 → 48"]
    # Of two as near, the later.
    assert told(made, zeros(1), zeros(9), wanted=80) == ["new number of candidates: 48 → 80"]


def test_another_number_of_arrays() -> None:
    made = pair(lambda *arrays: sum(arrays))
    told(made, zeros(1), zeros(1))
    assert told(made, zeros(1), zeros(1), zeros(1)) == ["another number of arrays: 2 → 3"]
    assert told(made, zeros(2), zeros(1), zeros(1)) == ["new shape (2, 4) of array 1"]


def test_of_two_pairs_with_one_reason_it_is_told_once() -> None:
    one, other = pair(blend_of), pair(blend_of)
    for rows, reason in ((9, ["first compiled call of blend of"]), (8, ["new shape (8, 4) of rows"])):
        with observe() as seen:
            mx.eval(one("compiled", zeros(1), zeros(rows)), other("compiled", zeros(1), zeros(rows)))
        assert seen.reasons == reason
        assert seen.traces == 2
