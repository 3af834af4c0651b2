"""The neighbours of the query, and how they are asked for."""

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

    def __init__(self) -> None:
        super().__init__()
        self.result: NeighboursResult | None = None
        self.metric: Metric = "cosine"
        self.k = 10

    def show(self, result: NeighboursResult) -> None:
        self.result = result
        self.changed.emit()

    def clear(self) -> None:
        self.result = None
        self.changed.emit()

    def ask_for(self, metric: Metric | None = None, k: int | None = None) -> None:
        self.metric = metric or self.metric
        self.k = k or self.k
        self.settings_changed.emit()
