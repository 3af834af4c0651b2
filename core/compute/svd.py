"""Truncated singular value decomposition by block Krylov iteration.

Z = Aᵀ(A·V) with the next V made orthonormal is one compiled function; core.compute.krylov finds the best within all V until a
residual test holds; then Rayleigh and Ritz on A itself give singular values and vectors. Musco and Musco: Randomized Block Krylov
Methods for Stronger and Faster Approximate Singular Value Decomposition (2015), algorithm 2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.compute import kernels, krylov
from core.compute.compilation import pair
from core.compute.krylov import Doubles, Pairs, on_cpu
from core.compute.orthonormal import TINY, Way, orthonormal, unit_columns, usual
from core.compute.timing import fence
from core.compute.vectors import Poll, no_poll
from core.types import Mode

# Residual |AᵀAv - σ²v| / σ₁² at which a triplet counts as converged, by precision: a few times what products round off.
TOLERANCE = {mx.float32: 2e-6, mx.float64: 1e-13}
# Steps between residual tests, times this, after which it stops and reports the residual it has.
MAX_ROUNDS = 40
# A start from one row in SAMPLE saves most of the first products, where there are rows enough to speak for all.
SAMPLE = 16
SAMPLE_ITERATIONS = 3
ENOUGH = 4  # rows in the sample, times the columns
# Random directions mixed into that start, so that what the sample lacks is found all the same.
MIXED = 0.03
# A product along the rows of A whose result is small is cut into so many on a GPU.
PARTS = 256
# What a combination of blocks may lack of a unit vector, for the same combination of images to be its image.
UNTOLD = 1e-10


@dataclass(frozen=True, eq=False)
class Triplets:
    """The k leading singular triplets of A (m, n), largest first.

    Signs make the largest entry of each vector on the shorter side positive. Where a singular value is zero, its vector on the
    longer side is zero too: none was found.
    """

    u: mx.array  # (m, k)
    s: mx.array  # (k,)
    vt: mx.array  # (k, n)
    residual: float  # largest |AᵀAv - σ²v| / σ₁² among the k
    explained: mx.array  # (k,) shares σ² / |A|² of the whole
    iterations: int


def topk_svd(
    a: mx.array | ArrayLike, k: int, iters: int = 8, use_kernel: bool | None = None, use_compile: bool = True
) -> tuple[mx.array, mx.array, mx.array]:
    """The k largest singular triplets of A (m, n): U (m, k), S (k,), Vᵀ (k, n), in float32 (float64 on a CPU if A is).

    At most `iters` iterations run between residual tests, of which each costs a GPU a round trip; it goes on until the test holds
    or more would not help. `use_compile` runs the iteration as one compiled function; the result is the same. `use_kernel`
    computes Aᵀ(A·V) by the custom kernels of core.compute.kernels, in float32; None does so where they are measured to be faster.
    Raises ValueError for a k outside 1 to min(m, n) and for NaN or infinity in A, UserError where `use_kernel` asks for kernels
    that this device has not.
    """
    _, factors, _ = _found(a, k, iters, use_kernel, "compiled" if use_compile else "eager")
    return factors


def truncated_svd(
    a: mx.array | ArrayLike,
    k: int,
    iters: int = 8,
    use_kernel: bool | None = None,
    mode: Mode = "compiled",
    poll: Poll = no_poll,
    max_rounds: int = MAX_ROUNDS,
    way: Way | None = None,
    tolerance: float | None = None,
) -> Triplets:
    """As `topk_svd`, with the residual reached, the variance explained and the iterations it took, about `max_rounds` times
    `iters` at most.

    `way` is how blocks are made orthonormal, by default as is usual on the device; `tolerance` the residual at which it stops, by
    default what the precision allows.
    """
    matrix, (u, s, vt), pairs = _found(a, k, iters, use_kernel, mode, poll, max_rounds, way, tolerance)
    values, whole = np.square(np.array(s, np.float64)), _square_sum(matrix)
    explained = values / whole if whole > 0 else np.zeros(k)
    return Triplets(u, s, vt, pairs.residual, mx.array(explained, dtype=s.dtype), pairs.steps)


@pair
def iterate(a: mx.array, v: mx.array, *, iters: int, use_kernel: bool = False, way: Way | None = None) -> mx.array:
    """`iters` steps of subspace iteration on V (n, p): Z = Aᵀ(A·V), by plain products or custom kernels, orthonormalised."""
    way = way or usual(*v.shape)
    for _ in range(iters):
        v = orthonormal(_images(a, v, use_kernel)[1], way)
    return v


@pair
def advance(
    a: mx.array, window: mx.array, block: mx.array, *, use_kernel: bool, way: Way
) -> tuple[mx.array, mx.array, mx.array, mx.array]:
    """One step of block Lanczos: V (n, p), what `block` adds to `window` (n, c), made orthonormal; Z = Aᵀ(A·V); the window moved
    on by a block, zeros or the oldest columns falling out in front, so that its shape stays and one trace serves all steps; and
    (A·V)ᵀ, (p, m).
    """
    v = unit_columns(block)
    for _ in range(2):  # see core.compute.krylov.completed
        v = v - window @ (window.T @ v)
    v = orthonormal(v, way)
    image, z = _images(a, v, use_kernel)
    return v, z, mx.concatenate([window[:, v.shape[1] :], v], axis=1), image


@pair
def combined(*arrays: mx.array) -> mx.array:
    """The sum of Cᵀ·Bᵀ, (c, m), over pairs of coefficients C (p, c) and images Bᵀ (p, m), all C first."""
    half = len(arrays) // 2
    whole = arrays[0].T @ arrays[half]
    for c, b in zip(arrays[1:half], arrays[half + 1 :], strict=True):
        whole = mx.addmm(whole, c.T, b)
    return whole


@pair
def cosines(image: mx.array) -> tuple[mx.array, mx.array, mx.array]:
    """Rows of Bᵀ (p, m) made unit length, those lengths, and the cosines between them.

    The Gram matrix of unit vectors is near the identity when they are near the singular vectors, so that small singular values
    keep their digits beside large ones.
    """
    lengths = mx.linalg.norm(image, axis=1)
    unit = image / mx.maximum(lengths, TINY)[:, None]
    return unit, lengths, _gram(unit)


def _gram(rows: mx.array) -> mx.array:
    """B·Bᵀ, (p, p), of B (p, m). A GPU gives a product of so few results to a few of its cores: it is cut up along m."""
    p, m = rows.shape
    part = m // PARTS
    if on_cpu() or part < p:
        return rows @ rows.T
    cut = rows[:, : PARTS * part].reshape(p, PARTS, part).transpose(1, 0, 2)
    whole = (cut @ cut.transpose(0, 2, 1)).sum(axis=0)
    rest = rows[:, PARTS * part :]
    return whole + rest @ rest.T if rest.size else whole


def mixed(likely: Doubles, block: Doubles) -> Doubles:
    """A start from directions `likely` (n, p) that a sample of rows shows, with random ones from `block` (n, p) mixed in."""
    return likely + MIXED / sqrt(len(block)) * block


def fix_signs(v: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """+1 or -1 for each column of V (n, k), so that its entry of largest magnitude is positive: one file, one map."""
    largest = np.abs(v).argmax(axis=0)
    return np.where(v[largest, np.arange(v.shape[1])] < 0, -1.0, 1.0)


def _image(a: mx.array, v: mx.array) -> mx.array:
    """(A·V)ᵀ, (p, m). OpenBLAS takes products with few rows 1.3 times as fast as products with few columns."""
    return v.T @ a.T if on_cpu() else (a @ v).T


def _back(a: mx.array, image: mx.array) -> mx.array:
    """Aᵀ·B, (n, p), from Bᵀ."""
    return (image @ a).T if on_cpu() else a.T @ image.T


def _images(a: mx.array, v: mx.array, use_kernel: bool) -> tuple[mx.array, mx.array]:
    """(A·V)ᵀ, (p, m), and Aᵀ(A·V), (n, p)."""
    if use_kernel:
        b, z = kernels.images(a, v)
        return b.T, z
    image = _image(a, v)
    return image, _back(a, image)


def _found(
    a: mx.array | ArrayLike,
    k: int,
    iters: int,
    use_kernel: bool | None,
    mode: Mode,
    poll: Poll = no_poll,
    max_rounds: int = MAX_ROUNDS,
    way: Way | None = None,
    tolerance: float | None = None,
) -> tuple[mx.array, tuple[mx.array, mx.array, mx.array], Pairs]:
    """A as computed with; U, S, Vᵀ; and the pairs of AᵀA, or AAᵀ if that is smaller, that they come from."""
    matrix = _as_matrix(a)
    m, n = matrix.shape
    if not 1 <= k <= min(m, n):
        raise ValueError(f"k must be from 1 to {min(m, n)} for a matrix of shape {(m, n)}, not {k}")
    tall, short, p = matrix if m >= n else matrix.T, min(m, n), krylov.width(k, min(m, n))
    if use_kernel:
        kernels.require()
    if use_kernel is None:
        use_kernel = matrix.dtype == mx.float32 and kernels.faster(short, p)
    how: dict[str, Any] = {"use_kernel": use_kernel, "way": way or usual(short, p)}
    if use_kernel:
        tall = mx.contiguous(tall)  # once, or the kernels would copy a transposed view at every step
    sequence = _Sequence(tall, mode, poll, how)
    enough = TOLERANCE[matrix.dtype] if tolerance is None else tolerance
    pairs = krylov.leading(sequence.expand, _start(tall, k, mode, how), k, enough, iters, iters * max_rounds)
    vectors = pairs.vectors[:, : k + krylov.SPARE]
    u, s, v = _rayleigh_ritz(sequence.image(vectors), vectors, k, mode)
    return matrix, (u, s, v.T) if m >= n else (v, s, u.T), pairs


def _start(a: mx.array, k: int, mode: Mode, how: dict[str, Any]) -> Doubles:
    """A block (n, p) to start from: random, or what a few iterations on a sample of rows make of that."""
    m, n = a.shape
    block = krylov.random_block(n, krylov.width(k, n))
    if m < SAMPLE * ENOUGH * n or block.shape[1] == n:
        return block
    sample = mx.contiguous(a[::SAMPLE])
    v = iterate(mode, sample, mx.array(block, dtype=a.dtype), iters=SAMPLE_ITERATIONS, **how)
    fence(v)
    return mixed(np.array(v, np.float64), block)


@dataclass(eq=False)
class _Sequence:
    """Blocks V of the Krylov sequence of AᵀA, made on the device without waiting for the host in between."""

    a: mx.array
    mode: Mode
    poll: Poll
    how: dict[str, Any]
    _blocks: list[Doubles] = field(default_factory=list)
    _images: list[mx.array] = field(default_factory=list)  # (A·V)ᵀ of each; both forgotten when they outgrow half of A

    def expand(self, kept: Doubles, block: Doubles, steps: int) -> tuple[Doubles, Doubles]:
        """See core.compute.krylov.Expand."""
        self.poll()
        n, p = block.shape
        window = np.zeros((n, min(krylov.BLOCKS * p, n)))
        window[:, window.shape[1] - kept.shape[1] :] = kept
        held, z = mx.array(window, dtype=self.a.dtype), mx.array(_scaled(block), dtype=self.a.dtype)
        made: list[mx.array] = []
        for _ in range(steps):
            v, z, held, image = advance(self.mode, self.a, held, z, **self.how)
            made += [v, z]
            self._images.append(image)
        both = mx.concatenate(made, axis=1)
        fence(both, *self._images[-steps:])
        fetched: Doubles = np.array(both, np.float64).reshape(n, steps, 2, p)
        blocks, images = (fetched[:, :, i].reshape(n, steps * p) for i in range(2))
        if not np.isfinite(images).all():
            raise ValueError("the matrix holds NaN or infinity, or values whose squares do")
        self._blocks.append(blocks)
        if len(self._images) * p > n // 2:
            self._blocks.clear()
            self._images.clear()
        return blocks, images

    def image(self, vectors: Doubles) -> mx.array:
        """(A·X)ᵀ, (c, m), of `vectors` X (n, c): put together from what the steps computed, where that loses no digit."""
        if self._images:
            made = np.hstack(self._blocks)
            parts = krylov.inner(made, vectors)
            parts += krylov.inner(made, vectors - krylov.times(made, parts))  # blocks are orthonormal to single precision only
            if np.abs(krylov.times(made, parts) - vectors).max() <= UNTOLD:
                coefficients = (mx.array(part, dtype=self.a.dtype) for part in np.split(parts, len(self._images)))
                whole: mx.array = combined(self.mode, *coefficients, *self._images)
                return whole
        return _image(self.a, mx.array(vectors, dtype=self.a.dtype))


def _scaled(block: Doubles) -> Doubles:
    """Columns of largest entry 1, which single precision holds whatever they were."""
    largest = np.abs(block).max(axis=0)
    return np.asarray(block / np.where(largest > 0, largest, 1.0))


def _rayleigh_ritz(image: mx.array, vectors: Doubles, k: int, mode: Mode) -> tuple[mx.array, mx.array, mx.array]:
    """U (m, k), S (k,) and V (n, k), the best triplets within the span of `vectors` X (n, p); `image` is (A·X)ᵀ."""
    unit, lengths, between = cosines(mode, image)
    fence(unit, lengths, between)
    scale = np.array(lengths, np.float64)
    gram = scale[:, None] * np.array(between, np.float64) * scale
    values, rotation = krylov.eigh((gram + gram.T) / 2)
    values, rotation = values[::-1][:k], rotation[:, ::-1][:, :k]
    s = np.sqrt(np.maximum(values, 0.0))
    rotated = krylov.times(vectors, rotation)
    signs = fix_signs(rotated)
    rotation, rotated = rotation * signs, rotated * signs
    # u = B W / σ; where σ vanishes any unit vector will do, and zero says that none was found.
    safe = s > s[0] * np.finfo(np.float32).eps
    u_rotation = np.where(safe, scale[:, None] * rotation / np.where(safe, s, 1.0), 0.0)
    u = (mx.array(u_rotation.T, dtype=image.dtype) @ unit).T
    found = (u, mx.array(s, dtype=image.dtype), mx.array(rotated, dtype=image.dtype))
    fence(*found)
    return found


def _square_sum(a: mx.array) -> float:
    """|A|², the sum of squares. On a CPU by NumPy: MLX writes the squares down before it adds them up, all on one core."""
    if not on_cpu():
        return float(np.array(mx.square(a).sum()))
    rows: NDArray[np.floating[Any]] = np.array(a, copy=False)
    return float(np.einsum("ij,ij->i", rows, rows).sum(dtype=np.float64))


def _as_matrix(a: mx.array | ArrayLike) -> mx.array:
    if not isinstance(a, mx.array):
        host = np.asarray(a)
        double = on_cpu() and host.dtype == np.float64
        a = mx.array(host, dtype=mx.float64 if double else mx.float32)
    if a.ndim != 2:
        raise ValueError(f"a matrix is needed, not an array of shape {a.shape}")
    return a if a.dtype == mx.float64 and on_cpu() else a.astype(mx.float32)
