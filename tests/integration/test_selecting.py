"""Selecting on the map with real clicks, drags and keys, and what can be done with a selection."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import QCoreApplication, QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog

from app.views.rows_table import LINES
from core.types import Floats
from tests.integration.conftest import WAIT_MS, Program, nearest

SHIFT, CTRL, PLAIN = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.NoModifier
LEFT = Qt.MouseButton.LeftButton
Mask = NDArray[np.bool_]


def _on_canvas(program: Program, row: int) -> QPoint:
    position = program.window.map.position_of(row)
    assert position is not None
    return program.window.map.canvas.mapFrom(program.window.map, position.toPoint())


def _click(program: Program, row: int, keys: Qt.KeyboardModifier = PLAIN) -> None:
    QTest.mouseClick(program.window.map.canvas, LEFT, keys, _on_canvas(program, row))


def _drag(program: Program, path: list[QPoint], keys: Qt.KeyboardModifier = PLAIN, release: bool = True) -> None:
    """Press at the first place, move over the others, let go at the last."""
    canvas = program.window.map.canvas
    program.window.map._plot.scene()._lastMoveEventTime = 0
    QTest.mouseMove(canvas, path[0])
    QTest.mousePress(canvas, LEFT, keys, path[0])
    for point in path[1:]:
        program.window.map._plot.scene()._lastMoveEventTime = 0  # a hand would not be so quick
        _move_held(program, point, keys)
    if release:
        QTest.mouseRelease(canvas, LEFT, keys, path[-1])


def _move_held(program: Program, point: QPoint, keys: Qt.KeyboardModifier) -> None:
    """QTest moves the mouse with no button held."""
    canvas = program.window.map.canvas
    where = QPointF(point)
    event = QMouseEvent(QEvent.Type.MouseMove, where, QPointF(canvas.mapToGlobal(point)), LEFT, LEFT, keys)
    QCoreApplication.sendEvent(canvas, event)


def _changed(program: Program, act: Callable[[], object]) -> list[int]:
    """Do something that changes the selection, wait for that and for the picture, and return the rows."""
    with program.bot.waitSignal(program.controller.selection.changed, timeout=WAIT_MS):
        act()
    program.bot.waitUntil(lambda: not program.controller.selector.busy, timeout=WAIT_MS)
    program.drawn()
    return [int(row) for row in program.controller.selection.rows]


def _rows_in(program: Program, inside: Callable[[Floats, Floats], Mask]) -> list[int]:
    """The rows whose points lie in part of the canvas, given in its pixels."""
    places = np.array([_exact(program, row) for row in range(len(program.controller.projection.coords))])
    return [int(i) for i in np.flatnonzero(inside(places[:, 0], places[:, 1]))]


def _exact(program: Program, row: int) -> tuple[float, float]:
    x, y = program.controller.projection.coords[row].tolist()
    place = program.window.map._box.mapViewToScene(QPointF(x, y))
    return place.x(), place.y()


def test_shift_adds_and_ctrl_toggles_points(program: Program, file: Path) -> None:
    program.open(file)
    program.click_point(42)
    first = program.controller.query.row
    assert first is not None
    assert not len(program.controller.selection)
    rows = _changed(program, lambda: _click(program, 7, SHIFT))
    assert len(rows) == 2
    assert first in rows
    assert program.controller.query.row == first, "the query stays"
    more = _changed(program, lambda: _click(program, 400, CTRL))
    assert len(more) == 3
    assert set(rows) < set(more)
    assert _changed(program, lambda: _click(program, 400, CTRL)) == rows
    program.answered(lambda: _click(program, 99))
    assert not len(program.controller.selection), "a plain click lets go"


def test_a_box_by_shift_and_drag(program: Program, file: Path) -> None:
    program.open(file)
    middle = program.window.map.canvas.rect().center()
    one, two = middle + QPoint(-90, -70), middle + QPoint(60, 50)
    wanted = _rows_in(program, lambda x, y: (x >= one.x()) & (x <= two.x()) & (y >= one.y()) & (y <= two.y()))
    assert len(wanted) > 20
    view = program.controller.viewport.range
    assert _changed(program, lambda: _drag(program, [one, middle, two], SHIFT)) == wanted
    assert program.controller.viewport.range == view, "the map does not move"
    half = _rows_in(program, lambda x, y: (x >= middle.x()) & (x <= two.x()) & (y >= one.y()) & (y <= two.y()))
    path = [QPoint(middle.x(), one.y()), middle, two]
    assert _changed(program, lambda: _drag(program, path, CTRL)) == sorted(set(wanted) - set(half))
    assert f"{len(wanted) - len(half):,} selected" in program.window.selection_bar.selected.text.text()
    assert program.window.selection_bar.selected.isVisible()


def test_a_lasso_takes_what_it_encloses(program: Program, file: Path) -> None:
    program.open(file)
    QTest.keyClick(program.window, Qt.Key.Key_L)
    assert program.window.map.tool == "lasso"
    middle = program.window.map.canvas.rect().center()
    path = [middle + QPoint(0, -100), middle + QPoint(100, 60), middle + QPoint(-100, 60)]
    rows = _changed(program, lambda: _drag(program, path))

    def inside(x: Floats, y: Floats) -> Mask:
        within = np.ones(len(x), bool)
        for a, b in zip(path, [*path[1:], path[0]], strict=True):
            within &= (b.x() - a.x()) * (y - a.y()) - (b.y() - a.y()) * (x - a.x()) >= 0
        return within

    assert rows == _rows_in(program, inside)
    assert rows == sorted(set(rows))
    away = [middle + QPoint(-220, -170), middle + QPoint(-210, -170), middle + QPoint(-210, -160)]
    assert _changed(program, lambda: _drag(program, away)) == [], "without a key it replaces"


def test_esc_gives_up_one_thing_after_the_other(program: Program, file: Path) -> None:
    program.open(file)
    program.click_point(5)
    QTest.keyClick(program.window, Qt.Key.Key_B)
    _changed(program, program.window.action("select_all").trigger)
    middle = program.window.map.canvas.rect().center()
    _drag(program, [middle, middle + QPoint(50, 50)], release=False)
    escape = [lambda: QTest.keyClick(program.window, Qt.Key.Key_Escape)] * 4
    escape[0]()
    QTest.mouseRelease(program.window.map.canvas, LEFT, PLAIN, middle + QPoint(50, 50))
    assert program.window.action("tool_box").isChecked()
    assert len(program.controller.selection) == 500
    escape[1]()
    assert program.window.action("tool_pan").isChecked()
    assert len(program.controller.selection) == 500
    escape[2]()
    assert not len(program.controller.selection)
    assert program.controller.query.row is not None
    escape[3]()
    assert program.controller.query.row is None
    program.drawn()


def test_all_none_invert_and_the_neighbours(program: Program, file: Path) -> None:
    program.open(file)
    program.click_point(3)
    result = program.controller.neighbours.result
    assert result is not None
    near = sorted(result.ids.tolist())
    assert _changed(program, program.window.action("select_neighbours").trigger) == near
    assert _changed(program, program.window.action("select_invert").trigger) == sorted(set(range(500)) - set(near))
    assert _changed(program, program.window.action("select_all").trigger) == list(range(500))
    assert _changed(program, program.window.action("select_none").trigger) == []


def test_what_is_hidden_is_not_selected(program: Program, file: Path) -> None:
    program.open(file)
    program.window.map.hide_codes([1])
    codes = program.controller.colouring.shown.coded.codes
    assert _changed(program, program.window.action("select_all").trigger) == np.flatnonzero(codes != 1).tolist()


def test_the_selected_stand_out_and_the_others_step_back(program: Program, file: Path) -> None:
    program.open(file)
    picture = program.window.map._shown
    assert picture is not None
    plain = picture.pixels.copy()
    _changed(program, lambda: program.controller.change_selection(lambda: np.arange(250), "replace"))
    dimmed = program.window.map._shown
    assert dimmed is not None
    bright = [int(np.count_nonzero(p.view(np.uint8).reshape(-1, 4)[:, :3].max(axis=1) > 150)) for p in (plain, dimmed.pixels)]
    assert 0.3 * bright[0] < bright[1] < 0.75 * bright[0]


def test_undo_and_redo_of_selection_and_view(program: Program, file: Path) -> None:
    program.open(file)
    _changed(program, program.window.action("select_all").trigger)
    before = program.controller.viewport.range
    program.window.action("zoom_in").trigger()
    program.window.action("zoom_in").trigger()
    zoomed = program.controller.viewport.range
    QTest.keyClick(program.window, Qt.Key.Key_Z, CTRL)
    assert program.controller.viewport.range == pytest.approx(before)
    assert len(program.controller.selection) == 500
    QTest.keyClick(program.window, Qt.Key.Key_Z, CTRL)
    assert not len(program.controller.selection)
    assert not program.window.action("undo").isEnabled()
    QTest.keyClick(program.window, Qt.Key.Key_Y, CTRL)
    assert len(program.controller.selection) == 500
    QTest.keyClick(program.window, Qt.Key.Key_Z, CTRL | SHIFT)
    assert program.controller.viewport.range == pytest.approx(zoomed)
    program.drawn()


def test_the_table_lists_the_selected_rows(program: Program, file: Path) -> None:
    program.open(file)
    program.controller.select(1)
    program.window.tabs.bar.setCurrentIndex(1)
    _changed(program, lambda: program.controller.change_selection(lambda: np.array([4, 30, 31]), "replace"))
    model, table = program.window.selected.table.table_model, program.window.selected.table
    texts = [[model.index(r, c).data() for c in range(model.columnCount())] for r in range(model.rowCount())]
    assert texts == [["4", "thing 4", "even", "2"], ["30", "thing 30", "even", "15"], ["31", "thing 31", "odd", "15.5"]]
    assert [model.headerData(c, Qt.Orientation.Horizontal) for c in range(4)] == ["Row", "name", "kind", "weight"]
    where = table.visualRect(model.index(1, 1)).center()
    program.answered(lambda: QTest.mouseClick(table.viewport(), LEFT, pos=where))
    assert program.controller.query.row == 30
    assert len(program.controller.selection) == 3, "the selection stays"


def test_a_long_selection_is_listed_as_one_scrolls(program: Program, file: Path) -> None:
    program.open(file)
    model = program.window.selected.table.table_model
    program.controller.selection.set(np.arange(3 * LINES))
    assert model.rowCount() == LINES
    while model.canFetchMore():
        model.fetchMore()
    assert model.rowCount() == 3 * LINES


@pytest.mark.parametrize(("what", "suffix"), [("labels", ".csv"), ("vectors", ".npy")])
def test_the_selection_is_exported(
    program: Program, file: Path, vectors: Floats, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, suffix: str
) -> None:
    program.open(file)
    out = tmp_path / f"out{suffix}"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(out.with_suffix("")), ""))
    _changed(program, lambda: program.controller.change_selection(lambda: np.array([2, 17]), "replace"))
    with program.bot.waitSignal(program.controller.settled, timeout=WAIT_MS):
        program.window.action(f"export_{what}").trigger()
    assert "2 rows written" in program.message or "2 vectors written" in program.message
    if suffix == ".npy":
        np.testing.assert_array_equal(np.load(out), vectors[[2, 17]])
    else:
        with out.open(newline="") as text:
            lines = list(csv.reader(text))
        assert lines == [["row", "name", "kind", "weight"], ["2", "thing 2", "even", "1"], ["17", "thing 17", "odd", "8.5"]]


def test_the_map_and_the_neighbours_are_exported(
    program: Program, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.open(file)
    with program.bot.waitSignal(program.controller.neighbours.changed, timeout=WAIT_MS):
        program.controller.select(3)
    result, projection = program.controller.neighbours.result, program.controller.projection
    assert result is not None
    out = tmp_path / "out.parquet"
    # A name without a suffix takes the kind that is chosen.
    answer = (str(out.with_suffix("")), "Parquet (*.parquet)")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: answer)
    for action, rows in (("export_map", np.arange(len(projection.rows))), ("export_neighbours", result.ids)):
        with program.bot.waitSignal(program.controller.settled, timeout=WAIT_MS):
            program.window.action(action).trigger()
        table = pyarrow.parquet.read_table(out)
        assert table["name"].to_pylist() == [f"thing {row}" for row in rows]
        if action == "export_map":
            np.testing.assert_array_equal(table["coordinates"].to_pylist(), projection.coords)
        else:
            np.testing.assert_array_equal(table["distance"], result.distances)


def test_an_export_that_cannot_be_is_told_in_a_sentence(program: Program, file: Path, tmp_path: Path) -> None:
    program.open(file)
    _changed(program, program.window.action("select_all").trigger)
    for path, words in ((tmp_path / "none" / "x.csv", "cannot be written"), (file.with_suffix(".tsv"), "is being shown")):
        with program.bot.waitSignal(program.controller.settled, timeout=WAIT_MS):
            program.controller.export(path, "labels")
        assert words in program.message
    assert file.with_suffix(".tsv").read_text().startswith("name\t")


def test_only_the_selected_are_mapped_and_all_again(program: Program, file: Path, vectors: Floats) -> None:
    program.open(file)
    chosen = np.arange(0, 500, 5)
    _changed(program, lambda: program.controller.change_selection(lambda: chosen, "replace"))
    with program.bot.waitSignal(program.controller.projection.changed, timeout=WAIT_MS):
        program.window.action("project_selected").trigger()
    program.drawn()
    model = program.controller.projection
    assert model.result is not None
    np.testing.assert_array_equal(model.rows, chosen)
    some = vectors[chosen].astype(np.float64)
    sigma = np.linalg.svd(some - some.mean(axis=0), compute_uv=False)
    np.testing.assert_allclose(model.result.explained[:8], (sigma**2 / np.sum(sigma**2))[:8], rtol=1e-4)
    assert program.window.map.position_of(1) is None
    bar = program.window.selection_bar.part
    assert bar.isVisible()
    assert bar.text.text() == "Only 100 of 500 rows are mapped"
    program.click_point(25)
    assert program.controller.query.row in chosen
    assert program.controller.neighbours.result is not None
    assert set(program.controller.neighbours.result.ids.tolist()) - set(chosen.tolist()), "neighbours are of all rows"
    with program.bot.waitSignal(model.changed, timeout=WAIT_MS):
        program.controller.set_projection(axes=(1, 0))
    assert len(model.rows) == 100, "other axes of the same rows"
    with program.bot.waitSignal(model.changed, timeout=WAIT_MS):
        program.window.action("project_all").trigger()
    program.drawn()
    assert len(model.rows) == 500
    assert not bar.isVisible()
    assert program.window.map.position_of(1) is not None


def test_neighbours_of_the_mean(program: Program, file: Path, vectors: Floats) -> None:
    program.open(file)
    chosen = np.array([3, 50, 200, 201])
    _changed(program, lambda: program.controller.change_selection(lambda: chosen, "replace"))
    program.answered(lambda: QTest.keyClick(program.window, Qt.Key.Key_M))
    result = program.controller.neighbours.result
    assert result is not None
    extended = np.vstack([vectors, vectors[chosen].astype(np.float64).mean(axis=0)])
    assert result.ids.tolist() == nearest(extended.astype(np.float64), 500, 10)
    assert program.window.neighbours._title.text() == "mean of 4 rows"
    assert "mean of 4 rows" in _names(program)
    program.answered(lambda: program.controller.select(9))
    program.answered(program.window.action("back").trigger)
    assert program.window.neighbours._title.text() == "mean of 4 rows"
    program.drawn()


def _names(program: Program) -> list[str]:
    program.window.map.canvas.grab()  # names find their places when they are painted
    return program.window.map._overlay.names


def test_another_file_begins_with_nothing_selected(program: Program, file: Path, tmp_path: Path, vectors: Floats) -> None:
    other = tmp_path / "other.npy"
    np.save(other, vectors[:60, :5])
    program.open(file)
    _changed(program, program.window.action("select_all").trigger)
    program.controller.change_selection(lambda: np.arange(400), "subtract")
    program.open(other)
    assert not len(program.controller.selection)
    assert not program.window.action("undo").isEnabled()
    assert not program.window.selection_bar.isVisible()
