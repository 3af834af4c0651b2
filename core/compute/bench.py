"""Our computations beside their peers', interleaved in one process: `kinscope bench`.

A peer that is not installed, or does not run on the device, is left out by name. Every case measures until it has enough
repeats or its time is up.
"""

from __future__ import annotations

import importlib
import platform
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from time import perf_counter
from typing import Any

import mlx.core as mx
import numpy as np

from core.compute.knn import FlatIndex
from core.compute.projection import Projector
from core.compute.svd import iterate
from core.compute.timing import fence
from core.compute.vectors import ArrayRows, Poll, Report, Vectors, scan_rows
from core.errors import UserError
from core.statistics import median, median_ratio
from core.types import BenchResult, BenchRow, DeviceInfo, Floats, Mode

PEERS = ("faiss-cpu", "scikit-learn", "usearch", "torch")
# The share of the memory budget that a case may use; larger ones are left out.
MEMORY_SHARE = 0.3
WARM_UPS = 2

Run = Callable[[], object]


@dataclass
class Contest:
    """What runs against what on one input. The first of ours is what the others are compared with."""

    ours: dict[str, Run]
    peers: dict[str, Run] = field(default_factory=dict)
    nbytes: int = 0  # read at least once
    flops: int = 0


@dataclass(frozen=True)
class Case:
    name: str
    about: str
    bytes_needed: int
    make: Callable[[DeviceInfo], Contest]


def run_cases(device: DeviceInfo, only: tuple[str, ...], repeat: int, seconds: float, poll: Poll, report: Report) -> BenchResult:
    """Run the cases whose names begin with one of `only` (all if empty), each for at most `seconds`.

    Raises UserError if `only` names none.
    """
    cases = [c for c in CASES if not only or c.name.startswith(only)]
    if not cases:
        raise UserError(f"No case is called {', '.join(only)}; there are {', '.join(c.name for c in CASES)}.")
    bandwidth, rate = measure_limits()
    rows: list[BenchRow] = []
    skipped = []
    for number, case in enumerate(cases):
        report(case.name, number, len(cases))
        if case.bytes_needed > MEMORY_SHARE * device.budget_bytes:
            skipped.append(f"{case.name}: needs {case.bytes_needed / 1e9:.1f} GB")
            continue
        rows += _run_case(case, device, bandwidth, rate, repeat, seconds, poll)
    report("done", len(cases), len(cases))
    return BenchResult(tuple(rows), tuple(skipped), bandwidth / 1e9, rate / 1e9, device, versions())


