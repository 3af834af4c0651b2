"""What comes before the scan of a search on a GPU and what comes after it, by one custom kernel each.

MLX's own operations for either are dozens of kernels of a few microseconds, which for few queries take longer than the scan.
core.compute.half_search has them, and says what bounds, orders and errors are; these kernels compute the same, but for the order
in which they sum, and for the length of a query below 1e-37, which they give in full. Everything is lazy. Both functions raise
ValueError for arguments that do not fit and UserError where this thread's default device runs no kernels. An array that is a
view into another has to begin at a multiple of 16 bytes.

They assume 32 threads a warp (SIMD-group), as NVIDIA's and Apple's GPUs have.
"""

from __future__ import annotations

from dataclasses import dataclass

import mlx.core as mx

from core.compute.kernels import Body, launch
from core.compute.rounding import LOST, MOST_LOST, chain_error, half_error, half_share, pair_error
from core.compute.vectors import PAD, SANE_NORMS, WILD
from core.types import Metric

# As many candidates as shared memory holds to sort.
MAX_CANDIDATES = 2048
# Fewer are sorted as so many, so that few kernels are compiled.
MIN_SLOTS = 64
PREPARE_THREADS = 256

METRICS: tuple[Metric, ...] = ("l2", "cosine", "inner_product")
PREPARE = Body("prepare", ("queries", "shift_products", "figures"), ("halves", "terms", "lengths"))
REFINE = Body(
    "refine",
    (
        *("queries", "lengths", "rounded", "positions", "lowest", "own", "shift", "rows"),
        *("back", "norms", "rounded_rows", "inverse_norms", "figures", "wanted"),
    ),
    ("found_bits", "nearest_bits"),
)


@dataclass(frozen=True)
class RefineTiling:
    """How the work of `refine` is cut up; any choice gives the same bits."""

    rows: int = 4  # candidates that a warp loads from at once, at most 32
    threads: int = 512


def slope_figure(dims: int, metric: Metric) -> float:
    """What the error of the bounds is, for each unit of a query's length and of a row's norm."""
    return 2.0 * half_error(dims) if metric == "l2" else half_error(dims) + 4.0 * chain_error(dims)


def prepare(q: mx.array, shift_products: mx.array, *, metric: Metric, shift_length: float) -> tuple[mx.array, mx.array, mx.array]:
    """Queries q (q, d) float32 as core.compute.half_search.halved gives them.

    That is in float16, scaled to a norm of 16..32, (q, d); the terms of their bounds, (q, 3), and their lengths, (q, 1), float32.
    `shift_products` (q, 1) float32 are read for the cosine alone. The length of a query with infinity or NaN is one of these.
    """
    _check(q, metric)
    count, dims = q.shape
    _check_shapes(((shift_products, (count, 1), mx.float32),))
    figures = mx.array([slope_figure(dims, metric), LOST, 4.0 * chain_error(dims) * shift_length], mx.float32)
    constants = {"THREADS": PREPARE_THREADS, "L2": int(metric == "l2"), "COSINE": int(metric == "cosine")}
    outputs = [((count, dims), mx.float16), ((count, 3), mx.float32), ((count, 1), mx.float32)]
    halves, terms, lengths = launch(PREPARE, (q, shift_products, figures), constants, (count, 1, 1), PREPARE_THREADS, outputs)
    return halves, terms, lengths


