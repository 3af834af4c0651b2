"""What is measured: the cases, and the vectors and indexes that several of them share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import mlx.core as mx
import numpy as np

from core.compute import kernels
from core.compute.bench import data
from core.compute.bench.contest import Contest, Quality, Run, Work
from core.compute.bench.peers import Peers, Search
from core.compute.knn import FlatIndex
from core.compute.projection import Projector
from core.compute.search import SearchResult
from core.compute.svd import iterate, topk_svd
from core.compute.timing import fence
from core.compute.vectors import ArrayRows, Vectors, scan_rows
from core.types import DeviceInfo, Floats, Ids, Metric, Mode

# Queries whose answers are compared with the float64 truth.
CHECKED = 4
# Copies of the vectors, in float32: on the host the vectors, ours and, on a CPU or a Mac, a peer's; on a GPU ours, as a matrix
# too, and a peer's.
HOST_COPIES = {"cpu": 4.0, "metal": 6.5, "cuda": 2.0}
DEVICE_COPIES = 4.0
PEERS_OF_CORNERS = ("faiss flat", "torch product + topk")


@dataclass(frozen=True)
class Setting:
    """Vectors that cases share: normal ones to search, or ones with a decaying spectrum to decompose."""

    kind: Literal["search", "spectrum"]
    n: int
    d: int

    @property
    def nbytes(self) -> int:
        return 4 * self.n * self.d


class Bed:
    """A setting's vectors, and what has been built of them."""

    def __init__(self, setting: Setting, device: DeviceInfo, peers: Peers) -> None:
        self.setting = setting
        self.device = device
        self.peers = peers
        self.x = (data.normal if setting.kind == "search" else data.decaying)(setting.n, setting.d)
        self._searches: dict[tuple[Metric, bool], tuple[FlatIndex, dict[str, Search]]] = {}
        self._truth: dict[tuple[Metric, bool, int, int], Ids] = {}
        if setting.kind == "search":
            self.searches("l2")

    def searches(self, metric: Metric, half: bool = False) -> tuple[FlatIndex, dict[str, Search]]:
        """Our index, on the device, and the peers' searches."""
        if (metric, half) not in self._searches:
            index = FlatIndex(self.setting.d, metric, self.device, "float16" if half else "float32")
            index.add(self.x)
            index.search(self.queries(1), 1, "eager")  # brings the rows onto the device
            self._searches[metric, half] = index, self.peers.searches(self.x, metric, half)
        return self._searches[metric, half]

    def queries(self, count: int) -> Floats:
        return data.normal(count, self.setting.d, 1)

    def truth(self, queries: Floats, k: int, metric: Metric, half: bool) -> Ids:
        """The true neighbours of the first CHECKED of `queries`. What is stored in float16 is what is true then."""
        asked = queries[:CHECKED]
        key = metric, half, len(asked), k
        if key not in self._truth:
            x = self.x.astype(np.float16).astype(np.float32) if half else self.x
            self._truth[key] = data.true_neighbours(x, asked, k, metric)
        return self._truth[key]

    @cached_property
    def vectors(self) -> Vectors:
        source = ArrayRows(self.x)
        vectors = Vectors(source, scan_rows(source), self.device.kind, self.device.budget_bytes)
        vectors.upload()
        return vectors


@dataclass(frozen=True)
class Case:
    name: str
    about: str
    setting: Setting  # cases of one setting follow one another
    work: Work
    make: Callable[[Bed], Contest]
    repeat: int | None = None  # rounds, where it is not as asked
    unsuitable: Callable[[DeviceInfo], str | None] = lambda _device: None  # why it means nothing on a device, if so


def modes(device: DeviceInfo) -> dict[str, Mode]:
    """Ways to run ours, the compiled one first, where compiling works."""
    ways: dict[str, Mode] = {"Kinscope compiled": "compiled", "Kinscope uncompiled": "eager"}
    if device.compile_problem:
        del ways["Kinscope compiled"]
    return ways


