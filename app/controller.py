"""What the user wants becomes requests; what the engine answers becomes models."""

from __future__ import annotations

import logging
import random
from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, Signal

from app.bridge import EngineBridge
from app.images import Images
from app.lab_controller import LabController
from app.models.chart import ChartModel
from app.models.colouring import ColouringModel
from app.models.dataset import DatasetModel
from app.models.filters import FiltersModel
from app.models.jobs import JobsModel
from app.models.labels import LabelsModel
from app.models.neighbours import NeighboursModel
from app.models.projection import ProjectionModel
from app.models.query import QueryModel
from app.models.record import RecordModel
from app.models.search import SearchModel
from app.models.selection import SelectionModel
from app.models.timings import TimingsModel
from app.models.undo import UndoModel
from app.models.viewport import ViewportModel
from app.notices import Notices
from app.selector import Find, Selector
from app.settings import Settings
from core.choosing import How, combined
from core.dataset import Dataset
from core.errors import ChoiceNeeded, CompileUnavailable, JoinNeeded, UserError
from core.lab import LabRun
from core.queries import MeanQuery, Query, RowQuery
from core.types import (
    AnnotateRequest,
    AnnotateResult,
    Broken,
    Completed,
    ComputeOptions,
    DeviceInfo,
    DistancesRequest,
    DistancesResult,
    Event,
    ExportRequest,
    ExportResult,
    ExportWhat,
    Failed,
    LabRequest,
    LabTable,
    LabTableRequest,
    LoadRequest,
    LoadResult,
    Metric,
    Mode,
    NeighboursRequest,
    NeighboursResult,
    OpenQueriesRequest,
    OpenQueriesResult,
    Partial,
    Progress,
    ProjectRequest,
    ProjectResult,
    Ready,
    RecallRequest,
    RecallResult,
    Request,
    Stopped,
)

log = logging.getLogger(__name__)

RACE_PAIRS = 30
# Rows that a map of their own needs.
FEWEST_PROJECTED = 3


