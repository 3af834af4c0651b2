"""A thread for what would make the window wait: of the tasks that wait, only the newest is done."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, Signal

log = logging.getLogger(__name__)


class NewestWorker(QObject):
    done = Signal(int, object)  # a task's number and what it returned; None where it failed
    _done = Signal(int, object)

    def __init__(self, name: str) -> None:
        super().__init__()
        self._done.connect(self.done, Qt.ConnectionType.QueuedConnection)
        self._name = name
        self._wake = threading.Condition()
        self._waiting: tuple[int, Callable[[], object]] | None = None
        self._count = 0
        self._closing = False
        self._thread: threading.Thread | None = None

    def run(self, task: Callable[[], object]) -> int:
        """Do `task` next, in place of one that has not begun; return its number."""
        with self._wake:
            self._count += 1
            self._waiting = (self._count, task)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._wake.notify()
            return self._count

    def close(self) -> None:
        """End the thread and wait for it; what waits is not done."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._closing or self._waiting is not None)
                if self._closing or self._waiting is None:
                    return
                (number, task), self._waiting = self._waiting, None
            try:
                result = task()
            except Exception:
                log.exception("%s failed", self._name)
                result = None
            self._done.emit(number, result)
