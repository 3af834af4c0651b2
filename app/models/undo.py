"""Undo and redo of the selection and of what part of the map is looked at."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, Signal

from app.models.selection import SelectionModel
from app.models.viewport import Range, ViewportModel
from core.types import Ids

# Moves of the view with less than this between them are one step.
COALESCED_S = 0.7
MOST_STEPS = 200
# Rows that all steps may hold together, 256 MB of them; the oldest steps go first.
MOST_ROWS = 32 << 20


@dataclass(frozen=True, eq=False)
class _State:
    rows: Ids
    range: Range | None


class UndoModel(QObject):
    changed = Signal()

    def __init__(self, selection: SelectionModel, viewport: ViewportModel, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._selection, self._viewport, self._clock = selection, viewport, clock
        self._past: list[_State] = []
        self._future: list[_State] = []
        self._present = _State(selection.rows, viewport.range)
        self._last_move = float("-inf")
        self._restoring = False
        selection.changed.connect(self._on_selected)
        viewport.moved.connect(self._on_moved)
        viewport.settled.connect(self._on_settled)

    @property
    def can_undo(self) -> bool:
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        return bool(self._future)

    def undo(self) -> None:
        self._step(self._past, self._future)

    def redo(self) -> None:
        self._step(self._future, self._past)

    def forget(self) -> None:
        """Begin anew, as with another data set."""
        self._past, self._future = [], []
        self._present = _State(self._selection.rows, self._viewport.range)
        self._last_move = float("-inf")
        self.changed.emit()

    def forget_views(self) -> None:
        """Keep the selections only: the points have been moved to other places."""
        for steps in (self._past, self._future):
            kept = [replace(state, range=None) for state in steps]
            # Steps that only moved the view are none any more.
            after = [*kept[1:], self._present]
            steps[:] = [state for state, following in zip(kept, after, strict=False) if state.rows is not following.rows]
        self._present = replace(self._present, range=None)
        self._last_move = float("-inf")
        self.changed.emit()

    def _step(self, source: list[_State], target: list[_State]) -> None:
        if not source:
            return
        target.append(self._present)
        self._present = source.pop()
        self._last_move = float("-inf")
        self._restoring = True
        try:
            self._selection.set(self._present.rows)
            if self._present.range is not None:
                self._viewport.show(self._present.range)
        finally:
            self._restoring = False
        self.changed.emit()

    def _on_selected(self) -> None:
        if not self._restoring:
            self._last_move = float("-inf")
            self._record(_State(self._selection.rows, self._present.range))

    def _on_moved(self) -> None:
        if self._restoring:
            return
        now = self._clock()
        together, self._last_move = now - self._last_move < COALESCED_S, now
        state = _State(self._present.rows, self._viewport.range)
        if together or self._present.range is None:
            self._present = state
        else:
            self._record(state)

    def _on_settled(self) -> None:
        self._present = replace(self._present, range=self._viewport.range)

    def _record(self, state: _State) -> None:
        self._past.append(self._present)
        self._present = state
        self._future.clear()
        while len(self._past) > MOST_STEPS or (len(self._past) > 1 and self._held() > MOST_ROWS):
            del self._past[0]
        self.changed.emit()

    def _held(self) -> int:
        return sum({id(state.rows): len(state.rows) for state in self._past}.values())
