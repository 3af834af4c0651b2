"""Open a file, see the map, click, see the neighbours, switch compiling: with real clicks on the real window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialogButtonBox

from app.views.array_chooser import ArrayChooser
from app.views.neighbours_table import LABEL, ROW
from core.types import MODES, Floats
from resources import SAMPLE
from tests.core import written
from tests.integration.conftest import WAIT_MS, Program, nearest


def test_a_clicked_point_lists_its_true_neighbours(program: Program, file: Path, vectors: Floats) -> None:
    program.open(file)
    program.click_point(42)
    row = program.controller.query.row
    assert row is not None
    wanted = nearest(vectors, row, 10)
    table = program.table()
    assert [int(line[ROW].replace(",", "")) for line in table] == wanted
    assert [line[LABEL] for line in table] == [f"thing {i}" for i in wanted]
    assert program.controller.neighbours.result is not None
    assert program.controller.neighbours.result.exact == "proven"


def test_the_sample_opens_and_answers(program: Program) -> None:
    program.open(SAMPLE)
    table = program.controller.dataset.table
    assert table is not None
    coffee = next(i for i in range(table.rows) if table.label(i).startswith("coffee, java"))
    program.answered(lambda: program.controller.select(coffee))
    labels = " ".join(line[LABEL] for line in program.table())
    assert "tea" in labels
    assert "beverage" in labels or "drink" in labels
    assert program.window.legend.entries.count() == 41


def test_a_click_far_from_any_point_selects_nothing(program: Program, file: Path) -> None:
    program.open(file)
    QTest.mouseClick(program.window.map.canvas, Qt.MouseButton.LeftButton, pos=QPoint(3, 3))
    program.bot.wait(0)
    assert program.controller.query.row is None


def test_a_line_of_the_table_becomes_the_query_and_history_walks(program: Program, file: Path) -> None:
    program.open(file)
    program.click_point(7)
    first = program.controller.query.row
    table = program.window.neighbours.table
    second = int(program.table()[2][ROW])
    where = table.visualRect(program.window.neighbours.table_model.index(2, LABEL)).center()
    program.answered(lambda: QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=where))
    assert program.controller.query.row == second
    program.answered(program.window.action("back").trigger)
    assert program.controller.query.row == first
    program.answered(program.window.action("forward").trigger)
    assert program.controller.query.row == second
    assert not program.window.action("forward").isEnabled()


def test_flipping_the_switch_asks_again_and_changes_the_chart(program: Program, file: Path) -> None:
    program.open(file)
    program.click_point(3)
    assert (program.dots("compiled"), program.dots("eager")) == (1, 0)
    ids = [line[ROW] for line in program.table()]
    program.answered(program.flip_switch)
    assert (program.dots("compiled"), program.dots("eager")) == (1, 1)
    assert [line[ROW] for line in program.table()] == ids
    dots = program.window.timings.chart.dots
    assert [dots.count(mode, hollow) for mode in MODES for hollow in (True, False)] == [1, 0, 1, 0]
    program.answered(program.flip_switch)
    assert program.dots("compiled") == 2


def test_the_switch_is_on_a_key(program: Program, file: Path) -> None:
    program.open(file)
    program.click_point(3)
    program.answered(lambda: QTest.keyClick(program.window, Qt.Key.Key_C))
    assert program.controller.mode == "eager"
    assert not program.window.compile_switch.isChecked()


def test_a_race_runs_both_ways_and_says_what_it_found(program: Program, file: Path) -> None:
    program.open(file)
    program.click_point(3)
    QTest.mouseClick(program.window.timings.race, Qt.MouseButton.LeftButton)
    program.bot.waitUntil(lambda: program.controller.timings.race_left == 0 and program.controller.jobs.idle, timeout=WAIT_MS)
    summary = program.controller.timings.summary()
    assert len(summary.compiled) >= 30
    assert len(summary.eager) >= 30
    words = program.window.timings.words.text()
    assert "95 % interval" in words
    assert "times as fast" in words or "no difference shown yet" in words
    hollow = sum(program.window.timings.chart.dots.count(mode, True) for mode in MODES)
    assert hollow == sum(s.timing.first for s in program.controller.timings.samples) >= 2


def test_first_calls_stay_out_of_the_medians(program: Program, file: Path) -> None:
    program.open(file)
    program.click_point(3)
    summary = program.controller.timings.summary()
    assert summary.compiled == []
    assert "No warm query of this kind yet" in program.window.timings.words.text()


def test_metric_and_k_ask_again(program: Program, file: Path, vectors: Floats) -> None:
    program.open(file)
    program.click_point(11)
    row = program.controller.query.row
    assert row is not None
    box = program.window.metric_box

    def choose_l2() -> None:
        box.setCurrentIndex(box.findData("l2"))
        box.activated.emit(box.currentIndex())

    program.answered(choose_l2)
    assert [int(line[ROW]) for line in program.table()] == nearest(vectors, row, 10, "l2")
    program.answered(lambda: program.window.k_box.setValue(25))
    assert [int(line[ROW]) for line in program.table()] == nearest(vectors, row, 25, "l2")


def test_projection_settings_project_again(program: Program, file: Path, vectors: Floats) -> None:
    program.open(file)
    model = program.controller.projection
    centred = vectors.astype(np.float64) - vectors.astype(np.float64).mean(axis=0)
    _, sigma, vt = np.linalg.svd(centred, full_matrices=False)
    assert model.result is not None
    np.testing.assert_allclose(model.result.explained[:8], (sigma**2 / np.sum(sigma**2))[:8], rtol=1e-4)
    with program.bot.waitSignal(model.changed, timeout=WAIT_MS):
        program.window.projection.y_box.setCurrentIndex(4)
        program.window.projection.y_box.activated.emit(4)
    expected = np.abs(centred @ vt[4])
    np.testing.assert_allclose(np.abs(model.coords[:, 1]), expected, atol=2e-3 * expected.max())
    before = model.coords.copy()
    with program.bot.waitSignal(model.changed, timeout=WAIT_MS):
        QTest.mouseClick(program.window.projection.unit_length, Qt.MouseButton.LeftButton, pos=QPoint(8, 8))
    assert model.settings.unit_length
    assert not np.allclose(before, model.coords)


def test_labels_colour_the_map_and_fill_the_legend(program: Program, file: Path) -> None:
    program.open(file)
    legend = program.window.legend
    assert [legend.entries.item(i).text() for i in range(legend.entries.count())] == ["even", "odd"]
    with program.bot.waitSignal(program.controller.colouring.changed, timeout=WAIT_MS):
        legend.choice.setCurrentIndex(0)
        legend.choice.activated.emit(0)
    assert legend.entries.count() == 0
    program.drawn()


def test_hover_names_the_point(program: Program, file: Path) -> None:
    program.open(file)
    position = program.window.map.position_of(5)
    assert position is not None
    canvas = program.window.map.canvas
    QTest.mouseMove(canvas, canvas.mapFrom(program.window.map, position.toPoint()))
    program.bot.waitUntil(lambda: program.window.map.hovered is not None, timeout=WAIT_MS)
    row = program.window.map.hovered
    assert row is not None
    at = program.window.map.position_of(row)
    assert at is not None
    assert (at - position).manhattanLength() <= 24


def test_zoom_and_fit(program: Program, file: Path) -> None:
    program.open(file)
    whole = program.window.map.position_of(5)
    for _ in range(4):
        program.window.action("zoom_in").trigger()
    program.drawn()
    assert program.window.map.position_of(5) != whole
    program.window.action("fit").trigger()
    program.drawn()
    back = program.window.map.position_of(5)
    assert whole is not None
    assert back is not None
    assert (whole - back).manhattanLength() < 3


def test_a_dropped_file_opens_and_is_remembered(program: Program, file: Path) -> None:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(file))])
    action = Qt.DropAction.CopyAction
    event = QDropEvent(QPointF(50, 50), action, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    with program.bot.waitSignal(program.controller.settled, timeout=WAIT_MS):
        program.window.dropEvent(event)
    assert program.controller.dataset.dataset is not None
    assert program.controller.dataset.dataset.path == file
    assert program.controller.settings.recent == [file]
    program.drawn()


def test_esc_clears_the_query(program: Program, file: Path) -> None:
    program.open(file)
    program.click_point(5)
    QTest.keyClick(program.window, Qt.Key.Key_Escape)
    assert program.controller.query.row is None
    assert program.table() == []


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int8, ">f4"])
def test_other_dtypes_open(program: Program, tmp_path: Path, vectors: NDArray[np.float32], dtype: object) -> None:
    path = tmp_path / "other.npy"
    array = (vectors * 20).astype(dtype)  # type: ignore[call-overload]
    np.save(path, array)
    program.open(path)
    program.click_point(100)
    row = program.controller.query.row
    assert row is not None
    found = [int(line[ROW]) for line in program.table()]
    x = array.astype(np.float64)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    distances = 1 - unit @ unit[row]
    others = np.delete(distances, row)
    np.testing.assert_allclose(np.sort(others)[:10], distances[found], atol=1e-12)


def test_choosing_the_other_axis_component_swaps_them(program: Program, file: Path) -> None:
    program.open(file)
    with program.bot.waitSignal(program.controller.projection.changed, timeout=WAIT_MS):
        program.window.projection.x_box.setCurrentIndex(1)
        program.window.projection.x_box.activated.emit(1)
    assert program.controller.projection.settings.axes == (1, 0)


def _asked(program: Program) -> ArrayChooser:
    program.bot.waitUntil(lambda: bool(program.window.findChildren(ArrayChooser)), timeout=WAIT_MS)
    return program.window.findChildren(ArrayChooser)[0]


def test_the_chosen_array_of_several_is_opened(program: Program, tmp_path: Path, vectors: Floats) -> None:
    path = tmp_path / "several.npz"
    np.savez(path, first=vectors[:20, :4], second=vectors[:, :5], counts=np.arange(12).reshape(3, 4))
    program.controller.open(path, select=7)
    dialog = _asked(program)
    assert [dialog.table.item(row, 0).text() for row in range(3)] == ["first", "second", "counts"]  # type: ignore[union-attr]
    assert [dialog.table.item(1, column).text() for column in (1, 2, 3)] == ["500", "5", "float32"]  # type: ignore[union-attr]
    assert dialog.chosen is not None
    assert dialog.chosen.name == "second"  # the likeliest
    QTest.mouseClick(dialog.buttons.button(QDialogButtonBox.StandardButton.Open), Qt.MouseButton.LeftButton)
    program.bot.waitUntil(lambda: program.controller.neighbours.result is not None, timeout=WAIT_MS)
    program.drawn()
    dataset = program.controller.dataset.dataset
    assert dataset is not None
    assert (dataset.array_name, dataset.dims) == ("second", 5)
    assert program.controller.query.row == 7


def test_another_array_than_the_likeliest_is_opened_by_a_double_click(program: Program, tmp_path: Path, vectors: Floats) -> None:
    path = tmp_path / "two.npz"
    np.savez(path, first=vectors[:20, :4], second=vectors[:, :5])
    program.controller.open(path)
    table = _asked(program).table
    first = table.item(0, 0)
    assert first is not None
    place = table.visualItemRect(first).center()
    with program.bot.waitSignal(program.controller.dataset.opened, timeout=WAIT_MS):
        QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
        QTest.mouseDClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert program.controller.dataset.dataset is not None
    assert program.controller.dataset.dataset.array_name == "first"
    program.drawn()


def test_what_of_a_projectors_files_is_not_used_is_told(program: Program, tmp_path: Path) -> None:
    written.projector(tmp_path / "t.bytes", bookmarksPath="marks.json")
    with program.bot.waitSignal(program.controller.settled, timeout=WAIT_MS):
        program.controller.open(tmp_path / "projector_config.json")
    assert "marks.json" in program.message
    assert program.controller.dataset.table is not None
    assert program.controller.dataset.table.label(3) == written.NAMES[3]
    program.drawn()


def test_recall_is_told_of_a_file_with_its_truth(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "truth.hdf5"
    written.hdf5(path)
    program.open(path)
    with program.bot.waitSignal(program.controller.settled, timeout=WAIT_MS):
        program.window.action("recall").trigger()
    assert program.message.startswith("Recall 1.0000")


def test_an_old_complaint_goes_when_a_file_opens(program: Program, file: Path) -> None:
    with program.bot.waitSignal(program.controller.settled, timeout=WAIT_MS):
        program.controller.open(file.with_name("nowhere.npy"))
    assert program.message
    program.open(file)
    assert program.message == ""
