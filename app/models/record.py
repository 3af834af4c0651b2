"""Whose fields are shown: the query's, and beside them those of a neighbour or of the point under the cursor."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from app.models.neighbours import NeighboursModel
from app.models.query import QueryModel


class RecordModel(QObject):
    changed = Signal()

    def __init__(self, query: QueryModel, neighbours: NeighboursModel) -> None:
        super().__init__()
        self._query, self._neighbours = query, neighbours
        self._pointed: int | None = None
        query.changed.connect(self._forget)
        neighbours.changed.connect(self.changed)
        neighbours.live_changed.connect(self.changed)
        neighbours.walked.connect(self._on_walked)

    @property
    def row(self) -> int | None:
        """The query's, or that of the point whose neighbours follow the cursor."""
        live = self._neighbours.live
        return self._query.row if live is None else live.row

    @property
    def other(self) -> int | None:
        """The one that was pointed at last, else the nearest neighbour."""
        if self._pointed is not None and self._pointed != self.row:
            return self._pointed
        result = self._neighbours.shown
        return int(result.ids[0]) if result is not None and result.row == self.row and len(result.ids) else None

    def point_at(self, row: int | None) -> None:
        """The cursor is over the point of a row; over none, what is shown stays, so that one can go and read it."""
        if row is not None and row != self._pointed:
            self._pointed = row
            self.changed.emit()

    def _forget(self) -> None:
        self._pointed = None
        self.changed.emit()

    def _on_walked(self) -> None:
        self.point_at(self._neighbours.walked_row)
