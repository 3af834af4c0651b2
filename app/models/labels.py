"""Rows looked for by their labels while one types, on a thread of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal

from app.models.dataset import DatasetModel
from app.worker import NewestWorker
from core.labels import LabelIndex
from core.table import Table

# Rows that are offered at once.
OFFERED = 50
# Labels read between two looks at whether they are still wanted.
STEP = 1 << 14


@dataclass(frozen=True)
class Hits:
    """What was looked for, and the rows found with their names, the best first."""

    text: str
    rows: tuple[tuple[int, str], ...]
    more: bool = False  # whether there are others


class LabelsModel(QObject):
    found = Signal(object)  # Hits

    def __init__(self, dataset: DatasetModel) -> None:
        super().__init__()
        self._dataset = dataset
        self._index: tuple[Table, LabelIndex] | None = None  # touched by the worker alone
        self._closing = False
        self._worker = NewestWorker("kinscope-labels")
        self._worker.done.connect(self._on_done)
        self._wanted: int | None = None
        dataset.opened.connect(self._forget)

    def close(self) -> None:
        self._closing = True
        self._worker.close()

    def look_for(self, text: str) -> None:
        """Find rows whose labels hold `text`, or whose number it is; what is looked for already is forgotten."""
        table, dataset = self._dataset.table, self._dataset.dataset
        count = 0 if dataset is None else dataset.rows
        self._wanted = self._worker.run(lambda: self._find(text, table, count))

    def _find(self, text: str, table: Table | None, count: int) -> Hits:
        rows = [] if table is None else self._indexed(table).find(text, OFFERED + 1)
        more = len(rows) > OFFERED
        rows = rows[:OFFERED]
        number = text.strip().replace(",", "").removeprefix("row ")
        if number.isdecimal() and len(number) < 19 and (row := int(number)) < count and row not in rows:
            rows.append(row)
        names = ("" if table is None else table.label(row) for row in rows)
        return Hits(text, tuple((row, name or f"row {row:,}") for row, name in zip(rows, names, strict=True)), more)

    def _indexed(self, table: Table) -> LabelIndex:
        if self._index is None or self._index[0] is not table:
            self._index = None
            self._index = (table, LabelIndex(self._labels(table)))
        return self._index[1]

    def _labels(self, table: Table) -> Iterator[str]:
        """All labels, or some of them where another data set has been opened meanwhile: then nobody waits for the rest."""
        for start in range(0, table.rows, STEP):
            if self._closing or self._dataset.table is not table:
                return
            yield from (table.label(row) for row in range(start, min(start + STEP, table.rows)))

    def _forget(self) -> None:
        self._wanted = None

    def _on_done(self, number: int, hits: Hits | None) -> None:
        if number == self._wanted and hits is not None:
            self.found.emit(hits)
