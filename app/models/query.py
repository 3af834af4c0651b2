"""The query: what the shown neighbours are asked of, and the ones before it, as a browser keeps pages."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from core.queries import Query, row_of


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
        """The row that is the query; None if there is none or it is no row."""
        return row_of(self.present)

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
