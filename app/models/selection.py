"""The selection: a set of rows, apart from the query."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QObject, Signal

from core.types import Ids


def no_rows() -> Ids:
    return np.empty(0, np.int64)


class SelectionModel(QObject):
    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.rows = no_rows()  # sorted, each once; not to be written to

    def __len__(self) -> int:
        return len(self.rows)

    def set(self, rows: Ids) -> None:
        """Take `rows`, sorted and each once, as the selection."""
        if rows is self.rows or (not len(rows) and not len(self.rows)):
            return
        self.rows = rows
        self.changed.emit()

    def clear(self) -> None:
        self.set(no_rows())
