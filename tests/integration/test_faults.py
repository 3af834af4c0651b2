"""Bad files and bad luck: one sentence, and what was open stays open."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from core.types import Floats
from tests.integration.conftest import WAIT_MS, Program


def _fault(program: Program, path: Path) -> str:
    """Open a file that cannot be opened, and return what the window says."""
    with program.bot.waitSignal(program.controller.settled, timeout=WAIT_MS):
        program.controller.open(path)
    return program.message


def test_a_bad_file_leaves_the_open_one_usable(program: Program, file: Path, tmp_path: Path) -> None:
    program.open(file)
    program.click_point(3)
    bad = tmp_path / "bad.npy"
    bad.write_bytes(file.read_bytes()[:-100])
    message = _fault(program, bad)
    assert str(bad) in message
    assert "cut short" in message
    assert program.controller.dataset.dataset is not None
    assert program.controller.dataset.dataset.path == file
    program.click_point(200)
    assert len(program.table()) == 10


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "does not exist"),
        (b"", "empty"),
        (b"hello, this is text", "not a .npy file"),
        (np.zeros(5), "1-d"),
        (np.zeros((2, 3, 4)), "3-d"),
        (np.zeros((0, 4)), "no rows"),
        (np.zeros((9, 1)), "1 column"),
        (np.array([["a", "b"]]), "text"),
        (np.full((6, 4), np.nan), "NaN or infinity"),
        (np.array([[object()]], dtype=object), "pickled"),
    ],
)
def test_each_fault_gets_its_sentence(program: Program, tmp_path: Path, content: object, words: str) -> None:
    path = tmp_path / "bad.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, np.ndarray):
        np.save(path, content, allow_pickle=content.dtype == object) if content.dtype != object else _pickle(path)
    message = _fault(program, path)
    assert words in message
    assert message.count("\n") == 0
    assert program.controller.dataset.dataset is None


def _pickle(path: Path) -> None:
    """A .npy of Python objects."""
    np.save(path, np.array([["a", {}]], dtype=object), allow_pickle=True)


def test_rows_with_nan_are_counted_left_out_and_marked(program: Program, tmp_path: Path, vectors: Floats) -> None:
    path = tmp_path / "some.npy"
    vectors[[3, 77], 2] = np.nan
    vectors[200, 0] = np.inf
    np.save(path, vectors)
    program.open(path)
    assert "3 of 500 rows hold NaN or infinity" in program.message
    assert program.window.map.position_of(77) is None
    program.answered(lambda: program.controller.select(10))
    assert not {3, 77, 200} & {int(line[2]) for line in program.table()}
    program.controller.select(77)
    program.bot.waitUntil(lambda: "Row 77" in program.message, timeout=WAIT_MS)


def test_fewer_rows_than_k_is_said(program: Program, tmp_path: Path, vectors: Floats) -> None:
    path = tmp_path / "few.npy"
    np.save(path, vectors[:6])
    program.open(path)
    program.answered(lambda: program.controller.select(0))
    assert len(program.table()) == 5
    assert "5 neighbours instead of 10" in program.message


def test_labels_of_another_length_are_told_and_left(program: Program, file: Path) -> None:
    file.with_suffix(".tsv").write_text("a\nb\nc\n")
    program.open(file)
    assert "3 lines, the vectors 500 rows" in program.message
    assert program.controller.dataset.table is None
    program.click_point(1)


def test_a_file_that_shrinks_while_open(program: Program, file: Path) -> None:
    program.open(file)
    os.truncate(file, 2000)
    program.controller.select(400)
    program.bot.waitUntil(lambda: "shrunk" in program.message, timeout=WAIT_MS)
    assert program.window.map.position_of(400) is not None


def test_a_row_that_is_not_there(program: Program, file: Path) -> None:
    program.open(file)
    program.controller.select(500)
    assert "no row 500" in program.message
    assert program.controller.query.row is None


def test_without_a_compiler_the_switch_is_off_and_says_why(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, file: Path
) -> None:
    monkeypatch.setenv("MLX_DISABLE_COMPILE", "1")
    program: Program = request.getfixturevalue("program")
    program.open(file)
    switch = program.window.compile_switch
    assert not switch.isEnabled()
    assert not switch.isChecked()
    assert "MLX_DISABLE_COMPILE" in switch.toolTip()
    program.click_point(3)
    assert program.dots("eager") == 1
    QTest.mouseClick(program.window.timings.race, Qt.MouseButton.LeftButton)
    assert program.controller.timings.race_left == 0


def test_a_cancelled_projection_keeps_the_sample_on_the_map(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "many.npy"
    np.save(path, np.random.default_rng(0).standard_normal((60_000, 32)).astype(np.float32))
    cancelled: list[object] = []

    def cancel_when_projecting() -> None:
        activity = program.controller.jobs.activity
        if activity is not None and activity.stage == "Loading vectors" and not cancelled:
            cancelled.append(activity)
            program.controller.cancel()

    program.controller.jobs.changed.connect(cancel_when_projecting)
    with program.bot.waitSignal(program.controller.settled, timeout=WAIT_MS):
        program.controller.open(path)
    assert cancelled
    assert program.controller.projection.result is None
    assert 0 < len(program.controller.projection.rows) < 60_000
    assert "Cancelled" in program.message
    with program.bot.waitSignal(program.controller.settled, timeout=WAIT_MS):
        program.controller.set_projection(axes=(1, 0))
    assert len(program.controller.projection.rows) == 60_000
    program.drawn()
