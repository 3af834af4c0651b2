"""The k smallest of each row, in two exact steps.

MLX's argpartition sorts everything on a GPU and is slow on a CPU. The blocks that hold the k smallest block minima hold the k
smallest values: if a value among the k smallest lay in another block, that block's minimum would be smaller than the k-th
smallest minimum, and k values would be smaller than it. So only k blocks need a partition.
"""

from __future__ import annotations

import mlx.core as mx

from core.types import DeviceKind

# Block lengths, one level within the other; measured best: short on a CPU, long and then short on a GPU.
BLOCKS: dict[DeviceKind, tuple[int, ...]] = {"cpu": (64,), "metal": (512, 32), "cuda": (512, 32)}
# On one core candidates cost more than minima: blocks no shorter than this until there are at most twice as many.
SHORTEST = 16

# Scores held at once, (queries, rows of a chunk), where memory allows: 128 MB on a CPU, 4 GB on CUDA.
MAX_SCORES: dict[DeviceKind, int] = {"cpu": 1 << 25, "metal": 1 << 28, "cuda": 1 << 30}


def scores_at_once(kind: DeviceKind, working_bytes: int) -> int:
    """How many scores to hold at once, so that they and what is made of them fit `working_bytes`."""
    return min(MAX_SCORES[kind], working_bytes // 8)


def block_sizes(kind: DeviceKind, width: int, k: int) -> tuple[int, ...]:
    """Block lengths for rows of `width` values (a multiple of 1024), powers of two; none where a plain partition is as good."""
    sizes = []
    for longest in BLOCKS[kind]:
        block = min(longest, width)
        while block > 1 and width // block < 4 * k:
            block //= 2
        while kind == "cpu" and block > SHORTEST and k * block > 2 * (width // block):
            block //= 2
        if block < 4:
            break
        sizes.append(block)
        width = k * block
    return tuple(sizes)


def smallest(values: mx.array, k: int, blocks: tuple[int, ...]) -> tuple[mx.array, mx.array]:
    """The k smallest of each row of `values` (q, n) and their columns, both (q, k), in no particular order.

    The first of `blocks` divides n, and n / block >= k; the next likewise divides the candidates left, and so on. Needs no
    second pass: what is left out is at least the largest value returned.
    """
    if not blocks:
        chosen = _partition(values, k)
        return mx.take_along_axis(values, chosen, axis=1), chosen
    block = blocks[0]
    parts = values.reshape(values.shape[0], -1, block)
    winners = _partition(parts.min(axis=-1), k)
    candidates = mx.take_along_axis(parts, winners[:, :, None], axis=1).reshape(values.shape[0], k * block)
    found, chosen = smallest(candidates, k, blocks[1:])
    return found, mx.take_along_axis(winners, chosen // block, axis=1) * block + chosen % block


def _partition(values: mx.array, k: int) -> mx.array:
    if k >= values.shape[1]:
        return mx.broadcast_to(mx.arange(values.shape[1], dtype=mx.uint32), values.shape)
    return mx.argpartition(values, k - 1, axis=1)[:, :k]
