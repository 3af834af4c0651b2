"""Queries that are no row of the map: an analogy, a pasted vector, a row of another file; with real keys and clicks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog

from app.views.array_chooser import ArrayChooser
from core.queries import AnalogyQuery, FileQuery, row_of
from core.types import Floats
from tests.integration.conftest import WAIT_MS, Program, nearest


def _nearest_to(vectors: Floats, vector: NDArray[np.float64], leave_out: tuple[int, ...] = ()) -> list[int]:
    extended = np.vstack([vectors.astype(np.float64), vector])
    return [row for row in nearest(extended, len(vectors), 10 + len(leave_out)) if row not in leave_out][:10]


def _shown(program: Program) -> list[int]:
    result = program.controller.neighbours.result
    assert result is not None
    return [int(i) for i in result.ids]


def _title(program: Program) -> str:
    return program.window.neighbours._title.text()


def _type_and_pick(program: Program, term: int, text: str) -> None:
    dialog = program.window.asking.analogy
    field = dialog.terms[term]
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, text)
    program.bot.waitUntil(lambda: dialog.hits.count() > 0 and dialog._listed == text, timeout=WAIT_MS)
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert field.row is not None


def _ask_analogy(program: Program) -> None:
    dialog = program.window.asking.analogy
    QTest.keyClick(program.window, Qt.Key.Key_A)
    assert dialog.isVisible()
    for term, text in enumerate(("thing 7", "thing 20", "thing 31")):
        _type_and_pick(program, term, text)
    program.answered(lambda: QTest.mouseClick(dialog.ask, Qt.MouseButton.LeftButton))
    assert not dialog.isVisible()


def test_an_analogy_is_picked_by_labels_and_answered_without_its_rows(program: Program, file: Path, vectors: Floats) -> None:
    program.open(file)
    _ask_analogy(program)
    x = vectors.astype(np.float64)
    assert program.controller.query.present == AnalogyQuery((7, 31), (20,))
    assert _shown(program) == _nearest_to(vectors, x[7] - x[20] + x[31], (7, 20, 31))
    assert _title(program) == "thing 7 − thing 20 + thing 31"
    assert "its own rows are left out" in program.window.neighbours._note.text()
    place = program.controller.projection.coords.astype(np.float64)
    mark = program.window.map._overlay._marks.query
    assert mark is not None
    program.window.map.canvas.grab()  # names find their places when they are painted
    assert "thing 7 − thing 20 + thing 31" in program.window.map._overlay.names
    np.testing.assert_allclose((mark.x, mark.y), place[7] - place[20] + place[31], atol=1e-4)


def test_history_walks_over_all_kinds_and_the_switch_asks_them_again(program: Program, file: Path) -> None:
    program.open(file)
    program.click_point(5)
    first = program.controller.query.row
    _ask_analogy(program)
    analogy = _shown(program)
    program.answered(program.window.action("back").trigger)
    assert program.controller.query.row == first
    program.answered(program.window.action("forward").trigger)
    assert _shown(program) == analogy
    program.answered(program.flip_switch)
    assert _shown(program) == analogy
    assert program.controller.timings.samples[-1].timing.mode == "eager"


def test_the_first_term_is_the_query_and_arrows_choose_among_hits(program: Program, file: Path) -> None:
    program.open(file)
    program.answered(lambda: program.controller.select(42))
    QTest.keyClick(program.window, Qt.Key.Key_A)
    dialog = program.window.asking.analogy
    assert (dialog.terms[0].row, dialog.terms[0].text()) == (42, "thing 42")
    assert not dialog.ask.isEnabled()
    field = dialog.terms[1]
    QTest.keyClicks(field, "g 1")
    program.bot.waitUntil(lambda: dialog.hits.count() == 50, timeout=WAIT_MS)
    assert "type more" in dialog.told.text()
    QTest.keyClick(field, Qt.Key.Key_Down)
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert dialog.terms[1].row == 10
    place = dialog.terms[2]
    QTest.keyClicks(place, "499")
    program.bot.waitUntil(lambda: dialog.hits.count() > 0, timeout=WAIT_MS)
    item = dialog.hits.visualItemRect(dialog.hits.item(0)).center()
    QTest.mouseClick(dialog.hits.viewport(), Qt.MouseButton.LeftButton, pos=item)
    assert dialog.terms[2].row == 499
    assert dialog.told.text() == "thing 42 − thing 10 + thing 499"
    QTest.keyClick(place, Qt.Key.Key_Backspace)  # typing takes the choice back
    assert not dialog.ask.isEnabled()


def test_rows_without_labels_are_found_by_number(program: Program, tmp_path: Path, vectors: Floats) -> None:
    np.save(tmp_path / "bare.npy", vectors)
    program.open(tmp_path / "bare.npy")
    QTest.keyClick(program.window, Qt.Key.Key_A)
    for term, text in enumerate(("3", "row 4", "5")):
        _type_and_pick(program, term, text)
    dialog = program.window.asking.analogy
    program.answered(lambda: QTest.keyClick(dialog.terms[2], Qt.Key.Key_Return))
    assert program.controller.query.present == AnalogyQuery((3, 5), (4,))


def test_what_nothing_is_called_is_said(program: Program, file: Path) -> None:
    program.open(file)
    QTest.keyClick(program.window, Qt.Key.Key_A)
    dialog = program.window.asking.analogy
    QTest.keyClicks(dialog.terms[0], "zebra")
    program.bot.waitUntil(lambda: dialog.told.text() == "No label holds this.", timeout=WAIT_MS)


def test_a_pasted_vector_is_asked_about(program: Program, file: Path, vectors: Floats) -> None:
    program.open(file)
    vector = np.linspace(-1, 1, 12)
    QTest.keyClick(program.window, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    dialog = program.window.asking.paste
    dialog.text.clear()
    QTest.keyClicks(dialog.text, "0.5, 1")
    assert "2 numbers" in dialog.told.text()
    assert not dialog.ask.isEnabled()
    dialog.text.clear()
    QGuiApplication.clipboard().setText(" ".join(map(repr, vector.tolist())))
    QTest.keyClick(dialog.text, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    program.answered(lambda: QTest.mouseClick(dialog.ask, Qt.MouseButton.LeftButton))
    assert _shown(program) == _nearest_to(vectors, vector)
    assert _title(program) == "pasted vector"
    # What is copied and is a vector is there when the dialog opens again.
    QGuiApplication.clipboard().setText(str(vectors[8].tolist()))
    program.window.action("paste_vector").trigger()
    assert dialog.ask.isEnabled()
    program.answered(lambda: QTest.mouseClick(dialog.ask, Qt.MouseButton.LeftButton))
    assert _shown(program)[0] == 8


def test_a_vector_without_direction_says_so_in_the_panel(program: Program, file: Path) -> None:
    program.open(file)
    program.click_point(5)
    QTest.keyClick(program.window, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    dialog = program.window.asking.paste
    dialog.text.setPlainText("0 " * 12)
    program.answered(lambda: QTest.mouseClick(dialog.ask, Qt.MouseButton.LeftButton))
    assert "all zeros" in program.message
    assert "all zeros" in program.window.neighbours._note.text()
    assert program.table() == []
    program.answered(program.window.action("back").trigger)
    assert len(program.table()) == 10


def _choose(program: Program, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    program.window.action("vector_file").trigger()
    QTest.mouseClick(program.window.asking.file.choose, Qt.MouseButton.LeftButton)


def test_a_row_of_another_file_is_asked_about(
    program: Program, file: Path, vectors: Floats, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = np.random.default_rng(9).standard_normal((30, 12))
    np.save(tmp_path / "other.npy", other)
    program.open(file)
    _choose(program, monkeypatch, tmp_path / "other.npy")
    dialog = program.window.asking.file
    program.bot.waitUntil(dialog.ask.isEnabled, timeout=WAIT_MS)
    assert "30 × 12 float64" in dialog.told.text()
    dialog.row.setValue(17)
    program.answered(lambda: QTest.mouseClick(dialog.ask, Qt.MouseButton.LeftButton))
    assert _shown(program) == _nearest_to(vectors, other[17])
    assert _title(program) == "row 17 of other.npy"
    query = program.controller.query.present
    assert isinstance(query, FileQuery)
    assert row_of(query) is None


def test_one_vector_alone_in_a_file_is_asked_about(
    program: Program, file: Path, vectors: Floats, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "alone.npy", vectors[3] * 2)
    program.open(file)
    _choose(program, monkeypatch, tmp_path / "alone.npy")
    dialog = program.window.asking.file
    program.bot.waitUntil(dialog.ask.isEnabled, timeout=WAIT_MS)
    assert not dialog.row.isVisible()
    program.answered(lambda: QTest.mouseClick(dialog.ask, Qt.MouseButton.LeftButton))
    assert _shown(program)[0] == 3
    assert _title(program) == "alone.npy"


def test_files_that_do_not_fit_are_refused_in_the_dialog(
    program: Program, file: Path, vectors: Floats, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.open(file)
    dialog = program.window.asking.file
    np.save(tmp_path / "narrow.npy", vectors[:, :5])
    _choose(program, monkeypatch, tmp_path / "narrow.npy")
    program.bot.waitUntil(lambda: "5 dimensions" in dialog.told.text(), timeout=WAIT_MS)
    assert "have 12" in dialog.told.text()
    assert not dialog.ask.isEnabled()
    (tmp_path / "text.npy").write_text("not vectors")
    _choose(program, monkeypatch, tmp_path / "text.npy")
    program.bot.waitUntil(lambda: "not a .npy file" in dialog.told.text(), timeout=WAIT_MS)
    assert not dialog.ask.isEnabled()


def _chooser(program: Program) -> ArrayChooser:
    def shown() -> list[ArrayChooser]:
        return [chooser for chooser in program.window.findChildren(ArrayChooser) if chooser.isVisible()]

    program.bot.waitUntil(lambda: len(shown()) == 1, timeout=WAIT_MS)
    return shown()[0]


def test_one_of_several_arrays_is_chosen(
    program: Program, file: Path, vectors: Floats, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "two.npz", first=vectors[:20], second=vectors[:9] * 3)
    program.open(file)
    dialog = program.window.asking.file
    _choose(program, monkeypatch, tmp_path / "two.npz")
    _chooser(program).reject()
    program.bot.waitUntil(lambda: "several arrays" in dialog.told.text(), timeout=WAIT_MS)
    _choose(program, monkeypatch, tmp_path / "two.npz")
    chooser = _chooser(program)
    chooser.table.selectRow(1)
    chooser.accept()
    program.bot.waitUntil(dialog.ask.isEnabled, timeout=WAIT_MS)
    assert "two.npz: second" in dialog.told.text()
    assert dialog.row.maximum() == 8


def test_another_data_set_forgets_what_was_picked(program: Program, file: Path, tmp_path: Path, vectors: Floats) -> None:
    np.save(tmp_path / "next.npy", vectors[:50])
    program.open(file)
    _ask_analogy(program)
    program.window.action("analogy").trigger()
    program.open(tmp_path / "next.npy")
    dialog = program.window.asking.analogy
    assert not dialog.isVisible()
    assert [term.row for term in dialog.terms] == [None, None, None]
    assert program.controller.query.present is None


def test_colours_by_distance_follow_any_query(program: Program, file: Path, vectors: Floats) -> None:
    program.open(file)
    legend = program.window.legend
    at = next(i for i, by in enumerate(program.controller.colouring.choices) if by.kind == "distance")
    legend.choice.setCurrentIndex(at)
    legend.choice.activated.emit(at)
    _ask_analogy(program)
    shown = program.controller.colouring
    program.bot.waitUntil(lambda: shown.shown.distances is not None and not shown.busy, timeout=WAIT_MS)
    x = vectors.astype(np.float64)
    vector = x[7] - x[20] + x[31]
    right = 1 - x @ vector / np.linalg.norm(x, axis=1) / np.linalg.norm(vector)
    assert shown.shown.distances is not None
    np.testing.assert_allclose(shown.shown.distances.distances, right, atol=1e-5)
    assert "thing 7 − thing 20 + thing 31" in legend._note()
    program.drawn()
