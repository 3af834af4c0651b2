"""Hover, neighbours that follow the cursor, names, and the keyboard, on the real map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.views.map import CARD_LINES
from core.types import Floats
from tests.integration.conftest import WAIT_MS, Program, nearest

SHIFT = Qt.KeyboardModifier.ShiftModifier


def _hover(program: Program, row: int) -> None:
    position = program.window.map.position_of(row)
    assert position is not None
    _hover_at(program, program.window.map.canvas.mapFrom(program.window.map, position.toPoint()))


def _hover_at(program: Program, place: QPoint) -> None:
    program.window.map._plot.scene()._lastMoveEventTime = 0  # a hand would not be so quick
    QTest.mouseMove(program.window.map.canvas, place)


def _leave(program: Program) -> None:
    QApplication.sendEvent(program.window.map.canvas, QEvent(QEvent.Type.Leave))


def _names(program: Program) -> list[str]:
    program.window.map.canvas.grab()  # names find their places when they are painted
    return program.window.map._overlay.names


def test_a_card_tells_the_fields_of_the_hovered_row(program: Program, file: Path) -> None:
    program.open(file)
    _hover(program, 5)
    row = program.window.map.hovered
    assert row is not None
    card = program.window.map._overlay._hover
    assert card is not None
    assert card.mark.name == f"thing {row}"
    assert card.lines[-1] == f"row {row}"
    assert sorted(card.lines[:-1]) == [f"kind: {'odd' if row % 2 else 'even'}", f"weight: {row / 2:g}"]


def test_a_card_of_many_fields_is_cut(program: Program, tmp_path: Path, vectors: Floats) -> None:
    path = tmp_path / "wide.npy"
    np.save(path, vectors)
    names = [f"field{i}" for i in range(20)]
    lines = ["\t".join(names), *("\t".join(f"{'long words ' * 30}{r}-{i}" for i in range(20)) for r in range(len(vectors)))]
    path.with_suffix(".tsv").write_text("\n".join(lines) + "\n")
    program.open(path)
    for row in np.argsort(np.abs(program.controller.projection.coords).max(axis=1))[-5:].tolist():
        _hover(program, row)
        card = program.window.map._overlay._hover
        assert card is not None
        assert 1 + len(card.lines) == CARD_LINES
        assert card.lines[-1].endswith("more")
        program.window.map.canvas.grab()  # drawn within the map, without a complaint


def test_the_card_lingers_between_points_and_goes_with_the_cursor(program: Program, file: Path) -> None:
    program.open(file)
    overlay = program.window.map._overlay
    _hover(program, 5)
    assert overlay._hover is not None
    _hover_at(program, QPoint(3, 3))
    assert program.window.map.hovered is None
    assert overlay._hover is not None, "it does not flicker on the way to the next point"
    program.bot.waitUntil(lambda: overlay._hover is None, timeout=WAIT_MS)
    _hover(program, 5)
    _leave(program)
    assert overlay._hover is None


def test_neighbours_follow_the_cursor_and_come_back(program: Program, file: Path, vectors: Floats) -> None:
    program.open(file)
    program.click_point(42)
    model = program.controller.neighbours
    query, dots = program.table(), len(program.controller.timings.samples)
    QTest.keyClick(program.window, Qt.Key.Key_N)
    assert program.window.action("follow").isChecked()
    for row in range(100, 130):
        _hover(program, row)
    last = program.window.map.hovered
    assert last is not None
    program.bot.waitUntil(lambda: model.live is not None and model.live.row == last, timeout=WAIT_MS)
    assert [int(line[2]) for line in program.table()] == nearest(vectors, last, 10)
    assert program.window.neighbours._title.text() == f"thing {last}"
    assert program.window.map._overlay._marks.query is not None
    assert program.window.map._overlay._marks.query.row == last
    _leave(program)
    assert model.live is None
    assert program.table() == query
    assert len(program.controller.timings.samples) == dots, "the chart shows what was asked for"
    _hover(program, 7)
    program.bot.waitUntil(lambda: model.live is not None, timeout=WAIT_MS)
    QTest.keyClick(program.window, Qt.Key.Key_N)
    _hover(program, 8)
    program.drawn()
    assert model.live is None


def test_tab_walks_the_neighbours_and_enter_takes_one(program: Program, file: Path) -> None:
    program.open(file)
    program.click_point(42)
    model, plot = program.controller.neighbours, program.window.map._plot
    assert model.result is not None
    ids = model.result.ids.tolist()
    plot.setFocus()
    QTest.keyClick(plot, Qt.Key.Key_Tab)
    QTest.keyClick(plot, Qt.Key.Key_Tab)
    assert model.walked_row == ids[1]
    assert program.window.neighbours.table.currentIndex().row() == 1
    QTest.keyClick(plot, Qt.Key.Key_Backtab, SHIFT)
    assert model.walked_row == ids[0]
    assert program.window.map._overlay._walked is not None
    program.answered(lambda: QTest.keyClick(plot, Qt.Key.Key_Return))
    assert program.controller.query.row == ids[0]
    assert model.rank is None
    for _ in range(10):
        QTest.keyClick(plot, Qt.Key.Key_Tab)
    assert model.rank == 9
    QTest.keyClick(plot, Qt.Key.Key_Tab)
    assert model.rank is None, "past the last, Tab goes on to the next widget"
    program.drawn()


def test_arrows_pan_and_a_neighbour_out_of_view_is_brought_in(program: Program, file: Path) -> None:
    program.open(file)
    program.click_point(42)
    plot = program.window.map._plot
    plot.setFocus()
    before = program.controller.viewport.range
    assert before is not None
    QTest.keyClick(plot, Qt.Key.Key_Right)
    after = program.controller.viewport.range
    assert after is not None
    np.testing.assert_allclose(after[0] - before[0], 0.1 * (before[1] - before[0]), rtol=1e-6)
    for _ in range(15):
        QTest.keyClick(plot, Qt.Key.Key_Right)
    QTest.keyClick(plot, Qt.Key.Key_Tab)
    row = program.controller.neighbours.walked_row
    assert row is not None
    position = program.window.map.position_of(row)
    assert position is not None
    assert program.window.map.rect().contains(position.toPoint())
    program.drawn()


def test_axes_are_shown_on_request(program: Program, file: Path) -> None:
    program.open(file)
    axis = program.window.map._plot.getPlotItem().getAxis("left")
    assert not axis.isVisible()
    program.window.action("axes").trigger()
    assert axis.isVisible()
    program.drawn()
    program.click_point(42)
    program.window.action("axes").trigger()
    assert not axis.isVisible()
    program.drawn()


def test_points_are_named_when_few_are_in_view_and_stay_named_in_a_pan(program: Program, file: Path) -> None:
    program.open(file)
    assert _names(program) == []
    for _ in range(7):
        program.window.action("zoom_in").trigger()
    program.drawn()
    program.bot.waitUntil(lambda: len(_names(program)) > 5, timeout=WAIT_MS)
    view = program.window.map
    before = dict(view._overlay._slots)
    for _ in range(3):
        QTest.keyClick(view._plot, Qt.Key.Key_Right)
        program.drawn()
    program.bot.waitUntil(lambda: view._shown is not None and view._shown.few is not None, timeout=WAIT_MS)
    _names(program)
    assert view._shown is not None
    assert view._shown.few is not None
    # At the rim a name turns, so that it is whole.
    places = {key: view.position_of(key) for key in before if isinstance(key, int) and key in view._shown.few}
    after, kept = view._overlay._slots, [key for key, at in places.items() if at and 150 < at.x() < view.width() - 150]
    same = [key for key in kept if key in after and after[key].side == before[key].side]
    assert len(kept) > 3
    assert len(same) >= 0.9 * len(kept)


def test_the_selection_and_the_neighbours_are_named(program: Program, file: Path) -> None:
    program.open(file)
    program.click_point(42)
    result = program.controller.neighbours.result
    assert result is not None
    names = _names(program)
    assert f"thing {result.row}" in names
    assert {f"thing {i}" for i in result.ids} & set(names)
    program.controller.selection.set(np.array([300, 400]))
    assert {"thing 300", "thing 400"} & set(_names(program))
    program.drawn()
