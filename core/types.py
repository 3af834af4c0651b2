"""What crosses between the front end and the compute thread: frozen requests and results that hold only NumPy."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.dataset import Dataset
from core.lab import LabRun, WorkloadInfo
from core.linear_map import LinearMap
from core.queries import Query, row_of
from core.statistics import Ratio
from core.table import Table

Metric = Literal["l2", "cosine", "inner_product", "l1", "linf"]
Mode = Literal["compiled", "eager"]
Exact = Literal["proven", "computed in full"]
DeviceKind = Literal["metal", "cuda", "cpu"]
Storage = Literal["float32", "float16", "bfloat16"]
ExportWhat = Literal["labels", "vectors", "coordinates", "neighbours"]
Way = Literal["plain", "product", "fused"]

METRICS: tuple[Metric, ...] = ("l2", "cosine", "inner_product", "l1", "linf")
MODES: tuple[Mode, ...] = ("compiled", "eager")
STORAGES: tuple[Storage, ...] = ("float32", "float16", "bfloat16")
# How many leading components a projection keeps: enough to choose axes from, few enough to fit fast.
COMPONENTS = 8

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Timing:
    """One fenced measurement: every output evaluated, the device idle again."""

    ms: float
    mode: Mode
    first: bool  # this call traced, generated code or met these shapes for the first time
    traces: int  # how many functions this call traced; 0 when all were compiled before
    bytes_read: int  # bytes of vectors the computation had to read
    stages: tuple[tuple[str, float], ...] = ()  # (name, ms), in order
    reasons: tuple[str, ...] = ()  # why this was a first call, a phrase each
    memory_bytes: int = 0  # peak of what MLX held meanwhile, vectors included


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """What computes, in words and numbers."""

    kind: DeviceKind
    name: str
    budget_bytes: int
    blas: str
    compile_problem: str | None  # why compiling cannot work here, or None

    @property
    def line(self) -> str:
        label = {"metal": "Metal", "cuda": "CUDA", "cpu": "CPU"}[self.kind]
        return f"{label} · {self.name} · {self.blas}"


@dataclass(frozen=True, slots=True)
class ComputeOptions:
    """What the user chose for the whole run; None leaves it to the machine."""

    device: str | None = None  # 'metal', 'cuda', 'cpu', 'gpu'
    memory_bytes: int | None = None  # what vectors and the work on them may take
    storage: Storage = "float32"  # what vectors are rounded to


# Requests. `key` names what a newer request of the same kind replaces; a lower priority number runs first.


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """Open a file, check it, and draw a first picture from a sample of its rows."""

    path: Path
    array: str | None = None
    bfloat16: bool = False
    centre: bool = True
    unit_length: bool = False
    key: str = "load"
    priority: int = 1


@dataclass(frozen=True, slots=True)
class AnnotateRequest:
    """Read the labels beside the file or in it, or those in `path`, line by line or joined by the column `by`."""

    dataset: Dataset
    path: Path | None = None
    by: str | None = None
    key: str = "annotate"
    priority: int = 2


@dataclass(frozen=True, slots=True)
class ProjectRequest:
    """Fit the leading components and map every row onto those in `axes`; or only `rows`, to components of their own."""

    dataset: Dataset
    axes: tuple[int, ...] = (0, 1)
    centre: bool = True
    unit_length: bool = False
    mode: Mode = "compiled"
    key: str = "project"
    priority: int = 3
    rows: Ids | None = None  # (m,) sorted


@dataclass(frozen=True, slots=True)
class InspectRequest:
    """Pass over all rows and tell which hold NaN or infinity."""

    dataset: Dataset
    key: str = "inspect"
    priority: int = 2


@dataclass(frozen=True, slots=True)
class NeighboursRequest:
    """The k nearest rows of a query, its own rows left out."""

    dataset: Dataset
    query: Query
    k: int
    metric: Metric
    mode: Mode = "compiled"
    use_kernel: bool | None = None  # custom kernels: None takes them where they are measured to be faster
    key: str = "neighbours"
    priority: int = 0


@dataclass(frozen=True, slots=True)
class DistancesRequest:
    """The distance of every row to a query, to colour by."""

    dataset: Dataset
    query: Query
    metric: Metric
    key: str = "distances"
    priority: int = 2


@dataclass(frozen=True, slots=True)
class OpenQueriesRequest:
    """Open a file whose rows are to be queries; one vector alone is a file of one row."""

    path: Path
    array: str | None = None
    key: str = "queries"
    priority: int = 1


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """Write some rows to a file, whose suffix chooses the format: their fields, with vectors, coordinates or distances."""

    dataset: Dataset
    rows: Ids | None  # (m,); None: all
    path: Path
    what: ExportWhat
    table: Table | None = None
    places: tuple[Ids, Floats] | None = None  # rows on the map (p,), sorted, and where they are (p, c); the others are left out
    distances: NDArray[np.float64] | None = None  # (m,)
    key: str = "export"
    priority: int = 3


@dataclass(frozen=True, slots=True)
class RecallRequest:
    """Compare our neighbours with the true ones that came with the file."""

    dataset: Dataset
    k: int | None = None  # None: as many as the file lists
    mode: Mode = "compiled"
    key: str = "recall"
    priority: int = 3


@dataclass(frozen=True, slots=True)
class BenchRequest:
    """Measure our computations beside their peers."""

    only: tuple[str, ...] = ()  # beginnings of the names of cases; empty: all but the table of corners
    repeat: int = 15  # rounds at most, a case
    seconds: float | None = None  # in all; None: under five minutes, with the corners under eight
    key: str = "bench"
    priority: int = 4


@dataclass(frozen=True, slots=True)
class LabTableRequest:
    """The lab's workloads, as they can run on this machine and on the open data set."""

    dataset: Dataset | None = None
    key: str = "lab table"
    priority: int = 2


