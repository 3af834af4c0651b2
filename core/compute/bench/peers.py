"""The libraries we are measured against, each through its fastest exact way that keeps the vectors ready."""

from __future__ import annotations

import importlib
import os
import platform
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from core.compute.bench.contest import Run
from core.types import DeviceKind, Floats, Ids, Metric

Search = Callable[[Floats, int], Ids]  # queries (q, d) and k; the rows found, (q, k), nearest first

# Where each has peers: a GPU is not compared with its host's CPU, but a Mac's GPU shares chip and memory with it.
PACKAGES: dict[str, tuple[DeviceKind, ...]] = {
    "faiss-cpu": ("cpu", "metal"),
    "scikit-learn": ("cpu", "metal"),
    "usearch": ("cpu", "metal"),
    "torch": ("cuda", "metal"),
}
# Modules whose wheels for macOS bring an OpenMP runtime of their own; two in one process crash there
# (https://github.com/faiss-wheels/faiss-wheels/issues/73).
OWN_OPENMP = {"torch": "torch", "faiss": "faiss-cpu", "sklearn": "scikit-learn"}
# Values that a product on a GPU may have, (queries, rows), before the queries are cut into batches.
GPU_SCORES = 1 << 30


class Peers:
    """The peers for one kind of device; `missing` says, in sentences, which were looked for in vain."""

    def __init__(self, kind: DeviceKind) -> None:
        self.kind = kind
        self.missing: list[str] = []

    def module(self, package: str, name: str) -> Any | None:
        """Module `name` of `package`, or None where the device is not for it or it cannot be had."""
        if self.kind not in PACKAGES[package]:
            return None
        top = name.partition(".")[0]
        if sys.platform == "darwin" and top in OWN_OPENMP:
            other = next((p for m, p in OWN_OPENMP.items() if m != top and m in sys.modules), None)
            if other is not None:
                self._miss(f"{package}: beside {other} its OpenMP runtime would crash the process; choose cases of one of them")
                return None
        try:
            found = importlib.import_module(name)
        except ImportError as problem:
            absent = isinstance(problem, ModuleNotFoundError) and problem.name == top
            self._miss(f"{package}: not installed" if absent else f"{package}: does not load: {problem}")
            return None
        if top == "sklearn":
            _free_threads()
        return found

    def torch(self) -> tuple[Any, str] | None:
        """torch and the name of its device, where it has the GPU that we use."""
        torch = self.module("torch", "torch")
        if torch is None:
            return None
        if torch.cuda.is_available() if self.kind == "cuda" else torch.backends.mps.is_available():
            return torch, "cuda" if self.kind == "cuda" else "mps"
        self._miss("torch: this build does not use the GPU")
        return None

    def searches(self, x: Floats, metric: Metric, half: bool) -> dict[str, Search]:
        """Exact searches of x (n, d), by name; in float16 where `half`."""
        found: dict[str, Search] = {}
        if (torch := self.torch()) is not None:
            found["torch product + topk" if metric != "l1" else "torch cdist + topk"] = _torch_search(*torch, x, metric, half)
        if (faiss := self.module("faiss-cpu", "faiss")) is not None:
            found["faiss flat fp16" if half else "faiss flat"] = _faiss_search(faiss, x, metric, half)
        names = {"l2": "euclidean", "l1": "manhattan"}
        if metric in names and not half and (neighbours := self.module("scikit-learn", "sklearn.neighbors")) is not None:
            brute = neighbours.NearestNeighbors(algorithm="brute", metric=names[metric]).fit(x)
            found["scikit-learn brute"] = lambda queries, k: brute.kneighbors(queries, k, return_distance=False)
        if metric in ("l2", "inner_product") and (usearch := self.module("usearch", "usearch.index")) is not None:
            found["usearch exact fp16" if half else "usearch exact"] = _usearch_search(usearch, x, metric, half)
        return found

    def subspaces(self, x: Floats, k: int) -> dict[str, Run]:
        """Ways to the k leading right singular vectors of x (n, d), as columns (d, k)."""
        found: dict[str, Run] = {}
        if (torch := self.torch()) is not None:
            found |= _torch_subspaces(*torch, x, k)
        if (extmath := self.module("scikit-learn", "sklearn.utils.extmath")) is not None:
            decomposition = self.module("scikit-learn", "sklearn.decomposition")
            assert decomposition is not None
            found["scikit-learn randomized_svd"] = lambda: extmath.randomized_svd(x, k, random_state=0)[2].T
            found["scikit-learn PCA"] = lambda: decomposition.PCA(k, random_state=0).fit(x).components_.T
        return found

    def _miss(self, sentence: str) -> None:
        """Note why a peer is missing, once."""
        if sentence not in self.missing:
            self.missing.append(sentence)