def versions() -> dict[str, str]:
    """Versions of what took part."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in ("mlx", "numpy", *PEERS):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def measure_limits() -> tuple[float, float]:
    """Bytes a second that can be read or copied, whichever is more, and operations a second of a float32 product.

    On a CPU MLX copies on one core; the product of a vector with a matrix reads on all of them.
    """
    a = mx.random.normal((1024, 1 << 16))
    v = mx.random.normal((1, 1024))
    b = mx.random.normal((2048, 2048))
    fence(a, v, b)
    copy = min(_time(lambda: fence(a + 1.0)) for _ in range(6))
    read = min(_time(lambda: fence(v @ a)) for _ in range(6))
    product = min(_time(lambda: fence(b @ b)) for _ in range(6))
    return max(2 * a.nbytes / copy, a.nbytes / read), 2 * 2048**3 / product


def _time(run: Run) -> float:
    start = perf_counter()
    run()
    return perf_counter() - start


def _run_case(
    case: Case, device: DeviceInfo, bandwidth: float, rate: float, repeat: int, seconds: float, poll: Poll
) -> Iterator[BenchRow]:
    contest = case.make(device)
    runners = contest.ours | contest.peers
    first = {name: _time(run) * 1e3 for name, run in runners.items()}
    for _ in range(WARM_UPS - 1):
        for run in runners.values():
            run()
    times: dict[str, list[float]] = {name: [] for name in runners}
    end = perf_counter() + seconds
    order = list(runners)
    for _ in range(repeat):
        random.shuffle(order)
        for name in order:
            poll()
            times[name].append(_time(runners[name]) * 1e3)
        if perf_counter() > end:
            break
    reference = next(iter(contest.ours))
    limit_ms = 1e3 * max(contest.nbytes / bandwidth, contest.flops / rate)
    for name, values in times.items():
        yield BenchRow(
            case=case.name,
            about=case.about,
            runner=name,
            median_ms=median(values),
            p95_ms=float(np.quantile(values, 0.95)),
            first_ms=first[name],
            count=len(values),
            times_reference=None if name == reference else median_ratio(values, times[reference]),
            share_of_limit=limit_ms / median(values),
        )


def _optional(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _knn_case(n: int, d: int, q: int, k: int = 10) -> Case:
    def make(device: DeviceInfo) -> Contest:
        generator = np.random.default_rng(0)
        x = generator.standard_normal((n, d), dtype=np.float32)
        queries = generator.standard_normal((q, d), dtype=np.float32)
        index = FlatIndex(d, "l2", device)
        index.add(x)

        def search(mode: Mode) -> Run:
            return lambda: index.search(queries, k, mode)

        ours = {"compiled": search("compiled"), "uncompiled": search("eager")}
        return Contest(ours, _knn_peers(x, queries, k, device), n * d * 4, 2 * n * d * q)

    return Case(f"knn-{_short(n)}x{d}-{q}", f"{q} nearest-neighbour queries, k={k}, in {n:,} x {d} float32", 8 * n * d, make)


def _knn_peers(x: Floats, queries: Floats, k: int, device: DeviceInfo) -> dict[str, Run]:
    peers: dict[str, Run] = {}
    if device.kind == "cpu" and (faiss := _optional("faiss")) is not None:
        flat = faiss.IndexFlatL2(x.shape[1])
        flat.add(x)
        peers["faiss flat"] = lambda: flat.search(queries, k)
    if device.kind == "cpu" and (neighbours := _optional("sklearn.neighbors")) is not None:
        brute = neighbours.NearestNeighbors(n_neighbors=k, algorithm="brute").fit(x)
        peers["scikit-learn brute"] = lambda: brute.kneighbors(queries)
    if device.kind == "cpu" and (usearch := _optional("usearch.index")) is not None:
        peers["usearch exact"] = lambda: usearch.search(x, queries, k, usearch.MetricKind.L2sq, exact=True)
    if device.kind == "cuda" and (torch := _optional("torch")) is not None and torch.cuda.is_available():
        rows, asked = torch.from_numpy(x).cuda(), torch.from_numpy(queries).cuda()
        squares = (rows * rows).sum(1)
        peers["torch product + topk"] = lambda: torch.topk(squares - 2 * (asked @ rows.T), k, largest=False)[1].cpu()
    return peers


def _projection_case(n: int, d: int, k: int = 2) -> Case:
    def make(device: DeviceInfo) -> Contest:
        x = decaying(n, d)
        source = ArrayRows(x)
        vectors = Vectors(source, scan_rows(source), device.kind, device.budget_bytes)
        vectors.upload()

        def fit(mode: Mode) -> Run:
            return lambda: Projector(vectors, centre=False, mode=mode).fit(k)

        peers: dict[str, Run] = {}
        if device.kind == "cpu" and (extmath := _optional("sklearn.utils.extmath")) is not None:
            peers["scikit-learn randomized_svd"] = lambda: extmath.randomized_svd(x, k, n_iter=5, random_state=0)
        if device.kind == "cuda" and (torch := _optional("torch")) is not None and torch.cuda.is_available():
            rows = torch.from_numpy(x).cuda()

            def lowrank() -> None:
                torch.svd_lowrank(rows, q=k + 10, niter=3)
                torch.cuda.synchronize()

            peers["torch svd_lowrank"] = lowrank
        ours = {"compiled": fit("compiled"), "uncompiled": fit("eager")}
        return Contest(ours, peers, n * d * 4, 2 * n * d * d)

    return Case(f"svd-{_short(n)}x{d}", f"{k} leading singular vectors of {n:,} x {d} float32", 8 * n * d, make)


def decaying(n: int, d: int) -> Floats:
    """64 decaying directions in noise, (n, d): what embeddings' spectra look like."""
    generator = np.random.default_rng(1)
    basis = np.linalg.qr(generator.standard_normal((d, min(64, d))))[0].astype(np.float32)
    strength = (4 * 0.93 ** np.arange(basis.shape[1])).astype(np.float32)
    x = generator.standard_normal((n, d), dtype=np.float32) * np.float32(0.3)
    for start in range(0, n, 65536):
        part = x[start : start + 65536]
        part += (generator.standard_normal((len(part), len(strength)), dtype=np.float32) * strength) @ basis.T
    return x


def _iteration_case() -> Case:
    def make(_device: DeviceInfo) -> Contest:
        a, v = mx.random.normal((512, 256)), mx.random.normal((256, 32))
        fence(a, v)

        def step(mode: Mode) -> Run:
            return lambda: fence(iterate(mode, a, v, iters=3))

        return Contest({"compiled": step("compiled"), "uncompiled": step("eager")}, {}, 6 * a.nbytes, 12 * 512 * 256 * 32)

    return Case("svd-iteration", "3 subspace iterations of 512 x 256, k=32", 1 << 22, make)


def _short(n: int) -> str:
    return f"{n // 1_000_000}m" if n >= 1_000_000 else f"{n // 1000}k"


CASES: tuple[Case, ...] = (
    *(_knn_case(100_000, 128, q) for q in (1, 32, 256)),
    *(_knn_case(100_000, 768, q) for q in (1, 32, 256)),
    *(_knn_case(1_000_000, 128, q) for q in (1, 32)),
    *(_knn_case(1_000_000, 768, q) for q in (1, 256, 1024)),
    _projection_case(100_000, 768),
    _projection_case(1_000_000, 768),
    _iteration_case(),
)
