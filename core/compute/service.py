"""What each request does: the engine's work, synchronous, on the thread that owns MLX."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Protocol

import mlx.core as mx
import numpy as np

from core.compute import lab
from core.compute.bench import run_cases
from core.compute.device import select
from core.compute.distances import distances_to
from core.compute.limits import Limits, measure_limits
from core.compute.measuring import Rule
from core.compute.projection import Fit, Projector
from core.compute.query_vectors import query_vector
from core.compute.recall import compare
from core.compute.search import NearestRows
from core.compute.storage import RoundedRows
from core.compute.subset import SomeRows
from core.compute.timing import stopwatch
from core.compute.trials import Bed
from core.compute.vectors import ArrayRows, Scan, Vectors, scan_rows
from core.compute.workloads import WORKLOADS, workload_named
from core.dataset import Dataset
from core.errors import CompileUnavailable, UserError
from core.lab import LabRun
from core.queries import row_of
from core.readers import open_dataset, open_queries
from core.readers.joining import Labels
from core.readers.options import OpenOptions
from core.readers.projector import metadata_beside
from core.readers.sidecar import find_sidecar, read_sidecar
from core.types import (
    COMPONENTS,
    AnnotateRequest,
    AnnotateResult,
    BenchRequest,
    ComputeOptions,
    DistancesRequest,
    DistancesResult,
    ExportRequest,
    ExportResult,
    Floats,
    Ids,
    InspectRequest,
    InspectResult,
    LabRequest,
    LabTable,
    LabTableRequest,
    LoadRequest,
    LoadResult,
    Metric,
    NeighboursRequest,
    NeighboursResult,
    OpenQueriesRequest,
    OpenQueriesResult,
    Preview,
    ProjectRequest,
    ProjectResult,
    RecallRequest,
    RecallResult,
    Request,
    Result,
)
from core.writers import save
from core.writers.content import content_of

log = logging.getLogger(__name__)

# Values in the sample that the first picture is drawn from; few enough to fit in a fraction of a second.
PREVIEW_VALUES = 2_000_000
PREVIEW_ROWS = (1_000, 10_000)


class Job(Protocol):
    """How work reports back and learns that it is to end."""

    def poll(self) -> None:
        """Raise Cancelled if the job was cancelled or overtaken."""

    def give_way(self) -> None:
        """As `poll`; and let requests that are more urgent run first, within this one."""

    def report(self, stage: str, done: int, total: int) -> None: ...

    def tell(self, result: Result) -> None:
        """Hand out what has been found so far."""


@dataclass(eq=False)
class _Held:
    """What is known of a data set, and its vectors on the device."""

    dataset: Dataset
    scan: Scan
    vectors: Vectors
    fits: dict[tuple[bool, bool], Fit] = field(default_factory=dict)  # by (centre, unit length)
    part: tuple[Ids, _Held] | None = None  # the rows that were projected by themselves last


class Service:
    """Holds the vectors of one data set on the device, and answers requests about any."""

    def __init__(self, options: ComputeOptions) -> None:
        self.device = select(options.device, options.memory_bytes)
        self._storage = options.storage
        self._scan: tuple[Dataset, Scan] | None = None
        self._held: _Held | None = None  # of the data set asked about last
        self._limits: Limits | None = None  # of this machine, once measured

    def handle(self, request: Request, job: Job) -> Result:
        """Do what is asked. Raises UserError for a fault of the user's file or machine, Cancelled from `job.poll`."""
        try:
            return self._answer(request, job)
        except RuntimeError as error:
            # MLX raises at evaluation when the compiler it calls fails.
            if "compile" in str(error).lower() and self.device.kind == "cpu":
                log.warning("compiling failed: %s", error)
                raise CompileUnavailable(
                    "MLX could not compile for the CPU: g++ fails on this machine; reinstall it, or work uncompiled."
                ) from error
            raise

    def _answer(self, request: Request, job: Job) -> Result:  # noqa: C901 - one case a request
        match request:
            case LoadRequest():
                return self._load(request, job)
            case AnnotateRequest():
                return self._annotate(request, job)
            case InspectRequest():
                return InspectResult(request.dataset, self._scanned(request.dataset, job).non_finite_rows)
            case ProjectRequest():
                return self._project(request, job)
            case NeighboursRequest():
                return self._neighbours(request, job)
            case DistancesRequest():
                return self._distances(request, job)
            case OpenQueriesRequest(path, array):
                return OpenQueriesResult(open_queries(path, OpenOptions(array)))
            case ExportRequest():
                return self._export(request, job)
            case RecallRequest():
                return self._recall(request, job)
            case LabTableRequest():
                return self._lab_table(request, job)
            case LabRequest():
                return self._lab(request, job)
            case BenchRequest(only, repeat, seconds):
                return run_cases(self.device, only, repeat, seconds, job.poll, job.report)

    def close(self) -> None:
        """Let go of the device. MLX's worker threads must end before the process does, or it aborts at exit."""
        self._forget()
        mx.synchronize()
        mx.clear_streams()

    def _load(self, request: LoadRequest, job: Job) -> LoadResult:
        job.report("Opening", 0, 0)
        dataset = open_dataset(request.path, OpenOptions(request.array, request.bfloat16, _telling(job)))
        low, high = PREVIEW_ROWS
        ids = dataset.sample_rows(int(np.clip(PREVIEW_VALUES // dataset.dims, low, high)))
        sample = dataset.read(ids)
        finite = np.isfinite(sample).all(axis=1)
        if not finite.any():
            self._scanned(dataset, job)  # refuses the file if there is no finite row at all
            return LoadResult(dataset, Preview(np.empty(0, np.int64), np.empty((0, 2), np.float32)))
        job.poll()
        job.report("First picture", 0, 0)
        source = ArrayRows(sample[finite])
        vectors = Vectors(source, scan_rows(source), self.device.kind, self.device.budget_bytes)
        # Eager: to generate code first would delay the first picture by a second.
        projector = Projector(vectors, request.centre, request.unit_length, "eager", rough=True)
        coords = projector.transform(projector.fit(2, job.poll), (0, 1), job.poll)
        return LoadResult(dataset, Preview(ids[finite], coords))

    def _annotate(self, request: AnnotateRequest, job: Job) -> AnnotateResult:
        dataset = request.dataset
        path = request.path or find_sidecar(dataset.path)
        if path is None and dataset.metadata is None:
            return AnnotateResult(dataset, None, None)
        job.report("Reading labels", 0, 0)
        try:
            labels = _labels(dataset, path, request.by, job)
        except UserError as error:
            if request.path is not None:  # what is shown stays
                raise
            return AnnotateResult(dataset, None, f"{str(error).removesuffix('.')}; shown without labels.")
        _ = labels.table.colour_column  # found now, not on the Qt thread
        return AnnotateResult(dataset, labels.table, None, labels.note)

    def _project(self, request: ProjectRequest, job: Job) -> ProjectResult:
        whole = held = self._resident(request.dataset, job)
        if request.rows is not None:
            held = self._part(whole, request.rows, job)
        vectors = held.vectors
        key = (request.centre, request.unit_length)
        projector = Projector(vectors, request.centre, request.unit_length, request.mode)
        wanted = min(max(COMPONENTS, *(axis + 1 for axis in request.axes)), vectors.dims)
        passes = 1
        with stopwatch(request.mode) as watch:
            give_way = watch.leaving_out(job.give_way)
            fit = held.fits.get(key)
            if fit is None or len(fit.explained) < wanted:
                passes += 1 + request.centre
                with watch.stage("fit"):
                    fit = held.fits[key] = projector.fit(wanted, give_way, job.report)
            axes = tuple(min(axis, len(fit.explained) - 1) for axis in request.axes)
            with watch.stage("map rows"):
                coords = projector.transform(fit, axes, give_way, job.report)
        timing = watch.timing(passes * vectors.nbytes)
        return ProjectResult(
            request.dataset,
            axes,
            request.centre,
            request.unit_length,
            coords,
            fit.explained,
            whole.vectors.scan.non_finite_rows,
            fit.method,
            timing,
            request.rows,
            projector.map_of(fit, axes),
        )

    def _neighbours(self, request: NeighboursRequest, job: Job) -> NeighboursResult:
        dataset, query, k = request.dataset, request.query, request.k
        vectors = self._resident(dataset, job).vectors
        vector = query_vector(query, dataset, vectors, request.metric, job.poll, job.report)
        searcher = NearestRows(vectors, request.metric, self.device, request.use_kernel)
        row, own = row_of(query), query.own_rows
        # The search leaves out one row; where there are more they are asked for as well, and then dropped.
        exclude, more = (None, len(own)) if row is None else ([row], 0)
        found = searcher.search(vector[None], k + more, request.mode, exclude, job.poll, job.report)
        others = np.flatnonzero(~np.isin(found.ids[0], own))[:k]
        return NeighboursResult(
            dataset,
            query,
            request.metric,
            found.ids[0][others],
            found.distances[0][others],
            found.exact[0],
            k,
            found.timing,
            found.way,
            vector,
        )

    def _distances(self, request: DistancesRequest, job: Job) -> DistancesResult:
        dataset, query, metric = request.dataset, request.query, request.metric
        vectors = self._resident(dataset, job).vectors
        vector = query_vector(query, dataset, vectors, metric, job.poll, job.report)
        distances = distances_to(vectors, vector, metric, job.give_way, job.report, row_of(query))
        return DistancesResult(dataset, query, metric, distances)

    def _recall(self, request: RecallRequest, job: Job) -> RecallResult:
        dataset, truth = request.dataset, request.dataset.truth
        if truth is None:
            raise UserError(f"{dataset.name} has no ground truth to compare with; open an HDF5 file of ann-benchmarks.")
        if truth.metric is None:
            raise UserError(f"The ground truth of {dataset.name} is by {truth.distance!r}, a distance that is not computed here.")
        k = min(request.k or truth.k, truth.k, dataset.rows)
        vectors = self._resident(dataset, job).vectors
        found = compare(NearestRows(vectors, truth.metric, self.device), truth, k, request.mode, job.give_way, job.report)
        return RecallResult(dataset, truth.metric, k, len(truth.queries), found.found, found.nearer)

    def _resident(self, dataset: Dataset, job: Job) -> _Held:
        """`dataset` with its vectors on the device; those of another data set make room first."""
        held = self._hold(dataset, job)
        held.vectors.upload(job.poll, job.report)
        return held

    def _hold(self, dataset: Dataset, job: Job) -> _Held:
        """`dataset`, checked, its vectors not brought onto the device yet."""
        if self._held is None or self._held.dataset is not dataset:
            scan = self._scanned(dataset, job)
            self._forget()
            source = dataset if self._storage == "float32" else RoundedRows(dataset, self._storage)
            vectors = Vectors(source, scan, self.device.kind, self.device.budget_bytes, self._storage)
            self._held = _Held(dataset, scan, vectors)
        return self._held

    def _part(self, held: _Held, rows: Ids, job: Job) -> _Held:
        """Some rows of what is held, as vectors of their own; they may take what those leave of the memory, or a quarter."""
        if held.part is None or held.part[0] is not rows:
            held.part = None
            mx.clear_cache()
            source = SomeRows(held.vectors.source, rows)
            budget = self.device.budget_bytes
            room = max(budget // 4, budget - held.vectors.nbytes if held.vectors.resident else budget)
            vectors = Vectors(source, scan_rows(source, job.poll, job.report), self.device.kind, room, self._storage)
            held.part = (rows, _Held(held.dataset, vectors.scan, vectors))
        part = held.part[1]
        part.vectors.upload(job.poll, job.report)
        return part

    def _export(self, request: ExportRequest, job: Job) -> ExportResult:
        dataset, path, coords = request.dataset, request.path, None
        rows = np.arange(dataset.rows) if request.rows is None else request.rows
        if request.places is not None:
            rows, coords = _placed(rows, *request.places)
        labels = None if request.table is None else Path(request.table.source)
        inputs = [dataset.path, find_sidecar(dataset.path), labels, None if dataset.guard is None else dataset.guard.path]
        targets = [path, metadata_beside(path)] if path.suffix.lower() == ".tsv" else [path]
        for target, other in product(targets, filter(None, inputs)):
            if target.exists() and other.exists() and target.samefile(other):
                raise UserError(f"{target} is what is being shown; choose another file for the export.")

        def told(written: int) -> None:
            job.give_way()
            job.report("Exporting", written, len(rows))

        vectors = request.what == "vectors"
        content = content_of(dataset, rows, request.table, coords, request.distances, vectors)
        return ExportResult(dataset, save(path, content, told), request.what, len(rows))

    def _lab_table(self, request: LabTableRequest, job: Job) -> LabTable:
        bed = self._bed(request.dataset, job)
        return LabTable(tuple(workload.info(bed) for workload in WORKLOADS))

    def _lab(self, request: LabRequest, job: Job) -> LabRun:
        workload = workload_named(request.workload)
        bed = self._bed(request.dataset, job, request.metric)
        if bed.vectors is not None:
            bed.vectors.upload(job.give_way, job.report)
        if self._limits is None:
            job.report("Measuring the machine's limits", 0, 0)
            self._limits = measure_limits(self.device.kind, job.give_way)
        job.report(workload.title, 0, 0)
        return lab.run(workload, request.size, bed, Rule(request.rounds, request.seconds), self._limits, job.tell)

    def _bed(self, dataset: Dataset | None, job: Job, metric: Metric = "cosine") -> Bed:
        """What the lab works on. Vectors that are not on the device yet are not brought there."""
        vectors = None if dataset is None else self._hold(dataset, job).vectors
        file = "" if dataset is None else f"{dataset.name}, {dataset.rows:,} × {dataset.dims:,}"
        return Bed(self.device, vectors, metric, file, job.give_way)

    def _scanned(self, dataset: Dataset, job: Job) -> Scan:
        if self._scan is None or self._scan[0] is not dataset:
            self._scan = (dataset, scan_rows(dataset, job.poll, job.report))
        return self._scan[1]

    def _forget(self) -> None:
        self._held = None
        mx.clear_cache()


def _labels(dataset: Dataset, path: Path | None, by: str | None, job: Job) -> Labels:
    """Those of `path`, or else what the file of vectors itself tells, which says what its rows are called in any case."""
    own = None if dataset.metadata is None else dataset.metadata()
    if path is not None:
        return read_sidecar(path, dataset.rows, own, by, job.give_way)
    assert own is not None
    return Labels(own)


def _placed(rows: Ids, mapped: Ids, coords: Floats) -> tuple[Ids, Floats]:
    """Those of `rows` that are on the map, and where."""
    positions = np.searchsorted(mapped, rows).clip(max=len(mapped) - 1)
    on_the_map = mapped[positions] == rows
    return rows[on_the_map], coords[positions[on_the_map]]


def _telling(job: Job) -> Callable[[int, int], None]:
    """For a reader: how far it is goes to the job, whether to go on comes from there."""

    def told(done: int, total: int) -> None:
        job.poll()
        job.report("Reading", done, total)

    return told
