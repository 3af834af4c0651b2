"""Changes of the selection, worked out one after the other on a thread of their own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from PySide6.QtCore import QObject

from app.models.selection import SelectionModel
from app.worker import NewestWorker
from core.choosing import How, combined
from core.types import Ids

Find = Callable[[], Ids]


class Selector(QObject):
    def __init__(self, selection: SelectionModel) -> None:
        super().__init__()
        self._selection = selection
        self._waiting: deque[tuple[Find, How]] = deque()
        self._running: int | None = None
        self._worker = NewestWorker("kinscope-select")
        self._worker.done.connect(self._on_done)

    @property
    def busy(self) -> bool:
        return self._running is not None

    def change(self, find: Find, how: How) -> None:
        """Combine the selection with the sorted rows that `find` returns, once every change before it is made.

        A change that replaces the selection takes the place of those before it.
        """
        if how == "replace":
            self.forget()
        self._waiting.append((find, how))
        if self._running is None:
            self._next()

    def forget(self) -> None:
        """Make none of the changes that are not made yet."""
        self._waiting.clear()
        self._running = None

    def close(self) -> None:
        self.forget()
        self._worker.close()

    def _next(self) -> None:
        find, how = self._waiting.popleft()
        before = self._selection.rows
        self._running = self._worker.run(lambda: combined(before, find(), how))

    def _on_done(self, number: int, rows: Ids | None) -> None:
        if number != self._running:
            return
        self._running = None
        if rows is not None:
            self._selection.set(rows)
        if self._waiting and self._running is None:
            self._next()
