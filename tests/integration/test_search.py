"""The search: typed, listed, lit on the map, made the query or the selection."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from core import finding
from tests.integration.conftest import Program


@pytest.fixture
def searching(program: Program, file: Path) -> Program:
    """The program with its field ready for typing."""
    program.open(file)
    program.window.action("find").trigger()
    program.bot.waitUntil(lambda: program.window.search.field.hasFocus())
    return program


def type_in(program: Program, text: str) -> list[int]:
    """Type, wait, and return the rows listed."""
    QTest.keyClicks(program.window.search.field, text)
    program.bot.waitUntil(lambda: not program.controller.search.busy)
    program.drawn()
    return listed(program)


def listed(program: Program) -> list[int]:
    model = program.window.search.table.table_model
    return [model.row_of(model.index(line, 0)) for line in range(model.rowCount())]


def picture(program: Program) -> NDArray[np.uint8]:
    program.drawn()
    image = program.window.map.grab().toImage()
    return np.frombuffer(image.constBits(), np.uint8).copy()


def test_hits_are_listed_and_lit_and_the_selection_is_kept(searching: Program) -> None:
    program = searching
    program.controller.selector.change(lambda: np.array([3, 5]), "replace")
    program.bot.waitUntil(lambda: len(program.controller.selection) == 2)
    before = picture(program)
    assert type_in(program, "thing 49") == [49, *range(490, 500)]
    assert "11 of 500 rows" in program.window.search.note.text()
    assert not np.array_equal(picture(program), before)
    assert program.controller.selection.rows.tolist() == [3, 5]
    QTest.keyClick(program.window.search.field, Qt.Key.Key_Escape)
    assert program.controller.search.search is None
    assert program.window.search.field.text() == ""
    assert listed(program) == []
    assert program.controller.selection.rows.tolist() == [3, 5]


def test_enter_makes_the_first_hit_the_query(searching: Program) -> None:
    QTest.keyClicks(searching.window.search.field, "thing 77")
    searching.answered(lambda: QTest.keyClick(searching.window.search.field, Qt.Key.Key_Return))
    assert searching.controller.query.row == 77


def test_a_click_in_the_list_makes_it_the_query(searching: Program) -> None:
    type_in(searching, "thing 49")
    table = searching.window.search.table
    place = table.visualRect(table.table_model.index(2, 1)).center()
    searching.answered(lambda: QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place))
    assert searching.controller.query.row == 491


def test_down_goes_from_the_field_to_the_list_and_enter_picks(searching: Program) -> None:
    type_in(searching, "thing 49")
    QTest.keyClick(searching.window.search.field, Qt.Key.Key_Down)
    table = searching.window.search.table
    assert table.hasFocus()
    QTest.keyClick(table, Qt.Key.Key_Down)
    searching.answered(lambda: QTest.keyClick(table, Qt.Key.Key_Return))
    assert searching.controller.query.row == 490


def test_the_hits_become_the_selection(searching: Program) -> None:
    type_in(searching, "weight > 240")
    with searching.bot.waitSignal(searching.controller.selection.changed):
        QTest.mouseClick(searching.window.search.select, Qt.MouseButton.LeftButton)
    assert searching.controller.selection.rows.tolist() == list(range(481, 500))
    assert searching.controller.search.search is None


def test_where_and_how_are_chosen(searching: Program) -> None:
    view = searching.window.search
    assert [view.where.itemText(i) for i in range(view.where.count())] == ["In name", "In all columns", "In kind", "In weight"]
    assert type_in(searching, "odd") == []
    assert "Nothing found" in view.note.text()
    view.where.setFocus()
    QTest.keyClick(view.where, Qt.Key.Key_Down)
    searching.bot.waitUntil(lambda: len(listed(searching)) == 250)
    QTest.keyClick(view.how, Qt.Key.Key_Down)
    QTest.keyClick(view.how, Qt.Key.Key_Down)
    view.field.selectAll()
    assert type_in(searching, "^thing 1.$") == list(range(10, 20))
    assert type_in(searching, "(") == []
    assert "no regular expression" in view.note.text()


def test_a_letter_more_searches_the_hits_so_far_and_a_letter_less_all_again(
    searching: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(type_in(searching, "thing 4")) == 111
    looked: list[int] = []
    blocks = finding._blocks

    def watched(looks: list[finding.Look], rows: int, within: object) -> object:
        looked.append(rows if within is None else len(within))  # type: ignore[arg-type]
        return blocks(looks, rows, within)  # type: ignore[arg-type]

    monkeypatch.setattr(finding, "_blocks", watched)
    assert len(type_in(searching, "9")) == 11
    QTest.keyClick(searching.window.search.field, Qt.Key.Key_Backspace)
    searching.bot.waitUntil(lambda: len(listed(searching)) == 111)
    assert looked == [111, 500]


def test_another_file_forgets_the_search(searching: Program, tmp_path: Path) -> None:
    type_in(searching, "thing 4")
    other = tmp_path / "other.npy"
    np.save(other, np.random.default_rng(1).random((30, 4), np.float32))
    searching.open(other)
    assert searching.controller.search.search is None
    assert searching.window.search.field.isHidden()
    assert "labels" in searching.window.search.note.text()