@dataclass(frozen=True, slots=True)
class LabRequest:
    """Run one workload of the lab; more urgent requests are answered between its repeats."""

    workload: str
    size: str | None = None  # None: what suits the device
    dataset: Dataset | None = None
    metric: Metric = "cosine"
    rounds: int = 200  # at most
    seconds: float = 10.0  # at most
    key: str = "lab"
    priority: int = 5


Request = (
    LoadRequest
    | AnnotateRequest
    | InspectRequest
    | ProjectRequest
    | NeighboursRequest
    | DistancesRequest
    | OpenQueriesRequest
    | ExportRequest
    | RecallRequest
    | BenchRequest
    | LabTableRequest
    | LabRequest
)


# Results.


@dataclass(frozen=True, slots=True)
class Ready:
    """The compute thread stands; sent once, before any job."""

    device: DeviceInfo


@dataclass(frozen=True, slots=True)
class Preview:
    """A first picture from a sample of rows."""

    rows: Ids  # (s,)
    coords: Floats  # (s, 2)


@dataclass(frozen=True, slots=True)
class LoadResult:
    dataset: Dataset
    preview: Preview


@dataclass(frozen=True, slots=True)
class AnnotateResult:
    dataset: Dataset
    table: Table | None
    problem: str | None  # a sentence, when labels were found but cannot be used
    note: str | None = None  # a sentence, when lines and rows are not one to one


@dataclass(frozen=True, slots=True)
class InspectResult:
    dataset: Dataset
    non_finite_rows: Ids


@dataclass(frozen=True, slots=True)
class ProjectResult:
    dataset: Dataset
    axes: tuple[int, ...]
    centre: bool
    unit_length: bool
    coords: Floats  # (n, len(axes)), or (m, len(axes)) of `rows`; NaN in rows that hold NaN or infinity
    explained: Floats  # (c,) share of the whole variance, one a component
    non_finite_rows: Ids
    method: str  # how the components were found, in words
    timing: Timing
    rows: Ids | None = None  # (m,) the only rows that were mapped, sorted; None: all
    map: LinearMap | None = None  # where other vectors lie


