"""Shares out time and memory among the cases, so that a run ends when it is to end."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Mapping
from itertools import chain
from time import perf_counter

import mlx.core as mx
import psutil

from core.compute.bench.cases import CASES, CORNERS, DEVICE_COPIES, HOST_COPIES, Bed, Case, Setting
from core.compute.bench.contest import REST_S, Allowance, Clock, Samples, measure, rows
from core.compute.bench.peers import Peers, thread_counts, versions
from core.compute.limits import Limits, measure_limits
from core.compute.vectors import Poll, Report
from core.errors import UserError
from core.statistics import median
from core.types import BenchResult, DeviceInfo

# Seconds in all, unless told otherwise.
TIME_LIMIT = 270.0
TIME_LIMIT_CORNERS = 450.0
# The share of the memory free on the host that a case may take.
MEMORY_SHARE = 0.5
# What a run takes over what the machine's limits allow, until it has been measured.
PACE = 2.5
# A case is worth beginning if this many runs of ours fit: two ways, each called twice, and as much for the truth and the peers.
RUNS = 8
# Seconds that a byte of vectors takes to make, check and bring to everybody, at most, until it has been measured.
BUILD_S = 3e-8
# Building fewer bytes than this takes longer a byte, not least where kernels are compiled for the first time.
MANY_BYTES = 1 << 28
# Cases of fewer bytes come first anyway.
TINY_BYTES = 1 << 20
# The least of its share that is left to a case's rounds, whatever building took.
ROUNDS_SHARE = 0.25


class Schedule:
    """What the cases take and leave: the time, the memory, and the vectors that the last of them used."""

    def __init__(self, device: DeviceInfo, seconds: float, clock: Clock = perf_counter) -> None:
        self.device = device
        self.clock = clock
        self.end = clock() + seconds
        self.peers = Peers(device.kind)
        self._build_s = BUILD_S
        self._paces: dict[tuple[str, str], float] = {}  # by kind of case and runner, in the case before
        self._our_pace: dict[str, float] = {}
        self._bed: Bed | None = None

    @property
    def left(self) -> float:
        """Seconds."""
        return self.end - self.clock()

    def too_large(self, case: Case) -> str | None:
        """Why the memory does not do for the case, if so."""
        host = HOST_COPIES[self.device.kind] * case.setting.nbytes
        free = MEMORY_SHARE * psutil.virtual_memory().available
        if host > free:
            return f"would take {host / 1e9:.1f} GB, {free / 1e9:.1f} GB may be used"
        on_device = DEVICE_COPIES * case.setting.nbytes
        if self.device.kind != "cpu" and on_device > self.device.budget_bytes:
            return f"would take {on_device / 1e9:.1f} GB of the device, {self.device.budget_bytes / 1e9:.1f} GB may be used"
        return None

    def too_long(self, case: Case, limits: Limits) -> str | None:
        """Why the time left does not do for the case, if so."""
        fresh = self._bed is None or self._bed.setting != case.setting
        build = self._build_s * case.setting.nbytes if fresh else 0.0
        needed = RUNS * self._our_pace.get(_kind(case), PACE) * case.work.seconds(limits) + build
        return f"would take {needed:.0f} s or more, {max(self.left, 0.0):.0f} s are left" if needed > self.left else None

    def expected(self, case: Case, runners: Iterable[str], limits: Limits) -> dict[str, float]:
        """Seconds that each runner will take, going by its pace in the case of this kind before."""
        return {name: self._paces.get((_kind(case), name), PACE) * case.work.seconds(limits) for name in runners}

    def learn(self, case: Case, taken: Mapping[str, Samples], limits: Limits) -> None:
        """Take down each runner's pace; the first is ours."""
        best = 1e3 * case.work.seconds(limits)
        paces = {(_kind(case), name): median(samples.ms) / best for name, samples in taken.items()}
        self._paces |= paces
        self._our_pace |= {kind: pace for (kind, _), pace in list(paces.items())[:1]}

    def bed(self, setting: Setting) -> Bed:
        """The setting's vectors; those of the setting before make room first."""
        if self._bed is None or self._bed.setting != setting:
            self.clear()
            start = self.clock()
            self._bed = Bed(setting, self.device, self.peers)
            took = (self.clock() - start) / setting.nbytes
            self._build_s = took if setting.nbytes > MANY_BYTES else min(took, self._build_s)
        return self._bed

    def clear(self) -> None:
        self._bed = None
        gc.collect()
        mx.clear_cache()


def chosen(only: tuple[str, ...]) -> list[Case]:
    """The cases whose names begin with one of `only`; all but the corners if it is empty.

    Raises UserError for a name without cases.
    """
    cases = [*CASES, *CORNERS]
    unknown = [name for name in only if not any(case.name.startswith(name) for case in cases)]
    if unknown:
        raise UserError(f"No case is called {', '.join(unknown)}; there are {', '.join(case.name for case in cases)}.")
    return [case for case in cases if case.name.startswith(only)] if only else list(CASES)


def run_cases(
    device: DeviceInfo, only: tuple[str, ...], repeat: int, seconds: float | None, poll: Poll, report: Report
) -> BenchResult:
    """Run the cases that `only` chooses, in `seconds` in all; each may take an equal share of the time that is left.

    Raises UserError for a name without cases.
    """
    started = perf_counter()
    cases = chosen(only)
    corners = any(case in CORNERS for case in cases)
    schedule = Schedule(device, seconds or (TIME_LIMIT_CORNERS if corners else TIME_LIMIT))
    limits = measure_limits(device.kind)
    measured: list[tuple[Case, str, dict[str, Samples]]] = []
    reasons = {case.name: case.unsuitable(device) or schedule.too_large(case) for case in cases}
    skipped = [f"{name}: {why}" for name, why in reasons.items() if why]
    cases = [case for case in cases if not reasons[case.name]]
    if device.kind != "cpu" and not corners:  # what a GPU is for shows in what is large, should the time not do for all
        cases.sort(key=lambda case: (case.setting.nbytes > TINY_BYTES, -case.setting.nbytes))
    for number, case in enumerate(cases):
        poll()
        report(case.name, number, len(cases))
        if (why := schedule.too_long(case, limits)) is not None:
            skipped.append(f"{case.name}: {why}")
            continue
        share = schedule.left / (len(cases) - number)
        start = schedule.clock()
        contest = case.make(schedule.bed(case.setting))
        rounds = max(share - (schedule.clock() - start), ROUNDS_SHARE * share)
        allowance = Allowance(rounds, schedule.end, REST_S[device.kind])
        expected = schedule.expected(case, contest.ours | contest.peers, limits)
        taken, left_out = measure(contest, case.repeat or repeat, allowance, expected, poll)
        skipped += [f"{case.name}, {text}" for text in left_out]
        schedule.learn(case, taken, limits)
        measured.append((case, next(iter(contest.ours)), taken))
    report("done", len(cases), len(cases))
    schedule.clear()
    limits = limits.best(measure_limits(device.kind))  # again, should something have disturbed the first
    figures = (rows(case.name, case.about, taken, ours, case.work.seconds(limits)) for case, ours, taken in measured)
    return BenchResult(
        rows=tuple(chain.from_iterable(figures)),
        skipped=(*schedule.peers.missing, *skipped),
        bandwidth_gb_s=limits.bandwidth / 1e9,
        product_gflop_s=limits.rate / 1e9,
        device=device,
        versions=versions(),
        threads=thread_counts(),
        seconds=perf_counter() - started,
    )


def _kind(case: Case) -> str:
    return case.name.partition("-")[0]
