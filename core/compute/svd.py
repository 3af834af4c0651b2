"""Truncated singular value decomposition by subspace iteration.

Z = Aᵀ(A·V), re-orthonormalised, is iterated as one compiled function until a residual test holds; then Rayleigh and Ritz give
singular values and vectors. Halko, Martinsson, Tropp: Finding structure with randomness (2011), algorithms 4.4 and 5.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.compute import kernels
from core.compute.compilation import pair
from core.compute.timing import fence
from core.compute.vectors import Poll, no_poll
from core.types import Mode

# Directions carried along beyond the k wanted: they let a cluster of close singular values past k converge.
OVERSAMPLE = 10
# Residual |Aᵀu - σv| / σ₁ at which a triplet counts as converged, by precision.
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
TINY = float(np.finfo(np.float32).tiny)
# Rounds of `iters` iterations after which it stops and reports the residual it has.
MAX_ROUNDS = 40


@dataclass(frozen=True, eq=False)
class Triplets:
    """The k leading singular triplets of A (m, n), largest first.

    Signs make the largest entry of each vector on the shorter side positive. Where a singular value is zero, its vector on the
    longer side is zero too: none was found.
    """

    u: mx.array  # (m, k)
    s: mx.array  # (k,)
    vt: mx.array  # (k, n)
    residual: float  # largest |Aᵀu - σv| / σ₁ among the k
    iterations: int


def topk_svd(
    a: mx.array | ArrayLike, k: int, iters: int = 8, use_kernel: bool = False, use_compile: bool = True
) -> tuple[mx.array, mx.array, mx.array]:
    """The k largest singular triplets of A (m, n): U (m, k), S (k,), Vᵀ (k, n), in float32 (float64 on a CPU if A is).

    `iters` iterations run between residual tests; it goes on until the test holds or more would not help. `use_compile` runs
    the iteration as one compiled function; the result is the same. `use_kernel` computes Aᵀ(A·V) by the custom kernels of
    core.compute.kernels, in float32. Plain products are the default: kernels have to be measured faster first. Raises
    ValueError for a k outside 1 to min(m, n), UserError where `use_kernel` asks for kernels that this device has not.
    """
    result = truncated_svd(a, k, iters, use_kernel, "compiled" if use_compile else "eager")
    return result.u, result.s, result.vt


def truncated_svd(
    a: mx.array | ArrayLike,
    k: int,
    iters: int = 8,
    use_kernel: bool = False,
    mode: Mode = "compiled",
    poll: Poll = no_poll,
    max_rounds: int = MAX_ROUNDS,
) -> Triplets:
    """As `topk_svd`, with the residual reached and the iterations it took, at most `max_rounds` times `iters`."""
    matrix = _as_matrix(a)
    m, n = matrix.shape
    if not 1 <= k <= min(m, n):
        raise ValueError(f"k must be from 1 to {min(m, n)} for a matrix of shape {(m, n)}, not {k}")
    if use_kernel:
        kernels.require()
    if m < n:
        flipped = _tall(matrix.T, k, iters, use_kernel, mode, poll, max_rounds)
        return Triplets(flipped.vt.T, flipped.s, flipped.u.T, flipped.residual, flipped.iterations)
    return _tall(matrix, k, iters, use_kernel, mode, poll, max_rounds)


@pair
def iterate(a: mx.array, v: mx.array, *, iters: int, use_kernel: bool = False) -> mx.array:
    """`iters` steps of subspace iteration on V (n, p): Z = Aᵀ(A·V), by plain products or custom kernels, orthonormalised."""
    for _ in range(iters):
        v = orthonormal(kernels.z_step(a, v) if use_kernel else a.T @ (a @ v))
    return v


@pair
def project(a: mx.array, v: mx.array) -> tuple[mx.array, mx.array, mx.array]:
    """B = A·V with its columns made unit length, those lengths, and the cosines between them, BᵀB.

    The Gram matrix of unit columns is near the identity when V is near the singular vectors, so that small singular values
    keep their digits beside large ones.
    """
    b = a @ v
    lengths = mx.linalg.norm(b, axis=0)
    unit = b / mx.maximum(lengths, mx.array(TINY, b.dtype))
    return unit, lengths, unit.T @ unit


@pair
def residuals(a: mx.array, u: mx.array, s: mx.array, v: mx.array) -> mx.array:
    """|Aᵀu - σv| of each triplet, (p,)."""
    return mx.linalg.norm(a.T @ u - v * s, axis=0)


def orthonormal(z: mx.array) -> mx.array:
    """An orthonormal basis of the columns of Z. MLX has QR on the CPU only; a GPU hops there and back."""
    return mx.linalg.qr(z, stream=mx.cpu)[0]


def fix_signs(v: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """+1 or -1 for each column of V (n, k), so that its entry of largest magnitude is positive: one file, one map."""
    largest = np.abs(v).argmax(axis=0)
    return np.where(v[largest, np.arange(v.shape[1])] < 0, -1.0, 1.0)


def _tall(a: mx.array, k: int, iters: int, use_kernel: bool, mode: Mode, poll: Poll, max_rounds: int) -> Triplets:
    if use_kernel:
        a = mx.contiguous(a)  # once, or the kernels would copy a transposed view at every step
    n = a.shape[1]
    width = min(k + OVERSAMPLE, n)
    tolerance = TOLERANCE[str(a.dtype).removeprefix("mlx.core.")]
    v = orthonormal(mx.random.normal((n, width), key=mx.random.key(0)).astype(a.dtype))
    best: Triplets | None = None
    for rounds in range(1, max_rounds + 1):
        poll()
        v = iterate(mode, a, v, iters=iters, use_kernel=use_kernel)
        found, v = _rayleigh_ritz(a, v, k, mode, rounds * iters)
        # Once rounding is all that is left the residual stops falling; the best is as good as this precision gives.
        if best is not None and found.residual > 0.9 * best.residual and best.residual < 100 * tolerance:
            break
        best = found if best is None or found.residual < best.residual else best
        if best.residual <= tolerance:
            break
    assert best is not None
    return best


def _rayleigh_ritz(a: mx.array, v: mx.array, k: int, mode: Mode, iterations: int) -> tuple[Triplets, mx.array]:
    """The best triplets within the span of V (n, p), and V rotated onto them."""
    unit, lengths, cosines = project(mode, a, v)
    fence(unit, lengths, cosines)
    scale = np.array(lengths, np.float64)
    gram = scale[:, None] * np.array(cosines, np.float64) * scale
    values, rotation = np.linalg.eigh((gram + gram.T) / 2)
    values, rotation = values[::-1], rotation[:, ::-1]
    s = np.sqrt(np.maximum(values, 0.0))
    signs = fix_signs(np.array(v, np.float64) @ rotation)
    rotation = rotation * signs
    # u = B W / σ; where σ vanishes any unit vector will do, and zero says that none was found.
    safe = s > s[0] * np.finfo(np.float32).eps
    u_rotation = np.where(safe, scale[:, None] * rotation / np.where(safe, s, 1.0), 0.0)
    v = v @ mx.array(rotation, dtype=v.dtype)
    u = unit @ mx.array(u_rotation[:, :k], dtype=v.dtype)
    sigma = mx.array(s[:k], dtype=v.dtype)
    off = residuals(mode, a, u, sigma, v[:, :k])
    fence(u, v, off)
    residual = float(np.array(off)[safe[:k]].max(initial=0.0) / s[0]) if s[0] > 0 else 0.0
    return Triplets(u, sigma, v[:, :k].T, residual, iterations), v


def _as_matrix(a: mx.array | ArrayLike) -> mx.array:
    on_cpu = mx.default_device() == mx.Device(mx.cpu)
    if not isinstance(a, mx.array):
        host = np.asarray(a)
        double = on_cpu and host.dtype == np.float64
        a = mx.array(host, dtype=mx.float64 if double else mx.float32)
    if a.ndim != 2:
        raise ValueError(f"a matrix is needed, not an array of shape {a.shape}")
    return a if a.dtype == mx.float64 and on_cpu else a.astype(mx.float32)
