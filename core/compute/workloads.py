"""The lab's workloads: one declared table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

from core.compute import demonstrations, examples, trials
from core.compute.demonstrations import source_of
from core.compute.trials import FLOAT, Bed, Trial
from core.errors import UserError
from core.lab import CodeLine, Finding, SizeInfo, WorkloadInfo

NO_GPU = "This machine has one device only: work on a CPU and a GPU at once needs both."
NO_FILE = "Open a file of vectors first."


@dataclass(frozen=True)
class Code:
    common: str
    uncompiled: str = ""  # lines that only the uncompiled way has
    compiled: str = ""

    @property
    def lines(self) -> tuple[CodeLine, ...]:
        parts = ((self.common, None), (self.uncompiled, False), (self.compiled, True))
        return tuple(CodeLine(line, compiled) for text, compiled in parts for line in text.splitlines())


@dataclass(frozen=True)
class Size:
    """One size of a timed workload; its memory is that of the arrays that exist at once, about."""

    name: str
    make: Callable[[Bed], Trial]
    code: Code
    memory_bytes: int = 0
    of_file: bool = False


@dataclass(frozen=True)
class Workload:
    """A timed workload has sizes, a counted one an experiment."""

    name: str
    title: str
    shows: str
    lesson: str
    claim: str | None = None
    sizes: tuple[Size, ...] = ()  # large ones first: a GPU takes the first unless told otherwise, a CPU the last
    experiment: Callable[[], Iterator[Finding]] | None = None
    body: str = ""  # what an experiment calls
    needs_gpu: bool = False

    def info(self, bed: Bed) -> WorkloadInfo:
        """As the table lists it for what `bed` has."""
        told = [SizeInfo(s.name, s.memory_bytes, s.code.lines, _problem(s, bed), s.of_file) for s in self.sizes]
        if self.experiment is not None:
            told = [SizeInfo("as it stands", 0, Code(self.body).lines, bed.device.compile_problem)]
        if not bed.on_gpu:
            told.reverse()
        problem = None if any(size.problem is None for size in told) else told[0].problem
        if self.needs_gpu and not bed.on_gpu:
            problem = NO_GPU
        counted = self.experiment is not None
        return WorkloadInfo(self.name, self.title, self.shows, self.lesson, self.claim, tuple(told), counted, problem)

    def size(self, name: str) -> Size | None:
        return next((size for size in self.sizes if size.name == name), None)


def _problem(size: Size, bed: Bed) -> str | None:
    if size.of_file and bed.vectors is None:
        return NO_FILE
    held = bed.vectors.nbytes if bed.vectors is not None and bed.vectors.resident else 0
    free = bed.device.budget_bytes - held
    if size.memory_bytes > free:
        return f"It takes {size.memory_bytes / 1e9:.1f} GB of memory, {max(free, 0) / 1e9:.1f} GB may be used."
    return None


def _of(function: Callable[..., Any]) -> Code:
    """The source of an example, and how it is compiled."""
    name = function.__name__
    return Code(source_of(function) + "\n", f"run = {name}", f"run = mx.compile({name})")


def _training(function: Callable[..., Any]) -> Code:
    made = f"step, state = {function.__name__}(dims)"
    captured = "mx.compile(step, inputs=state, outputs=state)"
    return Code(f"{source_of(function)}\n\n{made}", "run = step", f"run = {captured}")


def _called(common: str, call: str) -> Code:
    """Something of this program's own, which takes the mode as an argument."""
    return Code(common + "\n", call.format(mode='"eager"'), call.format(mode='"compiled"'))


