"""Takes the times: runners in random turn, first calls and warm-ups apart."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter, process_time, sleep
from typing import Any

import numpy as np

from core.compute.limits import Limits
from core.compute.vectors import Poll
from core.statistics import MIN_SAMPLES, median, median_ratio
from core.types import BenchRow, DeviceKind

# Threads of OpenMP and OpenBLAS spin on for a while after their work and take a core from whoever runs next: resting this long
# before each run made FAISS's answers to one query nearly twice as fast (2 cores).
REST_S: dict[DeviceKind, float] = {"cpu": 0.02, "metal": 0.02, "cuda": 0.0}
# A further round of warm-ups must not take more than this share of a case's time.
WARM_UP_SHARE = 0.1
# CPU time of several threads is accounted for in ticks of up to 10 ms.
CPU_TIME_MS = 100.0

Clock = Callable[[], float]
Run = Callable[[], Any]  # returns with the answer in the host's memory, or the device idle


@dataclass(frozen=True)
class Quality:
    """How good an answer was; None where that means nothing."""

    error: float | None = None  # of subspaces the sine of the largest angle, of products relative, against float64
    recall: float | None = None  # share of the true neighbours
    proven: float | None = None  # share of the queries whose answers came with a proof at once


@dataclass(frozen=True)
class Work:
    """The least that must be done."""

    nbytes: float = 0.0  # read
    flops: float = 0.0

    def seconds(self, limits: Limits) -> float:
        """What it takes at best."""
        return max(self.nbytes / limits.bandwidth, self.flops / limits.rate)


@dataclass(frozen=True)
class Contest:
    """What runs against what on one input."""

    ours: dict[str, Run]  # the first is what the others are compared with
    peers: dict[str, Run] = field(default_factory=dict)
    judge: Callable[[Any], Quality] = lambda _: Quality()


@dataclass
class Samples:
    """What one runner took."""

    first_ms: float
    quality: Quality
    ms: list[float] = field(default_factory=list)
    cpu_ms: float = 0.0  # CPU time of all threads, over all of `ms`

    def wants(self, part: float) -> bool:
        """Whether to time it again, if it may take `part` ms, and twice that where it takes that for an interval."""
        return not self.ms or sum(self.ms) < part * (2 if len(self.ms) < MIN_SAMPLES else 1)

    def next_s(self, expected: float | None) -> float:
        """Seconds that the next run will take: as the last, or as expected where the only one there was may have compiled."""
        first = self.first_ms / 1e3
        return self.ms[-1] / 1e3 if self.ms else first if expected is None else min(first, expected)

    @property
    def cores(self) -> float | None:
        """CPU time over elapsed time; None where it was too short for the system's account of CPU time."""
        return self.cpu_ms / sum(self.ms) if sum(self.ms) >= CPU_TIME_MS else None


@dataclass(frozen=True)
class Allowance:
    """The time a case may take."""

    share: float  # seconds for its rounds
    end: float  # on the clock; nothing is begun that would last longer
    rest: float = 0.0  # seconds before each run
    clock: Clock = perf_counter

    def allows(self, seconds: float) -> bool:
        return self.clock() + seconds <= self.end


def measure(
    contest: Contest, repeat: int, allowance: Allowance, expected: Mapping[str, float], poll: Poll
) -> tuple[dict[str, Samples], list[str]]:
    """Samples of each runner, and a sentence for each that was left out.

    Every runner is called once, if its `expected` seconds (0 where there are none) are left, then in `repeat` rounds of random
    order, from which a runner retires that has used its equal part of the share. A peer that raises is left out.
    """
    clock = allowance.clock
    taken: dict[str, Samples] = {}
    left_out = []
    runners = contest.ours | contest.peers
    for name, run in runners.items():
        poll()
        if not allowance.allows(2 * expected.get(name, 0.0)):
            left_out.append(f"{name}: no time is left")
            continue
        try:
            ms, _, answer = _time(run, clock)
            taken[name] = Samples(ms, contest.judge(answer))
        except Exception as error:  # what a library we do not know may raise must not end the others' run
            if name in contest.ours:
                raise
            left_out.append(f"{name}: failed with {type(error).__name__}: {error}".splitlines()[0])
    once = sum(samples.first_ms for samples in taken.values()) / 1e3
    if once < WARM_UP_SHARE * allowance.share and allowance.allows(once):
        for name in taken:
            runners[name]()
    part = 1e3 * allowance.share / max(len(taken), 1)
    for _ in range(repeat):
        open_runners = [name for name, samples in taken.items() if samples.wants(part)]
        random.shuffle(open_runners)
        for name in open_runners:
            poll()
            if allowance.allows(taken[name].next_s(expected.get(name))):
                sleep(allowance.rest)
                ms, cpu_ms, _ = _time(runners[name], clock)
                taken[name].ms.append(ms)
                taken[name].cpu_ms += cpu_ms
    left_out += [
        f"{name}: its first call took {s.first_ms / 1e3:.1f} s, no time is left" for name, s in taken.items() if not s.ms
    ]
    return {name: s for name, s in taken.items() if s.ms}, left_out


def rows(case: str, about: str, taken: dict[str, Samples], reference: str, limit_s: float) -> Sequence[BenchRow]:
    """The figures of one case, a row for each runner; ratios to `reference`, over the rounds that both were in."""
    base = taken[reference].ms if reference in taken else []
    return [
        BenchRow(
            case=case,
            about=about,
            runner=name,
            median_ms=median(samples.ms),
            p95_ms=float(np.quantile(samples.ms, 0.95)),
            first_ms=samples.first_ms,
            count=len(samples.ms),
            times_reference=None if name == reference else median_ratio(samples.ms[: len(base)], base[: len(samples.ms)]),
            share_of_limit=1e3 * limit_s / median(samples.ms),
            cores=samples.cores,
            error=samples.quality.error,
            recall=samples.quality.recall,
            proven=samples.quality.proven,
        )
        for name, samples in taken.items()
    ]


def _time(run: Run, clock: Clock) -> tuple[float, float, Any]:
    """Milliseconds elapsed, milliseconds of CPU time, and the answer."""
    cpu, start = process_time(), clock()
    answer = run()
    return (clock() - start) * 1e3, (process_time() - cpu) * 1e3, answer
