"""The k smallest of each row, in two exact steps.

MLX's argpartition sorts everything on a GPU and is slow on a CPU. The blocks that hold the k smallest block minima hold the k
smallest values: if a value among the k smallest lay in another block, that block's minimum would be smaller than the k-th
smallest minimum, and k values would be smaller than it. So only k blocks need a partition.
"""

from __future__ import annotations

import mlx.core as mx

from core.types import DeviceKind

# Measured best: short blocks on a CPU, long ones on a GPU.
BLOCKS: dict[DeviceKind, int] = {"cpu": 64, "metal": 1024, "cuda": 1024}


def block_size(kind: DeviceKind, width: int, k: int) -> int:
    """Block length for rows of `width` values (a multiple of 1024): a power of two; 1 means a plain partition."""
    block = BLOCKS[kind]
    while block > 1 and width // block < 4 * k:
        block //= 2
    return block if block >= 4 else 1


def smallest(values: mx.array, k: int, block: int) -> tuple[mx.array, mx.array]:
    """The k smallest of each row of `values` (q, n) and their columns, both (q, k), in no particular order.

    `block` divides n, and n / block >= k. Needs no second pass: what is left out is at least the largest value returned.
    """
    if block == 1:
        chosen = _partition(values, k)
        return mx.take_along_axis(values, chosen, axis=1), chosen
    blocks = values.reshape(values.shape[0], -1, block)
    winners = _partition(blocks.min(axis=-1), k)
    candidates = mx.take_along_axis(blocks, winners[:, :, None], axis=1).reshape(values.shape[0], k * block)
    chosen = _partition(candidates, k)
    columns = mx.take_along_axis(winners, chosen // block, axis=1) * block + chosen % block
    return mx.take_along_axis(candidates, chosen, axis=1), columns


def _partition(values: mx.array, k: int) -> mx.array:
    if k >= values.shape[1]:
        return mx.broadcast_to(mx.arange(values.shape[1], dtype=mx.uint32), values.shape)
    return mx.argpartition(values, k - 1, axis=1)[:, :k]
