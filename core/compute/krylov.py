"""Leading eigenpairs of a symmetric positive semidefinite M (n, n) that is known by its products M·V alone.

Block Lanczos from a block V: orthonormal blocks that span V, M·V, M²·V, ... are all kept, and Rayleigh and Ritz find the best
pairs within their span; so each product tells more than in subspace iteration, which keeps the last block only (Musco and Musco:
Randomized Block Krylov Methods, 2015). A basis too large is cut down to its best Ritz vectors and goes on from there (thick
restart; Wu and Simon, 2000). Kept images of the basis give the residual without a further product.

What is small, (n, basis), is computed here, in float64 on the host; products are made by whoever calls, in any precision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
# (kept (n, c), block (n, p), steps) -> `steps` blocks V, orthonormal to about single precision, to `kept` and to each other, that
# continue the sequence from `block`, and their images M·V: both (n, steps * p).
Expand = Callable[[Doubles, Doubles, int], tuple[Doubles, Doubles]]
# Asked after a test that did not hold, with the steps that are likely to be needed still: whether to go on.
GoOn = Callable[[int], bool]

# Columns of a block are a multiple of this, which OpenBLAS takes 1.5 times as fast as 12 columns; at least SPARE more than wanted
# let a cluster of close values converge.
COLUMNS = 16
SPARE = 6
# Blocks in a basis before it is cut down.
BLOCKS = 8
# Up to this many blocks' width all of M is one block: exact after one product.
WHOLE = 4
# Where |M·v - λv| / λ₁ holds still below this, rounding of the products is all that is left; at once where it is within a few
# times the tolerance, which is about what they round.
ROUNDING, NEAR = 1e-4, 4.0
# Steps before the first test, which seldom holds sooner.
FIRST = 3
# Multiplications up to which OpenBLAS keeps to one thread.
SINGLE = 1 << 18
# A direction this much shorter than unit length after what is kept is taken out of it holds rounding only.
SHORT = 1e-3


def always(remaining: int) -> bool:  # noqa: ARG001 -- see GoOn
    return True


@dataclass(frozen=True, eq=False)
class Pairs:
    """Leading eigenpairs, largest first."""

    values: Doubles  # (c,) not negative
    vectors: Doubles  # (n, c) orthonormal columns; c is at least the k asked for, and the first k are what `residual` speaks of
    residual: float  # largest |M·v - λv| / λ₁
    steps: int  # products of M with a block


def width(k: int, n: int) -> int:
    """Columns of a block that finds k pairs of M (n, n)."""
    block = -(-(k + SPARE) // COLUMNS) * COLUMNS
    return n if n <= WHOLE * block else block


def random_block(n: int, columns: int) -> Doubles:
    """A start (n, columns), always the same."""
    return np.random.default_rng(0).standard_normal((n, columns))


def leading(
    expand: Expand,
    start: Doubles,
    k: int,
    tolerance: float,
    stride: int,
    cap: int,
    go_on: GoOn = always,
) -> Pairs:
    """The k leading pairs from the block `start` (n, p), k <= p <= n, to a residual of `tolerance` or as rounding allows.

    At most `stride` steps lie between residual tests, and `cap` are made in all.
    """
    n, p = start.shape
    most = min(BLOCKS, n // p)
    basis = images = np.zeros((n, 0))
    block, done, steps = start, 0, min(FIRST, stride, most)
    history: list[tuple[int, float]] = []
    while True:
        new, image = expand(basis, block, steps)
        done += steps
        basis, images = _extended(basis, images, new, image)
        values, rotation = _ritz(basis, images)
        off = times(images, rotation[:, :k]) - times(basis, rotation[:, :k]) * values[:k]
        largest = max(float(values[0]), 0.0)
        residual = float(np.linalg.norm(off, axis=0).max()) / largest if largest > 0 else 0.0
        history.append((done, residual))
        remaining = _remaining(history, tolerance)
        if residual <= tolerance or p == n or done >= cap or _still(history, tolerance) or not go_on(remaining):
            kept = rotation[:, :p]
            return Pairs(np.maximum(values[:p], 0.0), times(basis, kept), residual, done)
        block = image[:, -p:]
        block = block - times(basis, inner(basis, block))
        # Half of what is likely needed: a test costs less than a product, and convergence gains speed.
        steps = int(np.clip(remaining // 2, 1, min(stride, most - 1, cap - done)))
        if basis.shape[1] + steps * p > most * p:
            keep = rotation[:, : max(1, most // 2) * p]
            basis, images = times(basis, keep), times(images, keep)
            steps = min(steps, most - max(1, most // 2))


def by_steps(step: Callable[[Doubles], Doubles]) -> Expand:
    """Blocks made one by one on the host from `step`, V -> M·V."""

    def expand(kept: Doubles, block: Doubles, steps: int) -> tuple[Doubles, Doubles]:
        blocks: list[Doubles] = []
        images: list[Doubles] = []
        for _ in range(steps):
            block = completed(np.hstack([kept, *blocks]), block)
            blocks.append(block)
            block = step(block)
            images.append(block)
        return np.hstack(blocks), np.hstack(images)

    return expand


def completed(kept: Doubles, block: Doubles) -> Doubles:
    """An orthonormal block (n, p) that with `kept` (n, c), c + p <= n, spans what `block` does; whatever the rank of that."""
    # Twice is enough (Parlett): what the first round left of a column may be rounding, and has to be taken out again.
    for _ in range(2):
        length = np.abs(block).max(axis=0)
        block = block / np.where(length > 0, length, 1.0)
        block = _basis(block - times(kept, inner(kept, block)))
    return block - times(kept, inner(kept, block))


# What follows keeps NumPy's OpenBLAS to one thread while MLX computes with another OpenBLAS: its threads wait for more work by
# spinning, and the product over A that comes next takes 1.5 times as long (95 ms -> 150 ms, 100k x 768 on 2 cores).


def inner(a: Doubles, b: Doubles) -> Doubles:
    """AᵀB, (c, p), of A (n, c) and B (n, p)."""
    rows = _few(a.shape[1] * b.shape[1])
    whole = np.zeros((a.shape[1], b.shape[1]))
    for i in range(0, len(a), rows):
        whole += a[i : i + rows].T @ b[i : i + rows]
    return whole


def times(a: Doubles, b: Doubles) -> Doubles:
    """A·B, (n, p), of A (n, c) and B (c, p)."""
    rows = _few(b.size)
    whole = np.empty((len(a), b.shape[1]))
    for i in range(0, len(a), rows):
        np.matmul(a[i : i + rows], b, out=whole[i : i + rows])
    return whole


def eigh(m: Doubles) -> tuple[Doubles, Doubles]:
    """Eigenvalues of the symmetric M (c, c), smallest first, and eigenvectors."""
    if not on_cpu():
        return np.linalg.eigh(m)
    values, vectors = mx.linalg.eigh(mx.array(m, mx.float64), stream=mx.cpu)
    return np.array(values), np.array(vectors)


def _basis(block: Doubles) -> Doubles:
    """Q of a QR decomposition of `block` (n, p), (n, p)."""
    if not on_cpu():
        return np.linalg.qr(block)[0]
    return np.array(mx.linalg.qr(mx.array(block, mx.float64), stream=mx.cpu)[0])


def on_cpu() -> bool:
    """Whether this thread's default device is the CPU."""
    return bool(mx.default_device() == mx.Device(mx.cpu))


