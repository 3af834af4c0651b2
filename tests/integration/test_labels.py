"""Labels chosen by hand, in place of those beside the file, and joined by a column."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QFileDialog, QInputDialog

from tests.integration.conftest import Program


def choose(program: Program, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the menu's way to a labels file."""
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    program.window.action("labels").trigger()
    program.bot.waitUntil(lambda: program.controller.jobs.idle)


def test_labels_chosen_by_hand_take_the_place_of_others(
    program: Program, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.open(file)
    assert not program.message
    other = tmp_path / "other.csv"
    other.write_text("word,kind\n" + "".join(f"word {i},{i % 5}\n" for i in range(500)))
    choose(program, other, monkeypatch)
    program.drawn()
    assert program.controller.dataset.label(7) == "word 7"
    by = program.controller.colouring.by.column
    table = program.controller.dataset.table
    assert table is not None
    assert by is table.columns[1]


def test_labels_that_do_not_fit_are_told_and_those_shown_stay(
    program: Program, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.open(file)
    other = tmp_path / "other.txt"
    other.write_text("a\nb\nc\n")
    choose(program, other, monkeypatch)
    assert "3 lines" in program.message
    assert program.controller.dataset.label(7) == "thing 7"


def test_labels_are_joined_by_a_column_the_user_names(
    program: Program, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.open(file)
    other = tmp_path / "other.csv"
    other.write_text("word,at\n" + "".join(f"word {i},{i}\n" for i in reversed(range(500))))
    choose(program, other, monkeypatch)
    assert program.controller.dataset.label(7) == "word 492"
    monkeypatch.setattr(QInputDialog, "getItem", lambda *_: ("at", True))
    program.window.action("join").trigger()
    program.bot.waitUntil(lambda: program.controller.jobs.idle)
    assert program.controller.dataset.label(7) == "word 7"
    assert "joined by its column 'at'" in program.message


def test_fewer_labels_ask_which_column_says_the_row(
    program: Program, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.open(file)
    other = tmp_path / "other.csv"
    other.write_text("word,legs,at\nspider,8,7\nant,6,3\n")
    offered: list[tuple[str, ...]] = []

    def ask(_: object, _title: str, about: str, names: tuple[str, ...], *__: object) -> tuple[str, bool]:
        assert "3 lines, the vectors 500 rows" in about
        offered.append(names)
        return "at", True

    monkeypatch.setattr(QInputDialog, "getItem", ask)
    choose(program, other, monkeypatch)
    program.bot.waitUntil(lambda: program.controller.dataset.label(7) == "spider")
    assert offered == [("legs", "at")]
    assert "498 of 500 rows have no line" in program.message
    assert program.controller.dataset.label(8) == "row 8"
