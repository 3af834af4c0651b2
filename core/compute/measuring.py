"""Honest comparison: the ways of one workload run in random turn until the interval of their ratio is narrow, or time is up."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import psutil

from core.lab import WIDTH, WayFigures
from core.statistics import median_ratio
from core.types import Timing

# Rounds before the width of an interval is looked at, and between two looks: it takes a few milliseconds to work out.
FEWEST_ROUNDS, LOOK_EVERY = 15, 5
# Calls of each way that do not count, after the first: memory is mapped, caches are filled, clocks have risen.
WARM_UPS = 2
# They end early when they have taken this share of the time for the rounds.
WARM_UP_SHARE = 0.2
# Other work that took longer than this within a run leaves caches cold: the next call does not count.
DISTURBED_S = 1e-3

Clock = Callable[[], float]


@dataclass
class Runner:
    """One way of computing, `run` fenced and timed as core.compute.timing does; and what it took so far."""

    name: str
    compiled: bool
    run: Callable[[], Timing]
    ms: list[float] = field(default_factory=list)
    first_ms: float | None = None
    traces: int = 0
    peak_bytes: int = 0
    active_bytes: int = 0
    stages: tuple[tuple[str, float], ...] = ()

    def call(self) -> Timing:
        timing = self.run()
        self.traces += timing.traces
        self.stages = timing.stages
        return timing

    def figures(self) -> WayFigures:
        memory = {"peak_bytes": self.peak_bytes, "active_bytes": self.active_bytes}
        return WayFigures(self.name, self.compiled, tuple(self.ms), self.first_ms, self.traces, stages=self.stages, **memory)


@dataclass(frozen=True)
class Rule:
    """When enough has been measured."""

    rounds: int = 200  # at most
    seconds: float = 10.0  # at most, for the rounds; first calls and warm-ups take what they take
    width: float = WIDTH  # of the interval of each ratio to the first way, as a share of the ratio


def interleave(
    runners: Sequence[Runner],
    rule: Rule,
    give_way: Callable[[], None],
    clock: Clock = perf_counter,
    shuffled: random.Random | None = None,
) -> Iterator[None]:
    """Fill the runners' figures; yields after the first calls, and after every round.

    `give_way` is called before each run and lets more urgent work go first, outside the times taken here.
    """
    order = shuffled or random.Random()  # noqa: S311 the order of runs is no secret
    for runner in runners:
        give_way()
        timing = runner.call()
        runner.first_ms = timing.ms if timing.first or timing.traces else None
    yield
    start = clock()
    for _ in range(WARM_UPS):
        for runner in runners:
            give_way()
            if clock() - start < WARM_UP_SHARE * rule.seconds:
                runner.call()
    end = clock() + rule.seconds
    for number in range(1, rule.rounds + 1):
        for runner in order.sample(list(runners), len(runners)):
            before = clock()
            give_way()
            if clock() - before > DISTURBED_S:
                runner.call()
            runner.ms.append(runner.call().ms)
        yield
        if clock() >= end or (number >= FEWEST_ROUNDS and number % LOOK_EVERY == 0 and narrow(runners, rule.width)):
            return


def narrow(runners: Sequence[Runner], width: float) -> bool:
    """Whether the interval of every ratio to the first way is at most `width` of that ratio wide."""
    ratios = (median_ratio(runners[0].ms, runner.ms) for runner in runners[1:])
    return all(ratio is not None and ratio.high - ratio.low <= width * ratio.value for ratio in ratios)


class OtherLoad:
    """The share of all cores that other programs keep busy, from the time this is made."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._busy, self._all = _busy_and_all()
        self._own = self._own_seconds()

    def share(self) -> float:
        """0 to 1; 0 where too little time has passed for the system's account."""
        busy, everything = _busy_and_all()
        passed = everything - self._all
        others = (busy - self._busy) - (self._own_seconds() - self._own)
        return min(1.0, max(0.0, others / passed)) if passed > 0.1 else 0.0

    def _own_seconds(self) -> float:
        # Children count: MLX compiles for the CPU by running g++.
        times = self._process.cpu_times()
        return float(times.user + times.system + getattr(times, "children_user", 0) + getattr(times, "children_system", 0))


def _busy_and_all() -> tuple[float, float]:
    """Seconds that all cores were busy, and that passed on all of them."""
    times = psutil.cpu_times()
    everything = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return everything - times.idle - getattr(times, "iowait", 0.0), everything
