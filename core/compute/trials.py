"""The lab's timed workloads: inputs, and the ways that are timed against each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from core.compute import examples, kernels
from core.compute.compilation import compiled
from core.compute.krylov import random_block, width
from core.compute.projection import Projector
from core.compute.search import NearestRows
from core.compute.svd import iterate
from core.compute.timing import Stopwatch, fence
from core.compute.vectors import ArrayRows, Poll, Vectors, no_poll, scan_rows
from core.types import COMPONENTS, DeviceInfo, Floats, Metric, Mode

Arrays = Sequence[mx.array] | Sequence[NDArray[Any]]
K = 10
# Steps of training in one repeat: one alone is too short to time.
STEPS = 10
# Largest difference between the ways, as a share of the largest value.
TOLERANCE = 1e-4
# The same of bases of a subspace, whose columns turn where singular values lie close together.
LOOSE = 1e-2
FLOAT = 4


@dataclass(frozen=True)
class Way:
    name: str
    compiled: bool
    run: Callable[[Stopwatch], Arrays]  # outputs may be lazy: whoever times it evaluates them


@dataclass(frozen=True)
class Trial:
    """What is timed against what on one input; the first way is what the others are compared with."""

    ways: tuple[Way, ...]
    least_bytes: float = 0.0
    flops: float = 0.0
    tolerance: float = TOLERANCE


@dataclass(frozen=True)
class Bed:
    """What workloads are run on."""

    device: DeviceInfo
    vectors: Vectors | None = None  # of the open file, on the device if they fit
    metric: Metric = "cosine"
    file: str = ""  # what it is called, with its rows and dimensions
    poll: Poll = no_poll

    @property
    def on_gpu(self) -> bool:
        return self.device.kind != "cpu"

    @property
    def open(self) -> Vectors:
        assert self.vectors is not None
        return self.vectors


Function = Callable[..., Any]


def both(function: Function, *inputs: mx.array) -> tuple[Way, Way]:
    """A function of arrays, uncompiled and compiled anew."""
    run: Function = compiled(function)
    return (
        Way("uncompiled", False, lambda _: _tuple(function(*inputs))),
        Way("compiled", True, lambda _: _tuple(run(*inputs))),
    )


def gelu(bed: Bed, shape: tuple[int, ...]) -> Trial:
    x = mx.random.uniform(shape=shape)
    fence(x)
    # x in, the result out; five operations and an erf, which counts for as much as it costs: about ten.
    return Trial(both(examples.gelu, x), 2 * FLOAT * x.size, 15 * x.size)


def svd_iteration(bed: Bed, rows: int, dims: int, p: int) -> Trial:
    """The program's own iteration, by QR on a CPU and by products on a GPU."""
    return _iterations(*_matrices(rows, dims, p))


def svd_by_qr(bed: Bed, rows: int, dims: int, p: int) -> Trial:
    return _svd(examples.svd_by_qr, rows, dims, p)


def svd_by_gram_schmidt(bed: Bed, rows: int, dims: int, p: int) -> Trial:
    """The guide's iteration: orthonormal by Gram and Schmidt, column after column, twice."""
    return _svd(examples.svd_by_gram_schmidt, rows, dims, p)


def _svd(function: Function, rows: int, dims: int, p: int) -> Trial:
    return Trial(both(function, *_matrices(rows, dims, p)), 6 * FLOAT * rows * dims, 12 * rows * dims * p, LOOSE)


def svd_of_the_file(bed: Bed) -> Trial:
    return _iterations(*_of_file(bed))


def _iterations(a: mx.array, v: mx.array) -> Trial:
    def way(name: str, mode: Mode) -> Way:
        return Way(name, mode == "compiled", lambda _: (iterate(mode, a, v, iters=3),))

    (rows, dims), k = a.shape, v.shape[1]
    ways = (way("uncompiled", "eager"), way("compiled", "compiled"))
    return Trial(ways, 6 * FLOAT * rows * dims, 12 * rows * dims * k, LOOSE)


def z_step(bed: Bed, rows: int, dims: int, p: int) -> Trial:
    return _z_steps(*_matrices(rows, dims, p), bed)


def z_step_of_the_file(bed: Bed) -> Trial:
    return _z_steps(*_of_file(bed), bed)


def _z_steps(a: mx.array, v: mx.array, bed: Bed) -> Trial:
    ways: tuple[Way, ...] = both(examples.z_step, a, v)
    if kernels.available(bed.device.kind):
        own = both(examples.z_step_by_kernels, a, v)
        ways += (Way("kernels", False, own[0].run), Way("kernels, compiled", True, own[1].run))
    (rows, dims), p = a.shape, v.shape[1]
    return Trial(ways, FLOAT * rows * dims, 4 * rows * dims * p)


def flat_search(bed: Bed, rows: int, dims: int, count: int) -> Trial:
    source = ArrayRows(np.random.default_rng(0).standard_normal((rows, dims), np.float32))
    vectors = Vectors(source, scan_rows(source), bed.device.kind, bed.device.budget_bytes)
    vectors.upload(bed.poll)
    queries = np.random.default_rng(1).standard_normal((count, dims), np.float32)
    return _searches(bed, vectors, queries, "l2")


def search_of_the_file(bed: Bed, count: int) -> Trial:
    vectors = bed.open
    kept = vectors.source.sample_rows(8 * count)
    kept = kept[vectors.scan.finite[kept]]
    queries = vectors.source.read(np.resize(kept, count)).astype(np.float32)
    return _searches(bed, vectors, queries, bed.metric)


