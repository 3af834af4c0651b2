"""Events of the compute thread as Qt signals, delivered on the window's thread."""

from __future__ import annotations

from PySide6.QtCore import QObject, Qt, Signal

from core.engine import Engine
from core.types import ComputeOptions, Event


class EngineBridge(QObject):
    """Owns the engine; `answered` carries its events, in order."""

    answered = Signal(object)
    _arrived = Signal(object)

    def __init__(self, options: ComputeOptions) -> None:
        super().__init__()
        self._arrived.connect(self.answered, Qt.ConnectionType.QueuedConnection)
        self.engine = Engine(self._emit, options)

    def _emit(self, event: Event) -> None:
        self._arrived.emit(event)
