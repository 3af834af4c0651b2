"""The query: the row whose neighbours are shown, or the mean of several, and the ones before it, as a browser keeps pages."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal

from core.types import Ids


@dataclass(frozen=True, eq=False)
class Mean:
    """The mean of some rows, as a query."""

    rows: Ids  # (m,), sorted

    @property
    def name(self) -> str:
        return f"Mean of {len(self.rows):,} rows"


Query = int | Mean


class QueryModel(QObject):
    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._history: list[Query] = []
        self._position = -1

    @property
    def present(self) -> Query | None:
        return self._history[self._position] if self._history else None

    @property
    def row(self) -> int | None:
        """The row that is the query; None if there is none or it is a mean."""
        return self.present if isinstance(self.present, int) else None

    @property
    def mean(self) -> Mean | None:
        return self.present if isinstance(self.present, Mean) else None

    @property
    def can_go_back(self) -> bool:
        return self._position > 0

    @property
    def can_go_forward(self) -> bool:
        return self._position < len(self._history) - 1

    def select(self, query: Query) -> None:
        """Make `query` the present one; what lay ahead in the history is forgotten."""
        if query == self.present:
            return
        del self._history[self._position + 1 :]
        self._history.append(query)
        self._position = len(self._history) - 1
        self.changed.emit()

    def back(self) -> None:
        if self.can_go_back:
            self._position -= 1
            self.changed.emit()

    def forward(self) -> None:
        if self.can_go_forward:
            self._position += 1
            self.changed.emit()

    def clear(self) -> None:
        self._history, self._position = [], -1
        self.changed.emit()
