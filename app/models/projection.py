"""Where the points are, how they got there, and how the user wants them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
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
        self.rows: Ids = np.empty(0, np.int64)
        self.coords: Floats = np.empty((0, 2), np.float32)
        self.result: ProjectResult | None = None  # None while only a sample is shown
        self.reframe = True  # whether the map should fit the new coordinates into view

    def show_preview(self, preview: Preview) -> None:
        self.rows, self.coords, self.result, self.reframe = preview.rows, preview.coords, None, True
        self.changed.emit()

    def show_result(self, result: ProjectResult) -> None:
        # The full picture after its sample is the same map: the user may already be looking at a part of it.
        self.reframe = self.result is not None
        self.rows, self.coords, self.result = np.arange(len(result.coords)), result.coords, result
        self.changed.emit()

    def set(self, **changes: object) -> bool:
        """Change settings; True if that made a difference."""
        wanted = replace(self.settings, **changes)  # type: ignore[arg-type]
        if wanted == self.settings:
            return False
        self.settings = wanted
        self.settings_changed.emit()
        return True
