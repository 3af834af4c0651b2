"""Runs one workload of the lab, and tells how far it is as it goes."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from math import inf
from time import perf_counter

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from core.compute.limits import Limits
from core.compute.measuring import OtherLoad, Rule, Runner, interleave
from core.compute.timing import fence, stopwatch
from core.compute.trials import Arrays, Bed, Trial, Way
from core.compute.workloads import Workload
from core.errors import UserError
from core.lab import LabRun
from core.types import Timing

# Seconds between two tellings of how far a run is.
TOLD_EVERY_S = 0.15

Tell = Callable[[LabRun], None]


def run(workload: Workload, size: str | None, bed: Bed, rule: Rule, limits: Limits, tell: Tell) -> LabRun:
    """Run `workload` at `size`, or its default; `tell` hears of it on the way. `bed.poll` lets urgent work go first.

    Raises UserError for a size that there is not or that cannot run here.
    """
    info = workload.info(bed)
    chosen = next((s for s in info.sizes if s.name == (size or info.default_size)), None)
    if chosen is None:
        raise UserError(f"{workload.title} has no size {size!r}; there are {', '.join(s.name for s in info.sizes)}.")
    if (problem := info.problem or chosen.problem) is not None:
        raise UserError(f"{workload.title} cannot run here. {problem}")
    blank = LabRun(
        workload.name,
        chosen.name,
        bandwidth_gb_s=limits.bandwidth / 1e9,
        product_gflop_s=limits.rate / 1e9,
        device=bed.device.line,
        versions={name: version(name) for name in ("mlx", "numpy")} | {"python": platform.python_version()},
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        file=bed.file if chosen.of_file else "",
    )
    started, load = perf_counter(), OtherLoad()
    last, told = blank, -inf  # what comes first is told at once
    for last in _counted(workload, bed, blank) if workload.experiment else _timed(workload, chosen.name, bed, rule, blank):
        if perf_counter() - told > TOLD_EVERY_S:
            told = perf_counter()
            tell(last)
    mx.clear_cache()
    return replace(last, others_busy=load.share(), seconds=perf_counter() - started, finished=True)


def _counted(workload: Workload, bed: Bed, blank: LabRun) -> Iterator[LabRun]:
    assert workload.experiment is not None
    found = []
    for finding in workload.experiment():
        bed.poll()
        found.append(finding)
        yield replace(blank, findings=tuple(found))


def _timed(workload: Workload, size: str, bed: Bed, rule: Rule, blank: LabRun) -> Iterator[LabRun]:
    chosen = workload.size(size)
    assert chosen is not None
    bed.poll()
    trial = chosen.make(bed)
    ways = trial.ways
    if bed.device.compile_problem:
        ways = tuple(way for way in ways if not way.compiled)
    watched = [_Watched(way) for way in ways]
    runners = [Runner(w.way.name, w.way.compiled, w) for w in watched]
    blank = replace(blank, least_bytes=trial.least_bytes, flops=trial.flops, tolerance=trial.tolerance)
    for _ in interleave(runners, rule, bed.poll):
        for runner, w in zip(runners, watched, strict=True):
            runner.peak_bytes, runner.active_bytes = w.peak_bytes, w.active_bytes
        error = _disagreement(watched)
        blank = replace(blank, error=error, problem=_void(error, trial))
        yield replace(blank, ways=tuple(runner.figures() for runner in runners))
        if blank.problem:
            return


@dataclass
class _Watched:
    """Times one call of a way after another; keeps what the first computed, and what memory they took."""

    way: Way
    first: list[NDArray[np.float64]] | None = None
    peak_bytes: int = 0
    active_bytes: int = 0

    def __call__(self) -> Timing:
        before = mx.get_active_memory()
        with stopwatch("compiled" if self.way.compiled else "eager") as watch:
            made = self.way.run(watch)
            fence(*(array for array in made if isinstance(array, mx.array)))
        timing = watch.timing(0)
        self.peak_bytes = max(self.peak_bytes, timing.memory_bytes - before)
        self.active_bytes = mx.get_active_memory()
        if self.first is None:
            self.first = _few(made)
        return timing


# Values of a result that are compared: at most so many, evenly spread.
COMPARED = 1 << 20


def _few(arrays: Arrays) -> list[NDArray[np.float64]]:
    few = []
    for array in arrays:
        flat = array.reshape(-1)
        few.append(np.array(flat[:: 1 + flat.size // COMPARED], dtype=np.float64))
    return few


def _disagreement(watched: list[_Watched]) -> float | None:
    """The largest difference of any way's first result from the first way's, as a share of its largest value."""
    base, *others = (w.first for w in watched)
    if base is None or not others:
        return None
    worst = [0.0]
    for other in others:
        assert other is not None
        for a, b in zip(base, other, strict=True):
            scale = float(np.abs(a).max(initial=0.0)) or 1.0
            worst.append(float(np.abs(a - b).max(initial=0.0)) / scale)
    return float(np.max(worst))  # NaN, where there is any


def _void(error: float | None, trial: Trial) -> str | None:
    if error is None or error <= trial.tolerance:  # NaN is no agreement
        return None
    return f"The ways disagree by {error:.1e} of the largest value, more than {trial.tolerance:.0e}: the run is void."
