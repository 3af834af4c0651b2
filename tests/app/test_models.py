"""Models: plain state, no widgets, no engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app.figures import figure, size
from app.models.jobs import JobsModel
from app.models.projection import ProjectionModel
from app.models.query import QueryModel
from app.models.timings import KEPT, TimingsModel
from app.notices import Notice, Notices
from core.dataset import Dataset
from core.queries import RowQuery
from core.types import Metric, Mode, NeighboursResult, Preview, ProjectResult, Timing

DATASET = Dataset(Path("x.npy"), np.zeros((100, 3), np.float32), "npy", "float32")


def _result(ms: float, mode: Mode, first: bool = False, metric: Metric = "l2") -> NeighboursResult:
    timing = Timing(ms, mode, first, int(first), 1000)
    return NeighboursResult(DATASET, RowQuery(0), metric, np.arange(3), np.zeros(3), "proven", 3, timing)


def test_selection_walks_its_history_as_a_browser_does(qtbot: QtBot) -> None:
    selection = QueryModel()
    for row in (1, 2, 3):
        selection.select(RowQuery(row))
    selection.back()
    selection.back()
    assert (selection.row, selection.can_go_back, selection.can_go_forward) == (1, False, True)
    selection.select(RowQuery(9))
    assert not selection.can_go_forward
    selection.back()
    assert selection.row == 1


def test_selecting_the_same_row_again_changes_nothing(qtbot: QtBot) -> None:
    selection = QueryModel()
    selection.select(RowQuery(4))
    with qtbot.assertNotEmitted(selection.changed):
        selection.select(RowQuery(4))


def test_a_clear_difference_is_told_with_its_interval(qtbot: QtBot) -> None:
    timings = TimingsModel()
    rng = np.random.default_rng(0)
    for a, b in zip(rng.normal(1, 0.05, 40), rng.normal(2, 0.05, 40), strict=True):
        timings.add(_result(a, "compiled"))
        timings.add(_result(b, "eager"))
    sentence = timings.summary().sentence
    assert "times as fast" in sentence
    assert "40 + 40 queries" in sentence
    ratio = timings.summary().ratio
    assert ratio is not None
    assert 1.9 < ratio.low < ratio.value < ratio.high < 2.1


def test_no_difference_is_called_none(qtbot: QtBot) -> None:
    timings = TimingsModel()
    rng = np.random.default_rng(1)
    for ms in rng.normal(1, 0.2, 40):
        timings.add(_result(float(ms), "compiled"))
        timings.add(_result(float(ms), "eager"))
    assert "no difference shown yet" in timings.summary().sentence


def test_first_calls_do_not_count(qtbot: QtBot) -> None:
    timings = TimingsModel()
    timings.add(_result(500, "compiled", first=True))
    timings.add(_result(1, "compiled"))
    assert timings.summary().compiled == [1]
    assert timings.traces == 1


def test_only_queries_of_one_kind_are_compared(qtbot: QtBot) -> None:
    timings = TimingsModel()
    timings.add(_result(1, "compiled", metric="l2"))
    timings.add(_result(7, "compiled", metric="cosine"))
    assert timings.summary().compiled == [7]


def test_while_paused_what_is_shown_stays_and_the_rest_waits(qtbot: QtBot) -> None:
    timings = TimingsModel()
    timings.add(_result(1, "compiled"))
    with qtbot.waitSignal(timings.pause_changed):
        timings.pause(True)
    for ms in (2, 3):
        timings.add(_result(ms, "compiled", metric="cosine"))
    assert (len(timings.samples), len(timings.shown), timings.waiting) == (3, 1, 2)
    assert timings.summary().compiled == [1]
    with qtbot.assertNotEmitted(timings.pause_changed):
        timings.pause(True)
    timings.pause(False)
    assert (len(timings.shown), timings.waiting) == (3, 0)
    assert timings.summary().compiled == [2, 3]


def test_what_waits_is_counted_even_where_the_oldest_are_dropped(qtbot: QtBot) -> None:
    timings = TimingsModel()
    timings.add(_result(1, "compiled"))
    timings.pause(True)
    for _ in range(KEPT + 5):
        timings.add(_result(2, "compiled"))
    assert (timings.waiting, len(timings.samples), len(timings.shown)) == (KEPT + 5, KEPT, 1)


def test_a_new_file_ends_the_pause(qtbot: QtBot) -> None:
    timings = TimingsModel()
    timings.add(_result(1, "compiled"))
    timings.pause(True)
    timings.clear()
    assert not timings.paused
    assert timings.shown == []


def test_a_preview_fits_the_view_and_its_result_leaves_it(qtbot: QtBot) -> None:
    projection = ProjectionModel()
    coords = np.zeros((100, 2), np.float32)
    result = ProjectResult(
        DATASET, (0, 1), True, False, coords, np.ones(3, np.float32), np.empty(0, np.int64), "", Timing(1, "eager", False, 0, 0)
    )
    projection.show_preview(Preview(np.arange(5), coords[:5]))
    assert projection.reframe
    projection.show_result(result)
    assert not projection.reframe
    projection.show_result(result)
    assert projection.reframe


def test_settings_that_stay_the_same_ask_for_nothing(qtbot: QtBot) -> None:
    projection = ProjectionModel()
    assert not projection.set(axes=(0, 1))
    assert projection.set(axes=(2, 1))


def test_jobs_show_the_one_that_reported_last(qtbot: QtBot) -> None:
    jobs = JobsModel()
    jobs.begin(1, "project")
    jobs.begin(2, "neighbours")
    jobs.progress(1, "Mapping rows", 3, 10)
    assert jobs.activity is not None
    assert (jobs.activity.stage, jobs.activity.done) == ("Mapping rows", 3)
    jobs.end(1)
    jobs.end(2)
    jobs.progress(1, "late", 1, 1)
    assert jobs.idle


def test_notices_before_the_window_are_kept() -> None:
    notices = Notices()
    notices.problem("early")
    seen: list[Notice] = []
    notices.attach(seen.append)
    notices.info("late")
    assert [notice.text for notice in seen] == ["early", "late"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0.00"), (0.0321, "0.0321"), (1.2, "1.20"), (48, "48.0"), (512.4, "512"), (99999, "99,999"), (1e-5, "1.00e-05")],
)
def test_figures_have_three_significant_places(value: float, text: str) -> None:
    assert figure(value) == text


def test_sizes_read_in_their_unit() -> None:
    assert [size(n) for n in (512, 2000, 7_680_000, 3 * 10**9)] == ["512 bytes", "2.0 kB", "7.7 MB", "3.0 GB"]
