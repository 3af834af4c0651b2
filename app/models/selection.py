"""The query: which row the user looks at, and the ones before it, as a browser keeps pages."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal


class SelectionModel(QObject):
    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._history: list[int] = []
        self._position = -1

    @property
    def row(self) -> int | None:
        return self._history[self._position] if self._history else None

    @property
    def can_go_back(self) -> bool:
        return self._position > 0

    @property
    def can_go_forward(self) -> bool:
        return self._position < len(self._history) - 1

    def select(self, row: int) -> None:
        """Make `row` the query; what lay ahead in the history is forgotten."""
        if row == self.row:
            return
        del self._history[self._position + 1 :]
        self._history.append(row)
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