def _few(terms: int) -> int:
    """Rows of a product of `terms` multiplications a row that OpenBLAS gives to one thread."""
    return max(64, SINGLE // max(terms, 1))


def _extended(basis: Doubles, images: Doubles, new: Doubles, image: Doubles) -> tuple[Doubles, Doubles]:
    """The basis with `new` made orthonormal in float64; images follow, since M is linear."""
    along = inner(basis, new)
    new, image = new - times(basis, along), image - times(images, along)
    squares, turned = eigh(inner(new, new))
    there = squares > SHORT**2
    scaled = turned[:, there] / np.sqrt(squares[there])
    return np.hstack([basis, times(new, scaled)]), np.hstack([images, times(image, scaled)])


def _ritz(basis: Doubles, images: Doubles) -> tuple[Doubles, Doubles]:
    """Ritz values, largest first, and their coefficients."""
    small = inner(basis, images)
    values, rotation = eigh((small + small.T) / 2)
    return values[::-1], rotation[:, ::-1]


def _remaining(history: list[tuple[int, float]], tolerance: float) -> int:
    """Steps until `tolerance`, going on at the rate of the last ones; at first a digit a step is expected."""
    done, residual = history[-1]
    if residual <= tolerance:
        return 0
    rate = log(10.0)
    if len(history) > 1:
        before, larger = history[-2]
        rate = max(log(larger / residual), 1e-3) / (done - before)
    return int(np.ceil(log(residual / tolerance) / rate))


def _still(history: list[tuple[int, float]], tolerance: float) -> bool:
    """Whether the residual is small and further tests have not made it smaller: one near the tolerance, else three."""
    residuals: list[Any] = [residual for _, residual in history]
    for tests, small in ((1, NEAR * tolerance), (3, ROUNDING)):
        before = min(residuals[:-tests], default=np.inf)
        if before < small and min(residuals[-tests:]) > 0.7 * before:
            return True
    return False
