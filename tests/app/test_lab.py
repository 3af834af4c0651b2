"""The lab's models and drawings, without a window."""

from __future__ import annotations

import random
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtGui import QFont, QFontMetrics
from pytestqt.qtbot import QtBot

from app.filing import Filing
from app.models.lab import LabModel, read
from app.models.lab_history import LabHistory
from app.views.lab_history import local_time
from app.views.lab_table import two_lines
from app.views.strips import span_of
from core.errors import UserError
from core.lab import CodeLine, LabRun, SizeInfo, WayFigures, WorkloadInfo
from core.lab_records import read_history
from core.types import LabTable

WAIT_MS = 10_000


def _run(name: str = "gelu", size: str = "small", seed: int = 0, slower: float = 2.0) -> LabRun:
    times = np.random.default_rng(seed).lognormal(0, 0.1, 40)
    ways = (
        WayFigures("uncompiled", False, tuple((slower * times).tolist()), 1.0),
        WayFigures("compiled", True, tuple(times.tolist()), 8.0, 1),
    )
    return LabRun(name, size, ways, started=f"2026-01-01T00:00:{seed:02}+00:00", finished=True)


def _table(*problems: str | None) -> LabTable:
    sizes = tuple(SizeInfo(f"size {i}", 0, (CodeLine("x"),), problem, i == 1) for i, problem in enumerate(problems))
    return LabTable((WorkloadInfo("gelu", "GELU", "shows", "lesson", None, sizes),))


def test_a_reading_is_that_of_the_fastest_other_way() -> None:
    run = _run()
    slow = replace(run.ways[1], name="slow", ms=tuple(9 * t for t in run.ways[1].ms))
    reading = read(replace(run, ways=(run.ways[0], slow, run.ways[1])))
    assert reading.base is not None
    assert reading.other is not None
    assert (reading.base.name, reading.other.name) == ("uncompiled", "compiled")
    assert reading.ratio is not None
    assert reading.ratio.low < 2 < reading.ratio.high
    assert reading.pays_off == run.pays_off_after(run.ways[1]) is not None
    assert read(LabRun("gelu", "small")).base is None


def test_a_size_that_was_chosen_stays_unless_it_cannot_run_any_more(qtbot: QtBot) -> None:
    model = LabModel()
    model.show_table(_table("no file", None, None))
    assert model.size_of("gelu").name == "size 1"
    model.choose_size("gelu", "size 2")
    model.show_table(_table(None, None, None))
    assert model.size_of("gelu").name == "size 2"
    model.show_table(_table(None, None, "too large"))
    assert model.size_of("gelu").name == "size 0"
    model.close()


def test_each_run_ends_alone(qtbot: QtBot) -> None:
    model = LabModel()
    model.show_table(_table(None, None))
    model.wait(["gelu"])
    model.wait(["gelu"])
    assert model.begin() == ("gelu", "size 0")
    model.choose_size("gelu", "size 1")
    model.wait(["gelu"])
    assert model.state("gelu") == "waiting"
    model.end("failed", "No luck.")
    assert model.state("gelu") == "waiting"
    assert model.begin() == ("gelu", "size 1")
    model.end("stopped")
    assert model.problem("gelu") is None
    model.choose_size("gelu", "size 0")
    assert model.problem("gelu") == "No luck."
    assert not model.busy
    model.close()


def test_what_is_shown_is_the_newest_of_each_run(qtbot: QtBot) -> None:
    model = LabModel()
    model.show_table(_table(None, None))
    runs = [_run("gelu", f"size {i % 2}", seed=i) for i in range(20)]
    for run in runs:
        model.show(run)
    newest = {("gelu", "size 0"): runs[18].started, ("gelu", "size 1"): runs[19].started}
    qtbot.waitUntil(lambda: {k: r.run.started for k, r in model.readings.items()} == newest, timeout=WAIT_MS)
    model.forget_file()
    assert list(model.readings) == [("gelu", "size 0")]
    model.close()


def test_filing_does_everything_in_order_and_finishes_when_it_closes(qtbot: QtBot) -> None:
    filing = Filing()
    done: list[int] = []
    heard: list[int] = []
    failures: list[object] = []
    filing.failed.connect(failures.append)

    def task(number: int) -> int:
        if number == 2:
            raise UserError("No.")
        done.append(number)
        return number

    for number in range(4):
        filing.do(lambda number=number: task(number), heard.append)  # type: ignore[misc]
    qtbot.waitUntil(lambda: heard == [0, 1, 3], timeout=WAIT_MS)
    assert [str(error) for error in failures] == ["No."]
    held = threading.Event()
    filing.do(held.wait, heard.append)
    filing.do(lambda: task(5), heard.append)
    threading.Timer(0, held.set).start()
    filing.close()
    assert done == [0, 1, 3, 5]


def test_two_windows_keep_each_others_runs(qtbot: QtBot, tmp_path: Path) -> None:
    path, filing = tmp_path / "kept.jsonl", Filing()
    first, second = LabHistory(path, filing), LabHistory(path, filing)
    first.load()
    second.load()
    runs = [_run(seed=seed) for seed in range(4)]
    for number, run in enumerate(runs):
        (first, second)[number % 2].keep(run)
    qtbot.waitUntil(lambda: len(second.runs) == 4, timeout=WAIT_MS)
    assert read_history(path) == runs
    assert second.reading(runs[0]) is None
    with qtbot.waitSignal(second.read_more, timeout=WAIT_MS):
        second.work_out(second.runs)
    assert second.reading(runs[0]) == read(runs[0])
    first.close()
    second.close()
    filing.close()


@pytest.mark.parametrize("seed", range(20))
def test_an_axis_of_times_holds_nearly_all_and_rests_while_it_does(seed: int) -> None:
    chance = random.Random(seed)
    times = [chance.lognormvariate(chance.uniform(-5, 5), 0.3) for _ in range(200)]
    ways = [WayFigures("a", False, tuple(times)), WayFigures("b", True)]
    span = span_of(ways)
    assert span is not None
    logs = np.log10(times)
    assert logs.min() >= span[0]
    assert (logs <= span[1]).mean() >= 0.98
    middle = WayFigures("b", True, (float(np.median(times)),) * 50)
    assert span_of([ways[0], middle]) == span
    assert span_of([WayFigures("a", False)]) is None


def test_a_sentence_takestwo_lines_and_no_more(qtbot: QtBot) -> None:
    metrics, sentence = QFontMetrics(QFont()), "A chain of elementwise operations passes over memory once for each of them."
    for width in (60, 120, 400, 4000):
        lines = two_lines(sentence, metrics, width).split("\n")
        assert len(lines) <= 2
        assert all(metrics.horizontalAdvance(line) <= width for line in lines if " " in line)
    assert lines == [sentence]


def test_the_time_of_a_run_is_read_or_left_as_it_is() -> None:
    assert local_time("2020-03-05T12:30:00+00:00").startswith(("5 Mar 2020 ", "4 Mar 2020 ", "6 Mar 2020 "))
    assert local_time("some day") == "some day"