def neighbours(n: int, d: int, q: int, k: int = 10, metric: Metric = "l2", half: bool = False) -> Case:
    """Exact search, ours and every peer's."""

    def make(bed: Bed) -> Contest:
        index, searches = bed.searches(metric, half)
        queries = bed.queries(q)

        def search(mode: Mode) -> Run:
            return lambda: index.query(queries, k, mode)

        def ask(peer: Search) -> Run:
            return lambda: peer(queries, k)

        return Contest(
            {name: search(mode) for name, mode in modes(bed.device).items()},
            {name: ask(peer) for name, peer in searches.items()},
            lambda answer: _judge_neighbours(answer, bed.truth(queries, k, metric, half)),
        )

    kind = {"l2": "", "inner_product": "ip-", "l1": "l1-"}[metric] + ("f16-" if half else "")
    unit = {"l2": "", "inner_product": " by inner product", "l1": " by l1"}[metric]
    about = f"{_queries(q)}{unit} among {n:,} x {d} {'float16' if half else 'float32'}, k={k}"
    work = Work((2 if half else 4) * n * d, (3 if metric == "l1" else 2) * n * d * q)
    return Case(f"knn-{kind}{short(n)}x{d}-{q}", about, Setting("search", n, d), work, make)


def corner(name: str, n: int = 100_000, d: int = 128, q: int = 32, k: int = 10) -> Case:
    """One entry of the table of costs: ours, compiled, beside one peer."""
    full = neighbours(n, d, q, k)

    def make(bed: Bed) -> Contest:
        contest = full.make(bed)
        ours = dict(list(contest.ours.items())[:1])
        return Contest(ours, {p: run for p, run in contest.peers.items() if p in PEERS_OF_CORNERS}, contest.judge)

    return Case(f"corners-{name}", f"{short(n)} x {d}, {_queries(q)}, k={k}", full.setting, full.work, make, repeat=5)


def leading(n: int, d: int, k: int = 2) -> Case:
    """The leading singular vectors, ours and every peer's; the mean is zero, so that PCA finds the same.

    Ours are `topk_svd` on a matrix at hand and the fit behind the map, which works chunk by chunk and chooses its way by trial.
    """

    def make(bed: Bed) -> Contest:
        vectors, matrix = bed.vectors, mx.array(bed.x)
        fence(matrix)
        ways = modes(bed.device)

        def svd(mode: Mode) -> Run:
            return lambda: np.array(topk_svd(matrix, k, use_compile=mode == "compiled")[2]).T

        true = data.leading_subspace(bed.x, k)
        ours: dict[str, Run] = {name: svd(mode) for name, mode in ways.items()}
        mode = next(iter(ways.values()))
        ours["Kinscope's map"] = lambda: Projector(vectors, centre=False, mode=mode).fit(k).components
        return Contest(ours, bed.peers.subspaces(bed.x, k), lambda found: Quality(error=data.subspace_error(found, true)))

    about = f"{k} leading singular vectors of {n:,} x {d} float32 of decaying spectrum"
    return Case(f"svd-{short(n)}x{d}", about, Setting("spectrum", n, d), Work(4 * n * d, 2 * n * d * d), make)


def z_step(n: int, d: int, p: int) -> Case:
    """The custom kernels of the Z step beside plain products."""

    def make(bed: Bed) -> Contest:
        v = data.normal(d, p, 4)
        matrix, basis = mx.array(bed.x), mx.array(v)
        true = data.z_step(bed.x, v)

        def run(step: Callable[[], mx.array]) -> Run:
            def fenced() -> mx.array:
                z = step()
                fence(z)
                return z

            return fenced

        return Contest(
            {
                "plain products": run(lambda: matrix.T @ (matrix @ basis)),
                "custom kernels": run(lambda: kernels.z_step(matrix, basis)),
            },
            judge=lambda z: Quality(error=data.relative_error(np.array(z), true)),
        )

    about = f"Z = Aᵀ(A·V) of A {n:,} x {d} and V {d} x {p}"
    return Case(
        f"kernel-{short(n)}x{d}x{p}",
        about,
        Setting("spectrum", n, d),
        Work(4 * n * d, 4 * n * d * p),
        make,
        unsuitable=_without_kernels,
    )


