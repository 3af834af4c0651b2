"""Filters: cards, chips, and what they leave on the map, in the legend and in the table of neighbours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from app.views.filter_bar import said
from app.views.filter_cards import AmongCard, HoldingCard, RangeCard
from app.views.legend import COUNT_ROLE
from core.filters import Among, Holding, Range
from core.table import Column
from tests.integration.conftest import WAIT_MS, Program


def column(program: Program, name: str) -> Column:
    table = program.controller.dataset.table
    assert table is not None
    return next(c for c in table.columns if c.name == name)


def applied(program: Program) -> None:
    c = program.controller
    program.bot.waitUntil(lambda: not c.filters.busy and not c.colouring.busy, timeout=WAIT_MS)
    program.drawn()


def add(program: Program, name: str) -> None:
    """Choose a column in the list of those to filter by."""
    choice = program.window.filters.choice
    choice.setCurrentIndex(choice.findText(name))
    choice.activated.emit(choice.currentIndex())
    applied(program)


@pytest.fixture
def filtering(program: Program, file: Path) -> Program:
    program.open(file)
    program.window.action("filter").trigger()
    return program


def shown(program: Program) -> list[int]:
    """The rows that can be selected on the map."""
    area = program.window.map.area()
    assert area is not None
    return [int(row) for row in area.rows()]


def test_a_category_left_out_vanishes_from_map_and_legend(filtering: Program) -> None:
    program = filtering
    add(program, "kind")
    card = program.window.filters.cards[column(program, "kind")]
    assert isinstance(card, AmongCard)
    place = card.entries.visualItemRect(card.entries.item(0)).center()
    QTest.mouseClick(card.entries.viewport(), Qt.MouseButton.LeftButton, pos=place)
    applied(program)
    assert shown(program) == list(range(1, 500, 2))
    assert program.window.filters.note.text() == "250 of 500 rows pass"
    assert [entry.count for entry in program.controller.colouring.shown.entries] == [0, 250]
    assert program.window.legend.count.text() == "250 of 500 rows"
    position = program.window.map.position_of(0)
    assert position is not None


def test_a_range_is_dragged_and_the_other_cards_count_what_it_leaves(filtering: Program) -> None:
    program = filtering
    add(program, "kind")
    add(program, "weight")
    card = program.window.filters.cards[column(program, "weight")]
    assert isinstance(card, RangeCard)
    start = card.bar.place_of(0).toPoint()
    QTest.mousePress(card.bar, Qt.MouseButton.LeftButton, pos=start)
    for step in range(1, 9):
        QTest.mouseMove(card.bar, start + QPoint(step * card.bar.width() // 16, 0))
    QTest.mouseRelease(card.bar, Qt.MouseButton.LeftButton)
    applied(program)
    (wanted,) = program.controller.filters.active
    assert isinstance(wanted, Range)
    assert wanted.low is not None
    assert wanted.high is None
    assert shown(program) == [row for row in range(500) if row / 2 >= wanted.low]
    kinds = program.window.filters.cards[column(program, "kind")]
    assert isinstance(kinds, AmongCard)
    counts = [kinds.entries.item(i).data(COUNT_ROLE) for i in range(2)]
    assert sum(counts) == len(shown(program)) < 500
    QTest.mouseDClick(card.bar, Qt.MouseButton.LeftButton, pos=QPoint(card.bar.width() // 2, 10))
    applied(program)
    assert len(shown(program)) == 500


def test_filters_count_together_and_chips_take_them_away(filtering: Program) -> None:
    program = filtering
    add(program, "kind")
    add(program, "name")
    card = program.window.filters.cards[column(program, "name")]
    assert isinstance(card, HoldingCard)
    QTest.keyClicks(card.field, "thing 49")
    program.controller.filters.set(Among(column(program, "kind"), frozenset({0})))
    applied(program)
    assert shown(program) == [49, 491, 493, 495, 497, 499]
    bar = program.window.filter_bar
    assert [chip.text() for chip in bar.chips] == ["kind: odd  ✕", "name contains “thing 49”  ✕", "Clear all"]
    assert bar.isVisible()
    QTest.mouseClick(bar.chips[1], Qt.MouseButton.LeftButton)
    applied(program)
    assert card.field.text() == ""
    assert len(shown(program)) == 250
    QTest.mouseClick(bar.chips[-1], Qt.MouseButton.LeftButton)
    applied(program)
    assert len(shown(program)) == 500
    assert program.window.filters.cards == {}
    assert bar.isHidden()


def test_a_card_is_removed_with_its_filter(filtering: Program) -> None:
    program = filtering
    add(program, "kind")
    program.controller.filters.set(Among(column(program, "kind"), frozenset({0})))
    applied(program)
    QTest.mouseClick(program.window.filters.cards[column(program, "kind")].remove, Qt.MouseButton.LeftButton)
    applied(program)
    assert len(shown(program)) == 500
    assert program.window.filters.choice.findText("kind") > 0


def test_neighbours_stay_the_true_ones_and_say_which_are_left_out(filtering: Program) -> None:
    program = filtering
    program.answered(lambda: program.controller.select(6))
    before = program.table()
    add(program, "kind")
    program.controller.filters.set(Among(column(program, "kind"), frozenset({0})))
    applied(program)
    assert program.table() == before
    model = program.window.neighbours.table_model
    grey = [model.index(line, 1).data(Qt.ItemDataRole.ForegroundRole) is not None for line in range(model.rowCount())]
    result = program.controller.neighbours.result
    assert result is not None
    assert grey == [row % 2 == 0 for row in result.ids.tolist()]
    assert f"{sum(grey)} left out on the map by filters" in program.window.neighbours._note.text()


def test_filters_hold_whatever_the_map_is_coloured_by(filtering: Program) -> None:
    program = filtering
    add(program, "kind")
    program.controller.filters.set(Among(column(program, "kind"), frozenset({0})))
    for by in program.controller.colouring.choices:
        program.controller.colouring.choose(by)
        applied(program)
        assert shown(program) == list(range(1, 500, 2))
        assert program.controller.colouring.shown_rows == 250
    program.controller.filters.clear()
    applied(program)
    assert program.controller.colouring.shown_rows == 500


def test_another_file_has_no_filters(filtering: Program, tmp_path: Path) -> None:
    program = filtering
    add(program, "kind")
    program.controller.filters.set(Among(column(program, "kind"), frozenset({0})))
    applied(program)
    other = tmp_path / "other.npy"
    np.save(other, np.random.default_rng(1).random((30, 4), np.float32))
    program.open(other)
    assert program.controller.filters.filters == ()
    assert len(shown(program)) == 30
    assert program.window.filters.choice.isHidden()


def test_filters_are_said_in_few_words(filtering: Program) -> None:
    weight, kind, name = (column(filtering, text) for text in ("weight", "kind", "name"))
    assert said(Range(weight, 3.0)) == "weight ≥ 3"
    assert said(Range(weight, None, 0.123456)) == "weight ≤ 0.123"
    assert said(Range(weight, 1990.0, 20_000.0)) == "weight 1990 to 20,000"
    assert said(Among(kind, frozenset({0}))) == "kind: odd"
    assert said(Among(kind, frozenset({0, 1}))) == "kind: none"
    assert said(Among(kind)) == "kind: even, odd"
    assert said(Among(kind), 1) == "kind: 2 of 2"
    assert said(Holding(name, "x")) == "name contains “x”"
