"""What the compute thread is busy with."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal

NAMES = {
    "export": "Exporting",
    "load": "Opening",
    "annotate": "Reading labels",
    "project": "Projecting",
    "neighbours": "Searching",
    "race": "Racing",
    "lab": "Measuring",
    "lab table": "Listing the lab",
    "recall": "Checking recall",
    "distances": "Measuring distances",
    "queries": "Looking into the file",
}


@dataclass(frozen=True)
class Activity:
    key: str
    stage: str
    done: int = 0
    total: int = 0  # 0: not known


class JobsModel(QObject):
    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._running: dict[int, Activity] = {}

    @property
    def activity(self) -> Activity | None:
        """The job to show: the one that reported last."""
        return next(reversed(self._running.values()), None)

    @property
    def idle(self) -> bool:
        return not self._running

    def begin(self, number: int, key: str) -> None:
        self._running[number] = Activity(key, NAMES[key])
        self.changed.emit()

    def progress(self, number: int, stage: str, done: int, total: int) -> None:
        if (activity := self._running.pop(number, None)) is not None:
            self._running[number] = Activity(activity.key, stage, done, total)
            self.changed.emit()

    def end(self, number: int) -> None:
        if self._running.pop(number, None) is not None:
            self.changed.emit()
