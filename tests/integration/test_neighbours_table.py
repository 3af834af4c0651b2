"""The neighbours' table: sorted by clicks on its header, with columns of the labels, copied as text, selected as a whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAction, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMenu

from app.settings import Settings
from app.views.neighbours_list import FEWEST_LINES
from app.views.neighbours_table import DISTANCE, FIXED, LABEL, RANK, ROW
from core.types import Floats
from tests.integration.conftest import WAIT_MS, Program, nearest


def _click_header(program: Program, section: int) -> None:
    table = program.window.neighbours.table
    header = table.horizontalHeader()
    table.scrollTo(table.table_model.index(0, section))
    place = QPoint(header.sectionViewportPosition(section) + header.sectionSize(section) // 2, header.height() // 2)
    QTest.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=place)


def _column(program: Program, section: int) -> list[str]:
    return [line[section] for line in program.table()]


def _choose_columns(program: Program, *names: str) -> None:
    for name in names:
        menu = program.window.neighbours.table.columns_menu()
        _action(menu, name).trigger()
        menu.deleteLater()


def _action(menu: QMenu, title: str) -> QAction:
    return next(action for action in menu.actions() if action.text() == title)


@pytest.fixture
def asked(program: Program, file: Path) -> Program:
    program.open(file)
    program.answered(lambda: program.controller.select(42))
    return program


def test_clicks_on_a_header_sort_up_down_and_back_to_rank(asked: Program) -> None:
    by_rank = _column(asked, LABEL)
    for section, key in ((LABEL, str.casefold), (ROW, lambda text: int(text.replace(",", ""))), (DISTANCE, float)):
        plain = _column(asked, section)
        _click_header(asked, section)
        assert _column(asked, section) == sorted(plain, key=key)
        _click_header(asked, section)
        assert _column(asked, section) == sorted(plain, key=key, reverse=True)
        _click_header(asked, section)
        assert _column(asked, LABEL) == by_rank
        assert not asked.window.neighbours.table.horizontalHeader().isSortIndicatorShown()


def test_a_clicked_line_of_a_sorted_table_is_the_query(asked: Program) -> None:
    _click_header(asked, ROW)
    row = int(_column(asked, ROW)[3])
    table = asked.window.neighbours.table
    where = table.visualRect(table.table_model.index(3, LABEL)).center()
    asked.answered(lambda: QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=where))
    assert asked.controller.query.row == row
    rows = [int(text) for text in _column(asked, ROW)]
    assert rows == sorted(rows), "the order stays for the next query"


def test_the_present_neighbour_is_marked_in_its_line(asked: Program) -> None:
    _click_header(asked, ROW)
    asked.controller.neighbours.walk(1)
    line = asked.window.neighbours.table.currentIndex().row()
    assert _column(asked, RANK)[line] == "1"


def test_columns_of_the_labels_are_shown_sorted_and_remembered(asked: Program, settings: Settings, vectors: Floats) -> None:
    _choose_columns(asked, "weight", "kind")
    table = asked.window.neighbours.table
    assert [table.table_model.headerData(FIXED + i, Qt.Orientation.Horizontal) for i in range(2)] == ["kind", "weight"]
    rows = nearest(vectors, 42, 10)
    assert _column(asked, FIXED) == ["odd" if row % 2 else "even" for row in rows]
    right = Qt.AlignmentFlag.AlignRight
    assert table.table_model.index(0, FIXED + 1).data(Qt.ItemDataRole.TextAlignmentRole) & right
    _click_header(asked, FIXED + 1)
    assert [float(text) for text in _column(asked, FIXED + 1)] == sorted(row / 2 for row in rows)
    assert settings.neighbour_columns == ("weight", "kind")
    assert Settings(settings._store).neighbour_columns == ("weight", "kind")
    menu = table.columns_menu()
    assert [action.text() for action in menu.actions() if action.isChecked()] == ["kind", "weight"]
    menu.deleteLater()
    _choose_columns(asked, "weight")
    assert table.table_model.columnCount() == FIXED + 1
    assert _column(asked, LABEL) == [f"thing {row}" for row in rows], "sorted by a column that is gone: by rank"


def test_missing_values_come_last_either_way(program: Program, tmp_path: Path, vectors: Floats) -> None:
    np.save(tmp_path / "gaps.npy", vectors[:12])
    lines = ["name\tyear", *(f"n{i}\t{'' if i % 3 == 0 else 1900 + i}" for i in range(12))]
    (tmp_path / "gaps.tsv").write_text("\n".join(lines) + "\n")
    program.open(tmp_path / "gaps.npy")
    program.answered(lambda: program.controller.select(0))
    program.controller.show_columns(("year",))
    _click_header(program, FIXED)
    up = _column(program, FIXED)
    _click_header(program, FIXED)
    down = _column(program, FIXED)
    assert up == [*sorted(filter(None, up)), "", "", ""]
    assert down == [*sorted(filter(None, up), reverse=True), "", "", ""]


def test_ctrl_c_copies_what_is_marked_or_all(asked: Program, vectors: Floats) -> None:
    _choose_columns(asked, "kind")
    table = asked.window.neighbours.table
    QTest.keyClick(table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    lines = [line.split("\t") for line in QGuiApplication.clipboard().text().splitlines()]
    rows = nearest(vectors, 42, 10)
    assert lines[0] == ["#", "Label", "Row", "Cosine dist.", "kind"]
    assert [(line[0], line[1], line[2]) for line in lines[1:]] == [(str(i), f"thing {r}", str(r)) for i, r in enumerate(rows, 1)]
    result = asked.controller.neighbours.result
    assert result is not None
    assert [float(line[3]) for line in lines[1:]] == result.distances.tolist()
    for line in (1, 3):
        where = table.visualRect(table.table_model.index(line, LABEL)).center()
        control = Qt.KeyboardModifier.ControlModifier
        QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, control, where)
    assert asked.controller.query.row == 42, "lines are marked, the query stays"
    QTest.keyClick(table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    copied = QGuiApplication.clipboard().text().splitlines()
    assert [line.split("\t")[0] for line in copied] == ["#", "2", "4"]


def test_without_labels_there_is_no_label_to_copy_or_choose(program: Program, tmp_path: Path, vectors: Floats) -> None:
    np.save(tmp_path / "bare.npy", vectors)
    program.open(tmp_path / "bare.npy")
    program.answered(lambda: program.controller.select(42))
    table = program.window.neighbours.table
    table.copy()
    assert QGuiApplication.clipboard().text().splitlines()[0] == "#\tRow\tCosine dist."
    menu = table.columns_menu()
    assert [action.isEnabled() for action in menu.actions()] == [False]
    menu.deleteLater()


def test_all_of_them_open_as_a_selection(asked: Program) -> None:
    menu = asked.window.neighbours.table.menu()
    with asked.bot.waitSignal(asked.controller.selection.changed, timeout=WAIT_MS):
        _action(menu, "Open all as a selection").trigger()
    menu.deleteLater()
    result = asked.controller.neighbours.result
    assert result is not None
    assert asked.controller.selection.rows.tolist() == sorted(result.ids.tolist())


def test_a_small_window_shows_several_lines(asked: Program) -> None:
    asked.window.resize(900, 600)
    asked.drawn()
    table = asked.window.neighbours.table
    seen = [
        line for line in range(10) if table.viewport().rect().contains(table.visualRect(table.table_model.index(line, LABEL)))
    ]
    assert len(seen) >= FEWEST_LINES
