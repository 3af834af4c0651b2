"""The comparison itself, on a clock that the runners move: the interval holds the true ratio about as often as it says."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
import pytest

from core.compute.measuring import FEWEST_ROUNDS, LOOK_EVERY, OtherLoad, Rule, Runner, interleave, narrow
from core.statistics import median_ratio
from core.types import Timing


@dataclass
class Synthetic:
    """Runners of known medians whose times are lognormal, as times are; a clock that only they move."""

    seed: int
    spread: float = 0.2
    now: float = 0.0
    calls: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.generator = np.random.default_rng(self.seed)

    def clock(self) -> float:
        return self.now

    def runner(self, name: str, median_ms: float, first_ms: float = 0.0) -> Runner:
        calls = 0

        def run() -> Timing:
            nonlocal calls
            calls += 1
            self.calls.append(name)
            ms = float(median_ms * np.exp(self.spread * self.generator.normal())) + (first_ms if calls == 1 else 0.0)
            self.now += ms / 1e3
            return Timing(ms, "compiled", calls == 1 and first_ms > 0, int(calls == 1 and first_ms > 0), 0)

        return Runner(name, name == "compiled", run)

    def race(self, ratio: float, rule: Rule) -> list[Runner]:
        runners = [self.runner("uncompiled", 2.0 * ratio), self.runner("compiled", 2.0, 500.0)]
        for _ in interleave(runners, rule, lambda: None, self.clock, random.Random(self.seed)):
            pass
        return runners


@pytest.mark.parametrize("ratio", [1.0, 1.3, 3.4])
@pytest.mark.parametrize("spread", [0.05, 0.25])
def test_the_interval_holds_the_true_ratio_about_19_times_in_20(ratio: float, spread: float) -> None:
    hits, trials = 0, 120
    for seed in range(trials):
        eager, compiled = Synthetic(seed, spread).race(ratio, Rule(rounds=40, seconds=1e6))
        found = median_ratio(eager.ms, compiled.ms, seed)
        assert found is not None
        hits += found.low <= ratio <= found.high
    # 114 of 120 are promised; the rule stops early where the interval happens to be narrow, which costs a little.
    assert hits >= 106


def test_it_stops_when_the_interval_is_narrow_and_goes_on_while_it_is_wide() -> None:
    steady, _ = Synthetic(1, 0.01).race(1.5, Rule(rounds=500, seconds=1e6))
    assert len(steady.ms) == FEWEST_ROUNDS
    shaky, other = Synthetic(2, 0.2).race(1.5, Rule(rounds=500, seconds=1e6))
    assert FEWEST_ROUNDS < len(shaky.ms) < 500
    assert len(shaky.ms) % LOOK_EVERY == 0
    assert narrow([shaky, other], Rule().width)


def test_time_and_rounds_are_kept() -> None:
    limited, _ = Synthetic(3, 0.5).race(1.0, Rule(rounds=7, seconds=1e6))
    assert len(limited.ms) == 7
    late = Synthetic(4, 0.5)
    eager, compiled = late.race(1.0, Rule(rounds=10_000, seconds=1.0, width=0.0))
    # 500 ms for the first call, warm-ups, and the second for the rounds.
    assert late.now < 0.5 + 0.1 + 1.0 + 0.1
    assert len(eager.ms) == len(compiled.ms)


def test_one_round_is_measured_even_where_there_is_no_time() -> None:
    eager, compiled = Synthetic(5).race(1.0, Rule(seconds=0.0))
    assert (len(eager.ms), len(compiled.ms)) == (1, 1)


def test_first_calls_and_warm_ups_stand_apart() -> None:
    eager, compiled = Synthetic(6, 0.01).race(1.0, Rule(rounds=20, seconds=1e6))
    assert compiled.first_ms is not None
    assert compiled.first_ms > 400
    assert eager.first_ms is None
    assert max(compiled.ms) < 10


def test_turns_are_random_and_even() -> None:
    synthetic = Synthetic(7, 0.5)
    synthetic.race(1.0, Rule(rounds=40, seconds=1e6, width=0.0))
    rounds = synthetic.calls[-80:]
    pairs = {tuple(rounds[i : i + 2]) for i in range(0, 80, 2)}
    assert pairs == {("uncompiled", "compiled"), ("compiled", "uncompiled")}


def test_other_work_within_is_not_counted_and_the_next_call_warms_up() -> None:
    synthetic = Synthetic(8, 0.01)

    def urgent() -> None:
        synthetic.now += 5.0

    runners = [synthetic.runner("uncompiled", 2.0), synthetic.runner("compiled", 2.0)]
    for _ in interleave(runners, Rule(rounds=3, seconds=1e6), urgent, synthetic.clock, random.Random(8)):
        pass
    assert all(ms < 3.0 for runner in runners for ms in runner.ms)
    # First call and two warm-ups each; then in each round every call twice.
    assert len(synthetic.calls) == 2 * 3 + 2 * 2 * 3


def test_our_own_work_is_not_that_of_others() -> None:
    load = OtherLoad()
    assert 0.0 <= load.share() <= 1.0


def test_the_load_of_others_is_the_busy_time_that_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"busy": 10.0, "all": 100.0, "own": 5.0}
    monkeypatch.setattr("core.compute.measuring._busy_and_all", lambda: (state["busy"], state["all"]))
    monkeypatch.setattr(OtherLoad, "_own_seconds", lambda self: state["own"])
    load = OtherLoad()
    state.update(busy=16.0, all=110.0, own=7.0)  # 6 s busy of 10, of which 2 were ours
    assert load.share() == pytest.approx(0.4)