GRADIENTS = Code(
    f"{source_of(examples.gelu)}\n\n{source_of(examples.gelu_sum).replace('gelu_sum', 'f')}\n",
    "run = mx.grad(f)",
    "run = mx.grad(mx.compile(f))\nrun = mx.compile(mx.grad(f))\nrun = mx.compile(mx.grad(mx.compile(f)))",
)
ITERATION = _called("from core.compute.svd import iterate\n", "v = iterate({mode}, a, v, iters=3)")
SEARCH = _called("index = FlatIndex(d)\nindex.add(x)", "index.search(queries, 10, {mode})")
QUERY = _called("searcher = NearestRows(vectors, metric, device)", "searcher.search(query, 10, {mode})")
PROJECTION = _called("", "projector = Projector(vectors, mode={mode})\ncoords = projector.transform(projector.fit(8), (0, 1))")
LOADING = Code("vectors = Vectors(rows, scan_rows(rows), device.kind, device.budget_bytes)\nvectors.upload()")
# What the rows of an open file may take beside it, for workloads that need a copy.
COPY_BYTES = 3 * FLOAT * trials.MOST_VALUES


def _elementwise(make: Callable[..., Trial], code: Code, copies: int) -> tuple[Size, ...]:
    """`copies` arrays of that size exist at once."""
    shapes = ((32, 1000, 4096), (8, 500, 4096), (4, 256, 1024))
    return tuple(
        Size(" × ".join(map(str, shape)), partial(make, shape=shape), code, copies * FLOAT * prod(shape)) for shape in shapes
    )


def _search(rows: int, dims: int, count: int) -> Size:
    name = f"{rows:,} × {dims}, {count} quer{'y' if count == 1 else 'ies'}"
    make = partial(trials.flat_search, rows=rows, dims=dims, count=count)
    return Size(name, make, SEARCH, 4 * FLOAT * rows * dims)


def _of_file(name: str, make: Callable[[Bed], Trial], code: Code, memory_bytes: int = 0) -> Size:
    return Size(name, make, code, memory_bytes, of_file=True)


def _matrices(make: Callable[..., Trial], code: Code, rows: int, dims: int, p: int, about: str = "") -> Size:
    return Size(f"{rows:,} × {dims}, {p} columns{about}", partial(make, rows=rows, dims=dims, p=p), code, 2 * FLOAT * rows * dims)


def _steps(make: Callable[..., Trial], code: Code, rows: int, dims: int) -> Size:
    return Size(f"{rows:,} × {dims}", partial(make, rows=rows, dims=dims), code, 4 * FLOAT * rows * dims)


