"""The lab: its workloads, the size of each that is to run, what waits, runs and has run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from PySide6.QtCore import QObject, Signal

from app.worker import NewestWorker
from core.lab import LabRun, SizeInfo, WayFigures, WorkloadInfo
from core.statistics import Ratio
from core.types import LabTable

State = Literal["idle", "waiting", "running", "done", "stopped", "failed"]
Key = tuple[str, str]  # a workload and one of its sizes


@dataclass(frozen=True)
class Reading:
    """What a run shows, worked out apart from the window: the interval of a ratio takes some milliseconds."""

    run: LabRun
    base: WayFigures | None  # the way that the others are compared with
    other: WayFigures | None  # the fastest of the others
    ratio: Ratio | None  # how many times as fast that one is
    pays_off: int | None  # after how many of its calls
    too_busy: bool
    verdict: str

    @property
    def key(self) -> Key:
        return self.run.workload, self.run.size

    @property
    def surprises(self) -> int:
        return sum(finding.surprise for finding in self.run.findings)


def read(run: LabRun) -> Reading:
    base = run.ways[0] if run.ways else None
    timed = [way for way in run.ways[1:] if way.ms]
    other = min(timed, key=lambda way: way.median_ms or 0.0, default=None)
    ratio = None if other is None else run.ratio(other)
    pays_off = None if other is None else run.pays_off_after(other)
    return Reading(run, base, other, ratio, pays_off, run.too_busy is not None, run.verdict)


class LabModel(QObject):
    listed = Signal()  # other workloads, or other sizes
    row_changed = Signal(str)  # what a workload's row shows
    queue_changed = Signal()
    chosen_changed = Signal()  # another workload is looked at
    measured = Signal()  # another run is among those shown

    def __init__(self) -> None:
        super().__init__()
        self.workloads: dict[str, WorkloadInfo] = {}
        self.chosen: str | None = None  # the workload that is looked at
        self.running: Key | None = None
        self.waiting: list[Key] = []
        self.readings: dict[Key, Reading] = {}  # of the latest run of each
        self._sizes: dict[str, str] = {}
        self._ends: dict[Key, tuple[State, str]] = {}  # how the latest run of each ended, and why
        self._unread: dict[Key, LabRun] = {}
        self._worker = NewestWorker("kinscope-lab")
        self._worker.done.connect(self._on_read)

    def close(self) -> None:
        self._worker.close()

    # The table

    def show_table(self, table: LabTable) -> None:
        """Take the workloads as they can run now; sizes that were chosen stay, if there still are such."""
        self.workloads = {workload.name: workload for workload in table.workloads}
        for name, workload in self.workloads.items():
            if self._sizes.get(name) not in {size.name for size in workload.sizes if size.problem is None}:
                self._sizes[name] = workload.default_size
        if self.chosen not in self.workloads:
            self.chosen = next(iter(self.workloads), None)
        self.listed.emit()

    def forget_file(self) -> None:
        """Another file is open: what was measured on the one before is not shown any more."""
        of_file = {(w.name, size.name) for w in self.workloads.values() for size in w.sizes if size.of_file}
        for key in of_file:
            self.readings.pop(key, None)
            self._ends.pop(key, None)
        self.measured.emit()

    def size_of(self, name: str) -> SizeInfo:
        """The size that is to run, or has run."""
        return next(size for size in self.workloads[name].sizes if size.name == self._sizes[name])

    def key_of(self, name: str) -> Key:
        return name, self._sizes[name]

    def choose_size(self, name: str, size: str) -> None:
        if size != self._sizes[name]:
            self._sizes[name] = size
            self.row_changed.emit(name)

    def choose(self, name: str) -> None:
        if name != self.chosen:
            self.chosen = name
            self.chosen_changed.emit()

    def title(self, run: LabRun) -> str:
        """What a run is called, its size with it."""
        workload = self.workloads.get(run.workload)
        name = run.workload if workload is None else workload.title
        return name if run.findings else f"{name}, {run.size}"

    def reading(self, name: str) -> Reading | None:
        return self.readings.get(self.key_of(name))

    def problem(self, name: str) -> str | None:
        """Why the chosen size cannot run here, or why its latest run failed."""
        state, why = self._ends.get(self.key_of(name), ("idle", ""))
        return self.workloads[name].problem or self.size_of(name).problem or (why if state == "failed" else None)

    def can_run(self, name: str) -> bool:
        return self.workloads[name].problem is None and self.size_of(name).problem is None

    def state(self, name: str) -> State:
        key = self.key_of(name)
        if key == self.running:
            return "running"
        return "waiting" if key in self.waiting else self._ends.get(key, ("idle", ""))[0]

    @property
    def busy(self) -> bool:
        return self.running is not None or bool(self.waiting)

    # Runs

    def wait(self, names: list[str]) -> None:
        """Put workloads at the end of the queue; those that wait or run already, or cannot run, are left."""
        keys = [self.key_of(name) for name in names if self.can_run(name)]
        self.waiting += [key for key in keys if key != self.running and key not in self.waiting]
        self._tell_queue(keys)

    def give_up(self, keys: list[Key]) -> None:
        """Let nothing of these wait any more."""
        self.waiting = [key for key in self.waiting if key not in keys]
        self._tell_queue(keys)

    def begin(self) -> Key:
        """The next run begins; what an earlier one of its kind showed goes."""
        key = self.running = self.waiting.pop(0)
        self.readings.pop(key, None)
        self._ends.pop(key, None)
        self._tell_queue([key])
        return key

    def show(self, run: LabRun) -> None:
        """Show a run, so far or in whole."""
        self._unread[run.workload, run.size] = run
        self._worker.run(self._read_all)

    def end(self, state: State, why: str = "") -> None:
        """The run that runs has ended."""
        key, self.running = self.running, None
        if key is not None:
            self._ends[key] = (state, why)
            self._tell_queue([key])

    def _tell_queue(self, keys: list[Key]) -> None:
        for name, _ in keys:
            self.row_changed.emit(name)
        self.queue_changed.emit()

    def _read_all(self) -> list[Reading]:
        readings = []
        while self._unread:
            readings.append(read(self._unread.popitem()[1]))
        return readings

    def _on_read(self, _: int, readings: list[Reading] | None) -> None:
        for reading in readings or []:
            known = self.readings.get(reading.key)
            if known is None or known.run.started <= reading.run.started:
                self.readings[reading.key] = reading
                self.row_changed.emit(reading.run.workload)
        self.measured.emit()
