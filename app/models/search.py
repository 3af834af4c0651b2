"""What is searched for in the labels, and the rows that have it; worked out on a thread of its own, newest first, hit by hit."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from PySide6.QtCore import QObject, Qt, Signal

from app.models.dataset import DatasetModel
from app.models.selection import no_rows
from app.worker import NewestWorker
from core.errors import UserError
from core.finding import Found, Search, find
from core.table import Table
from core.types import Ids

# Hits are told at most so often while more are looked for.
TELL_S = 0.1


class _Hunt:
    """One search under way."""

    def __init__(self, search: Search, table: Table, within: Ids | None) -> None:
        self.search = search
        self._table, self._within = table, within
        self.cancelled = False
        self.rows: list[Ids] = []
        self.problem: str | None = None

    def run(self) -> Iterator[Found]:
        try:
            for found in find(self._table, self.search, self._within):
                if self.cancelled:
                    return
                self.rows.append(found.rows)
                yield found
        except UserError as error:
            self.problem = str(error)


class SearchModel(QObject):
    changed = Signal()  # another search, more hits of it, or its end
    _told = Signal(object, object)

    def __init__(self, dataset: DatasetModel) -> None:
        super().__init__()
        self._dataset = dataset
        self.search: Search | None = None
        self.hits = no_rows()  # sorted
        self.share = 1.0  # of the rows looked at
        self.problem: str | None = None  # why there can be no hits
        self._hunt: _Hunt | None = None
        self._number = 0  # the worker's task
        self._complete: tuple[Search, Ids] | None = None  # the last search that came to its end
        self._worker = NewestWorker("kinscope-search")
        self._told.connect(self._on_told, Qt.ConnectionType.QueuedConnection)
        self._worker.done.connect(self._on_done)
        dataset.opened.connect(self.clear)
        dataset.annotated.connect(self.clear)

    @property
    def busy(self) -> bool:
        return self._hunt is not None

    def close(self) -> None:
        self._stop()
        self._worker.close()

    def clear(self) -> None:
        """Search for nothing."""
        self._stop()
        self._complete = None
        self.search, self.hits, self.problem, self.share = None, no_rows(), None, 1.0
        self.changed.emit()

    def look_for(self, search: Search) -> None:
        """Search for this from now on; for nothing if it is empty."""
        table = self._dataset.table
        if table is None or not search.text.strip():
            self.clear()
            return
        if search == self.search:
            return
        self._stop()
        before = self._complete
        within = before[1] if before is not None and search.narrows(before[0]) else None
        # The hits of the search before stay in sight until the first new ones come.
        self.search, self.problem, self.share = search, None, 0.0
        hunt = self._hunt = _Hunt(search, table, within)
        self._number = self._worker.run(lambda: self._run(hunt))
        self.changed.emit()

    def _stop(self) -> None:
        if self._hunt is not None:
            self._hunt.cancelled = True
            self._hunt = None

    def _run(self, hunt: _Hunt) -> Ids:
        """On the worker."""
        last = time.monotonic()
        for found in hunt.run():
            if time.monotonic() - last > TELL_S and found.done < found.total:
                last = time.monotonic()
                self._told.emit(hunt, (_joined(hunt.rows), found.done / found.total))
        return _joined(hunt.rows)

    def _on_told(self, hunt: _Hunt, told: tuple[Ids, float]) -> None:
        if hunt is self._hunt:
            self.hits, self.share = told
            self.changed.emit()

    def _on_done(self, number: int, hits: Ids | None) -> None:
        if self._hunt is None or number != self._number:
            return
        hunt, self._hunt, self.share = self._hunt, None, 1.0
        self.hits, self.problem = no_rows() if hits is None else hits, hunt.problem
        self._complete = None if hunt.problem or hits is None else (hunt.search, self.hits)
        self.changed.emit()


def _joined(parts: list[Ids]) -> Ids:
    return np.concatenate(parts) if parts else no_rows()
