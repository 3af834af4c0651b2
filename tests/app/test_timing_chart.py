"""What the chart of timings draws from: its scale, and the bars of stages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.models.timings import Sample, Subject
from app.views.stages_chart import NAMES, REST, STAGES, edges_of, stage_times
from app.views.timing_axis import Scale, ValueAxis, nice_above, scale_for
from app.views.timing_tip import tip
from core.dataset import Dataset
from core.types import Timing

SUBJECT = Subject(Dataset(Path("x.npy"), np.zeros((9, 3), np.float32), "npy", "float32"), "cosine", 10)
STAGED = (("product", 4.0), ("selection", 1.0), ("exact distances", 2.0))

durations = st.lists(st.floats(1e-2, 1e5), min_size=1, max_size=30)


def sample(ms: float, stages: tuple[tuple[str, float], ...] = STAGED, number: int = 1) -> Sample:
    timing = Timing(ms, "compiled", True, 2, 8_000_000, stages, ("new number of candidates: 32 → 48",), 24_000_000)
    return Sample(number, timing, SUBJECT)


@given(durations)
def test_a_logarithmic_axis_holds_all(times: list[float]) -> None:
    scale = scale_for(times, [], True)
    assert np.all(scale.places(times) >= scale.low)
    assert np.all(scale.places(times) <= scale.high)


@given(durations, durations)
def test_a_linear_axis_begins_at_zero_and_holds_what_is_warm(first: list[float], warm: list[float]) -> None:
    scale = scale_for([*first, *warm], warm, False)
    assert scale.low == 0
    assert max(warm) <= scale.high <= 2.1 * max(warm)
    assert scale_for(first, [], False).high >= max(first)


@given(st.floats(1e-3, 1e6))
def test_ends_are_figures_that_read_well(value: float) -> None:
    end = nice_above(value)
    assert value <= end <= 2 * value
    assert float(f"{end:.2g}") == pytest.approx(end)


@pytest.mark.parametrize("log", [True, False])
def test_marks_lie_beneath_the_axis_where_no_tick_is(log: bool, qapp: object) -> None:
    scale = scale_for([3.0, 40.0], [3.0, 40.0], log)
    axis = ValueAxis("left")
    axis.set_scale(scale)
    ticks = [v for _, values in axis.tickValues(scale.foot(1.0), scale.head, 200) for v in values]
    assert ticks
    assert scale.foot(1.0) < scale.foot(0.5) < scale.low <= min(ticks)
    assert axis.tickStrings([scale.places([0.5])[0], scale.places([20_000])[0]], 1.0, 1.0) == ["0.5", "20,000"]


def test_what_no_stage_tells_is_the_rest() -> None:
    times = stage_times(sample(10.0, (*STAGED, ("a stage of tomorrow", 1.0))).timing)
    assert times == {"product": 4.0, "selection": 1.0, "exact distances": 2.0, REST: 3.0}
    assert list(stage_times(sample(7.0).timing)) == ["product", "selection", "exact distances"]


def test_bars_on_a_linear_axis_are_as_high_as_their_times() -> None:
    edges = edges_of([sample(10.0), sample(7.0)], Scale(False, 0.0, 20.0))
    np.testing.assert_allclose(edges[:, -1], [10.0, 7.0])
    heights = dict(zip(NAMES, np.diff(edges[0]), strict=True))
    assert {name: h for name, h in heights.items() if h} == pytest.approx({**dict(STAGED), REST: 3.0})


def test_bars_on_a_logarithmic_axis_end_at_the_whole_and_are_shared_out() -> None:
    scale = scale_for([10.0], [10.0], True)
    edges = edges_of([sample(10.0)], scale)[0]
    assert edges[0] == scale.low
    assert edges[-1] == pytest.approx(1.0)
    assert (edges[NAMES.index("selection")] - scale.low) / (1.0 - scale.low) == pytest.approx(0.4)


def test_no_queries_make_no_bars() -> None:
    assert edges_of([], Scale(False, 0.0, 1.0)).shape == (0, len(NAMES) + 1)


def test_a_tip_tells_everything() -> None:
    lines = tip(sample(10.0, number=1234)).split("\n")
    assert lines == [
        "Query 1,234: 10.0 ms compiled",
        "Cosine, k 10, x.npy",
        "product: 4.00 ms",
        "selection: 1.00 ms",
        "exact distances: 2.00 ms",
        "other: 3.00 ms",
        "8.0 MB read, 0.800 GB/s",
        "memory: 24.0 MB at the peak",
        "first call, 2 traces:",
        "  new number of candidates: 32 → 48",
    ]


def test_every_stage_has_a_colour_that_no_mode_has() -> None:
    assert all(stage.colour > 1 and stage.about for stage in STAGES.values())
