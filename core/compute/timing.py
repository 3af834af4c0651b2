"""Fenced time: a clock reading counts only when every output is evaluated and the device is idle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TypeVar

import mlx.core as mx

from core.compute.compilation import Observation, observe, suspended
from core.types import Mode, Timing

Item = TypeVar("Item")


def begin(*arrays: mx.array) -> None:
    """Have the arrays evaluated, without waiting."""
    mx.async_eval(*arrays)  # type: ignore[no-untyped-call]


def fence(*arrays: mx.array) -> None:
    """Evaluate the arrays and wait until the device has done all that was asked of it."""
    mx.eval(*arrays)
    mx.synchronize()


# Those that run now, one within the other: MLX has one peak of memory for all.
_running: list[Stopwatch] = []


class Stopwatch:
    """Times one computation and its stages, in milliseconds, and notes traces and first calls of the pairs in it, and memory.

        with stopwatch("compiled") as watch:
            with watch.stage("scan"): fence(scan(...))
        watch.timing(bytes_read)

    A stage entered again adds up.
    """

    def __init__(self, mode: Mode, observation: Observation) -> None:
        self._mode = mode
        self._observation = observation
        self._stages: dict[str, float] = {}
        self._away = 0.0  # seconds spent on other work within this one
        self._peak = 0
        self._ms = 0.0
        for other in _running:
            other._note_peak()
        _running.append(self)
        mx.reset_peak_memory()
        self._start = perf_counter()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start, away = perf_counter(), self._away
        yield
        seconds = perf_counter() - start - (self._away - away)
        self._stages[name] = self._stages.get(name, 0.0) + seconds * 1e3

    def each(self, name: str, items: Iterable[Item]) -> Iterator[Item]:
        """The items, the time that each takes to come counted as a stage."""
        coming = iter(items)
        while True:
            with self.stage(name):
                try:
                    item = next(coming)
                except StopIteration:
                    return
            yield item

    def leaving_out(self, other: Callable[[], None]) -> Callable[[], None]:
        """`other`, such as giving way to urgent jobs, run without its time, memory, traces and first calls counting here."""

        def run() -> None:
            start = perf_counter()
            self._note_peak()
            _running.remove(self)
            try:
                with suspended(self._observation):
                    other()
            finally:
                mx.reset_peak_memory()
                _running.append(self)
                self._away += perf_counter() - start

        return run

    def take_stages(self, timing: Timing) -> None:
        """Count the stages of a computation that was timed by a stopwatch of its own within this one."""
        for name, ms in timing.stages:
            self._stages[name] = self._stages.get(name, 0.0) + ms

    def stop(self) -> None:
        self._ms = (perf_counter() - self._start - self._away) * 1e3
        self._note_peak()

    def timing(self, bytes_read: int) -> Timing:
        seen = self._observation
        stages, reasons = tuple(self._stages.items()), tuple(seen.reasons)
        return Timing(self._ms, self._mode, seen.first, seen.traces, bytes_read, stages, reasons, self._peak)

    def _note_peak(self) -> None:
        # What was held before and is held still is no new peak to MLX.
        self._peak = max(self._peak, mx.get_peak_memory(), mx.get_active_memory())


@contextmanager
def stopwatch(mode: Mode) -> Iterator[Stopwatch]:
    with observe() as observation:
        watch = Stopwatch(mode, observation)
        try:
            yield watch
            watch.stop()
        finally:
            _running.remove(watch)
