"""The map in the window: what is hidden is neither drawn nor picked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from tests.integration.conftest import Program


def test_hidden_codes_are_neither_drawn_nor_picked_until_they_are_shown_again(program: Program, file: Path) -> None:
    program.open(file)
    view = program.window.map
    codes = np.unique(program.controller.colouring.shown.coded.codes)
    place = view.position_of(7)
    assert place is not None
    at = view.canvas.mapFrom(view, place.toPoint())
    for hidden in (list(codes), list[int]()):
        view.hide_codes(hidden)
        program.drawn()
        picture = view._shown
        assert picture is not None
        assert (len(np.unique(picture.pixels)) == 1) == bool(hidden)
        QTest.mouseMove(view.canvas, at)
        QTest.mouseClick(view.canvas, Qt.MouseButton.LeftButton, pos=at)
        assert (program.controller.query.row is None) == bool(hidden)
