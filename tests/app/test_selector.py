"""Changes of the selection: in order, off the window's thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app.models.selection import SelectionModel
from app.selector import Selector
from core.types import Ids

WAIT_MS = 20_000


@pytest.fixture
def selection(qtbot: QtBot) -> SelectionModel:
    return SelectionModel()


@pytest.fixture
def selector(selection: SelectionModel) -> Iterator[Selector]:
    selector = Selector(selection)
    yield selector
    selector.close()


def rows(*numbers: int) -> Ids:
    return np.array(numbers, np.int64)


def test_changes_are_made_one_after_the_other(qtbot: QtBot, selection: SelectionModel, selector: Selector) -> None:
    seen: list[list[int]] = []
    selection.changed.connect(lambda: seen.append(selection.rows.tolist()))
    selector.change(lambda: rows(1, 2, 3), "replace")
    selector.change(lambda: rows(3, 4), "add")
    selector.change(lambda: rows(1, 4), "subtract")
    selector.change(lambda: rows(2, 9), "toggle")
    qtbot.waitUntil(lambda: not selector.busy, timeout=WAIT_MS)
    assert seen == [[1, 2, 3], [1, 2, 3, 4], [2, 3], [3, 9]]


def test_nothing_is_worked_out_on_the_caller_s_thread(qtbot: QtBot, selection: SelectionModel, selector: Selector) -> None:
    threads: list[threading.Thread] = []

    def find() -> Ids:
        threads.append(threading.current_thread())
        return rows(5)

    with qtbot.waitSignal(selection.changed, timeout=WAIT_MS):
        selector.change(find, "replace")
    assert threads[0] is not threading.current_thread()


def test_a_replacement_overtakes_what_waits_and_what_runs(qtbot: QtBot, selection: SelectionModel, selector: Selector) -> None:
    running, release = threading.Event(), threading.Event()
    seen: list[list[int]] = []
    selection.changed.connect(lambda: seen.append(selection.rows.tolist()))

    def slow() -> Ids:
        running.set()
        assert release.wait(20)
        return rows(1)

    selector.change(slow, "replace")
    selector.change(lambda: rows(2), "add")
    assert running.wait(20)
    selector.change(lambda: rows(7), "replace")
    release.set()
    qtbot.waitUntil(lambda: not selector.busy, timeout=WAIT_MS)
    assert seen == [[7]]


@pytest.mark.logs("kinscope-select failed")
def test_a_change_that_fails_leaves_the_selection(qtbot: QtBot, selection: SelectionModel, selector: Selector) -> None:
    selection.set(rows(1))

    def fail() -> Ids:
        raise RuntimeError

    selector.change(fail, "replace")
    selector.change(lambda: rows(2), "add")
    qtbot.waitUntil(lambda: not selector.busy, timeout=WAIT_MS)
    assert selection.rows.tolist() == [1, 2]
