"""Undo and redo of selection and view."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from app.models import undo as undo_module
from app.models.selection import SelectionModel
from app.models.undo import UndoModel
from app.models.viewport import Range, ViewportModel

RANGES: list[Range] = [(float(i), i + 1.0, 0.0, 1.0) for i in range(6)]


@dataclass
class Desk:
    """The models, and a clock to turn by hand."""

    now: float = 0.0
    selection: SelectionModel = field(default_factory=SelectionModel)
    viewport: ViewportModel = field(default_factory=ViewportModel)

    def __post_init__(self) -> None:
        self.undo = UndoModel(self.selection, self.viewport, lambda: self.now)
        self.viewport.tell(RANGES[0], by_hand=False)

    def select(self, *rows: int) -> None:
        self.selection.set(np.array(rows, np.int64))

    def move(self, range: Range, after: float = 10.0) -> None:
        self.now += after
        self.viewport.tell(range, by_hand=True)

    @property
    def state(self) -> tuple[list[int], Range | None]:
        return self.selection.rows.tolist(), self.viewport.range


@pytest.fixture
def desk(qapp: object) -> Desk:
    return Desk()


def test_selections_and_views_are_undone_in_order_and_redone(desk: Desk) -> None:
    states = [desk.state]
    for rows, view in (((1, 2), RANGES[1]), ((3,), RANGES[2])):
        desk.select(*rows)
        states.append(desk.state)
        desk.move(view)
        states.append(desk.state)
    for wanted in states[-2::-1]:
        desk.undo.undo()
        assert desk.state == wanted
    assert not desk.undo.can_undo
    desk.undo.undo()
    for wanted in states[1:]:
        desk.undo.redo()
        assert desk.state == wanted
    assert not desk.undo.can_redo


def test_moves_that_follow_one_another_are_one_step(desk: Desk) -> None:
    desk.move(RANGES[1])
    for view in RANGES[2:5]:
        desk.move(view, after=0.1)
    desk.undo.undo()
    assert desk.viewport.range == RANGES[0]
    desk.undo.redo()
    assert desk.viewport.range == RANGES[4]


def test_a_selection_between_two_moves_parts_them(desk: Desk) -> None:
    desk.move(RANGES[1])
    desk.select(4)
    desk.move(RANGES[2], after=0.1)
    desk.undo.undo()
    assert desk.state == ([4], RANGES[1])


def test_something_new_after_undo_leaves_nothing_to_redo(desk: Desk) -> None:
    desk.select(1)
    desk.undo.undo()
    desk.select(2)
    assert not desk.undo.can_redo
    desk.undo.undo()
    assert desk.state == ([], RANGES[0])


def test_a_view_that_moves_by_itself_is_no_step(desk: Desk) -> None:
    desk.viewport.tell(RANGES[3], by_hand=False)
    assert not desk.undo.can_undo
    desk.move(RANGES[4])
    desk.undo.undo()
    assert desk.viewport.range == RANGES[3]


@pytest.mark.parametrize("undone", [0, 1, 2, 3])
def test_when_the_points_move_only_selections_stay(desk: Desk, undone: int) -> None:
    desk.select(1)
    desk.move(RANGES[1])
    desk.select(2)
    for _ in range(undone):
        desk.undo.undo()
    desk.undo.forget_views()
    desk.viewport.tell(RANGES[5], by_hand=False)
    while desk.undo.can_undo:
        desk.undo.undo()
    seen = [desk.selection.rows.tolist()]
    while desk.undo.can_redo:
        desk.undo.redo()
        seen.append(desk.selection.rows.tolist())
    assert seen == [[], [1], [2]]
    assert desk.viewport.range == RANGES[5]


def test_steps_do_not_hold_memory_without_end(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undo_module, "MOST_ROWS", 100)
    for i in range(20):
        desk.select(*range(i, i + 30))
    steps = 0
    while desk.undo.can_undo:
        desk.undo.undo()
        steps += 1
    assert 2 <= steps <= 4


def test_forgetting_begins_anew(desk: Desk) -> None:
    desk.select(1)
    desk.undo.forget()
    assert not desk.undo.can_undo
    desk.select(2)
    desk.undo.undo()
    assert desk.selection.rows.tolist() == [1]
