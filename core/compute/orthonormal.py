"""An orthonormal basis of the columns of a tall matrix, on the device: by QR on a CPU, by a custom kernel or by products alone on
a GPU.

MLX has QR on the CPU only, so that a GPU would hop there and back, a millisecond or more a call. Newton and Schulz's iteration
needs nothing but products: X ← X·(a + b·XᵀX + c·(XᵀX)²) drives every singular value of X to 1. Which a, b, c do so fastest:
Amsel, Persson, Musco, Gower: The Polar Express (2025), theorem 3.1.
"""

from __future__ import annotations

from typing import Literal

import mlx.core as mx
import numpy as np

from core.compute.kernels import Body, current, launch

Way = Literal["qr", "products", "kernel"]

TINY = float(np.finfo(np.float32).tiny)
# Coefficients for singular values in (0, 1], best for an interval 2 % wider, since rounding would grow at its upper end: the
# first seven raise small values fourfold each and leave none above 1.82, the last five gather what is within 0.06 to 1.82 at 1.
# From 2e-6 on all reach it, and float32 hardly tells smaller ones from rounding.
RAISE = ((7.3851, -20.1775, 14.2126),) + 6 * ((4.0756, -3.3913, 0.7275),)
GATHER = (
    (3.8678, -3.1524, 0.672),
    (2.7348, -1.9707, 0.4253),
    (1.9933, -1.376, 0.3878),
    (1.8755, -1.2507, 0.3751),
    (1.875, -1.25, 0.375),
)


# The kernel: threads of its one group, the columns they hold at most, and the numbers each has in registers at most.
THREADS = 256
MAX_COLS = 32
MAX_HELD = 128
KERNEL = Body("orthonormal", ("z",), ("q",))


def usual(n: int, p: int) -> Way:
    """The way for Z (n, p) on this thread's default device."""
    kind = current()
    return "qr" if kind == "cpu" else "kernel" if kind == "cuda" and _per_thread(n, p) else "products"


def orthonormal(z: mx.array, way: Way) -> mx.array:
    """An orthonormal basis (n, p) of the columns of Z (n, p), n >= p, in Z's dtype; lazy.

    QR completes the basis if Z has lower rank. Products do not: columns then span what Z spans, with QᵀQ a projection instead
    of the identity; directions weaker than 2e-6 of the strongest, once columns have equal length, stay short. The kernel, for
    float32 and n * p up to 32768, writes zeros for a column of which the columns before it leave no more than 1e-6.
    """
    if way == "kernel":
        return _by_kernel(z)
    return _by_products(z) if way == "products" else mx.linalg.qr(z, stream=mx.cpu)[0]


def unit_columns(z: mx.array) -> mx.array:
    """Z (n, p) with its columns made unit length; a zero column stays zero. Lengths may be anything that the dtype holds."""
    # In two steps: squares of float32 overflow or vanish where the values themselves do not.
    z = z / mx.maximum(mx.abs(z).max(axis=0), TINY)
    return z / mx.maximum(mx.linalg.norm(z, axis=0), TINY)


def _by_products(z: mx.array) -> mx.array:
    # Unit columns bring singular values nearer to each other; the row sums of XᵀX bound the largest one's square.
    x = unit_columns(z)
    x = x * mx.rsqrt(mx.maximum(mx.abs(x.T @ x).sum(axis=1).max(), TINY))
    for a, b, c in RAISE + GATHER:
        gram = x.T @ x
        x = mx.addmm(x, x, mx.addmm(gram, gram, gram, alpha=c, beta=b), beta=a)
    return x


def _by_kernel(z: mx.array) -> mx.array:
    cols, rows = _cols(z.shape[1]), _per_thread(*z.shape)
    if z.dtype != mx.float32 or not rows:
        raise ValueError(f"the kernel takes float32 up to {THREADS * MAX_HELD} numbers, not {z.dtype} of shape {z.shape}")
    constants = {"COLS": cols, "THREADS": THREADS, "PER_THREAD": rows}
    (q,) = launch(KERNEL, (z,), constants, (1, 1, 1), THREADS, [(z.shape, mx.float32)])
    return q


def _cols(p: int) -> int:
    return max(2, 1 << (p - 1).bit_length())


def _per_thread(n: int, p: int) -> int:
    """Rows of Z (n, p) that a thread of the kernel has; none where its registers would not do."""
    rows = -(-n // THREADS)
    return rows if _cols(p) <= MAX_COLS and rows * _cols(p) <= MAX_HELD else 0
