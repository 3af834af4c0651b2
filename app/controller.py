"""What the user wants becomes requests; what the engine answers becomes models."""

from __future__ import annotations

import logging
import random
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from app.bridge import EngineBridge
from app.models.dataset import DatasetModel
from app.models.jobs import JobsModel
from app.models.neighbours import NeighboursModel
from app.models.projection import ProjectionModel
from app.models.selection import SelectionModel
from app.models.timings import TimingsModel
from app.notices import Notices
from app.settings import Settings
from core.dataset import Dataset
from core.errors import ChoiceNeeded, CompileUnavailable, UserError
from core.types import (
    AnnotateRequest,
    AnnotateResult,
    Broken,
    Completed,
    ComputeOptions,
    DeviceInfo,
    Event,
    Failed,
    LoadRequest,
    LoadResult,
    Metric,
    Mode,
    NeighboursRequest,
    NeighboursResult,
    Progress,
    ProjectRequest,
    ProjectResult,
    Ready,
    Request,
    Stopped,
)

log = logging.getLogger(__name__)

RACE_PAIRS = 30


class Controller(QObject):
    device_known = Signal()
    mode_changed = Signal()
    choice_needed = Signal(object, object)  # a LoadRequest and the arrays of its file: the user is to choose one
    settled = Signal()  # nothing is running or waiting any more

    def __init__(self, settings: Settings, notices: Notices, options: ComputeOptions) -> None:
        super().__init__()
        self.settings = settings
        self.notices = notices
        self.dataset = DatasetModel()
        self.projection = ProjectionModel()
        self.selection = SelectionModel()
        self.neighbours = NeighboursModel()
        self.timings = TimingsModel()
        self.jobs = JobsModel()
        self.device: DeviceInfo | None = None
        self.mode: Mode = "compiled"
        self._compile_problem: str | None = None
        self._requests: dict[int, Request] = {}
        self._select_after_load: int | None = None
        self._race: list[Mode] = []
        self._bridge = EngineBridge(options)
        self._bridge.answered.connect(self._on_event)
        self.selection.changed.connect(self._on_query_changed)

    def start(self) -> None:
        self._bridge.engine.start()

    def close(self) -> None:
        """Stop the compute thread; nothing reaches the models after this."""
        self._bridge.answered.disconnect(self._on_event)
        self._bridge.engine.close()

    @property
    def compile_problem(self) -> str | None:
        """Why compiling cannot work here, or None."""
        return self._compile_problem

    # What the user wants

    def open(self, path: Path, array: str | None = None, bfloat16: bool = False, select: int | None = None) -> None:
        """Open a file; the open data set stays until the new one is known to be sound."""
        self._select_after_load = select
        wanted = self.projection.settings
        self._submit(LoadRequest(path.absolute(), array, bfloat16, wanted.centre, wanted.unit_length))

    def open_array(self, request: LoadRequest, array: str) -> None:
        """Open the chosen array of the file that `request` could not decide on."""
        self.open(request.path, array, request.bfloat16, self._select_after_load)

    def reopen_as_bfloat16(self) -> None:
        if self.dataset.dataset is not None:
            self.open(self.dataset.dataset.path, self.dataset.dataset.array_name, bfloat16=True)

    def select(self, row: int) -> None:
        """Make `row` the query."""
        dataset = self.dataset.dataset
        if dataset is None:
            return
        if not 0 <= row < dataset.rows:
            self.notices.problem(f"{dataset.name} has no row {row:,}; its rows are 0 to {dataset.rows - 1:,}.")
            return
        self.selection.select(row)

    def set_compiled(self, compiled: bool) -> None:
        """Flip the switch; the last query is asked again at once, so that the difference shows."""
        mode: Mode = "compiled" if compiled and not self._compile_problem else "eager"
        if mode != self.mode:
            self.mode = mode
            self.mode_changed.emit()
            self._ask()

    def set_metric(self, metric: Metric) -> None:
        if metric != self.neighbours.metric:
            self.neighbours.ask_for(metric=metric)
            self._ask()

    def set_k(self, k: int) -> None:
        if k != self.neighbours.k:
            self.neighbours.ask_for(k=k)
            self._ask()

    def set_projection(self, **changes: object) -> None:
        """Change axes=(x, y), centre or unit_length, and project again."""
        if self.projection.set(**changes):
            self._project()

    def race(self) -> None:
        """Run the last query both ways, interleaved in random order; clicks come first."""
        if self.selection.row is None or self._compile_problem:
            return
        pairs: list[list[Mode]] = [random.sample(["compiled", "eager"], 2) for _ in range(RACE_PAIRS)]
        # The last come off first: one of each to warm up, not counted if they turn out to be first calls.
        self._race = [mode for pair in pairs for mode in pair]
        self._race_on()

    def stop_race(self) -> None:
        self._race = []
        self._bridge.engine.cancel("race")
        self.timings.set_race(0)

    def cancel(self) -> None:
        """Cancel whatever runs or waits."""
        self.stop_race()
        for key in ("load", "annotate", "project", "neighbours"):
            self._bridge.engine.cancel(key)

    # What follows from it

    def _submit(self, request: Request) -> None:
        number = self._bridge.engine.submit(request)
        self._requests[number] = request
        self.jobs.begin(number, request.key)

    def _on_query_changed(self) -> None:
        self.stop_race()
        if self.selection.row is None:
            self._bridge.engine.cancel("neighbours")
            self.neighbours.clear()
        else:
            self._ask()

    def _ask(self) -> None:
        if (request := self._query(self.mode)) is not None:
            self._submit(request)

    def _query(self, mode: Mode, key: str = "neighbours", priority: int = 0) -> NeighboursRequest | None:
        dataset, row = self.dataset.dataset, self.selection.row
        if dataset is None or row is None:
            return None
        return NeighboursRequest(dataset, row, self.neighbours.k, self.neighbours.metric, mode, key, priority)

    def _project(self) -> None:
        wanted, dataset = self.projection.settings, self.dataset.dataset
        if dataset is not None:
            self._submit(ProjectRequest(dataset, wanted.axes, wanted.centre, wanted.unit_length, self.mode))

    def _race_on(self) -> None:
        self.timings.set_race(len(self._race))
        if self._race and (request := self._query(self._race[-1], "race", 4)) is not None:
            self._submit(request)

    # What the engine answers

    def _on_event(self, event: Event) -> None:
        match event:
            case Ready(device):
                self.device = device
                self._without_compiler(device.compile_problem)
                self.device_known.emit()
                return
            case Broken(error):
                self.notices.problem(str(error)) if isinstance(error, UserError) else self._report_bug(error)
                return
            case Progress(number, _, stage, done, total):
                self.jobs.progress(number, stage, done, total)
                return
            case Completed(number, _, result):
                request = self._requests.pop(number)
                self._take(request, result)
            case Failed(number, _, error):
                self._on_failure(self._requests.pop(number), error)
            case Stopped(number, _):
                self._on_stopped(self._requests.pop(number))
        self.jobs.end(number)
        if self.jobs.idle:
            self.settled.emit()

    def _take(self, request: Request, result: object) -> None:
        current: Dataset | None = self.dataset.dataset
        match result:
            case LoadResult():
                self._on_loaded(result)
            case AnnotateResult(dataset, table, problem) if dataset is current:
                self.dataset.annotate(table)
                if problem:
                    self.notices.problem(problem)
            case ProjectResult(dataset=dataset) if dataset is current:
                first = self.dataset.non_finite_rows is None
                self.dataset.check(result.non_finite_rows)
                self.projection.show_result(result)
                if first and (count := len(result.non_finite_rows)):
                    self.notices.info(f"{count:,} of {dataset.rows:,} rows hold NaN or infinity; they are left out.")
            case NeighboursResult(dataset=dataset) if dataset is current:
                self._on_neighbours(request.key, result)

    def _on_loaded(self, result: LoadResult) -> None:
        for key in ("annotate", "project", "neighbours"):
            self._bridge.engine.cancel(key)
        self.stop_race()
        self.timings.clear()
        self.dataset.open(result.dataset)
        self.selection.clear()
        self.projection.show_preview(result.preview)
        self.settings.remember(result.dataset.path)
        self._submit(AnnotateRequest(result.dataset))
        self._project()
        if self._select_after_load is not None:
            row, self._select_after_load = self._select_after_load, None
            self.select(row)

    def _on_neighbours(self, key: str, result: NeighboursResult) -> None:
        self.timings.add(result)
        if key == "race":
            # A first call tells nothing about speed: that mode runs once more.
            if self._race and not result.timing.first:
                self._race.pop()
            self._race_on()
            return
        self.neighbours.show(result)
        if len(result.ids) < result.asked_k:
            self.notices.info(
                f"{result.dataset.name} has {result.dataset.rows:,} rows: "
                f"{len(result.ids)} neighbours instead of {result.asked_k}."
            )

    def _on_failure(self, request: Request, error: Exception) -> None:
        if isinstance(error, CompileUnavailable):
            self.stop_race()
            self._without_compiler(str(error))
            self.notices.problem(str(error))
            self._again_uncompiled(request)
        elif isinstance(error, ChoiceNeeded) and isinstance(request, LoadRequest):
            self.choice_needed.emit(request, error.choices)
        elif isinstance(error, UserError):
            self.notices.problem(str(error))
        else:
            self._report_bug(error)
        if request.key == "race":
            self.stop_race()

    def _on_stopped(self, request: Request) -> None:
        """A projection that the user cancelled leaves the sample on the map: say so."""
        overtaken = any(other.key == "project" for other in self._requests.values())
        shown = self.dataset.dataset if self.projection.result is None else None
        if isinstance(request, ProjectRequest) and request.dataset is shown and not overtaken:
            self.notices.info("Cancelled: the map shows a sample of the rows. Change a projection setting to try again.")

    def _without_compiler(self, problem: str | None) -> None:
        self._compile_problem = problem
        if problem and self.mode == "compiled":
            self.mode = "eager"
        self.mode_changed.emit()

    def _again_uncompiled(self, request: Request) -> None:
        if isinstance(request, NeighboursRequest):
            self._ask()
        elif isinstance(request, ProjectRequest):
            self._project()

    def _report_bug(self, error: Exception) -> None:
        log.error("unexpected failure", exc_info=error)
        self.notices.bug(f"Something went wrong inside Kinscope ({type(error).__name__}: {error}). The log has the details.")
