"""An orthonormal basis of the columns of a tall matrix, on the device: by QR on a CPU, by products alone on a GPU.

MLX has QR on the CPU only, so that a GPU would hop there and back, a millisecond or more a call. Newton and Schulz's iteration
needs nothing but products: X ← X·(a + b·XᵀX + c·(XᵀX)²) drives every singular value of X to 1. Which a, b, c do so fastest:
Amsel, Persson, Musco, Gower: The Polar Express (2025), theorem 3.1.
"""

from __future__ import annotations

import mlx.core as mx
import numpy as np

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


def orthonormal(z: mx.array, products: bool) -> mx.array:
    """An orthonormal basis (n, p) of the columns of Z (n, p), n >= p, in Z's dtype; lazy.

    QR completes the basis if Z has lower rank. Products do not: columns then span what Z spans, with QᵀQ a projection instead
    of the identity; directions weaker than 2e-6 of the strongest, once columns have equal length, stay short.
    """
    return _by_products(z) if products else mx.linalg.qr(z, stream=mx.cpu)[0]


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
