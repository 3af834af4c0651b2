"""A thread that reads and writes files for the window, one task after the other."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from PySide6.QtCore import QObject, Qt, Signal

Made = TypeVar("Made")


class Filing(QObject):
    failed = Signal(object)  # the exception
    _finished = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._closed = False
        self._finished.connect(self._follow_up, Qt.ConnectionType.QueuedConnection)
        self._thread = ThreadPoolExecutor(1, "kinscope-files")

    def do(self, task: Callable[[], Made], then: Callable[[Made], object]) -> None:
        """Do `task` after those before it, and hand what it returned to `then`, on the window's thread."""
        self._thread.submit(self._run, task, then)

    def close(self) -> None:
        """End the thread and wait for it. What waits is still done, but nobody hears of it."""
        self._closed = True
        self._thread.shutdown()

    def _run(self, task: Callable[[], Made], then: Callable[[Made], object]) -> None:
        try:
            self._finished.emit(partial(then, task()))
        except Exception as error:
            self._finished.emit(partial(self.failed.emit, error))

    def _follow_up(self, step: Callable[[], object]) -> None:
        if not self._closed:
            step()
