"""The lab in the window: run, watch, stop, read, keep, export; with real clicks, while the map stays usable."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QDockWidget, QFileDialog
from pytestqt.qtbot import QtBot

from app import lab_controller
from app.controller import Controller
from app.models.lab import Reading
from app.notices import Notices
from app.settings import Settings
from app.theme import COMPILED, EAGER
from app.views.lab_table import MEDIAN, NAME, RATIO, TIMES
from app.window import Window
from core.compute import lab as measured
from core.errors import UserError
from core.lab import LabRun
from core.types import ComputeOptions
from tests.integration.conftest import WAIT_MS, Program

CTRL_SHIFT = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
QUICK = "search"  # over in a second or two


@pytest.fixture(autouse=True)
def short_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_controller, "SECONDS", 2.0)


def _click(button: QAbstractButton) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def _show(program: Program) -> None:
    """Show the lab and wait until its workloads are listed."""
    QTest.keyClick(program.window, Qt.Key.Key_L, CTRL_SHIFT)
    table = program.window.lab.table
    program.bot.waitUntil(lambda: bool(table.table_model.names) and table.isVisible(), timeout=WAIT_MS)


def _choose(program: Program, name: str) -> None:
    """Click the row of a workload."""
    table = program.window.lab.table
    cell = table.table_model.index(table.table_model.names.index(name), NAME)
    table.scrollTo(cell)
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=table.visualRect(cell).center())


def _press(program: Program, name: str) -> None:
    """Press Run or Stop in the row of a workload."""
    _choose(program, name)
    _click(program.window.lab.table.button(name))


def _text(program: Program, name: str, column: int) -> str:
    model = program.window.lab.table.table_model
    return str(model.index(model.names.index(name), column).data())


def _reading(program: Program, name: str) -> Reading:
    reading = program.controller.lab.model.reading(name)
    assert reading is not None
    return reading


def _finish(program: Program, name: str) -> Reading:
    """Wait until a workload has run and its figures are shown."""
    model = program.controller.lab.model

    def shown() -> bool:
        reading = model.reading(name)
        return model.state(name) == "done" and reading is not None and reading.run.finished

    program.bot.waitUntil(shown, timeout=WAIT_MS)
    return _reading(program, name)


def _run(program: Program, name: str) -> Reading:
    _press(program, name)
    return _finish(program, name)


def test_a_key_shows_the_lab_and_gives_the_room_back(program: Program) -> None:
    dock = program.window.findChild(QDockWidget, "Lab")
    timings = program.window.findChild(QDockWidget, "Timings")
    assert dock is not None
    assert timings is not None
    low = timings.height()
    _show(program)
    assert program.window.action("lab").isChecked()
    program.bot.waitUntil(lambda: dock.height() > low, timeout=WAIT_MS)
    QTest.keyClick(program.window, Qt.Key.Key_L, CTRL_SHIFT)
    program.bot.waitUntil(lambda: timings.isVisible() and timings.height() == low, timeout=WAIT_MS)
    assert not dock.isVisible()


@pytest.mark.parametrize("size", [(900, 640), (1200, 800)])
def test_every_button_is_within_a_small_window(program: Program, size: tuple[int, int]) -> None:
    program.window.resize(*size)
    _show(program)
    lab = program.window.lab
    program.bot.waitUntil(lambda: lab.table.button(QUICK).width() > 0, timeout=WAIT_MS)
    for button, ground in ((lab.export, program.window), (lab.table.button("gelu"), lab.table.viewport())):
        corner = button.mapTo(ground, button.rect().topRight())
        assert ground.rect().contains(corner)


def test_a_run_fills_its_row_as_it_goes(program: Program, file: Path) -> None:
    program.open(file)
    _show(program)
    assert _text(program, QUICK, MEDIAN).strip() == ""
    seen: list[int] = []
    program.controller.lab.model.row_changed.connect(
        lambda name: seen.append(len(reading.run.ways[0].ms)) if (reading := program.controller.lab.model.reading(name)) else None
    )
    reading = _run(program, QUICK)
    repeats = len(reading.run.ways[0].ms)
    assert any(0 <= count < repeats for count in seen)
    assert [way.name for way in reading.run.ways] == ["uncompiled", "compiled"]
    assert reading.base is not None
    assert reading.other is not None
    uncompiled, compiled = _text(program, QUICK, MEDIAN).split("\n")
    assert uncompiled.endswith(" ms")
    assert compiled.endswith(" ms")
    assert reading.ratio is not None
    assert _text(program, QUICK, RATIO).startswith(f"{reading.ratio.value:.2f}")
    assert _text(program, QUICK, NAME).endswith(f"{repeats} repeats")
    detail = program.window.lab.detail
    assert reading.verdict in detail.verdict.text()
    assert detail.lesson.text() == program.controller.lab.model.workloads[QUICK].lesson


def test_both_distributions_are_drawn_in_their_colours(program: Program) -> None:
    _show(program)
    _run(program, QUICK)
    table = program.window.lab.table
    cell = table.table_model.index(table.table_model.names.index(QUICK), TIMES)
    table.scrollTo(cell)
    image = table.viewport().grab(table.visualRect(cell)).toImage()
    upper = QRect(0, 0, image.width(), image.height() // 2)
    lower = upper.translated(0, image.height() // 2)
    assert _has(image, upper, EAGER)
    assert not _has(image, upper, COMPILED)
    assert _has(image, lower, COMPILED)


def _has(image: QImage, area: QRect, colour: str) -> bool:
    wanted = QColor(colour).rgb()
    return any(image.pixel(x, y) == wanted for x in range(area.left(), area.right()) for y in range(area.top(), area.bottom()))


def test_the_lines_that_differ_are_marked(program: Program) -> None:
    _show(program)
    _choose(program, "gelu")
    code = program.window.lab.detail.code
    assert "def gelu(x: mx.array)" in code.toPlainText()
    assert code.marked(False) == ["run = gelu"]
    assert code.marked(True) == ["run = mx.compile(gelu)"]
    grounds = {mark.format.background().color().rgb() & 0xFFFFFF for mark in code.extraSelections()}
    assert grounds == {QColor(colour).rgb() & 0xFFFFFF for colour in (EAGER, COMPILED)}


def test_findings_are_listed_and_show_their_code(program: Program) -> None:
    _show(program)
    reading = _run(program, "retracing")
    findings = program.window.lab.detail.findings
    assert [button.finding for button in findings.buttons] == list(reading.run.findings)
    assert f"{reading.surprises} surprises" in " ".join(program.window.lab.table.table_model.sentence("retracing")[:1])
    traced = next(button for button in findings.buttons if "another one traces again" in button.finding.about)
    assert traced.finding.surprise
    assert traced.finding.traces == 1
    program.window.lab.detail.ensureWidgetVisible(traced)
    _click(traced)
    assert findings.code.toPlainText() == traced.finding.code
    other = findings.buttons[0]
    program.window.lab.detail.ensureWidgetVisible(other)
    _click(other)
    assert findings.code.toPlainText() == other.finding.code
    assert not traced.isChecked()
    _click(other)
    assert not findings.code.isVisible()


def test_run_all_runs_one_after_the_other_until_it_is_stopped(program: Program) -> None:
    _show(program)
    model = program.controller.lab.model
    able = [name for name in model.workloads if model.can_run(name)]
    _click(program.window.lab.run_all)
    program.bot.waitUntil(lambda: model.reading(able[0]) is not None, timeout=WAIT_MS)
    assert model.running == model.key_of(able[0])
    assert model.waiting == [model.key_of(name) for name in able[1:]]
    assert _text(program, able[1], NAME).endswith("waiting")
    assert f"{len(able) - 1} to go" in program.window.lab.note.text()
    _click(program.window.lab.stop)
    program.bot.waitUntil(lambda: not model.busy and program.controller.jobs.idle, timeout=WAIT_MS)
    assert model.state(able[0]) == "stopped"
    assert model.state(able[1]) == "idle"
    assert not program.window.lab.stop.isEnabled()
    assert program.controller.lab.history.runs == ()


def test_to_stop_one_lets_the_next_begin(program: Program) -> None:
    _show(program)
    model = program.controller.lab.model
    _press(program, "gradients")
    _press(program, "dropout")
    _press(program, QUICK)
    _press(program, "dropout")  # it waits: it waits no more
    assert model.state("dropout") == "idle"
    _press(program, "gradients")
    _finish(program, QUICK)
    assert model.state("gradients") == "stopped"


def test_the_map_answers_while_a_run_goes(program: Program, file: Path) -> None:
    program.open(file)
    _show(program)
    program.bot.waitUntil(lambda: program.window.map.settled, timeout=WAIT_MS)
    model = program.controller.lab.model
    _press(program, "gelu")
    program.bot.waitUntil(lambda: model.reading("gelu") is not None, timeout=WAIT_MS)
    program.click_point(42)
    program.answered(program.flip_switch)
    assert program.controller.mode == "eager"
    assert model.state("gelu") == "running"
    # Small dots join the roofline: the queries that count, first calls left out.
    warm = [sample for sample in program.controller.timings.samples if not sample.timing.first]
    assert len(program.window.lab.roofline.queries.points()) == len(warm)
    _press(program, "gelu")
    program.bot.waitUntil(lambda: not model.busy, timeout=WAIT_MS)


def test_another_file_stops_the_run_and_takes_its_figures_away(program: Program, file: Path, tmp_path: Path) -> None:
    program.open(file)
    _show(program)
    model = program.controller.lab.model
    assert _run(program, "program").run.file == "things.npy, 500 × 12"
    _press(program, "gelu")
    program.bot.waitUntil(lambda: model.reading("gelu") is not None, timeout=WAIT_MS)
    other = tmp_path / "other.npy"
    other.write_bytes(file.read_bytes())
    program.open(other)
    assert model.state("gelu") == "stopped"
    assert model.reading("gelu") is not None
    assert model.reading("program") is None
    program.click_point(3)


def test_sizes_of_the_file_need_a_file(program: Program, file: Path) -> None:
    _show(program)
    assert not program.window.lab.table.button("program").isEnabled()
    assert "Open a file" in program.window.lab.table.table_model.sentence("program")[0]
    box = program.window.lab.table.size_box("svd")
    assert not box.model().item(box.findText("the open file")).isEnabled()  # type: ignore[attr-defined]
    program.open(file)
    program.bot.waitUntil(lambda: program.window.lab.table.button("program").isEnabled(), timeout=WAIT_MS)
    assert box.model().item(box.findText("the open file")).isEnabled()  # type: ignore[attr-defined]
    box = program.window.lab.table.size_box(QUICK)
    box.setCurrentText("the open file, 1 query")
    box.activated.emit(box.currentIndex())
    assert _run(program, QUICK).run.size == "the open file, 1 query"


def test_a_run_that_fails_says_so_in_its_row_and_the_next_begins(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    original = measured.run

    def refuse(workload: object, *rest: object) -> LabRun:
        if getattr(workload, "name", "") == "gelu":
            raise UserError("There is no room for this.")
        return original(workload, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(measured, "run", refuse)
    _show(program)
    _press(program, "gelu")
    _press(program, QUICK)
    _finish(program, QUICK)
    assert program.controller.lab.model.state("gelu") == "failed"
    assert program.window.lab.table.table_model.sentence("gelu") == ("There is no room for this.", True)
    assert program.message == "There is no room for this."


def test_without_a_compiler_one_way_is_measured_and_the_rest_says_why(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setenv("MLX_DISABLE_COMPILE", "1")
    program: Program = request.getfixturevalue("program")
    _show(program)
    reading = _run(program, QUICK)
    assert [way.name for way in reading.run.ways] == ["uncompiled"]
    assert _text(program, QUICK, MEDIAN).split("\n")[1] == ""
    assert not program.window.lab.table.button("retracing").isEnabled()
    assert "MLX_DISABLE_COMPILE" in program.window.lab.table.table_model.sentence("retracing")[0]


def test_a_run_is_a_pair_of_dots_under_the_roof(program: Program) -> None:
    _show(program)
    _run(program, QUICK)
    roofline = program.window.lab.roofline
    colours = [point.brush().color().name().upper() for point in roofline.runs.points()]
    assert sorted(colours) == sorted([EAGER, COMPILED])
    run = _reading(program, QUICK).run
    for point in roofline.runs.points():
        assert 10 ** point.pos().x() == pytest.approx(run.flops / run.least_bytes)
        assert 10 ** point.pos().y() == pytest.approx(run.gflop_s(point.data()[1]))


def test_history_is_there_at_the_next_start(qtbot: QtBot, program: Program, settings: Settings, lab_history: Path) -> None:
    _show(program)
    _run(program, "retracing")
    run = _run(program, QUICK).run
    program.bot.waitUntil(lambda: len(program.controller.lab.history.runs) == 2, timeout=WAIT_MS)
    program.window.close()
    controller = Controller(settings, Notices(), ComputeOptions("cpu"), lab_history)
    window = Window(controller)
    qtbot.addWidget(window)
    with qtbot.waitSignal(controller.device_known, timeout=WAIT_MS):
        window.show()
        controller.start()
    qtbot.waitUntil(lambda: bool(controller.lab.history.runs and controller.lab.model.workloads), timeout=WAIT_MS)
    if not window.lab.isVisible():
        window.action("lab").trigger()
    window.lab.tabs.bar.setCurrentIndex(2)
    view = window.lab.history
    view.choice.setCurrentIndex(0)
    view.choice.activated.emit(0)
    assert [kept.workload for kept in view.runs] == [QUICK, "retracing"]
    assert view.runs[0].ways == run.ways
    assert (view.runs[0].device, view.runs[0].versions) == (run.device, run.versions)
    qtbot.waitUntil(lambda: len(view.plot.dots.points()) == 2, timeout=WAIT_MS)
    texts = [str(view.table_model.index(0, column).data()) for column in range(view.table_model.columnCount())]
    assert run.versions["mlx"] in texts
    window.close()


def test_a_damaged_history_loses_only_the_damage(program: Program, lab_history: Path, caplog: pytest.LogCaptureFixture) -> None:
    lab_history.parent.mkdir()
    lab_history.write_text("nonsense\n")
    caplog.set_level("INFO", "core.lab_records")
    _show(program)
    _run(program, "retracing")
    program.bot.waitUntil(lambda: len(program.controller.lab.history.runs) == 1, timeout=WAIT_MS)
    assert "line 1 of" in caplog.text


def test_a_history_that_cannot_be_written_is_told(program: Program, lab_history: Path) -> None:
    lab_history.parent.write_text("a file where a folder is wanted")
    _show(program)
    _run(program, "retracing")
    program.bot.waitUntil(lambda: str(lab_history.parent) in program.message, timeout=WAIT_MS)


@pytest.mark.parametrize("suffix", ["csv", "json", "png", "svg"])
def test_runs_and_pictures_are_exported(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    path = tmp_path / f"out.{suffix}"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *rest: (str(path), ""))
    _show(program)
    reading = _run(program, QUICK)
    if suffix in ("png", "svg"):
        program.window.lab.tabs.bar.setCurrentIndex(1)
    action = next(
        action for action in program.window.lab.export.menu().actions() if suffix in action.text().lower().replace("&", "")
    )
    action.trigger()
    program.bot.waitUntil(lambda: str(path) in program.message, timeout=WAIT_MS)
    if suffix == "csv":
        lines = list(csv.DictReader(path.read_text("utf-8").splitlines()))
        assert [line["way"] for line in lines] == ["uncompiled", "compiled"]
        assert reading.base is not None
        assert float(lines[0]["median_ms"]) == reading.base.median_ms
    elif suffix == "json":
        (record,) = json.loads(path.read_text("utf-8"))
        assert record["workload"] == QUICK
        assert record["verdict"] == reading.verdict
    elif suffix == "png":
        image = QImage(str(path))
        assert image.width() == 2 * program.window.lab.roofline.plot.width()
        assert _has(image, image.rect(), COMPILED)
    else:
        text = path.read_text("utf-8")
        assert text.rstrip().endswith("</svg>")
        assert COMPILED.lower() in text.lower()
        assert "GFLOP/s" in text
