"""What the lab shows: its workloads, and what a run of one found, with what may be said of it.

Plain values only, so that a run can be kept, written down and read again on another machine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from core.statistics import Ratio, median, median_ratio

# A difference of medians counts as told when the interval of their ratio is at most this wide, as a share of the ratio.
WIDTH = 0.1
# Beyond this width, at the end of a run, nothing is told of the difference.
TOO_WIDE = 0.5
# Other programs that keep more than this share of all cores busy spoil a measurement.
BUSY = 0.25


@dataclass(frozen=True, slots=True)
class CodeLine:
    text: str
    compiled: bool | None = None  # only in the compiled way, only in the uncompiled one, or (None) in both


@dataclass(frozen=True, slots=True)
class SizeInfo:
    name: str
    memory_bytes: int  # that a run holds at most, about
    code: tuple[CodeLine, ...]
    problem: str | None = None  # why it cannot run here, or None
    of_file: bool = False  # it works on the open file


@dataclass(frozen=True, slots=True)
class WorkloadInfo:
    """A workload as the table lists it."""

    name: str
    title: str
    shows: str  # a sentence
    lesson: str  # a sentence: what to learn from it
    claim: str | None  # what the guide to mx.compile says, or None
    sizes: tuple[SizeInfo, ...]  # at least one; the first that runs is taken unless told otherwise
    counted: bool = False  # it counts and tells what happened rather than comparing times
    problem: str | None = None  # why none of it can run here, or None

    @property
    def default_size(self) -> str:
        return next((size.name for size in self.sizes if size.problem is None), self.sizes[0].name)


@dataclass(frozen=True, slots=True)
class WayFigures:
    """One way of computing a workload, and what it took."""

    name: str
    compiled: bool
    ms: tuple[float, ...] = ()  # of each repeat, in turn
    first_ms: float | None = None  # the first call: trace and code generation; None where it had been called before
    traces: int = 0  # that all calls made
    peak_bytes: int = 0  # of the device's memory, in one call, beyond what lay there before
    stages: tuple[tuple[str, float], ...] = ()  # (name, ms) of the last repeat
    active_bytes: int = 0  # of the device's memory when the last call had ended: results, inputs and all else that lay there

    @property
    def median_ms(self) -> float | None:
        return median(self.ms) if self.ms else None

    @property
    def p95_ms(self) -> float | None:
        return float(np.quantile(self.ms, 0.95)) if self.ms else None


@dataclass(frozen=True, slots=True)
class Finding:
    """One small experiment: what was run, what came of it, what it cost."""

    about: str
    code: str
    outcome: str
    traces: int | None = None  # counted; None where that is not the point
    ms: float | None = None
    surprise: bool = False  # whether this is what catches people out


@dataclass(frozen=True, slots=True)
class LabRun:
    """A run of one workload, so far or in whole."""

    workload: str
    size: str
    ways: tuple[WayFigures, ...] = ()  # the first is what the others are compared with
    findings: tuple[Finding, ...] = ()
    least_bytes: float = 0.0  # the least that one run has to move
    flops: float = 0.0
    bandwidth_gb_s: float = 0.0  # the machine's limits, measured in this process; 0 where not measured yet
    product_gflop_s: float = 0.0
    error: float | None = None  # largest difference between the ways' results, as a share of the largest value
    tolerance: float = 0.0
    problem: str | None = None  # why the run is void, or None
    others_busy: float = 0.0  # the share of all cores that other programs kept busy meanwhile
    device: str = ""  # in words
    versions: dict[str, str] = field(default_factory=dict)
    started: str = ""  # ISO 8601, UTC
    seconds: float = 0.0
    finished: bool = False
    file: str = ""  # that it worked on, with its rows and dimensions; empty where it made up its own input

    def ratio(self, way: WayFigures) -> Ratio | None:
        """How many times as fast `way` is as the first way; None for that one itself or too few repeats."""
        return None if way is self.ways[0] else _median_ratio(self.ways[0].ms, way.ms)

    def pays_off_after(self, way: WayFigures) -> int | None:
        """Calls after which the first call of `way` has cost less than the first way would have; None if it never does."""
        base = self.ways[0]
        if way is base or not way.ms or not base.ms or way.first_ms is None:
            return None
        saved = median(base.ms) - median(way.ms)
        ratio = self.ratio(way)
        if saved <= 0 or ratio is None or not ratio.shown:
            return None
        return 1 + max(0, int(np.ceil((way.first_ms - (base.first_ms or median(base.ms))) / saved)))

    def gb_s(self, way: WayFigures) -> float | None:
        return self.least_bytes / 1e6 / median(way.ms) if way.ms and self.least_bytes else None

    def gflop_s(self, way: WayFigures) -> float | None:
        return self.flops / 1e6 / median(way.ms) if way.ms and self.flops else None

    def share_of_limit(self, way: WayFigures) -> float | None:
        """What memory bandwidth and the float32 product would allow at best, over what it took."""
        if not way.ms or not self.bandwidth_gb_s or not (self.least_bytes or self.flops):
            return None
        best_ms = max(self.least_bytes / self.bandwidth_gb_s, self.flops / self.product_gflop_s) / 1e6
        return best_ms / median(way.ms)

    @property
    def too_busy(self) -> str | None:
        """Why nothing can be told of the difference on this machine now, or None."""
        if self.others_busy > BUSY:
            return f"Other programs kept {self.others_busy:.0%} of this machine busy meanwhile: run it again when it is quiet."
        ratios = [ratio for way in self.ways[1:] if (ratio := self.ratio(way)) is not None]
        if self.finished and any((r.high - r.low) > TOO_WIDE * r.value for r in ratios):
            return "The times spread too widely to tell: this machine is too busy, or changes its clock; run it again."
        return None

    @property
    def verdict(self) -> str:
        """What may be said, in a sentence."""
        if self.problem:
            return self.problem
        if self.findings or len(self.ways) == 1:
            return ""
        if (busy := self.too_busy) is not None:
            return busy
        known = [(way, ratio) for way in self.ways[1:] if (ratio := self.ratio(way)) is not None]
        if not known:
            return "Too few repeats yet to tell."
        return "; ".join(_told(way.name, ratio) for way, ratio in known) + "."


# The interval takes some milliseconds to work out, and one run is asked for it several times.
_median_ratio = lru_cache(maxsize=1024)(median_ratio)


def _told(name: str, ratio: Ratio) -> str:
    interval = f"95 % interval {ratio.low:.2f} to {ratio.high:.2f}"
    if not ratio.shown:
        return f"{name}: no difference shown ({interval})"
    return f"{name}: {ratio.value:.2f} times as fast ({interval})"
