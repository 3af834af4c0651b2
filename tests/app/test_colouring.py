"""What the points are coloured by: the model behind the legend, and the colours themselves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app.models.colouring import ColourBy, ColouringModel
from app.models.dataset import DatasetModel
from app.palettes import colours, grey, linear_light, oklab
from app.theme import DARK, LIGHT, Theme
from app.views.colour_bar import figure_of
from app.worker import NewestWorker
from core.colouring import BANDS, COLOURED, LEVELS, MISSING, TABLE, Kind
from core.dataset import Dataset
from core.queries import RowQuery
from core.table import Table
from core.types import DistancesResult
from tests.made import make_column

WAIT_MS = 20_000
ROWS = 600
themes = pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)


def table() -> Table:
    columns = {
        "name": [f"thing {i}" for i in range(ROWS)],
        "kind": [("a", "b", "b", "")[i % 4] for i in range(ROWS)],
        "many": [f"kind {i % 120}" for i in range(ROWS)],
        "weight": [str(i / 7) if i % 50 else "NA" for i in range(ROWS)],
        "digit": [str(i % 10) for i in range(ROWS)],
        "day": [f"2020-{1 + i % 12:02}-{1 + i % 28:02}" for i in range(ROWS)],
        "new": ["true" if i % 3 else "false" for i in range(ROWS)],
    }
    return Table("x.tsv", ROWS, tuple(make_column(name, texts) for name, texts in columns.items()))


@pytest.fixture
def dataset() -> DatasetModel:
    return DatasetModel()


@pytest.fixture
def model(qtbot: QtBot, dataset: DatasetModel) -> Iterator[ColouringModel]:
    model = ColouringModel(dataset)
    dataset.open(Dataset(Path("x.npy"), np.zeros((ROWS, 3), np.float32), "npy", "float32"))
    dataset.annotate(table())
    qtbot.waitUntil(lambda: not model.busy, timeout=WAIT_MS)
    yield model
    model.close()


def choose(qtbot: QtBot, model: ColouringModel, kind: Kind, name: str | None = None) -> None:
    (by,) = (by for by in model.choices if by.kind == kind and (by.column.name if by.column else None) == name)
    model.choose(by)
    qtbot.waitUntil(lambda: not model.busy, timeout=WAIT_MS)


def distances(dataset: DatasetModel, row: int = 0) -> DistancesResult:
    assert dataset.dataset is not None
    values = np.abs(np.arange(ROWS) - row).astype(np.float32)
    values[5] = np.nan
    return DistancesResult(dataset.dataset, RowQuery(row), "l2", values)


def test_what_can_colour_is_offered(model: ColouringModel) -> None:
    offered = [(by.kind, by.column.name if by.column else None) for by in model.choices]
    assert offered == [
        ("one", None),
        ("category", "kind"),
        ("category", "many"),
        ("number", "weight"),
        ("category", "digit"),
        ("number", "digit"),
        ("number", "day"),
        ("category", "new"),
        ("distance", None),
        ("order", None),
    ]


def test_a_table_colours_at_once_and_another_file_starts_without(
    qtbot: QtBot, model: ColouringModel, dataset: DatasetModel
) -> None:
    assert model.by.column is not None
    assert model.by.column.name == "kind"
    assert [(entry.name, entry.count) for entry in model.shown.entries] == [("b", 300), ("a", 150), ("Missing", 150)]
    model.toggle((0,))
    dataset.open(Dataset(Path("y.npy"), np.zeros((9, 3), np.float32), "npy", "float32"))
    assert model.by == ColourBy()
    assert model.hidden == frozenset()
    assert model.shown.coded.codes.tolist() == [0] * 9


def test_row_order_stays_when_another_file_is_opened(qtbot: QtBot, model: ColouringModel, dataset: DatasetModel) -> None:
    choose(qtbot, model, "order")
    dataset.open(Dataset(Path("y.npy"), np.zeros((9, 3), np.float32), "npy", "float32"))
    dataset.annotate(None)
    qtbot.waitUntil(lambda: not model.busy, timeout=WAIT_MS)
    assert model.by.kind == "order"
    assert model.shown.range == (0.0, 8.0)
    codes = model.shown.coded.codes
    assert (codes[0], codes[-1]) == (0, LEVELS - 1)
    assert np.all(np.diff(codes.astype(int)) > 0)


def test_categories_without_a_colour_of_their_own_stand_below_one_heading(qtbot: QtBot, model: ColouringModel) -> None:
    choose(qtbot, model, "category", "many")
    entries = model.shown.entries
    assert len(entries) == 121
    heading = entries[COLOURED]
    assert (heading.name, heading.count, heading.codes) == ("Other (80)", 400, tuple(range(40, 120)))
    assert [entry.member for entry in entries] == [False] * 41 + [True] * 80
    model.toggle(heading.codes)
    assert model.shown_rows == 200
    model.toggle((47,))
    assert model.shown_rows == 205
    model.toggle(heading.codes)  # some are shown: hide all
    assert model.shown_rows == 200
    model.toggle(heading.codes)
    assert model.hidden == frozenset()


def test_an_entry_alone_and_all_again(qtbot: QtBot, model: ColouringModel) -> None:
    model.isolate((1,))
    assert model.hidden == {0, MISSING}
    assert model.shown_rows == 150
    model.isolate((0,))
    assert model.hidden == {1, MISSING}
    model.isolate((0,))
    assert model.hidden == frozenset()
    model.toggle((0,))
    with qtbot.waitSignal(model.hidden_changed, timeout=WAIT_MS):
        model.show_all()
    assert model.shown_rows == ROWS


def test_another_choice_hides_nothing(qtbot: QtBot, model: ColouringModel) -> None:
    model.toggle((0,))
    choose(qtbot, model, "order")
    assert model.hidden == frozenset()


def test_numbers_run_over_a_range_that_can_be_moved_and_reset(qtbot: QtBot, model: ColouringModel) -> None:
    choose(qtbot, model, "number", "weight")
    first = model.shown
    assert first.spread is not None
    assert first.range == (first.spread.low, first.spread.high)
    assert [(entry.name, entry.count) for entry in first.entries] == [("Missing", 12)]
    model.set_range(20.0, 40.0)
    qtbot.waitUntil(lambda: not model.busy, timeout=WAIT_MS)
    codes = model.shown.coded.codes
    assert (codes[1], codes[ROWS - 1], codes[50]) == (0, LEVELS - 1, MISSING)
    assert model.shown.range == (20.0, 40.0)
    assert model.shown.spread is first.spread
    with qtbot.assertNotEmitted(model.changed):
        model.set_range(40.0, 20.0)
    model.reset_range()
    qtbot.waitUntil(lambda: not model.busy, timeout=WAIT_MS)
    assert model.shown.range == first.range


def test_dates_run_over_a_range_and_truth_is_two_categories(qtbot: QtBot, model: ColouringModel) -> None:
    choose(qtbot, model, "number", "day")
    spread = model.shown.spread
    assert spread is not None
    assert figure_of(spread.smallest, spread, True) == "2020-01-01"
    assert model.shown.line(0) == "day: 2020-01-01"
    choose(qtbot, model, "category", "new")
    assert [(entry.name, entry.count) for entry in model.shown.entries] == [("true", 400), ("false", 200)]


def test_the_map_follows_while_the_range_moves_on(qtbot: QtBot, model: ColouringModel) -> None:
    """Every change overtakes the one before, yet some between are shown, and the last one last."""
    choose(qtbot, model, "number", "weight")
    seen: list[float] = []
    model.changed.connect(lambda: seen.append(model.shown.range[1]))
    ends = np.linspace(30, 60, 200).tolist()
    for end in ends:
        model.set_range(1.0, end)
        qtbot.wait(1)
    qtbot.waitUntil(lambda: not model.busy, timeout=WAIT_MS)
    assert len(seen) > 1
    assert seen[-1] == 60.0
    assert seen == sorted(seen)


def test_distances_colour_in_bands_and_go_with_the_query(qtbot: QtBot, model: ColouringModel, dataset: DatasetModel) -> None:
    choose(qtbot, model, "distance")
    assert model.shown.by.kind == "one"
    model.measure(distances(dataset))
    qtbot.waitUntil(lambda: not model.busy, timeout=WAIT_MS)
    assert len(model.shown.entries) == BANDS + 1
    assert model.shown.entries[0].name.startswith("0.00 to ")
    assert model.shown.entries[-1].count == 1
    assert model.shown.coded.codes[0] == 0
    assert model.shown.line(3) == "Euclidean distance: 3.00"
    assert model.shown.line(5) is None
    model.measure(None)
    assert model.shown.by.kind == "one"


def test_distances_that_come_too_late_are_not_shown(qtbot: QtBot, model: ColouringModel, dataset: DatasetModel) -> None:
    shown = model.shown
    model.measure(distances(dataset))
    assert not model.busy
    assert model.shown is shown


def test_the_hover_line_says_what_the_colour_stands_for(qtbot: QtBot, model: ColouringModel) -> None:
    assert model.shown.line(1) == "kind: b"
    choose(qtbot, model, "number", "weight")
    assert model.shown.line(7) == "weight: 1"
    choose(qtbot, model, "order")
    assert model.shown.line(7) is None


# Colours


@themes
@pytest.mark.parametrize("kind", ["one", "category", "number", "order", "distance"])
def test_every_code_has_a_colour_and_missing_is_grey(theme: Theme, kind: Kind) -> None:
    names = colours(kind, theme)
    assert len(names) == TABLE
    assert kind == "one" or names[MISSING] == grey(theme)


@themes
def test_the_colours_of_categories_can_be_told_apart(theme: Theme) -> None:
    """In OKLab, where 0.02 is about what an eye just sees: from one another, from the ground and from grey."""
    names = [*colours("category", theme)[:COLOURED], grey(theme), theme.ground]
    places = oklab(linear_light(names))
    apart = np.linalg.norm(places[:, None] - places, axis=2)
    np.fill_diagonal(apart, 1.0)
    assert apart.min() > 0.065
    assert apart[:8, :8].min() > 0.08


@themes
def test_maps_of_colours_change_in_lightness_from_end_to_end(theme: Theme) -> None:
    lightness = oklab(linear_light(list(colours("number", theme)[:LEVELS])))[:, 0]
    assert np.all(np.diff(lightness) > -1e-3)
    assert lightness[-1] - lightness[0] > 0.4
    bands = oklab(linear_light([*colours("distance", theme)[:BANDS], theme.ground]))[:, 0]
    from_ground = np.abs(bands[:-1] - bands[-1])
    assert np.all(np.diff(from_ground) < 0)


# The worker


def test_of_the_tasks_that_wait_only_the_newest_is_done(qtbot: QtBot) -> None:
    worker = NewestWorker("test")
    done: list[tuple[int, object]] = []
    worker.done.connect(lambda number, result: done.append((number, result)))
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        assert go_on.wait(20)
        return "first"

    worker.run(slow)
    assert begun.wait(20)
    for i in range(10):
        worker.run(lambda i=i: i)  # type: ignore[misc]
    go_on.set()
    qtbot.waitUntil(lambda: len(done) == 2, timeout=WAIT_MS)
    assert done == [(1, "first"), (11, 9)]
    worker.close()


@pytest.mark.logs("test failed")
def test_a_task_that_fails_is_told_and_the_next_is_done(qtbot: QtBot) -> None:
    worker = NewestWorker("test")
    with qtbot.waitSignal(worker.done, timeout=WAIT_MS) as told:
        worker.run(lambda: 1 / 0)
    assert told.args == [1, None]
    with qtbot.waitSignal(worker.done, timeout=WAIT_MS) as told:
        worker.run(lambda: "well")
    assert told.args == [2, "well"]
    worker.close()
