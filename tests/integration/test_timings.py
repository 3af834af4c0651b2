"""The chart of timings under the map: stages, memory, retraces, pause, span, scale, with real clicks."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QHelpEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDockWidget, QLabel, QPushButton, QToolTip
from pytestqt.qtbot import QtBot

from app.settings import ChartLook, Settings
from app.views.stages_chart import STAGES
from core.types import MODES
from tests.integration.conftest import WAIT_MS, Program
from tests.integration.test_window_state import reopened


def press(button: QPushButton) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def drawn(program: Program) -> int:
    """How many dots and arrows there are."""
    dots = program.window.timings.chart.dots
    return dots.beyond + sum(dots.count(mode, hollow) for mode in MODES for hollow in (True, False))


def told_at(program: Program, place: QPoint) -> str:
    """What the tooltip says there."""
    viewport = program.window.timings.chart.viewport()
    QApplication.sendEvent(viewport, QHelpEvent(QHelpEvent.Type.ToolTip, place, viewport.mapToGlobal(place)))
    text = QToolTip.text()
    QToolTip.hideText()
    return text


@pytest.fixture
def asked(program: Program, file: Path) -> Program:
    """A file with one query compiled, then one uncompiled."""
    program.open(file)
    program.click_point(3)
    program.answered(program.flip_switch)
    return program


def test_dots_become_bars_of_stages_and_dots_again(asked: Program) -> None:
    view = asked.window.timings
    assert drawn(asked) == 2
    press(view.controls.stages)
    assert drawn(asked) == 0
    for name in ("product", "selection", "exact distances", "transfer"):
        assert view.chart.bars.count(name) == 2
        assert name in view.key.text().replace("&nbsp;", " ")
    asked.answered(asked.flip_switch)
    assert view.chart.bars.count("product") == 3
    press(view.controls.total)
    assert drawn(asked) == 3
    assert view.chart.bars.count("product") == 0


def test_every_stage_of_a_query_is_known_to_the_chart(asked: Program) -> None:
    for sample in asked.controller.timings.samples:
        assert {name for name, _ in sample.timing.stages} <= set(STAGES)
        assert sum(ms for _, ms in sample.timing.stages) <= sample.timing.ms


def test_a_retrace_is_marked_and_its_tip_says_why(program: Program, file: Path) -> None:
    program.open(file)
    program.click_point(3)
    chart = program.window.timings.chart
    assert chart.retraces.getData()[0].tolist() == [1]
    program.answered(lambda: program.window.k_box.setValue(60))
    program.answered(lambda: program.window.k_box.setValue(61))  # as many candidates: nothing to trace
    assert chart.retraces.getData()[0].tolist() == [1, 2]
    x, y = (float(values[1]) for values in chart.retraces.getData())
    place = chart.getPlotItem().getViewBox().mapViewToScene(QPointF(x, y))
    told = told_at(program, chart.mapFromScene(place))
    assert "Query 2" in told
    assert "new number of candidates: 32 → 80" in told


@pytest.mark.parametrize("stages", [False, True])
def test_dots_and_bars_tell_all_that_is_known(asked: Program, stages: bool) -> None:
    chart, controls = asked.window.timings.chart, asked.window.timings.controls
    press(controls.stages if stages else controls.total)
    for sample, mode in zip(asked.controller.timings.samples, ("compiled", "uncompiled"), strict=True):
        told = told_at(asked, chart.place_of(sample) + QPoint(0, 2))
        assert f" ms {mode}\nCosine, k 10, things.npy\n" in told
        assert f"first {mode} call of column bounds" in told
        assert all(word in told for word in ("product: ", "exact distances: ", " GB/s", "memory: ", "first call, "))
    corner = chart.viewport().rect().topRight() + QPoint(-30, 30)
    assert chart.tip_at(corner) == ""
    assert told_at(asked, QPoint(3, 60)) == "milliseconds a query took"


def test_while_paused_the_picture_stays_and_the_button_counts(asked: Program) -> None:
    view = asked.window.timings
    press(view.controls.pause)
    words = view.words.text()
    width = view.controls.pause.width()
    for _ in range(2):
        asked.answered(asked.flip_switch)
    assert drawn(asked) == 2
    assert view.words.text() == words
    assert view.controls.pause.text() == "Resume (2)"
    assert view.controls.pause.isChecked()
    assert view.controls.pause.width() == width
    assert len(asked.controller.timings.samples) == 4
    press(view.controls.pause)
    assert drawn(asked) == 4
    assert view.controls.pause.text() == "Pause"


def test_opening_a_file_ends_the_pause(asked: Program, file: Path) -> None:
    press(asked.window.timings.controls.pause)
    asked.open(file)
    assert asked.window.timings.controls.pause.text() == "Pause"
    assert drawn(asked) == 0
    asked.click_point(3)
    assert drawn(asked) == 1


def test_the_span_is_chosen_from_the_keyboard(asked: Program) -> None:
    press(asked.window.timings.race)
    asked.bot.waitUntil(lambda: asked.controller.timings.race_left == 0 and asked.controller.jobs.idle, timeout=WAIT_MS)
    count = len(asked.controller.timings.samples)
    assert count > 60
    span = asked.window.timings.controls.span
    span.setFocus()
    assert drawn(asked) == count
    QTest.keyClick(span, Qt.Key.Key_Home)
    assert span.currentText() == "Last 50"
    assert drawn(asked) == 50
    QTest.keyClick(span, Qt.Key.Key_End)
    assert span.currentText() == "All"
    assert drawn(asked) == count


def test_a_linear_axis_begins_at_zero_and_marks_what_lies_beyond(asked: Program) -> None:
    chart, controls = asked.window.timings.chart, asked.window.timings.controls
    for _ in range(2):
        asked.answered(asked.flip_switch)
    controls.log.setFocus()
    QTest.keyClick(controls.log, Qt.Key.Key_Space)
    assert not controls.log.isChecked()
    assert chart.scale_shown.low == 0
    beyond = [s for s in asked.controller.timings.samples if s.timing.ms > chart.scale_shown.high]
    assert chart.dots.beyond == len(beyond)
    assert all(sample.timing.first for sample in beyond)
    assert drawn(asked) == 4


def test_the_memory_line_has_an_axis_of_its_own(asked: Program) -> None:
    chart, controls = asked.window.timings.chart, asked.window.timings.controls
    right = chart.getPlotItem().getAxis("right")
    assert not right.isVisible()
    press(controls.memory)
    assert right.isVisible()
    held = [s.timing.memory_bytes / 1e6 for s in asked.controller.timings.samples]
    np.testing.assert_allclose(chart.memory.getData()[1], held)
    assert min(held) > 0
    edge = chart.viewport().rect().topRight() + QPoint(-4, 60)
    asked.bot.waitUntil(lambda: chart.tip_at(edge).startswith("megabytes"), timeout=WAIT_MS)
    press(controls.memory)
    assert not right.isVisible()


def test_the_look_is_kept_between_starts(qtbot: QtBot, program: Program, settings: Settings) -> None:
    controls = program.window.timings.controls
    for button in (controls.stages, controls.log, controls.memory):
        press(button)
    program.window.close()
    window = reopened(qtbot, settings)
    again = window.timings.controls
    assert settings.chart == ChartLook(stages=True, log=False, memory=True)
    assert [b.isChecked() for b in (again.total, again.stages, again.log, again.memory)] == [False, True, False, True]
    window.close()


def test_the_keyboard_walks_from_query_to_query(asked: Program) -> None:
    chart = asked.window.timings.chart
    first, second = asked.controller.timings.samples
    with asked.bot.waitActive(asked.window):
        asked.window.activateWindow()
    chart.setFocus(Qt.FocusReason.TabFocusReason)
    asked.bot.waitUntil(lambda: chart.present is second, timeout=WAIT_MS)
    for key, present in (
        (Qt.Key.Key_Left, first),
        (Qt.Key.Key_Left, first),
        (Qt.Key.Key_Right, second),
        (Qt.Key.Key_Home, first),
    ):
        QTest.keyClick(chart, key)
        assert chart.present is present
        assert chart.ring.getData()[0].tolist() == [present.number]
    assert chart.accessibleDescription() == QToolTip.text()
    assert "Query 1: " in QToolTip.text()
    asked.window.timings.race.setFocus()
    asked.bot.waitUntil(lambda: chart.present is None, timeout=WAIT_MS)
    assert len(chart.ring.getData()[0]) == 0
    QToolTip.hideText()


def test_all_controls_have_names_and_fit_a_small_window(asked: Program) -> None:
    window, controls = asked.window, asked.window.timings.controls
    window.resize(900, 640)
    asked.drawn()
    parts = [controls.total, controls.stages, controls.span, controls.log, controls.memory, controls.pause, window.timings.race]
    edges = [(p.mapTo(window, QPoint(0, 0)).x(), p.mapTo(window, QPoint(p.width(), 0)).x()) for p in parts]
    assert all(right <= left for (_, right), (left, _) in pairwise(edges))
    assert edges[-1][1] <= window.width()
    assert all(part.width() >= part.sizeHint().width() for part in parts)
    assert all(part.toolTip() and part.focusPolicy() & Qt.FocusPolicy.TabFocus for part in parts)
    assert controls.span.accessibleName()
    assert asked.window.timings.chart.height() >= 96


@pytest.mark.parametrize("high", [140, 300])
def test_words_beside_the_chart_are_shown_whole_or_not_at_all(program: Program, file: Path, high: int) -> None:
    dock = program.window.findChild(QDockWidget, "Timings")
    assert dock is not None
    program.window.resizeDocks([dock], [high], Qt.Orientation.Vertical)
    program.open(file)
    program.click_point(7)
    program.answered(program.flip_switch)
    timings = program.window.timings

    def whole() -> bool:
        labels = [label for label in timings.findChildren(QLabel) if label.isVisible() and label.wordWrap()]
        return timings.words in labels and all(label.height() >= label.heightForWidth(label.width()) for label in labels)

    program.bot.waitUntil(whole, timeout=WAIT_MS // 6)
