"""A run of the lab holds nobody up: what is more urgent is answered before its next repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from core.compute import workloads
from core.compute.trials import Bed, Trial, Way
from core.compute.workloads import Code, Size, Workload
from core.dataset import Dataset
from core.engine import Engine
from core.lab import LabRun
from core.queries import RowQuery
from core.types import (
    Completed,
    ComputeOptions,
    Event,
    LabRequest,
    LabTable,
    LabTableRequest,
    LoadRequest,
    NeighboursRequest,
    NeighboursResult,
    Partial,
    Stopped,
)
from tests.core.test_engine import Events, Real, real, saved  # noqa: F401

REPEATS = 60
ASKED_AT = 31  # repeats of both ways, warm-ups among them


class Counted:
    """A workload of two ways that do next to nothing; counts its repeats, and does something at one of them."""

    def __init__(self) -> None:
        self.repeats = 0
        self.at: dict[int, Callable[[], object]] = {}

    def run(self, watch: object) -> list[mx.array]:
        self.repeats += 1
        self.at.get(self.repeats, lambda: None)()
        return [mx.ones(3) * 2]

    def trial(self, bed: Bed) -> Trial:
        return Trial((Way("uncompiled", False, self.run), Way("compiled", True, self.run)))


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    made = Counted()
    workload = Workload("counted", "Counted", "Nothing.", "Nothing.", sizes=(Size("small", made.trial, Code("")),))
    monkeypatch.setattr(workloads, "WORKLOADS", (workload,))
    return made


class Watched(Events):
    """Notes how many repeats the lab had made when each job ended."""

    def __init__(self, counted: Counted) -> None:
        super().__init__()
        self._counted = counted
        self.repeats_at: dict[str, int] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, Completed | Stopped):
            self.repeats_at[event.key] = self._counted.repeats
        super().__call__(event)


@pytest.fixture
def watched(counted: Counted) -> Iterator[tuple[Engine, Watched]]:
    events = Watched(counted)
    engine = Engine(events, ComputeOptions("cpu"))
    engine.start()
    yield engine, events
    engine.close()


def _open(engine: Engine, events: Events, tmp_path: Path) -> Dataset:
    x = np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32)
    end: Any = events.end_of(engine.submit(LoadRequest(saved(tmp_path, x))))
    return end.result.dataset  # type: ignore[no-any-return]


def test_a_click_is_answered_before_the_next_repeat(counted: Counted, watched: tuple[Engine, Watched], tmp_path: Path) -> None:
    engine, events = watched
    dataset = _open(engine, events, tmp_path)
    asked: list[int] = []
    counted.at[ASKED_AT] = lambda: asked.append(engine.submit(NeighboursRequest(dataset, RowQuery(5), 3, "cosine")))
    lab = engine.submit(LabRequest("counted", dataset=dataset, rounds=REPEATS, seconds=60.0))
    end = events.end_of(lab)
    assert isinstance(end, Completed)
    answer = events.end_of(asked[0])
    assert isinstance(answer, Completed)
    assert isinstance(answer.result, NeighboursResult)
    order = events.all
    assert order.index(answer) < order.index(end)
    # The repeat that was running when it was asked, and none after it.
    assert events.repeats_at["neighbours"] == ASKED_AT
    assert counted.repeats > ASKED_AT + 1


def test_a_run_that_is_cancelled_makes_no_further_repeat(counted: Counted, watched: tuple[Engine, Watched]) -> None:
    engine, events = watched
    counted.at[ASKED_AT] = lambda: engine.cancel("lab")
    lab = engine.submit(LabRequest("counted", rounds=REPEATS, seconds=60.0))
    assert events.end_of(lab) == Stopped(lab, "lab")
    assert counted.repeats == ASKED_AT


def test_a_real_workload_lets_a_click_go_first(real: Real, tmp_path: Path) -> None:  # noqa: F811
    dataset = real.open(saved(tmp_path, np.random.default_rng(1).normal(size=(300, 6)).astype(np.float32)))
    lab = real.engine.submit(LabRequest("gelu", dataset=dataset, rounds=10_000, seconds=600.0))
    partial = real.events.wait_for(lambda e: isinstance(e, Partial) and e.job == lab)
    assert isinstance(partial, Partial)
    assert isinstance(partial.result, LabRun)
    assert not partial.result.finished
    answer = real.end(NeighboursRequest(dataset, RowQuery(5), 3, "cosine"))
    assert isinstance(answer, Completed)
    real.engine.cancel("lab")
    end = real.events.end_of(lab)
    assert real.events.all.index(answer) < real.events.all.index(end)


def test_runs_on_the_open_file_name_it_and_others_do_not(real: Real, tmp_path: Path) -> None:  # noqa: F811
    dataset = real.open(saved(tmp_path, np.random.default_rng(2).normal(size=(300, 6)).astype(np.float32), "mine.npy"))
    table: LabTable = real.ask(LabTableRequest(dataset))
    of_file = {w.name: [size.name for size in w.sizes if size.of_file] for w in table.workloads}
    assert of_file["program"]
    assert not of_file["gelu"]
    run: LabRun = real.ask(LabRequest("program", "one query", dataset, rounds=2, seconds=5.0))
    assert run.file == "mine.npy, 300 × 6"
    run = real.ask(LabRequest("search", "10,000 × 64, 1 query", dataset, rounds=2, seconds=5.0))
    assert run.file == ""
