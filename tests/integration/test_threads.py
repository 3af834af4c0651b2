"""The window never waits on the compute thread, and a click is answered within long work."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
from PySide6.QtCore import QTimer

from core.queries import RowQuery
from core.types import NeighboursRequest, ProjectRequest
from tests.integration.conftest import WAIT_MS, Program


def test_the_window_lives_while_the_compute_thread_is_held(program: Program, file: Path) -> None:
    """The event loop turns although the engine stands still in the middle of a job."""
    program.open(file)
    entered, release = threading.Event(), threading.Event()
    service = program.controller._bridge.engine._service
    assert service is not None
    handle = service.handle

    def held(request: object, job: object) -> object:
        entered.set()
        assert release.wait(30)
        return handle(request, job)  # type: ignore[arg-type]

    service.handle = held  # type: ignore[method-assign, assignment]
    program.controller.select(3)
    program.bot.waitUntil(entered.is_set, timeout=WAIT_MS)
    turns: list[int] = []
    timer = QTimer()
    timer.timeout.connect(lambda: turns.append(1))
    timer.start(0)
    program.bot.waitUntil(lambda: len(turns) > 50, timeout=WAIT_MS)
    assert program.controller.neighbours.result is None
    with program.bot.waitSignal(program.controller.neighbours.changed, timeout=WAIT_MS):
        release.set()
    timer.stop()


def test_a_click_is_answered_within_a_projection(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "many.npy"
    np.save(path, np.random.default_rng(0).standard_normal((300_000, 128)).astype(np.float32))
    order: list[str] = []
    program.controller.projection.changed.connect(
        lambda: order.append("projected" if program.controller.projection.result else "sample")
    )
    program.controller.neighbours.changed.connect(
        lambda: order.append("answered") if program.controller.neighbours.result else None
    )

    def click_when_uploaded() -> None:
        activity = program.controller.jobs.activity
        if activity is not None and activity.stage == "Finding the mean" and program.controller.query.row is None:
            program.controller.select(5)

    program.controller.jobs.changed.connect(click_when_uploaded)
    with program.bot.waitSignal(program.controller.settled, timeout=WAIT_MS):
        program.controller.open(path)
    assert order == ["sample", "answered", "projected"]
    program.drawn()


def test_results_of_the_file_before_never_land(program: Program, file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.npy"
    np.save(other, np.random.default_rng(1).standard_normal((80, 5)).astype(np.float32))
    program.open(file)
    program.controller.select(499)
    program.open(other)
    assert program.controller.neighbours.result is None
    assert program.controller.query.row is None
    assert len(program.controller.projection.coords) == 80


def test_requests_are_what_the_user_last_wanted(program: Program, file: Path) -> None:
    """Ten clicks in a row: the last one's answer is shown, overtaken ones end without a result."""
    program.open(file)
    shown: list[int | None] = []
    program.controller.neighbours.changed.connect(
        lambda: shown.append(program.controller.neighbours.result.row) if program.controller.neighbours.result else None
    )
    with program.bot.waitSignal(program.controller.settled, timeout=WAIT_MS):
        for row in range(10):
            program.controller.select(row)
    assert shown[-1] == 9
    assert len(shown) <= 10
    assert shown == sorted(row for row in shown if row is not None)


def test_requests_are_frozen(program: Program, file: Path) -> None:
    program.open(file)
    dataset = program.controller.dataset.dataset
    assert dataset is not None
    for request in (NeighboursRequest(dataset, RowQuery(0), 3, "l2"), ProjectRequest(dataset)):
        try:
            request.mode = "eager"  # type: ignore[misc]
        except AttributeError:
            continue
        raise AssertionError("a request can be changed")
