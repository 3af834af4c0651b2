"""The compute thread: what runs when, what ends how, and the real service behind it."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from core.compute import vectors
from core.compute.service import Job, Service
from core.dataset import Dataset
from core.engine import Engine
from core.errors import CompileUnavailable, UserError
from core.queries import RowQuery
from core.types import (
    AnnotateRequest,
    AnnotateResult,
    Broken,
    Completed,
    ComputeOptions,
    DeviceInfo,
    Event,
    Failed,
    InspectRequest,
    InspectResult,
    LoadRequest,
    LoadResult,
    NeighboursRequest,
    NeighboursResult,
    Progress,
    ProjectRequest,
    ProjectResult,
    Ready,
    Request,
    Result,
    Stopped,
)

WAIT_S = 60.0  # for what must happen; a test that waits this long has failed
DEVICE = DeviceInfo("cpu", "fake", 1 << 30, "none", None)
DATASET = Dataset(Path("fake.npy"), np.ones((3, 2), np.float32), "npy", "float32")
TERMINAL = (Completed, Failed, Stopped)

Handler = Callable[[Job], None]


def request(key: str, priority: int = 1) -> InspectRequest:
    return InspectRequest(DATASET, key, priority)


def wait(event: threading.Event) -> None:
    assert event.wait(WAIT_S)


class Events:
    """Collects what an engine emits; hands out what is waited for."""

    def __init__(self) -> None:
        self.all: list[Event] = []
        self.threads: list[threading.Thread] = []
        self._arrived = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self._arrived:
            self.all.append(event)
            self.threads.append(threading.current_thread())
            self._arrived.notify_all()

    def wait_for(self, wanted: Callable[[Event], bool]) -> Event:
        def found() -> Event | None:
            return next((e for e in self.all if wanted(e)), None)

        with self._arrived:
            event = self._arrived.wait_for(found, WAIT_S)
        assert event is not None, f"it never came; there were {self.all}"
        return event

    def end_of(self, job: int) -> Event:
        return self.wait_for(lambda e: isinstance(e, TERMINAL) and e.job == job)

    def ends_so_far(self) -> list[Event]:
        with self._arrived:
            return [e for e in self.all if isinstance(e, TERMINAL)]


@dataclass
class FakeService:
    """Does for each key what the test says; notes what was asked, and on which thread."""

    handlers: dict[str, Handler] = field(default_factory=dict)
    device: DeviceInfo = DEVICE
    handled: list[str] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=lambda: [threading.current_thread()])
    closed: int = 0

    def handle(self, request: Request, job: Job) -> Result:
        self.handled.append(request.key)
        self.threads.append(threading.current_thread())
        if request.key in self.handlers:
            self.handlers[request.key](job)
        return InspectResult(DATASET, np.array([len(self.handled)]))

    def close(self) -> None:
        self.closed += 1
        self.threads.append(threading.current_thread())


class Bench:
    """A started engine with a fake service."""

    def __init__(self, handlers: dict[str, Handler] | None = None) -> None:
        self.events = Events()
        self.services: list[FakeService] = []
        self.handlers = handlers or {}
        self.engine = Engine(self.events, make=cast(Any, self._make))

    def _make(self) -> FakeService:
        self.services.append(FakeService(self.handlers))
        return self.services[-1]

    @property
    def service(self) -> FakeService:
        return self.services[0]

    def hold(self, key: str = "hold", priority: int = 0) -> tuple[int, threading.Event]:
        """Occupy the thread with a job that polls nothing until it is let go."""
        began, go = threading.Event(), threading.Event()

        def handler(job: Job) -> None:
            began.set()
            wait(go)

        self.handlers[key] = handler
        number = self.engine.submit(request(key, priority))
        wait(began)
        return number, go


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    made.engine.start()
    yield made
    made.engine.close()
    jobs = [e.job for e in made.events.ends_so_far() if isinstance(e, TERMINAL)]
    assert len(jobs) == len(set(jobs)), "a job ended twice"


# Jobs and their ends.


def test_readiness_is_told_first_and_once(bench: Bench) -> None:
    bench.events.end_of(bench.engine.submit(request("a")))
    assert bench.events.all[0] == Ready(DEVICE)
    assert sum(isinstance(e, Ready) for e in bench.events.all) == 1


def test_a_job_ends_with_its_result(bench: Bench) -> None:
    number = bench.engine.submit(request("a"))
    end = bench.events.end_of(number)
    assert isinstance(end, Completed)
    assert end.key == "a"
    assert isinstance(end.result, InspectResult)
    assert end.result.dataset is DATASET


def test_what_was_asked_before_the_start_is_done_after_it() -> None:
    bench = Bench()
    number = bench.engine.submit(request("a"))
    bench.engine.start()
    assert isinstance(bench.events.end_of(number), Completed)
    bench.engine.close()


def test_progress_carries_the_job_and_comes_before_its_end(bench: Bench) -> None:
    bench.handlers["a"] = lambda job: job.report("Counting", 3, 7)
    number = bench.engine.submit(request("a"))
    end = bench.events.end_of(number)
    progress = Progress(number, "a", "Counting", 3, 7)
    assert bench.events.all.index(progress) < bench.events.all.index(end)


def test_a_users_fault_arrives_as_a_value_and_is_not_logged(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    fault = UserError("The file is gone.")

    def fail(job: Job) -> None:
        raise fault

    bench.handlers["a"] = fail
    end = bench.events.end_of(bench.engine.submit(request("a")))
    assert isinstance(end, Failed)
    assert end.error is fault
    assert not caplog.records
    assert isinstance(bench.events.end_of(bench.engine.submit(request("b"))), Completed)


@pytest.mark.logs("InspectRequest failed")
def test_a_bug_of_ours_arrives_as_a_value_and_is_logged_with_its_trace(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.handlers["a"] = lambda job: cast(None, 1 / 0)
    end = bench.events.end_of(bench.engine.submit(request("a")))
    assert isinstance(end, Failed)
    assert isinstance(end.error, ZeroDivisionError)
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError
    assert isinstance(bench.events.end_of(bench.engine.submit(request("b"))), Completed)


# The newest wins.


def test_of_pending_requests_of_one_key_only_the_newest_runs(bench: Bench) -> None:
    _, go = bench.hold()
    older = [bench.engine.submit(request("a")) for _ in range(3)]
    # Told at once, while the thread is still busy.
    assert bench.events.ends_so_far() == [Stopped(number, "a") for number in older[:-1]]
    newest = bench.engine.submit(request("a"))
    other = bench.engine.submit(request("b"))
    go.set()
    assert isinstance(bench.events.end_of(newest), Completed)
    assert isinstance(bench.events.end_of(other), Completed)
    assert bench.service.handled == ["hold", "a", "b"]
    assert [bench.events.end_of(number) for number in older] == [Stopped(number, "a") for number in older]


def test_a_running_job_that_is_overtaken_ends_where_it_polls(bench: Bench) -> None:
    began, go = threading.Event(), threading.Event()
    after_poll = []

    def handler(job: Job) -> None:
        began.set()
        wait(go)
        job.poll()
        after_poll.append(job)

    bench.handlers["a"] = handler
    old = bench.engine.submit(request("a"))
    wait(began)
    new = bench.engine.submit(request("a"))
    go.set()
    assert bench.events.end_of(old) == Stopped(old, "a")
    assert isinstance(bench.events.end_of(new), Completed)
    assert len(after_poll) == 1


def test_a_running_job_that_is_overtaken_and_never_polls_gives_no_result(bench: Bench) -> None:
    old, go = bench.hold("a")
    new = bench.engine.submit(request("a"))
    go.set()
    assert bench.events.end_of(old) == Stopped(old, "a")
    assert isinstance(bench.events.end_of(new), Completed)


def test_a_request_overtakes_none_of_another_key(bench: Bench) -> None:
    held, go = bench.hold()
    jobs = [bench.engine.submit(request(key)) for key in "abc"]
    go.set()
    assert all(isinstance(bench.events.end_of(job), Completed) for job in (held, *jobs))


# Cancelling.


def test_a_pending_job_is_cancelled_at_once(bench: Bench) -> None:
    _, go = bench.hold()
    job = bench.engine.submit(request("a"))
    bench.engine.cancel("a")
    assert bench.events.ends_so_far() == [Stopped(job, "a")]
    go.set()
    bench.events.end_of(bench.engine.submit(request("b")))
    assert "a" not in bench.service.handled


def test_a_running_job_is_cancelled_where_it_polls(bench: Bench) -> None:
    began, go = threading.Event(), threading.Event()

    def handler(job: Job) -> None:
        began.set()
        wait(go)
        job.poll()

    bench.handlers["a"] = handler
    job = bench.engine.submit(request("a"))
    wait(began)
    bench.engine.cancel("a")
    assert not bench.events.ends_so_far()
    go.set()
    assert bench.events.end_of(job) == Stopped(job, "a")


def test_to_cancel_what_is_not_there_changes_nothing(bench: Bench) -> None:
    job, go = bench.hold()
    bench.engine.cancel("a")
    go.set()
    assert isinstance(bench.events.end_of(job), Completed)
    bench.engine.cancel("hold")
    assert isinstance(bench.events.end_of(bench.engine.submit(request("hold"))), Completed)


# Priorities.


def test_the_most_urgent_runs_first_and_equals_in_the_order_they_came(bench: Bench) -> None:
    _, go = bench.hold()
    for key, priority in [("d", 3), ("b1", 1), ("c", 2), ("b2", 1), ("a", 0)]:
        last = bench.engine.submit(request(key, priority))
    go.set()
    bench.events.wait_for(lambda e: isinstance(e, Completed) and e.key == "d")
    assert isinstance(bench.events.end_of(last), Completed)
    assert bench.service.handled == ["hold", "a", "b1", "b2", "c", "d"]


def giving_way(bench: Bench, key: str, priority: int) -> tuple[int, threading.Event, threading.Event]:
    """A job that gives way once, when told to; the second event is set when it goes on after that."""
    began, go, resumed = threading.Event(), threading.Event(), threading.Event()

    def handler(job: Job) -> None:
        began.set()
        wait(go)
        job.give_way()
        resumed.set()

    bench.handlers[key] = handler
    number = bench.engine.submit(request(key, priority))
    wait(began)
    return number, go, resumed


def test_a_long_job_gives_way_to_the_more_urgent_only(bench: Bench) -> None:
    long, go, resumed = giving_way(bench, "long", 3)
    order = []
    for key in ("hover", "load", "equal", "idle"):
        bench.handlers[key] = lambda job, key=key: order.append((key, resumed.is_set()))  # type: ignore[misc]
    jobs = [bench.engine.submit(request(*r)) for r in [("equal", 3), ("load", 1), ("idle", 4), ("hover", 0)]]
    go.set()
    for job in (long, *jobs):
        assert isinstance(bench.events.end_of(job), Completed)
    assert order == [("hover", False), ("load", False), ("equal", True), ("idle", True)]
    ends = [e.key for e in bench.events.ends_so_far() if isinstance(e, TERMINAL)]
    assert ends == ["hover", "load", "long", "equal", "idle"]


def test_to_give_way_with_nothing_more_urgent_just_goes_on(bench: Bench) -> None:
    long, go, _ = giving_way(bench, "long", 3)
    go.set()
    assert isinstance(bench.events.end_of(long), Completed)


def test_a_job_within_a_job_may_give_way_itself(bench: Bench) -> None:
    outer, go_outer, _ = giving_way(bench, "outer", 3)
    began, go = threading.Event(), threading.Event()

    def inner(job: Job) -> None:
        began.set()
        wait(go)
        job.give_way()

    bench.handlers["inner"] = inner
    middle = bench.engine.submit(request("inner", 2))
    go_outer.set()
    wait(began)
    urgent, patient = bench.engine.submit(request("urgent", 1)), bench.engine.submit(request("patient", 2))
    go.set()
    for job in (outer, middle, urgent, patient):
        assert isinstance(bench.events.end_of(job), Completed)
    ends = [e.key for e in bench.events.ends_so_far() if isinstance(e, TERMINAL)]
    assert ends == ["urgent", "inner", "patient", "outer"]


@pytest.mark.logs("InspectRequest failed")
def test_a_failure_within_a_job_is_not_the_outer_jobs(bench: Bench) -> None:
    long, go, _ = giving_way(bench, "long", 3)
    bench.handlers["bad"] = lambda job: cast(None, 1 / 0)
    bad = bench.engine.submit(request("bad", 0))
    go.set()
    assert isinstance(bench.events.end_of(bad), Failed)
    assert isinstance(bench.events.end_of(long), Completed)


def test_a_job_overtaken_while_it_gives_way_ends_and_its_successor_runs(bench: Bench) -> None:
    began, go = threading.Event(), threading.Event()
    runs: list[str] = []

    def long(job: Job) -> None:
        runs.append("begun")
        began.set()
        wait(go)
        job.give_way()
        runs.append("resumed")

    successors = []
    bench.handlers["long"] = long
    bench.handlers["hover"] = lambda job: successors.append(bench.engine.submit(request("long", 3)))
    old = bench.engine.submit(request("long", 3))
    wait(began)
    urgent = bench.engine.submit(request("hover", 0))
    go.set()
    assert isinstance(bench.events.end_of(urgent), Completed)
    assert bench.events.end_of(old) == Stopped(old, "long")
    assert isinstance(bench.events.end_of(successors[0]), Completed)
    assert runs == ["begun", "begun", "resumed"]


def test_a_cancelled_job_gives_way_to_nothing_but_its_end(bench: Bench) -> None:
    long, go, resumed = giving_way(bench, "long", 3)
    bench.engine.cancel("long")
    urgent = bench.engine.submit(request("hover", 0))
    go.set()
    assert bench.events.end_of(long) == Stopped(long, "long")
    assert isinstance(bench.events.end_of(urgent), Completed)
    assert not resumed.is_set()
    ends = [e.key for e in bench.events.ends_so_far() if isinstance(e, TERMINAL)]
    assert ends == ["long", "hover"]


def test_a_key_cancelled_while_it_runs_within_another_job_ends_alone(bench: Bench) -> None:
    long, go, _ = giving_way(bench, "long", 3)
    began, go_inner = threading.Event(), threading.Event()

    def inner(job: Job) -> None:
        began.set()
        wait(go_inner)
        job.poll()

    bench.handlers["inner"] = inner
    job = bench.engine.submit(request("inner", 0))
    go.set()
    wait(began)
    bench.engine.cancel("inner")
    go_inner.set()
    assert bench.events.end_of(job) == Stopped(job, "inner")
    assert isinstance(bench.events.end_of(long), Completed)


# Threads, the start and the end.


def test_the_service_lives_on_one_thread_which_is_not_the_callers() -> None:
    bench = Bench()
    bench.engine.start()
    for key in "abc":
        bench.events.end_of(bench.engine.submit(request(key)))
    long, go, _ = giving_way(bench, "long", 3)
    urgent = bench.engine.submit(request("urgent", 0))
    go.set()
    bench.events.end_of(urgent)
    bench.events.end_of(long)
    bench.engine.close()
    service = bench.service
    assert len(bench.services) == 1
    assert len(service.threads) == 7  # made, five jobs, closed
    assert len(set(service.threads)) == 1
    assert service.threads[0] is not threading.current_thread()
    assert set(bench.events.threads) == {service.threads[0]}


@pytest.mark.parametrize("fault", [UserError("There is no such device."), RuntimeError("bug")])
def test_an_engine_that_cannot_start_says_so_and_stops_every_job(fault: Exception, caplog: pytest.LogCaptureFixture) -> None:
    events, go = Events(), threading.Event()

    def make() -> Service:
        wait(go)
        raise fault

    engine = Engine(events, make=make)
    engine.start()
    pending = engine.submit(request("a"))
    go.set()
    assert events.end_of(pending) == Stopped(pending, "a")
    assert events.all[0] == Broken(fault)
    later = engine.submit(request("b"))
    assert events.ends_so_far()[-1] == Stopped(later, "b")
    engine.close()
    assert len(events.all) == 3
    logged = [r.getMessage() for r in caplog.records]
    assert logged == ([] if isinstance(fault, UserError) else ["the compute thread could not start"])
    caplog.clear()


@pytest.mark.logs("could not be delivered")
def test_a_listener_that_fails_does_not_end_the_compute_thread() -> None:
    events = Events()
    failed = threading.Event()

    def listen(event: Event) -> None:
        if isinstance(event, Ready) and not failed.is_set():
            failed.set()
            raise RuntimeError("deleted")
        events(event)

    engine = Engine(listen, make=lambda: cast(Service, FakeService()))
    engine.start()
    try:
        number = engine.submit(request("a"))
        events.wait_for(lambda event: isinstance(event, TERMINAL) and event.job == number)
    finally:
        engine.close()
    assert failed.is_set()


def test_to_close_ends_the_running_job_where_it_polls_and_stops_the_pending(bench: Bench) -> None:
    began, go = threading.Event(), threading.Event()
    after_poll = []

    def handler(job: Job) -> None:
        began.set()
        wait(go)
        job.poll()
        after_poll.append(job)

    bench.handlers["a"] = handler
    running = bench.engine.submit(request("a"))
    wait(began)
    pending = [bench.engine.submit(request(key)) for key in "bc"]
    closing = threading.Thread(target=bench.engine.close)
    closing.start()
    assert [bench.events.end_of(job) for job in pending] == [Stopped(pending[0], "b"), Stopped(pending[1], "c")]
    go.set()
    closing.join(WAIT_S)
    assert not closing.is_alive()
    assert bench.events.end_of(running) == Stopped(running, "a")
    assert not after_poll
    assert bench.service.handled == ["a"]
    assert bench.service.closed == 1


def test_to_close_ends_a_job_within_a_job_and_the_outer_one(bench: Bench) -> None:
    long, go, resumed = giving_way(bench, "long", 3)
    inner, go_inner = threading.Event(), threading.Event()

    def hover(job: Job) -> None:
        inner.set()
        wait(go_inner)

    bench.handlers["hover"] = hover
    urgent = bench.engine.submit(request("hover", 0))
    go.set()
    wait(inner)
    pending = bench.engine.submit(request("pending", 9))
    closing = threading.Thread(target=bench.engine.close)
    closing.start()
    bench.events.end_of(pending)  # now the running ones are told, too
    go_inner.set()
    closing.join(WAIT_S)
    assert not closing.is_alive()
    assert bench.events.end_of(urgent) == Stopped(urgent, "hover")
    assert bench.events.end_of(long) == Stopped(long, "long")
    assert not resumed.is_set()
    assert bench.service.closed == 1


def test_a_closed_engine_stops_every_job_and_may_be_closed_again(bench: Bench) -> None:
    bench.events.end_of(bench.engine.submit(request("a")))
    bench.engine.close()
    assert bench.service.closed == 1
    late = bench.engine.submit(request("b"))
    assert bench.events.ends_so_far()[-1] == Stopped(late, "b")
    bench.engine.cancel("b")
    bench.engine.close()
    assert bench.service.closed == 1
    assert bench.service.handled == ["a"]


def test_an_engine_never_started_may_be_closed() -> None:
    bench = Bench()
    job = bench.engine.submit(request("a"))
    bench.engine.close()
    assert bench.events.all == [Stopped(job, "a")]


@pytest.mark.parametrize("seed", range(5))
def test_whatever_is_asked_in_whatever_order_every_job_ends_exactly_once(seed: int) -> None:
    bench = Bench()

    def handler(job: Job) -> None:
        job.poll()
        job.give_way()
        job.report("Working", 1, 2)
        job.give_way()

    bench.handlers.update(dict.fromkeys("abcd", handler))
    bench.engine.start()
    submitted: list[int] = []
    guard = threading.Lock()

    def ask(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(200):
            key = chance.choice("abcd")
            if chance.random() < 0.2:
                bench.engine.cancel(key)
                continue
            number = bench.engine.submit(request(key, chance.randrange(4)))
            with guard:
                submitted.append(number)

    askers = [threading.Thread(target=ask, args=(10 * seed + i,)) for i in range(3)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(WAIT_S)
    bench.engine.close()
    ended = [e.job for e in bench.events.ends_so_far() if isinstance(e, TERMINAL)]
    assert sorted(ended) == sorted(submitted)
    assert len(set(submitted)) == len(submitted)


# The real service.


class Real:
    """The engine as the program runs it, asked one thing at a time."""

    def __init__(self) -> None:
        self.events = Events()
        self.engine = Engine(self.events, ComputeOptions("cpu"))
        self.engine.start()

    def end(self, request: Request) -> Event:
        return self.events.end_of(self.engine.submit(request))

    def ask(self, request: Request) -> Any:
        end = self.end(request)
        assert isinstance(end, Completed), end
        return end.result

    def fault(self, request: Request) -> str:
        end = self.end(request)
        assert isinstance(end, Failed), end
        assert isinstance(end.error, UserError)
        return str(end.error)

    def open(self, path: Path) -> Dataset:
        result: LoadResult = self.ask(LoadRequest(path))
        return result.dataset


@pytest.fixture(scope="module")
def real() -> Iterator[Real]:
    made = Real()
    yield made
    made.engine.close()


def saved(folder: Path, x: np.ndarray, name: str = "vectors.npy") -> Path:
    path = folder / name
    np.save(path, x)
    return path


def normal(rows: int = 300, dims: int = 6, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=(rows, dims)) * 0.8 ** np.arange(dims)).astype(np.float32)


def test_the_device_is_told_in_words_and_numbers(real: Real) -> None:
    ready = real.events.wait_for(lambda e: isinstance(e, Ready))
    assert isinstance(ready, Ready)
    assert ready.device.kind == "cpu"
    assert ready.device.budget_bytes > 0
    assert ready.device.line.startswith("CPU · ")


def test_a_device_that_is_not_there_breaks_the_engine() -> None:
    events = Events()
    engine = Engine(events, ComputeOptions("metal" if os.uname().sysname == "Linux" else "cuda"))
    engine.start()
    broken = events.wait_for(lambda e: isinstance(e, Broken))
    engine.close()
    assert isinstance(broken, Broken)
    assert isinstance(broken.error, UserError)
    assert "--device" in str(broken.error)


def test_a_file_is_loaded_with_a_first_picture_of_its_finite_rows(real: Real, tmp_path: Path) -> None:
    x = normal(5000)
    x[[3, 4000]] = np.nan
    result: LoadResult = real.ask(LoadRequest(saved(tmp_path, x)))
    np.testing.assert_array_equal(result.dataset.read(slice(0, 3)), x[:3])
    rows, coords = result.preview.rows, result.preview.coords
    assert coords.shape == (len(rows), 2)
    assert coords.dtype == np.float32
    assert np.isfinite(coords).all()
    assert not set(rows.tolist()) & {3, 4000}
    assert len(set(rows.tolist())) == len(rows)
    assert len(rows) >= 1900


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_a_file_that_cannot_be_opened_is_a_users_fault(real: Real, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "vectors.npy"
    if content is not None:
        path.write_bytes(content)
    assert str(path) in real.fault(LoadRequest(path))


def test_a_file_without_one_finite_row_is_a_users_fault(real: Real, tmp_path: Path) -> None:
    assert "NaN" in real.fault(LoadRequest(saved(tmp_path, np.full((30, 4), np.nan))))


def test_labels_beside_the_file_are_found_missed_or_told_to_be_wrong(real: Real, tmp_path: Path) -> None:
    dataset = real.open(saved(tmp_path, normal(3)))
    nothing: AnnotateResult = real.ask(AnnotateRequest(dataset))
    assert (nothing.table, nothing.problem) == (None, None)
    labels = tmp_path / "vectors.tsv"
    labels.write_text("ant\nbee\ncow\n")
    found: AnnotateResult = real.ask(AnnotateRequest(dataset))
    assert found.table is not None
    assert found.table.label(2) == "cow"
    labels.write_text("ant\n")
    wrong: AnnotateResult = real.ask(AnnotateRequest(dataset))
    assert wrong.table is None
    assert wrong.problem is not None
    assert str(labels) in wrong.problem


def test_rows_with_nan_or_infinity_are_told(real: Real, tmp_path: Path) -> None:
    x = normal()
    x[7, 2], x[200, 0] = np.nan, -np.inf
    dataset = real.open(saved(tmp_path, x))
    result: InspectResult = real.ask(InspectRequest(dataset))
    assert result.non_finite_rows.tolist() == [7, 200]


@pytest.mark.parametrize("mode", ["compiled", "eager"])
def test_a_projection_maps_every_row_onto_its_leading_components(real: Real, tmp_path: Path, mode: Any) -> None:
    x = normal()
    x[11] = np.inf
    dataset = real.open(saved(tmp_path, x))
    result: ProjectResult = real.ask(ProjectRequest(dataset, (1, 0), mode=mode))
    rows = np.delete(x, 11, axis=0).astype(np.float64)
    u, s, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    got = np.delete(result.coords, 11, axis=0)
    np.testing.assert_allclose(np.abs(got), np.abs((u * s)[:, [1, 0]]), atol=1e-4 * s[0])
    np.testing.assert_allclose(result.explained[:2], s[:2] ** 2 / np.square(s).sum(), rtol=1e-4)
    assert np.isnan(result.coords[11]).all()
    assert result.non_finite_rows.tolist() == [11]
    assert result.timing.mode == mode


def test_other_axes_of_a_fitted_projection_need_no_new_fit(real: Real, tmp_path: Path) -> None:
    dataset = real.open(saved(tmp_path, normal()))
    first: ProjectResult = real.ask(ProjectRequest(dataset))
    second: ProjectResult = real.ask(ProjectRequest(dataset, (2, 3)))
    third: ProjectResult = real.ask(ProjectRequest(dataset, (2, 3), centre=False))
    assert ["fit" in dict(r.timing.stages) for r in (first, second, third)] == [True, False, True]
    np.testing.assert_array_equal(first.explained, second.explained)


def test_axes_beyond_the_dimensions_fall_on_the_last(real: Real, tmp_path: Path) -> None:
    result: ProjectResult = real.ask(ProjectRequest(real.open(saved(tmp_path, normal(50, 3))), (0, 9)))
    assert result.axes == (0, 2)
    assert result.coords.shape == (50, 2)


@pytest.mark.parametrize("metric", ["l2", "cosine", "inner_product"])
@pytest.mark.parametrize("mode", ["compiled", "eager"])
def test_neighbours_are_the_nearest_other_rows(real: Real, tmp_path: Path, metric: Any, mode: Any) -> None:
    x = normal()
    dataset = real.open(saved(tmp_path, x))
    result: NeighboursResult = real.ask(NeighboursRequest(dataset, RowQuery(17), 5, metric, mode))
    d = x.astype(np.float64)
    order = {
        "l2": np.linalg.norm(d - d[17], axis=1),
        "cosine": 1 - d @ d[17] / np.linalg.norm(d, axis=1) / np.linalg.norm(d[17]),
        "inner_product": -d @ d[17],
    }[metric]
    order[17] = np.inf
    expected = np.argsort(order)[:5]
    assert result.ids.tolist() == expected.tolist()
    sign = -1 if metric == "inner_product" else 1
    np.testing.assert_allclose(result.distances, sign * order[expected], rtol=1e-9)
    assert result.exact == "proven"
    assert (result.row, result.metric, result.asked_k) == (17, metric, 5)


def test_more_neighbours_than_rows_are_cut_to_the_others(real: Real, tmp_path: Path) -> None:
    result: NeighboursResult = real.ask(NeighboursRequest(real.open(saved(tmp_path, normal(4))), RowQuery(0), 10, "l2"))
    assert sorted(result.ids.tolist()) == [1, 2, 3]
    assert result.asked_k == 10


@pytest.mark.parametrize("row", [-1, 300, 10**9])
def test_neighbours_of_a_row_that_is_not_there_are_a_users_fault(real: Real, tmp_path: Path, row: int) -> None:
    dataset = real.open(saved(tmp_path, normal()))
    assert "0 to 299" in real.fault(NeighboursRequest(dataset, RowQuery(row), 5, "l2"))


def test_neighbours_of_a_row_with_nan_are_a_users_fault(real: Real, tmp_path: Path) -> None:
    x = normal()
    x[5] = np.nan
    dataset = real.open(saved(tmp_path, x))
    assert "Row 5" in real.fault(NeighboursRequest(dataset, RowQuery(5), 5, "l2"))
    result: NeighboursResult = real.ask(NeighboursRequest(dataset, RowQuery(6), 300, "l2"))
    assert 5 not in result.ids
    assert len(result.ids) == 298


def test_data_sets_asked_about_in_turn_are_not_mixed_up(real: Real, tmp_path: Path) -> None:
    sets = [real.open(saved(tmp_path, normal(100, 6, seed), f"{seed}.npy")) for seed in range(2)]
    answers = [real.ask(NeighboursRequest(s, RowQuery(3), 4, "l2")).ids.tolist() for s in (*sets, *sets)]
    assert answers[:2] == answers[2:]
    assert answers[0] != answers[1]


def test_a_file_that_shrinks_after_it_was_opened_is_a_users_fault(real: Real, tmp_path: Path) -> None:
    path = saved(tmp_path, normal(4000, 32))
    dataset = real.open(path)
    os.truncate(path, 5000)
    for asked in (InspectRequest(dataset), ProjectRequest(dataset), NeighboursRequest(dataset, RowQuery(1), 5, "l2")):
        assert "shrunk" in real.fault(asked)


def test_neighbours_asked_for_during_a_projection_are_answered_within_it(
    real: Real, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(vectors.CHUNK_BYTES, "cpu", 1024 * 4 * 10)
    x = normal(9000)
    dataset = real.open(saved(tmp_path, x))
    alone: NeighboursResult = real.ask(NeighboursRequest(dataset, RowQuery(5), 7, "l2"))
    jobs: list[int] = []
    emit = real.engine.emit

    def ask_at_first_progress(event: Event) -> None:
        if isinstance(event, Progress) and event.stage == "Finding the mean" and not jobs:
            jobs.append(real.engine.submit(NeighboursRequest(dataset, RowQuery(5), 7, "l2")))
        emit(event)

    monkeypatch.setattr(real.engine, "emit", ask_at_first_progress)
    project = real.engine.submit(ProjectRequest(dataset))
    end = real.events.end_of(project)
    assert isinstance(end, Completed), end
    within = real.events.end_of(jobs[0])
    assert isinstance(within, Completed)
    ends = real.events.ends_so_far()
    assert ends.index(within) < ends.index(end)
    assert isinstance(within.result, NeighboursResult)
    assert within.result.ids.tolist() == alone.ids.tolist()
    assert isinstance(end.result, ProjectResult)
    again: ProjectResult = real.ask(ProjectRequest(dataset))
    np.testing.assert_array_equal(end.result.coords, again.coords)


def test_a_projection_is_cancelled_between_chunks_and_can_be_asked_for_again(
    real: Real, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(vectors.CHUNK_BYTES, "cpu", 1024 * 4 * 10)
    dataset = real.open(saved(tmp_path, normal(9000)))
    emit = real.engine.emit

    def cancel_at_first_progress(event: Event) -> None:
        if isinstance(event, Progress) and event.key == "project":
            real.engine.cancel("project")
        emit(event)

    with monkeypatch.context() as patch:
        patch.setattr(real.engine, "emit", cancel_at_first_progress)
        project = real.engine.submit(ProjectRequest(dataset))
        assert real.events.end_of(project) == Stopped(project, "project")
    result: ProjectResult = real.ask(ProjectRequest(dataset))
    assert np.isfinite(result.coords).all()


@pytest.mark.logs("compiling failed")
def test_a_compiler_that_fails_is_told_apart_from_a_bug(real: Real, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = real.open(saved(tmp_path, normal()))

    def fail(*given: Any, **options: Any) -> None:
        raise RuntimeError("[Compile::eval_cpu] Failed to compile function x with error code 1.")

    with monkeypatch.context() as patch:
        patch.setattr("core.compute.service.NearestRows.search", fail)
        end = real.end(NeighboursRequest(dataset, RowQuery(1), 3, "l2"))
    assert isinstance(end, Failed)
    assert isinstance(end.error, CompileUnavailable)
    assert isinstance(real.end(NeighboursRequest(dataset, RowQuery(1), 3, "l2", "eager")), Completed)
