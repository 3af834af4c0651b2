"""How the chart of timings is to look; kept between starts."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from app.settings import ChartLook, Settings


class ChartModel(QObject):
    changed = Signal()

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self.look = settings.chart

    def choose(self, look: ChartLook) -> None:
        if look != self.look:
            self.look = self._settings.chart = look
            self.changed.emit()