class Controller(QObject):
    device_known = Signal()
    mode_changed = Signal()
    choice_needed = Signal(object, object)  # a request to open a file and its arrays: the user is to choose one
    queries_opened = Signal(object)  # a Dataset whose rows can be queries
    queries_refused = Signal(str)  # why such a file cannot be opened
    join_needed = Signal(object, object)  # an AnnotateRequest and its JoinNeeded: the user is to choose a column
    settled = Signal()  # nothing is running or waiting any more

    def __init__(self, settings: Settings, notices: Notices, options: ComputeOptions, lab_history: Path | None = None) -> None:
        super().__init__()
        self.settings = settings
        self.notices = notices
        self.dataset = DatasetModel()
        self.colouring = ColouringModel(self.dataset)
        self.filters = FiltersModel(self.dataset)
        self.projection = ProjectionModel()
        self.query = QueryModel()
        self.selection = SelectionModel()
        self.search = SearchModel(self.dataset)
        self.viewport = ViewportModel()
        self.undo = UndoModel(self.selection, self.viewport)
        self.selector = Selector(self.selection)
        self.neighbours = NeighboursModel()
        self.neighbours.columns = settings.neighbour_columns
        self.labels = LabelsModel(self.dataset)
        self.record = RecordModel(self.query, self.neighbours)
        self.images = Images()
        self.timings = TimingsModel()
        self.chart = ChartModel(settings)
        self.jobs = JobsModel()
        self.device: DeviceInfo | None = None
        self.mode: Mode = "compiled"
        self._compile_problem: str | None = None
        self._requests: dict[int, Request] = {}
        self._select_after_load: int | None = None
        self._race: list[Mode] = []
        self._under_cursor: int | None = None  # whose neighbours are wanted while they follow the cursor
        self._following = False  # whether neighbours of a point under the cursor are being searched
        self._distances: DistancesRequest | None = None  # shown as colours, or on their way
        self._bridge = EngineBridge(options)
        self._bridge.answered.connect(self._on_event)
        self.filters.applied.connect(lambda: self.colouring.filter(self.filters.passed))
        self.lab = LabController(self.dataset, self.neighbours, notices, self._submit, self._bridge.engine.cancel, lab_history)
        self.lab.filing.failed.connect(self._on_fault)
        self.query.changed.connect(self._on_query_changed)
        for signal in (self.query.changed, self.neighbours.settings_changed, self.colouring.choice_changed):
            signal.connect(self._measure)

    def start(self) -> None:
        self.lab.start()
        self._bridge.engine.start()

    def close(self) -> None:
        """Stop the compute thread; nothing reaches the models after this."""
        self._bridge.answered.disconnect(self._on_event)
        self._bridge.engine.close()
        self.lab.close()
        self.colouring.close()
        self.selector.close()
        self.labels.close()
        self.search.close()
        self.filters.close()
        self.images.close()

    @property
    def compile_problem(self) -> str | None:
        """Why compiling cannot work here, or None."""
        return self._compile_problem

    # What the user wants

    def open(self, path: Path, array: str | None = None, bfloat16: bool = False, select: int | None = None) -> None:
        """Open a file; the open data set stays until the new one is known to be sound."""
        self._select_after_load = select
        self.lab.stop()  # what runs on the file before would hold its vectors
        wanted = self.projection.settings
        self._submit(LoadRequest(path.absolute(), array, bfloat16, wanted.centre, wanted.unit_length))

    def open_array(self, request: LoadRequest | OpenQueriesRequest, array: str) -> None:
        """Open the chosen array of the file that `request` could not decide on."""
        if isinstance(request, OpenQueriesRequest):
            self.open_queries(request.path, array)
            return
        self.open(request.path, array, request.bfloat16, self._select_after_load)

    def annotate(self, path: Path, by: str | None = None) -> None:
        """Read the labels in a file, joined by a column of it if one is named; those shown stay until these are known to fit."""
        if self.dataset.dataset is not None:
            self._submit(AnnotateRequest(self.dataset.dataset, path.absolute(), by))

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
        self.query.select(RowQuery(row))

    def ask(self, query: Query) -> None:
        """Let anything be the query."""
        if self.dataset.dataset is not None:
            self.query.select(query)

    def open_queries(self, path: Path, array: str | None = None) -> None:
        """Open a file whose rows can be queries."""
        self._submit(OpenQueriesRequest(path.absolute(), array))

    def click(self, row: int, how: How) -> None:
        """A point was clicked: it becomes the query, or joins or leaves the selection, which begins with the query."""
        if how == "replace":
            self.clear_selection()
            self.select(row)
            return
        clicked = np.array([row])
        if self.query.row is None or len(self.selection) or self.selector.busy:
            self.selector.change(lambda: clicked, how)
        else:
            first = np.array([self.query.row])
            self.selector.change(lambda: combined(first, clicked, how), "replace")

    def change_selection(self, find: Find, how: How) -> None:
        self.selector.change(find, how)

    def clear_selection(self) -> None:
        self.selector.forget()
        self.selection.clear()

    def select_neighbours(self) -> None:
        """Let the neighbours that are listed be the selection."""
        if (result := self.neighbours.shown) is not None:
            self.selector.change(lambda: np.sort(result.ids), "replace")

    def select_hits(self) -> None:
        """Let the rows that the search has found be the selection, and search for nothing any more."""
        hits = self.search.hits
        self.selector.change(lambda: hits, "replace")
        self.search.clear()

    def step_back(self) -> None:
        """Undo the last change of selection or view."""
        self.selector.forget()
        self.undo.undo()

    def step_again(self) -> None:
        self.selector.forget()
        self.undo.redo()

    def project_selected(self) -> None:
        """Map the selected rows only, by components of their own."""
        if len(self.selection) >= FEWEST_PROJECTED:
            self.projection.only = self.selection.rows
            self._project()

    def project_all(self) -> None:
        self.projection.only = None
        self._project()

    def ask_mean(self) -> None:
        """Let the mean of the selected rows be the query."""
        if len(self.selection):
            self.query.select(MeanQuery(self.selection.rows))

    def export(self, path: Path, what: ExportWhat, everything: bool = False) -> None:
        """Write the selected rows, or all of them, or the neighbours that are listed, to a file."""
        dataset, table = self.dataset.dataset, self.dataset.table
        if dataset is None:
            return
        if what == "neighbours":
            if (found := self.neighbours.shown) is not None:
                self._submit(ExportRequest(dataset, found.ids, path, what, table, distances=found.distances))
            return
        rows = None if everything else self.selection.rows
        places = (self.projection.rows, self.projection.coords) if what == "coordinates" else None
        if rows is None or len(rows):
            self._submit(ExportRequest(dataset, rows, path, what, table, places))

    def show_columns(self, names: tuple[str, ...]) -> None:
        """Show these columns of the labels beside each neighbour, now and in later runs."""
        self.settings.neighbour_columns = names
        self.neighbours.show_columns(names)

    def set_following(self, on: bool) -> None:
        """Let the neighbours follow the cursor, or not."""
        self.neighbours.follow(on)
        if not on:
            self._leave()

    def follow(self, row: int | None) -> None:
        """The cursor is over the point of a row, or over none."""
        if not self.neighbours.follows:
            return
        if row is None:
            self._leave()
            return
        self._under_cursor = row
        # One search at a time: to overtake the one that runs would leave nothing to see while the hand moves.
        if not self._following:
            self._ask_live()

    def _leave(self) -> None:
        self._under_cursor = None
        self._bridge.engine.cancel("live")
        self.neighbours.show_live(None)

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
        if self.query.present is None or self._compile_problem:
            return
        pairs: list[list[Mode]] = [random.sample(["compiled", "eager"], 2) for _ in range(RACE_PAIRS)]
        # The last come off first: one of each to warm up, not counted if they turn out to be first calls.
        self._race = [mode for pair in pairs for mode in pair]
        self._race_on()

    def stop_race(self) -> None:
        self._race = []
        self._bridge.engine.cancel("race")
        self.timings.set_race(0)

    def check_recall(self) -> None:
        """Compare our neighbours with the true ones that came with the file."""
        dataset = self.dataset.dataset
        if dataset is not None and dataset.truth is not None:
            self._submit(RecallRequest(dataset, mode=self.mode))

    def cancel(self) -> None:
        """Cancel whatever runs or waits."""
        self.stop_race()
        self.lab.stop()
        for key in ("load", "annotate", "project", "neighbours", "distances", "queries", "export", "recall", "live"):
            self._bridge.engine.cancel(key)

    # What follows from it

    def _submit(self, request: Request) -> None:
        number = self._bridge.engine.submit(request)
        self._requests[number] = request
        if request.key != "live":
            self.jobs.begin(number, request.key)

    def _on_query_changed(self) -> None:
        self.stop_race()
        self.neighbours.problem = ""
        if self.query.present is None:
            self._bridge.engine.cancel("neighbours")
            self.neighbours.clear()
        else:
            self._ask()

    def _ask(self) -> None:
        if (request := self._query(self.mode)) is not None:
            self._submit(request)

    def _query(self, mode: Mode, key: str = "neighbours", priority: int = 0) -> NeighboursRequest | None:
        dataset, query = self.dataset.dataset, self.query.present
        if dataset is None or query is None:
            return None
        k, metric = self.neighbours.k, self.neighbours.metric
        return NeighboursRequest(dataset, query, k, metric, mode, key=key, priority=priority)

    def _ask_live(self) -> None:
        dataset, row = self.dataset.dataset, self._under_cursor
        if dataset is not None and row is not None:
            self._following = True
            k, metric = self.neighbours.k, self.neighbours.metric
            self._submit(NeighboursRequest(dataset, RowQuery(row), k, metric, self.mode, key="live"))

    def _project(self) -> None:
        wanted, dataset = self.projection.settings, self.dataset.dataset
        if dataset is not None:
            ways = (wanted.centre, wanted.unit_length)
            self._submit(ProjectRequest(dataset, wanted.axes, *ways, self.mode, rows=self.projection.only))

    def _measure(self) -> None:
        """Ask for the distances to the query, if these are what to colour by and not known already."""
        dataset, query = self.dataset.dataset, self.query.present
        wanted = None
        if self.colouring.by.kind == "distance" and dataset is not None and query is not None:
            wanted = DistancesRequest(dataset, query, self.neighbours.metric)
        if wanted == self._distances:
            return
        self._distances = wanted
        if wanted is None:
            self._bridge.engine.cancel("distances")
            self.colouring.measure(None)
        else:
            self._submit(wanted)
            self.colouring.await_distances()

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
                self.lab.ask_table()
                return
            case Broken(error):
                self._on_fault(error)
                return
            case Progress(number, _, stage, done, total):
                self.jobs.progress(number, stage, done, total)
                return
            case Partial(result=LabRun() as run):
                self.lab.take(run)
                return
            case Completed(number, _, LabTable() | LabRun() as found):
                request = self._requests.pop(number)
                self.lab.take(found)
            case Completed(number, _, result):
                request = self._requests.pop(number)
                self._take(request, result)
            case Failed(number, _, error):
                request = self._requests.pop(number)
                self._on_failure(request, error)
                self._not_measured(request)
            case Stopped(number, _):
                request = self._requests.pop(number)
                self._on_stopped(request)
                self._not_measured(request)
        if request.key == "live":
            self._on_followed()
            return
        self.jobs.end(number)
        if self.jobs.idle:
            self.settled.emit()

    def _take(self, request: Request, result: object) -> None:  # noqa: C901 - one case a result
        current: Dataset | None = self.dataset.dataset
        match result:
            case LoadResult():
                self._on_loaded(result)
            case AnnotateResult(dataset, table, problem, note) if dataset is current:
                self.dataset.annotate(table)
                if problem:
                    self.notices.problem(problem)
                if note:
                    self.notices.info(note)
            case ProjectResult(dataset=dataset) if dataset is current:
                first = self.dataset.non_finite_rows is None
                self.dataset.check(result.non_finite_rows)
                self.projection.show_result(result)
                if self.projection.reframe:
                    self.undo.forget_views()
                if first and (count := len(result.non_finite_rows)):
                    said = "holds NaN or infinity; it is" if count == 1 else "hold NaN or infinity; they are"
                    self.notices.info(f"{count:,} of {dataset.rows:,} rows {said} left out.")
            case DistancesResult(dataset=dataset) if dataset is current:
                self.colouring.measure(result)
            case OpenQueriesResult(dataset):
                self.queries_opened.emit(dataset)
            case ExportResult(paths=paths, what=what, count=count):
                things = "rows" if what in ("labels", "coordinates") else what
                self.notices.info(f"{count:,} {things} written to {' and '.join(map(str, paths))}.")
            case RecallResult():
                self.notices.info(result.sentence)
            case NeighboursResult(dataset=dataset) if dataset is current:
                self._on_neighbours(request.key, result)

    def _on_loaded(self, result: LoadResult) -> None:
        for key in ("annotate", "project", "neighbours", "distances", "recall"):
            self._bridge.engine.cancel(key)
        self.stop_race()
        self._leave()
        self.timings.clear()
        self.dataset.open(result.dataset)
        self.query.clear()
        self.clear_selection()
        self.projection.show_preview(result.preview)
        self.undo.forget()
        self.settings.remember(result.dataset.path)
        if result.dataset.notes:
            self.notices.info(" ".join(result.dataset.notes))
        self._submit(AnnotateRequest(result.dataset))
        self._project()
        self.lab.ask_table()
        if self._select_after_load is not None:
            row, self._select_after_load = self._select_after_load, None
            self.select(row)

    def _on_neighbours(self, key: str, result: NeighboursResult) -> None:
        if key == "live":
            # Not in the chart: a sweep of the mouse would push every query that the user asked for out of it.
            if self._under_cursor is not None:
                self.neighbours.show_live(result)
            return
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

    def _on_followed(self) -> None:
        """A search for the point under the cursor has ended: go on if the cursor has."""
        self._following = False
        shown = self.neighbours.live
        if self._under_cursor is not None and (shown is None or shown.row != self._under_cursor):
            self._ask_live()

    def _on_failure(self, request: Request, error: Exception) -> None:
        if isinstance(error, CompileUnavailable):
            self.stop_race()
            self._without_compiler(str(error))
            self.notices.problem(str(error))
            self._again_uncompiled(request)
        elif isinstance(error, ChoiceNeeded) and isinstance(request, LoadRequest | OpenQueriesRequest):
            self.choice_needed.emit(request, error.choices)
        elif isinstance(error, JoinNeeded) and error.columns and isinstance(request, AnnotateRequest):
            self.join_needed.emit(request, error)
        elif not isinstance(request, LabTableRequest):  # a file that cannot be listed cannot be projected: that one tells
            self._on_fault(error)
        if isinstance(request, LabRequest):
            self.lab.fail(str(error))
        if request.key == "race":
            self.stop_race()
        if request.key == "live":
            self.set_following(False)
        why = str(error) if isinstance(error, UserError) else "Something went wrong inside Kinscope."
        if isinstance(request, OpenQueriesRequest):
            several = f"{request.path.name} holds several arrays; choose one of them."
            self.queries_refused.emit(several if isinstance(error, ChoiceNeeded) else why)
        if not isinstance(error, CompileUnavailable):
            self._not_answered(request, why)
        self._not_projected(request)

    def _not_projected(self, request: Request) -> None:
        """The map keeps the rows it has, unless others are on their way."""
        overtaken = any(other.key == "project" for other in self._requests.values())
        if isinstance(request, ProjectRequest) and not overtaken:
            result = self.projection.result
            self.projection.only = None if result is None else result.rows

    def _on_stopped(self, request: Request) -> None:
        """A projection that the user cancelled leaves the sample on the map: say so."""
        overtaken = any(other.key == "project" for other in self._requests.values())
        shown = self.dataset.dataset if self.projection.result is None else None
        if isinstance(request, ProjectRequest) and request.dataset is shown and not overtaken:
            self.notices.info("Cancelled: the map shows a sample of the rows. Change a projection setting to try again.")
        self._not_projected(request)
        self._not_answered(request, "Cancelled.")
        if isinstance(request, OpenQueriesRequest):
            self.queries_refused.emit("Cancelled; choose a file again.")
        if isinstance(request, LabRequest):
            self.lab.stopped()

    def _not_answered(self, request: Request, why: str) -> None:
        """A query without an answer, none being on its way, says so in place of the neighbours of the one before."""
        if not isinstance(request, NeighboursRequest) or request.key != "neighbours" or request.query != self.query.present:
            return
        shown, overtaken = self.neighbours.result, any(other.key == "neighbours" for other in self._requests.values())
        if not overtaken and (shown is None or shown.query != request.query):
            self.neighbours.clear(why)

    def _not_measured(self, request: Request) -> None:
        """Distances that fail or are cancelled leave nothing to colour by."""
        if request == self._distances:
            self._distances = None
            self.colouring.measure(None)

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

    def _on_fault(self, error: Exception) -> None:
        self.notices.problem(str(error)) if isinstance(error, UserError) else self._report_bug(error)

    def _report_bug(self, error: Exception) -> None:
        log.error("unexpected failure", exc_info=error)
        self.notices.bug(f"Something went wrong inside Kinscope ({type(error).__name__}: {error}). The log has the details.")