def _without_kernels(device: DeviceInfo) -> str | None:
    return None if kernels.available(device.kind) else "custom kernels run on Metal and CUDA only"


def iteration(n: int, d: int, p: int, iters: int) -> Case:
    """Compiled against uncompiled subspace iteration."""

    def make(bed: Bed) -> Contest:
        a, v = mx.array(bed.x), mx.array(data.normal(d, p, 4))
        fence(a, v)

        def step(mode: Mode) -> Run:
            return lambda: fence(iterate(mode, a, v, iters=iters))

        return Contest({name: step(mode) for name, mode in modes(bed.device).items()})

    work = Work(8 * n * d * iters, 4 * n * d * p * iters)
    about = f"{iters} subspace iterations of {n} x {d}, k={p}"
    return Case(f"iteration-{n}x{d}", about, Setting("spectrum", n, d), work, make)


def _judge_neighbours(answer: SearchResult | Ids, true: Ids) -> Quality:
    if not isinstance(answer, SearchResult):
        return Quality(recall=data.recall(answer, true))
    return Quality(recall=data.recall(answer.ids, true), proven=answer.exact.count("proven") / len(answer.exact))


def _queries(q: int) -> str:
    return "1 query" if q == 1 else f"{q:,} queries"


def short(n: int) -> str:
    """512, 10k, 1m."""
    return f"{n // 1_000_000}m" if n >= 1_000_000 else f"{n // 1000}k" if n >= 1000 else str(n)


CASES: tuple[Case, ...] = (
    iteration(512, 256, 32, 3),
    z_step(512, 256, 32),
    *(neighbours(100_000, 128, q) for q in (1, 32, 256)),
    neighbours(100_000, 128, 32, metric="inner_product"),
    neighbours(100_000, 128, 1, metric="l1"),
    leading(100_000, 768),
    z_step(100_000, 768, 16),
    *(neighbours(100_000, 768, q) for q in (1, 32, 256)),
    neighbours(100_000, 768, 1, half=True),
    *(neighbours(1_000_000, 128, q) for q in (1, 32)),
    neighbours(5_000_000, 128, 32),
    *(neighbours(1_000_000, 768, q) for q in (1, 32, 256, 1024)),
    neighbours(1_000_000, 768, 1, half=True),
    leading(1_000_000, 768),
    z_step(1_000_000, 768, 16),
)

# Cost against one factor at a time, around 100k x 128, 32 queries, k=10; then far corners. Those of one setting stand together.
CORNERS: tuple[Case, ...] = (
    corner("base"),
    *(corner(f"q-{q}", q=q) for q in (1, 8, 256, 1024, 4096)),
    *(corner(f"k-{k}", k=k) for k in (1, 100, 1000)),
    corner("n-10k", n=10_000),
    corner("far-1", n=10_000, q=4096, k=1),
    corner("d-16", d=16),
    corner("far-2", d=16, q=4096, k=1000),
    corner("d-64", d=64),
    corner("d-256", d=256),
    corner("d-768", d=768),
    corner("d-1536", d=1536),
    corner("far-3", n=10_000, d=4096, q=1, k=1000),
    corner("far-4", n=10_000, d=4096, q=4096),
    corner("d-4096", d=4096),
    corner("far-5", d=4096, q=1, k=1),
    corner("n-1m", n=1_000_000),
    corner("far-6", n=1_000_000, q=1, k=1000),
    corner("far-7", n=1_000_000, q=256, k=1),
    corner("far-8", n=10_000_000, d=16, q=1, k=1),
    corner("far-9", n=10_000_000, d=16, k=1000),
    corner("n-10m", n=10_000_000),
)
