"""A drag over the map, 60 ticks a second: python -m tests.benchmarks.drag [--points N …] [--seconds S] [--selected SHARE].

Prints the share of late ticks: those that begin more than 1/60 s and 8 ms after the one before. Between two ticks the window
handles the move of the mouse and paints itself, so that whatever keeps the Qt thread busy shows here.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from core import raster_backend
from tests.benchmarks.map import blobs

TICK_S = 1 / 60
GRACE_S = 0.008
WIDTH, HEIGHT = 1600, 1000


def intervals(count: int, seconds: float, selected: float) -> list[float]:
    """Seconds from each tick of a drag over `count` points to the next; `selected` is the share of rows in the selection."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtCore import QEvent, QEventLoop, QPointF, Qt, QTimer
    from PySide6.QtGui import QMouseEvent
    from PySide6.QtWidgets import QApplication

    from app.launch import make_application
    from app.models.colouring import ColouringModel
    from app.models.dataset import DatasetModel
    from app.models.neighbours import NeighboursModel
    from app.models.projection import ProjectionModel
    from app.models.query import QueryModel
    from app.models.search import SearchModel
    from app.models.selection import SelectionModel
    from app.models.viewport import ViewportModel
    from app.views.map import MapView
    from core.dataset import Dataset
    from core.types import Preview

    make_application()
    raster_backend.load()  # the window fetches it within the first seconds
    dataset, projection, selection = DatasetModel(), ProjectionModel(), SelectionModel()
    colouring = ColouringModel(dataset)
    search = SearchModel(dataset)
    view = MapView(dataset, colouring, projection, QueryModel(), NeighboursModel(), selection, search, ViewportModel())
    view.resize(WIDTH, HEIGHT)
    view.show()
    coords, _ = blobs(count)
    dataset.open(Dataset(Path("blobs.npy"), np.empty((count, 2), np.float32), "npy", "float32"))
    projection.show_preview(Preview(np.arange(count), coords))
    selection.set(np.arange(0, count, round(1 / selected)) if selected else np.empty(0, np.int64))
    _wait_until(lambda: view.settled)
    for _ in range(3):
        view.zoom(1.25)
    _wait_until(lambda: view.settled)
    canvas, begins = view.canvas, [time.perf_counter()]
    middle = QPointF(canvas.rect().center())
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton

    def send(kind: QEvent.Type, place: QPointF, button: Qt.MouseButton, buttons: Qt.MouseButton) -> None:
        where = QPointF(canvas.mapToGlobal(place.toPoint()))
        QApplication.sendEvent(canvas, QMouseEvent(kind, place, where, button, buttons, Qt.KeyboardModifier.NoModifier))

    loop, timer = QEventLoop(), QTimer()
    timer.setSingleShot(True)
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    start = begins[0]

    def tick() -> None:
        now = time.perf_counter()
        begins.append(now)
        angle = 2 * np.pi * (now - start) / 2.5
        sway = QPointF(500 * np.sin(angle), 220 * np.sin(1.7 * angle))
        send(QEvent.Type.MouseMove, middle + sway, none, left)
        if now - start >= seconds:
            loop.quit()
            return
        # The next tick is due on the beat; one that is missed is not made up for.
        due = start + TICK_S * (1 + int((time.perf_counter() - start) / TICK_S))
        timer.start(max(0, round(1e3 * (due - time.perf_counter()))))

    send(QEvent.Type.MouseButtonPress, middle, left, left)
    timer.timeout.connect(tick)
    timer.start(0)
    loop.exec()
    send(QEvent.Type.MouseButtonRelease, middle, left, none)
    view.close()
    view.close_renderer()
    colouring.close()
    search.close()
    return np.diff(begins).tolist()


def _wait_until(done: Callable[[], bool]) -> None:
    from PySide6.QtWidgets import QApplication

    while not done():
        QApplication.processEvents()
        time.sleep(0.002)


def main() -> None:
    parser = argparse.ArgumentParser(prog=f"python -m tests.benchmarks.{Path(__file__).stem}")
    parser.add_argument("--points", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--selected", type=float, default=0.0, help="share of the rows that are selected")
    given = parser.parse_args()
    print(f"{'points':>12}{'ticks':>8}{'late':>8}{'median':>10}{'95 %':>10}{'longest':>10}")
    for count in given.points:
        times = 1e3 * np.array(intervals(count, given.seconds, given.selected))
        late = np.mean(times > 1e3 * (TICK_S + GRACE_S))
        middle, most = np.percentile(times, [50, 95])
        print(f"{count:12,}{len(times):8,}{late:8.1%}{middle:8.1f}ms{most:8.1f}ms{times.max():8.1f}ms", flush=True)


if __name__ == "__main__":
    main()
