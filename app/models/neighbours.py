"""The neighbours of the query, those of the point under the cursor while they follow it, and how they are asked for."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from core.types import Metric, NeighboursResult

METRIC_NAMES: dict[Metric, str] = {
    "l2": "Euclidean",
    "cosine": "Cosine",
    "inner_product": "Inner product",
    "l1": "Manhattan",
    "linf": "Chebyshev",
}


class NeighboursModel(QObject):
    changed = Signal()
    settings_changed = Signal()
    live_changed = Signal()  # other neighbours follow the cursor, or none do any more
    walked = Signal()  # another one is the present one
    columns_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.result: NeighboursResult | None = None  # of the query
        self.problem = ""  # why there are none
        self.live: NeighboursResult | None = None  # of the point under the cursor
        self.follows = False  # whether they follow the cursor
        self.rank: int | None = None  # the present one of those of the query, by the keyboard
        self.columns: tuple[str, ...] = ()  # of the labels, shown beside each neighbour where there are such
        self.metric: Metric = "cosine"
        self.k = 10

    @property
    def shown(self) -> NeighboursResult | None:
        return self.live or self.result

    @property
    def walked_row(self) -> int | None:
        return None if self.result is None or self.rank is None else int(self.result.ids[self.rank])

    def walk(self, step: int) -> bool:
        """Make the next neighbour (1) or the one before (-1) the present one; False at either end."""
        count = 0 if self.result is None else len(self.result.ids)
        rank = (0 if step > 0 else count - 1) if self.rank is None else self.rank + step
        if not 0 <= rank < count:
            self.stop_walking()
            return False
        self.rank = rank
        self.walked.emit()
        return True

    def stop_walking(self) -> None:
        if self.rank is not None:
            self.rank = None
            self.walked.emit()

    def show(self, result: NeighboursResult) -> None:
        self.result, self.problem = result, ""
        self.stop_walking()
        self.changed.emit()

    def show_live(self, result: NeighboursResult | None) -> None:
        if result is not self.live:
            self.live = result
            self.live_changed.emit()

    def show_columns(self, names: tuple[str, ...]) -> None:
        self.columns = names
        self.columns_changed.emit()

    def follow(self, on: bool) -> None:
        self.follows = on
        self.settings_changed.emit()

    def clear(self, problem: str = "") -> None:
        self.result, self.problem = None, problem
        self.stop_walking()
        self.changed.emit()

    def ask_for(self, metric: Metric | None = None, k: int | None = None) -> None:
        self.metric = metric or self.metric
        self.k = k or self.k
        self.settings_changed.emit()