WORKLOADS: tuple[Workload, ...] = (
    Workload(
        "gelu",
        "GELU",
        "A chain of elementwise operations: uncompiled each passes over memory, compiled they run as one.",
        "Compile chains of elementwise operations: what is saved is passes over memory.",
        "3 to 5 times as fast on (32, 1000, 4096)",
        _elementwise(trials.gelu, _of(examples.gelu), 4),
    ),
    Workload(
        "svd",
        "SVD iteration",
        "Z = Aᵀ(A·V) made orthonormal, three times over: products with a little in between.",
        "No compiler makes a product faster: it saves what lies between, and Python's part of many small operations.",
        "1.6 times as fast at 512 × 256, 32 columns, 3 iterations",
        (
            _matrices(trials.svd_by_qr, _of(examples.svd_by_qr), 512, 256, 32, ", by QR"),
            _matrices(trials.svd_by_gram_schmidt, _of(examples.svd_by_gram_schmidt), 512, 256, 32, ", by Gram and Schmidt"),
            _of_file("the open file", trials.svd_of_the_file, ITERATION, COPY_BYTES),
            _matrices(trials.svd_iteration, ITERATION, 512, 256, 32),
        ),
    ),
    Workload(
        "z-step",
        "Z step",
        "Z = Aᵀ(A·V) alone, by MLX's products and, on a GPU, by custom kernels; each also inside a compiled function.",
        "A compiled wrapper around products or kernels changes nothing while these take nearly all of the time.",
        "about equal for kernels",
        (
            _matrices(trials.z_step, _of(examples.z_step), 100_000, 768, 16),
            _of_file("the open file", trials.z_step_of_the_file, _of(examples.z_step), COPY_BYTES),
            _matrices(trials.z_step, _of(examples.z_step), 512, 256, 32),
        ),
    ),
    Workload(
        "search",
        "Flat search",
        "The exact k-NN search of this program, repeated with queries of one shape.",
        "A product and a selection have little to fuse: what compiling saves is launches, which count for few queries on a GPU.",
        "can help small batches",
        (
            _search(100_000, 128, 1),
            _search(100_000, 128, 100),
            _of_file("the open file, 1 query", partial(trials.search_of_the_file, count=1), SEARCH),
            _of_file("the open file, 100 queries", partial(trials.search_of_the_file, count=100), SEARCH),
            _search(10_000, 64, 100),
            _search(10_000, 64, 1),
        ),
    ),
    Workload(
        "training",
        "Training step",
        "Forward, backward and the optimiser's update as one compiled function, its state captured by inputs= and outputs=.",
        "Compile the whole step and capture all that it changes: the loss falls just the same.",
        "less overhead of Python",
        (
            _steps(trials.linear_training, _training(examples.linear_training), 4, 10),
            _steps(trials.linear_training, _training(examples.linear_training), 4096, 512),
        ),
    ),
    Workload(
        "dropout",
        "Training with dropout",
        "A step that draws random numbers: mx.random.state is captured with the rest.",
        "Leave mx.random.state out, and every step drops the same units.",
        "mx.random.state belongs in inputs= and outputs=",
        (
            _steps(trials.dropout_training, _training(examples.dropout_training), 64, 10),
            _steps(trials.dropout_training, _training(examples.dropout_training), 4096, 256),
        ),
    ),
    Workload(
        "gradients",
        "Gradients",
        "The gradient of a compiled function, the compiled gradient, and both at once.",
        "Compile the outermost function: the backward pass is fused too. Compiled inside grad, it is traced at every call.",
        "to compile the outermost function is best",
        _elementwise(trials.gradients, GRADIENTS, 8),
    ),
    Workload(
        "shapeless",
        "Shapeless",
        "One function over many shapes, traced once for each or once for all; and what a captured shape does then.",
        "With shapeless=True let no x.shape into the body: the first shape is baked in, and often silently wrong.",
        "compiles once for all shapes; avoid captured shapes",
        experiment=demonstrations.without_shapes,
        body=source_of(demonstrations.chain),
    ),
    Workload(
        "retracing",
        "Retracing",
        "What makes MLX trace a function again, counted, with what each trace cost.",
        "Keep shapes, types and Python arguments the same, and compile once, outside of loops.",
        "another shape, rank, type or number of arguments compiles again",
        experiment=demonstrations.retracing,
        body=source_of(demonstrations.chain),
    ),
    Workload(
        "purity",
        "Purity",
        "What a compiled function does with lists, globals, random numbers and printing.",
        "Return what you change, or name it in inputs= and outputs=.",
        "functions must be pure; a print inside fails; capture state by inputs= and outputs=",
        experiment=demonstrations.purity,
        body=source_of(demonstrations.return_the_state),
    ),
    Workload(
        "streams",
        "Streams",
        "Work on the CPU and on the GPU in one compiled function; MLX orders what depends on what.",
        "Streams survive compiling; a hop between devices costs more than a small operation saves.",
        "one compiled function may use both devices",
        (
            _matrices(trials.streams, _of(examples.on_both_devices), 20_000, 768, 32),
            _matrices(trials.streams, _of(examples.on_both_devices), 512, 256, 32),
        ),
        needs_gpu=True,
    ),
    Workload(
        "program",
        "This program",
        "What the window itself runs on the open file: loading, the projection, one query; with their stages.",
        "Look at the stages before compiling: what waits for memory or for a product is not made faster.",
        None,
        (
            _of_file("projection", trials.projection, PROJECTION),
            _of_file("loading", trials.load, LOADING, COPY_BYTES),
            _of_file("one query", trials.one_query, QUERY),
        ),
    ),
)


def workload_named(name: str) -> Workload:
    """Raises UserError if there is none of that name."""
    found = next((w for w in WORKLOADS if w.name == name), None)
    if found is None:
        raise UserError(f"The lab has no workload {name!r}; there are {', '.join(w.name for w in WORKLOADS)}.")
    return found