def refine(
    q: mx.array,
    lengths: mx.array,
    rounded: mx.array,
    positions: mx.array,
    lowest: mx.array,
    own: mx.array,
    shift: mx.array,
    rows: mx.array,
    back: mx.array,
    norms: mx.array,
    rounded_rows: mx.array,
    inverse_norms: mx.array,
    *,
    metric: Metric,
    k: int,
    complete: bool,
    how: RefineTiling | None = None,
) -> tuple[mx.array, mx.array]:
    """Of candidates, the order, its error and the position, sorted by order, and of the first `k` what is wanted, with whether
    they are settled and the bound of others: as `packed` makes them, (q, 4 c) and (q, 3 k + 2) uint32.

    Takes queries q (q, d), their `lengths` and what they are `rounded` by, (q, 1) float32, the candidates' `positions` (q, c)
    uint32 and bounds `lowest` (q, c) float32, the position `own` (q, 1) int32 of a row to leave out or -1, `shift` (d,) float32,
    and rows (n, d) float32, or float16 that `back` (n,) float32 undoes the scaling of, and norms, rounded_rows and inverse_norms
    (n,) float32, the latter read for the cosine alone. c is at most MAX_CANDIDATES, k at most c.

    An order is the sum of two float32, good to core.compute.rounding.pair_error. Settled is a query where the first k are told
    apart from one another, from all after them and from every row that is no candidate. The bound of others is the order that
    none of those lies below: infinity if the candidates are `complete`, -infinity where nothing is known. Of equal orders the
    candidates stay as they came; padding and the row left out have order infinity and error 0.
    """
    _check(q, metric)
    (count, dims), how = q.shape, how or RefineTiling()
    c, n = positions.shape[-1], rows.shape[0]
    halves = rows.dtype == mx.float16
    if not 1 <= c <= MAX_CANDIDATES or not 0 <= k <= c:
        raise ValueError(f"1 to {MAX_CANDIDATES:,} candidates and a k of at most as many are needed, not {c} and {k}")
    single, column, vector = (count, c), (count, 1), (n,)
    _check_shapes(
        (
            (lengths, column, mx.float32),
            (rounded, column, mx.float32),
            (positions, single, mx.uint32),
            (lowest, single, mx.float32),
            (own, column, mx.int32),
            (shift, (dims,), mx.float32),
            (rows, (n, dims), mx.float16 if halves else mx.float32),
            (back, vector, mx.float32),
            (norms, vector, mx.float32),
            (rounded_rows, vector, mx.float32),
            (inverse_norms, vector, mx.float32),
        )
    )
    per_lane = 8 if halves else 4
    constants = {
        "THREADS": how.threads,
        "ROWS": how.rows,
        "SLOTS": max(MIN_SLOTS, 1 << (c - 1).bit_length()),
        "HALVES": int(halves),
        "ALIGNED": int(dims % per_lane == 0),
        "L2": int(metric == "l2"),
        "COSINE": int(metric == "cosine"),
    }
    error = pair_error(per_lane * -(-dims // (32 * per_lane)))
    # A term loses a product, what it rounds away, what the sum does, and what the difference did.
    figures = [error, half_share(dims) if halves else 0.0, 4 * dims * LOST, WILD / 10, PAD / 10, chain_error(dims)]
    inputs = (
        *(q, lengths, rounded, positions, lowest, own, shift, rows, back, norms, rounded_rows, inverse_norms),
        mx.array([*figures, SANE_NORMS[1], MOST_LOST], mx.float32),
        mx.array([k, complete], mx.uint32),
    )
    outputs = [((count, 4 * c), mx.uint32), ((count, 3 * k + 2), mx.uint32)]
    found, nearest = launch(REFINE, inputs, constants, (count, 1, 1), how.threads, outputs)
    return found, nearest


def packed(
    order: mx.array, error: mx.array, numbers: mx.array, settled: mx.array, left_out: mx.array, k: int
) -> tuple[mx.array, mx.array]:
    """Order, error and numbers (q, c), what is settled and what others are bounded by (q,), as bits of two arrays uint32, for to
    fetch each costs a round trip: of all candidates, (q, 4 c), orders, their second parts, errors, numbers; of the first k,
    (q, 3 k + 2), orders, second parts, numbers, and last whether settled and the bound.
    """
    bits, second = order.view(mx.uint32), mx.zeros(order.shape, mx.uint32)
    numbers = numbers.astype(mx.uint32)
    last = [settled.astype(mx.uint32)[:, None], left_out.view(mx.uint32)[:, None]]
    found = mx.concatenate([bits, second, error.view(mx.uint32), numbers], axis=1)
    return found, mx.concatenate([bits[:, :k], second[:, :k], numbers[:, :k], *last], axis=1)


def unpacked(found: mx.array) -> tuple[mx.array, mx.array, mx.array]:
    """Order, error and numbers (q, c) of all candidates that `packed` or `refine` tells of, on the device, in float32 alone."""
    c = found.shape[1] // 4
    order, second, error = (found[:, i * c : (i + 1) * c].view(mx.float32) for i in range(3))
    return order, error + mx.abs(second), found[:, 3 * c :]


def _check(q: mx.array, metric: Metric) -> None:
    if metric not in METRICS:
        raise ValueError(f"there are kernels for {', '.join(METRICS)}, not for {metric}")
    if q.ndim != 2 or not 1 <= q.shape[0] < 1 << 16 or q.shape[1] < 1 or q.dtype != mx.float32:
        raise ValueError(f"1 to 65,535 queries (q, d) in float32 are needed, not an array {q.shape} of {q.dtype}")


def _check_shapes(expected: tuple[tuple[mx.array, tuple[int, ...], mx.Dtype], ...]) -> None:
    for array, shape, dtype in expected:
        if (array.shape, array.dtype) != (shape, dtype):
            raise ValueError(f"an array {shape} of {dtype} is needed, not {array.shape} of {array.dtype}")
