"""The real window over the real compute thread."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QSettings, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.controller import Controller
from app.launch import make_application
from app.notices import Notices
from app.settings import Settings
from app.window import Window
from core.types import ComputeOptions, Mode

# Generous: the first compiled call of a machine runs a C++ compiler.
WAIT_MS = 60_000


@pytest.fixture(scope="session")
def qapp() -> QApplication:
    return make_application()


@dataclass
class Program:
    """The program, and hands to use it with."""

    window: Window
    controller: Controller
    bot: QtBot

    def open(self, path: Path, **options: object) -> None:
        """Open a file and wait until its points are drawn."""
        with self.bot.waitSignal(self.controller.settled, timeout=WAIT_MS):
            self.controller.open(path, **options)  # type: ignore[arg-type]
        self.drawn()

    def drawn(self) -> None:
        self.bot.waitUntil(lambda: self.controller.jobs.idle and self.window.map.settled, timeout=WAIT_MS)

    def click_point(self, row: int) -> None:
        """Click where a row's point is, and wait for the neighbours of whatever row is nearest there."""
        position = self.window.map.position_of(row)
        assert position is not None
        viewport = self.window.map.canvas
        with self.bot.waitSignal(self.controller.neighbours.changed, timeout=WAIT_MS):
            place = viewport.mapFrom(self.window.map, position.toPoint())
            QTest.mouseClick(viewport, Qt.MouseButton.LeftButton, pos=place)

    def answered(self, act: Callable[[], object]) -> None:
        """Do something that asks for neighbours, and wait for them."""
        with self.bot.waitSignal(self.controller.neighbours.changed, timeout=WAIT_MS):
            act()

    def flip_switch(self) -> None:
        switch = self.window.compile_switch
        QTest.mouseClick(switch, Qt.MouseButton.LeftButton, pos=QPoint(20, switch.height() // 2))

    def table(self) -> list[list[str]]:
        """What the neighbours table shows, as texts."""
        model = self.window.neighbours.table_model
        return [[str(model.index(r, c).data()) for c in range(model.columnCount())] for r in range(model.rowCount())]

    def dots(self, mode: Mode) -> int:
        return sum(sample.timing.mode == mode for sample in self.controller.timings.samples)

    @property
    def message(self) -> str:
        return self.window.notice.text.text() if self.window.notice.isVisible() else ""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat))


@pytest.fixture
def lab_history(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "lab.jsonl"


@pytest.fixture
def program(qtbot: QtBot, settings: Settings, lab_history: Path) -> Iterator[Program]:
    # pyqtgraph's menus have no parent: those of the window before are to go now, not while Qt walks through all widgets to give
    # them the style sheet, which crashes.
    gc.collect()
    controller = Controller(settings, Notices(), ComputeOptions("cpu"), lab_history)
    window = Window(controller, "dark")
    window.resize(1200, 800)
    with qtbot.waitExposed(window):
        window.show()
    with qtbot.waitSignal(controller.device_known, timeout=WAIT_MS):
        controller.start()
    yield Program(window, controller, qtbot)
    window.close()
    window.deleteLater()


@pytest.fixture
def vectors() -> NDArray[np.float32]:
    """500 rows of 12 dimensions, spread out enough that a click means one point."""
    return np.random.default_rng(4).standard_normal((500, 12)).astype(np.float32)


@pytest.fixture
def file(tmp_path: Path, vectors: NDArray[np.float32]) -> Path:
    """The vectors in a file, with names and two kinds beside it."""
    path = tmp_path / "things.npy"
    np.save(path, vectors)
    lines = ["name\tkind\tweight", *(f"thing {i}\t{'odd' if i % 2 else 'even'}\t{i / 2}" for i in range(len(vectors)))]
    path.with_suffix(".tsv").write_text("\n".join(lines) + "\n")
    return path


def nearest(vectors: NDArray[np.float32], row: int, k: int, metric: str = "cosine") -> list[int]:
    """Rows of the k nearest by float64 NumPy, the row itself left out."""
    x = vectors.astype(np.float64)
    if metric == "cosine":
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        order = 1 - x @ x[row]
    else:
        order = np.linalg.norm(x - x[row], axis=1)
    order[row] = np.inf
    return [int(i) for i in np.argsort(order, kind="stable")[:k]]