def _searches(bed: Bed, vectors: Vectors, queries: Floats, metric: Metric) -> Trial:
    searcher = NearestRows(vectors, metric, bed.device)

    def way(name: str, mode: Mode) -> Way:
        def run(watch: Stopwatch) -> Arrays:
            found = searcher.search(queries, K, mode, poll=watch.leaving_out(bed.poll))
            watch.take_stages(found.timing)
            return (found.distances,)

        return Way(name, mode == "compiled", run)

    work = vectors.rows * vectors.dims
    least = (2 if vectors.halves_only else FLOAT) * work
    return Trial((way("uncompiled", "eager"), way("compiled", "compiled")), least, 2.0 * work * len(queries))


def linear_training(bed: Bed, rows: int, dims: int) -> Trial:
    return _training(partial(examples.linear_training, dims), rows, dims, 6 * rows * dims)


def dropout_training(bed: Bed, rows: int, dims: int) -> Trial:
    return _training(partial(examples.dropout_training, dims), rows, dims, 6 * rows * dims * 64)


def _training(make: Callable[[], tuple[examples.Step, list[Any]]], rows: int, dims: int, flops: int) -> Trial:
    """Both ways begin with the same model and the same random numbers; each trains on with every repeat."""
    mx.random.seed(0)
    x = mx.random.normal((rows, dims))
    y = (x[:, 0] > 0).astype(mx.float32)
    fence(x, y)

    def way(name: str, compile_it: bool) -> Way:
        mx.random.seed(1)
        step, state = make()
        mx.eval(state)
        run: Function = compiled(step, inputs=state, outputs=state) if compile_it else step
        fresh = True

        def steps(_: Stopwatch) -> Arrays:
            nonlocal fresh
            if fresh:  # the random numbers of both ways begin alike
                mx.random.seed(2)
                fresh = False
            losses = []
            for _step in range(STEPS):
                losses.append(run(x, y))
                mx.eval(losses[-1], state)
            return (mx.stack(losses),)

        return Way(name, compile_it, steps)

    ways = (way("uncompiled", False), way("compiled", True))
    return Trial(ways, STEPS * 2 * FLOAT * rows * dims, STEPS * flops)


def gradients(bed: Bed, shape: tuple[int, ...]) -> Trial:
    x = mx.random.uniform(shape=shape)
    fence(x)
    plain: Function = examples.gelu_sum
    ways: dict[str, Function] = {
        "grad(f)": mx.grad(plain),
        "grad(compile(f))": mx.grad(compiled(plain)),
        "compile(grad(f))": compiled(mx.grad(plain)),
        "compile(grad(compile(f)))": compiled(mx.grad(mx.compile(plain))),
    }

    def way(name: str) -> Way:
        return Way(name, "compile" in name, lambda _: (ways[name](x),))

    # Forward and backward at best in one pass: x in, the gradient out.
    return Trial(tuple(map(way, ways)), 2 * FLOAT * x.size, 40 * x.size)


def streams(bed: Bed, rows: int, dims: int, p: int) -> Trial:
    a, v = _matrices(rows, dims, p)
    return Trial(both(examples.on_both_devices, a, v), FLOAT * rows * dims, 2 * rows * dims * p)


def load(bed: Bed) -> Trial:
    """Bring a part of the file onto the device, as opening it does; nothing in it is compiled."""
    rows = _some_rows(bed)

    def run(_: Stopwatch) -> Arrays:
        source = ArrayRows(rows)
        vectors = Vectors(source, scan_rows(source), bed.device.kind, bed.device.budget_bytes)
        vectors.upload()
        return [chunk.data for chunk in vectors.chunks()]

    return Trial((Way("uncompiled", False, run),), 2 * rows.nbytes)


def projection(bed: Bed) -> Trial:
    vectors = bed.open

    def way(name: str, mode: Mode) -> Way:
        def run(watch: Stopwatch) -> Arrays:
            give_way = watch.leaving_out(bed.poll)
            projector = Projector(vectors, mode=mode)
            with watch.stage("fit"):
                fit = projector.fit(min(COMPONENTS, vectors.dims), give_way)
            with watch.stage("map rows"):
                return (np.abs(np.nan_to_num(projector.transform(fit, (0, 1), give_way))),)

        return Way(name, mode == "compiled", run)

    work = vectors.rows * vectors.dims
    ways = (way("uncompiled", "eager"), way("compiled", "compiled"))
    return Trial(ways, 3 * FLOAT * work, 2.0 * work * vectors.dims, LOOSE)


def one_query(bed: Bed) -> Trial:
    return search_of_the_file(bed, 1)


def _tuple(made: Any) -> tuple[mx.array, ...]:
    return made if isinstance(made, tuple) else (made,)


def _matrices(rows: int, dims: int, p: int) -> tuple[mx.array, mx.array]:
    """A (rows, dims), normal, of decaying spectrum, so that an iteration has something to find; and V (dims, p) to begin with."""
    a = mx.random.normal((rows, dims)) * mx.power(0.97, mx.arange(dims))
    v = mx.array(random_block(dims, p), dtype=mx.float32)
    fence(a, v)
    return a, v


# The part of an open file that is copied for a workload of its own.
MOST_VALUES = 50_000_000


def _some_rows(bed: Bed) -> Floats:
    """Rows of the open file, (m, d): all, or as many as are worth copying."""
    source = bed.open.source
    ids = source.sample_rows(max(1, MOST_VALUES // source.dims))
    ids = ids[bed.open.scan.finite[ids]]
    return source.read(ids).astype(np.float32, copy=False)


def _of_file(bed: Bed) -> tuple[mx.array, mx.array]:
    """Rows of the open file, (m, d), centred; and a block (d, p) to begin with, as the projection takes it."""
    rows = _some_rows(bed)
    a = mx.array(rows - rows.mean(axis=0))
    v = mx.array(random_block(a.shape[1], width(2, a.shape[1])), dtype=mx.float32)
    fence(a, v)
    return a, v
