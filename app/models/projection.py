"""Where the points are, how they got there, and how the user wants them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from core.types import Floats, Ids, Preview, ProjectResult


@dataclass(frozen=True)
class ProjectionSettings:
    axes: tuple[int, int] = (0, 1)
    centre: bool = True
    unit_length: bool = False


class ProjectionModel(QObject):
    changed = Signal()  # new coordinates
    settings_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.settings = ProjectionSettings()
        self.rows: Ids = np.empty(0, np.int64)  # of the points on the map, sorted
        self.coords: Floats = np.empty((0, 2), np.float32)
        self.result: ProjectResult | None = None  # None while only a sample is shown
        self.only: Ids | None = None  # the only rows that the user wants projected
        self.reframe = True  # whether the map should fit the new coordinates into view

    def show_preview(self, preview: Preview) -> None:
        self.rows, self.coords, self.result, self.reframe, self.only = preview.rows, preview.coords, None, True, None
        self.changed.emit()

    def show_result(self, result: ProjectResult) -> None:
        # The full picture after its sample is the same map: the user may already be looking at a part of it.
        # Some rows by components of their own are another map.
        self.reframe = self.result is not None or result.rows is not None
        self.only = result.rows
        self.rows = np.arange(len(result.coords)) if result.rows is None else result.rows
        self.coords, self.result = result.coords, result
        self.changed.emit()

    def place_of(self, row: int) -> tuple[float, float] | None:
        """Where the point of a row of the data set lies; None if it is not on the map."""
        position = int(np.searchsorted(self.rows, row))
        if position >= len(self.rows) or self.rows[position] != row:
            return None
        x, y = self.coords[position].tolist()
        return (x, y) if np.isfinite(x + y) else None

    def place_for(self, vector: NDArray[np.floating[Any]]) -> tuple[float, float] | None:
        """Where a vector lies that is no row; None while only a sample is shown, and where the map tells no place of it."""
        if self.result is None or self.result.map is None:
            return None
        x, y = self.result.map.place(vector).tolist()
        return (x, y) if np.isfinite(x + y) else None

    def set(self, **changes: object) -> bool:
        """Change settings; True if that made a difference."""
        wanted = replace(self.settings, **changes)  # type: ignore[arg-type]
        if wanted == self.settings:
            return False
        self.settings = wanted
        self.settings_changed.emit()
        return True
