"""What this machine allows at best: the bandwidth of its memory and the rate of its float32 product, measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import mlx.core as mx

from core.compute.timing import fence
from core.compute.vectors import Poll, no_poll
from core.types import DeviceKind

REPEATS = 6
# Columns of an array of 1024 rows that is copied, and the side of matrices that are multiplied: so large that launching counts
# for nothing, and on a CPU so small that none keeps more urgent work waiting for long.
SIZES: dict[DeviceKind, tuple[int, int]] = {"cpu": (1 << 16, 1024), "metal": (1 << 18, 4096), "cuda": (1 << 20, 8192)}


@dataclass(frozen=True)
class Limits:
    """What the machine allows at best."""

    bandwidth: float  # bytes a second read or copied, whichever is more
    rate: float  # operations a second of a float32 product

    def best(self, other: Limits) -> Limits:
        """Of two measurements, the one that was disturbed less."""
        return Limits(max(self.bandwidth, other.bandwidth), max(self.rate, other.rate))


def measure_limits(kind: DeviceKind, give_way: Poll = no_poll) -> Limits:
    """Measure bandwidth and rate of the default device; `give_way` is called before each run.

    On a CPU MLX copies on one core; the product of a vector with a matrix reads on all of them.
    """
    columns, side = SIZES[kind]
    a, v, b = mx.random.normal((1024, columns)), mx.random.normal((1, 1024)), mx.random.normal((side, side))
    fence(a, v, b)

    def best(compute: Callable[[], mx.array]) -> float:
        least = float("inf")
        for _ in range(REPEATS):
            give_way()
            start = perf_counter()
            fence(compute())
            least = min(least, perf_counter() - start)
        return least

    copy, read, product = best(lambda: a + 1.0), best(lambda: v @ a), best(lambda: b @ b)
    return Limits(max(2 * a.nbytes / copy, a.nbytes / read), 2 * side**3 / product)
