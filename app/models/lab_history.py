"""Runs of the lab that were kept, of this start and those before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from app.filing import Filing
from app.models.lab import Reading, read
from app.worker import NewestWorker
from core.lab import LabRun
from core.lab_records import KEPT, read_history, write_history

# Runs whose figures are worked out in one go: each takes some milliseconds.
BATCH = 8


class LabHistory(QObject):
    changed = Signal()  # other runs
    read_more = Signal()  # the figures of further runs are known

    def __init__(self, path: Path | None, filing: Filing) -> None:
        """`path` is where runs are kept; None keeps them for this start only."""
        super().__init__()
        self.runs: tuple[LabRun, ...] = ()  # oldest first
        self._readings: dict[tuple[object, ...], Reading] = {}
        self._path, self._filing = path, filing
        self._worker = NewestWorker("kinscope-lab-history")
        self._worker.done.connect(self._on_read)

    def load(self) -> None:
        if (path := self._path) is not None:
            self._filing.do(lambda: read_history(path), self._show)

    def keep(self, run: LabRun) -> None:
        """Add a run, on disk at once. The file is read again first: another window may have added to it."""
        if (path := self._path) is not None:
            self._filing.do(lambda: _added(path, run), self._show)
        else:
            self._show([*self.runs, run])

    def reading(self, run: LabRun) -> Reading | None:
        return self._readings.get(_identity(run))

    def work_out(self, runs: Sequence[LabRun]) -> None:
        """Have the figures of some of these runs worked out, the first ones first; `read_more` tells when they are."""
        if missing := [run for run in runs if self.reading(run) is None][:BATCH]:
            self._worker.run(lambda: [read(run) for run in missing])

    def close(self) -> None:
        self._worker.close()

    def _show(self, runs: list[LabRun]) -> None:
        self.runs = tuple(runs[-KEPT:])
        self.changed.emit()

    def _on_read(self, _: int, readings: list[Reading] | None) -> None:
        for reading in readings or []:
            self._readings[_identity(reading.run)] = reading
        self.read_more.emit()


def _identity(run: LabRun) -> tuple[object, ...]:
    return run.workload, run.size, run.started, run.seconds


def _added(path: Path, run: LabRun) -> list[LabRun]:
    """Add a run to those that are kept; return all."""
    runs = [*read_history(path), run]
    write_history(path, runs)
    return runs
