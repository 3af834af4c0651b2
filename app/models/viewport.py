"""Which part of the map is looked at. The map tells where it is; `wanted` sends it elsewhere."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

Range = tuple[float, float, float, float]  # x0, x1, y0, y1 in data units


class ViewportModel(QObject):
    moved = Signal()  # the user has panned or zoomed
    settled = Signal()  # the view has changed by itself, such as with the size of the window
    wanted = Signal(object)  # a Range that the map is to show

    def __init__(self) -> None:
        super().__init__()
        self.range: Range | None = None

    def tell(self, range: Range, by_hand: bool) -> None:
        if range != self.range:
            self.range = range
            (self.moved if by_hand else self.settled).emit()

    def show(self, range: Range) -> None:
        if range != self.range:
            self.range = range
            self.wanted.emit(range)
