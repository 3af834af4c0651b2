"""What each query cost, compiled or not, and what may be said about the difference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from PySide6.QtCore import QObject, Signal

from app.figures import figure
from core.dataset import Dataset
from core.statistics import MIN_SAMPLES, Ratio, median, median_ratio
from core.types import Metric, Mode, NeighboursResult, Timing

# Queries kept; the oldest go first.
KEPT = 2000


class Subject(NamedTuple):
    """What a query was about: only queries of one subject are compared."""

    dataset: Dataset
    metric: Metric
    k: int


@dataclass(frozen=True)
class Sample:
    number: int
    timing: Timing
    subject: Subject


@dataclass(frozen=True)
class Summary:
    """Medians of warm queries of the latest subject, in milliseconds, and their ratio uncompiled / compiled."""

    compiled: list[float]
    eager: list[float]
    ratio: Ratio | None

    @property
    def sentence(self) -> str:
        """What the figures allow to be said, in words."""
        counts = f"{len(self.compiled)} + {len(self.eager)} queries"
        parts = [
            f"{name} {figure(median(values))} ms"
            for name, values in (("compiled", self.compiled), ("uncompiled", self.eager))
            if values
        ]
        if not parts:
            return "No warm query of this kind yet: first calls are shown hollow and not counted."
        known = ", ".join(parts)
        if self.ratio is None:
            return f"{known} ({counts}). Flip the switch or press Race: {MIN_SAMPLES} of each make a comparison."
        interval = f"95 % interval {self.ratio.low:.2f} to {self.ratio.high:.2f}, {counts}"
        if not self.ratio.shown:
            return f"{known}: no difference shown yet ({interval})."
        return f"{known}: {self.ratio.value:.2f} times as fast ({interval})."


class TimingsModel(QObject):
    changed = Signal()
    race_changed = Signal()
    pause_changed = Signal()  # the picture stays from now on, or goes on

    def __init__(self) -> None:
        super().__init__()
        self.samples: list[Sample] = []
        self.traces = 0
        self.race_left = 0
        self._count = 0
        self._still: tuple[list[Sample], int] | None = None  # what is shown while paused, and the count by then

    def add(self, result: NeighboursResult) -> None:
        self._count += 1
        subject = Subject(result.dataset, result.metric, result.asked_k)
        self.samples.append(Sample(self._count, result.timing, subject))
        del self.samples[:-KEPT]
        self.traces += result.timing.traces
        self.changed.emit()

    def set_race(self, left: int) -> None:
        self.race_left = left
        self.race_changed.emit()

    def pause(self, on: bool) -> None:
        """Let what is shown stay as it is, while queries are still collected; or show them all again."""
        if on != self.paused:
            self._still = (self.samples.copy(), self._count) if on else None
            self.pause_changed.emit()

    @property
    def paused(self) -> bool:
        return self._still is not None

    @property
    def waiting(self) -> int:
        """Queries that came since the pause."""
        return 0 if self._still is None else self._count - self._still[1]

    def clear(self) -> None:
        self.samples.clear()
        self.pause(False)  # nothing is left that could stay
        self.changed.emit()

    @property
    def shown(self) -> list[Sample]:
        return self.samples if self._still is None else self._still[0]

    @property
    def subject(self) -> Subject | None:
        """What the latest query shown was about."""
        return self.shown[-1].subject if self.shown else None

    def warm(self, mode: Mode) -> list[Sample]:
        """Warm samples of that subject."""
        return [s for s in self.shown if s.subject == self.subject and s.timing.mode == mode and not s.timing.first]

    def summary(self) -> Summary:
        compiled = [s.timing.ms for s in self.warm("compiled")]
        eager = [s.timing.ms for s in self.warm("eager")]
        return Summary(compiled, eager, median_ratio(eager, compiled))