def _faiss_search(faiss: Any, x: Floats, metric: Metric, half: bool) -> Search:
    kind = {"l2": faiss.METRIC_L2, "inner_product": faiss.METRIC_INNER_PRODUCT, "l1": faiss.METRIC_L1}[metric]
    width = x.shape[1]
    flat = faiss.IndexScalarQuantizer(width, faiss.ScalarQuantizer.QT_fp16, kind) if half else faiss.IndexFlat(width, kind)
    flat.add(x)
    return lambda queries, k: flat.search(queries, k)[1]


def _usearch_search(usearch: Any, x: Floats, metric: Metric, half: bool) -> Search:
    kind = usearch.MetricKind.L2sq if metric == "l2" else usearch.MetricKind.IP
    rows = x.astype(np.float16) if half else x
    threads = os.cpu_count() or 1

    def search(queries: Floats, k: int) -> Ids:
        found = usearch.search(rows, queries.astype(rows.dtype), k, kind, exact=True, threads=threads)
        return np.asarray(found.keys).astype(np.int64).reshape(len(queries), -1)

    return search


def _torch_search(torch: Any, device: str, x: Floats, metric: Metric, half: bool) -> Search:
    rows = torch.from_numpy(x).to(device)
    squares = (rows * rows).sum(1)
    rows = rows.half() if half else rows

    def orders(asked: Any) -> Any:
        if metric == "l1":
            return torch.cdist(asked, rows, p=1)
        products = (asked.to(rows.dtype) @ rows.T).float()
        return -products if metric == "inner_product" else squares - 2 * products

    def search(queries: Floats, k: int) -> Ids:
        step = max(1, GPU_SCORES // len(rows))
        parts = [torch.from_numpy(queries[i : i + step]).to(device) for i in range(0, len(queries), step)]
        found: Ids = torch.cat([torch.topk(orders(part), k, largest=False)[1] for part in parts]).cpu().numpy()
        return found

    return search


def _torch_subspaces(torch: Any, device: str, x: Floats, k: int) -> dict[str, Run]:
    rows = torch.from_numpy(x).to(device)

    def by_gram() -> Floats:
        vectors: Floats = torch.linalg.eigh(rows.T @ rows)[1].cpu().numpy()[:, ::-1][:, :k]
        return vectors

    return {
        "torch svd_lowrank": lambda: torch.svd_lowrank(rows, q=k + 10, niter=3)[2][:, :k].cpu().numpy(),
        "torch gram + eigh": by_gram,
    }


def _free_threads() -> None:
    """Give scikit-learn its threads back on Linux.

    Its neighbours run with BLAS limited to one thread. The OpenBLAS that FAISS carries, which serves MLX as well, takes that
    limit to OpenMP, which scikit-learn itself runs on (half the speed on 2 cores). So the limit spares libraries of that kind.
    """
    parallel: Any = importlib.import_module("sklearn.utils.parallel")
    threadpoolctl: Any = importlib.import_module("threadpoolctl")
    controller = threadpoolctl.ThreadpoolController()
    kept = [library["filepath"] for library in controller.info() if library.get("threading_layer") != "openmp"]
    parallel._threadpool_controller = controller.select(filepath=kept)


def thread_counts() -> dict[str, int]:
    """Threads by library, of those loaded that can tell: `openblas of numpy`, `openmp of faiss_cpu`."""
    try:
        pools: Sequence[dict[str, Any]] = importlib.import_module("threadpoolctl").threadpool_info()
    except ImportError:
        return {}
    return {
        f"{pool['internal_api']} of {Path(pool['filepath']).parent.name.removesuffix('.libs')}": pool["num_threads"]
        for pool in pools
    }


def versions() -> dict[str, str]:
    """Versions of what took part, and of what might have."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in ("mlx", "numpy", *PACKAGES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
