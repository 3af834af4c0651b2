"""The filters that rows have to pass to be shown, and what they leave; worked out on a thread of their own, the newest first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from app.models.dataset import DatasetModel
from app.worker import NewestWorker
from core.filters import Filter, Filtered, apply, filter_for
from core.table import Column, Table


class FiltersModel(QObject):
    changed = Signal()  # other filters
    applied = Signal()  # other rows pass, or spread otherwise

    def __init__(self, dataset: DatasetModel) -> None:
        super().__init__()
        self._dataset = dataset
        self.filters: tuple[Filter, ...] = ()  # at most one a column, in the order in which they were added
        self.result: Filtered | None = None  # of these filters or, while it is worked out, of those just before
        self._awaited: int | None = None
        self._worker = NewestWorker("kinscope-filter")
        self._worker.done.connect(self._on_done)
        dataset.opened.connect(self.clear)
        dataset.annotated.connect(self.clear)

    def close(self) -> None:
        self._worker.close()

    @property
    def busy(self) -> bool:
        return self._awaited is not None

    @property
    def active(self) -> tuple[Filter, ...]:
        """Those that some rows may not pass."""
        return tuple(f for f in self.filters if not f.passes_all)

    @property
    def passed(self) -> NDArray[np.bool_] | None:
        """The rows that pass (n,); None where all do."""
        return None if self.result is None else self.result.passed

    def passes(self, row: int) -> bool:
        return self.passed is None or bool(self.passed[row])

    def add(self, column: Column) -> None:
        """Offer to filter by a column; all rows pass at first."""
        if all(f.column is not column for f in self.filters):
            self._set((*self.filters, filter_for(column)))

    def set(self, wanted: Filter) -> None:
        """Let this filter take the place of that of its column."""
        if wanted not in self.filters:
            self._set(tuple(wanted if f.column is wanted.column else f for f in self.filters))

    def widen(self, column: Column) -> None:
        """Let all rows pass the filter of a column."""
        self.set(filter_for(column))

    def remove(self, column: Column) -> None:
        self._set(tuple(f for f in self.filters if f.column is not column))

    def clear(self) -> None:
        """Have no filters."""
        if self.filters:
            self._set(())

    def _set(self, filters: tuple[Filter, ...]) -> None:
        self.filters = filters
        table, before = self._dataset.table, self.result
        if not filters or table is None:
            self._awaited, self.result = None, None
            self.changed.emit()
            self.applied.emit()
            return
        self._awaited = self._worker.run(lambda: (table, apply(table, filters, before)))
        self.changed.emit()

    def _on_done(self, number: int, done: tuple[Table, Filtered] | None) -> None:
        if self._awaited is None or (done is not None and done[0] is not self._dataset.table):
            return
        # While an end of a range is dragged every result but the last is overtaken; the map follows all the same.
        if number == self._awaited:
            self._awaited = None
        if done is not None:
            self.result = done[1]
        self.applied.emit()