@dataclass(frozen=True, slots=True)
class NeighboursResult:
    dataset: Dataset
    query: Query
    metric: Metric
    ids: Ids  # (k,), nearest first
    distances: NDArray[np.float64]  # (k,): l2 and cosine distance, or the inner product itself
    exact: Exact
    asked_k: int  # what was asked for; len(ids) is smaller where the set has fewer rows
    timing: Timing = field(repr=False)
    way: Way = "plain"  # MLX's own operations, or custom kernels after its product, or fused with it
    vector: NDArray[np.floating[Any]] | None = field(default=None, repr=False)  # (d,) what the query stands for

    @property
    def row(self) -> int | None:
        """The row whose neighbours these are; None if the query is no row."""
        return row_of(self.query)


@dataclass(frozen=True, slots=True)
class DistancesResult:
    dataset: Dataset
    query: Query
    metric: Metric
    distances: Floats  # (n,): distances, or the inner products themselves; NaN in rows that hold NaN or infinity


@dataclass(frozen=True, slots=True)
class OpenQueriesResult:
    dataset: Dataset


@dataclass(frozen=True, slots=True)
class ExportResult:
    dataset: Dataset
    paths: tuple[Path, ...]
    what: ExportWhat
    count: int  # rows written


@dataclass(frozen=True, slots=True)
class RecallResult:
    dataset: Dataset
    metric: Metric
    k: int
    queries: int
    found: int  # of queries * k neighbours, those no farther than the k-th of the file's
    nearer: int  # queries of which the file's k-th neighbour is farther than ours: its truth is not exact

    @property
    def recall(self) -> float:
        return self.found / (self.queries * self.k)

    @property
    def sentence(self) -> str:
        missed = self.queries * self.k - self.found
        text = f"Recall {self.recall:.4f}: of {self.queries:,} × {self.k} true neighbours {missed:,} are missed."
        return text + (f" For {self.nearer:,} queries ours are nearer than the file's." if self.nearer else "")


@dataclass(frozen=True, slots=True)
class BenchRow:
    """One runner of one case."""

    case: str
    about: str
    runner: str
    median_ms: float
    p95_ms: float
    first_ms: float  # the first call: trace and code generation, where there is any
    count: int
    times_reference: Ratio | None  # its time over that of our first runner; None for that runner itself or too few repeats
    share_of_limit: float  # what memory bandwidth or the float32 product would allow at best, over what it took
    cores: float | None  # CPU time over elapsed time; None where that was too short to tell
    error: float | None  # against float64: sine of the largest angle between subspaces, or relative for products
    recall: float | None  # share of the true neighbours, of a few queries
    proven: float | None  # share of the queries whose neighbours were proven at once


@dataclass(frozen=True, slots=True)
class BenchResult:
    rows: tuple[BenchRow, ...]
    skipped: tuple[str, ...]
    bandwidth_gb_s: float
    product_gflop_s: float
    device: DeviceInfo
    versions: dict[str, str]
    threads: dict[str, int]  # by library
    seconds: float  # that it all took


@dataclass(frozen=True, slots=True)
class LabTable:
    workloads: tuple[WorkloadInfo, ...]


Result = (
    LoadResult
    | AnnotateResult
    | InspectResult
    | ProjectResult
    | NeighboursResult
    | DistancesResult
    | ExportResult
    | RecallResult
    | BenchResult
    | LabTable
    | LabRun
    | OpenQueriesResult
)


# Events of the compute thread. Every job ends in exactly one of Completed, Failed, Stopped.


@dataclass(frozen=True, slots=True)
class Progress:
    job: int
    key: str
    stage: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Partial:
    """What a job has found so far."""

    job: int
    key: str
    result: Result


@dataclass(frozen=True, slots=True)
class Completed:
    job: int
    key: str
    result: Result


@dataclass(frozen=True, slots=True)
class Failed:
    job: int
    key: str
    error: Exception


@dataclass(frozen=True, slots=True)
class Stopped:
    """Cancelled by the user, or overtaken by a newer request of its key."""

    job: int
    key: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The compute thread could not start; no job will ever run."""

    error: Exception


Event = Ready | Progress | Partial | Completed | Failed | Stopped | Broken
