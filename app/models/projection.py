"""Where the points are, how they got there, and how the user wants them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PySide6.QtCore import QObject, Signal

from core.types import Floats, Ids, Preview, ProjectResult

# Rows whose places are looked up for their middle.
MIDDLE = 1 << 16


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

    def middle_of(self, rows: Ids) -> tuple[float, float] | None:
        """The mean of the places of some rows: of evenly chosen ones where there are very many, which no eye can tell."""
        some = rows[:: 1 + len(rows) // MIDDLE]
        positions = np.searchsorted(self.rows, some).clip(max=max(len(self.rows) - 1, 0))
        if not len(self.rows):
            return None
        places = self.coords[positions[self.rows[positions] == some]].astype(np.float64)
        places = places[np.isfinite(places).all(axis=1)]
        if not len(places):
            return None
        x, y = places.mean(axis=0).tolist()
        return x, y

    def set(self, **changes: object) -> bool:
        """Change settings; True if that made a difference."""
        wanted = replace(self.settings, **changes)  # type: ignore[arg-type]
        if wanted == self.settings:
            return False
        self.settings = wanted
        self.settings_changed.emit()
        return True
