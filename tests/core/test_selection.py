"""The k smallest of each row, against a sort by NumPy."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.compute.selection import block_sizes, smallest
from core.types import DeviceKind


def check(values: NDArray[np.float32], k: int, *blocks: int) -> None:
    found, columns = (np.array(a) for a in smallest(mx.array(values), k, blocks))
    assert found.shape == columns.shape == (len(values), k)
    np.testing.assert_array_equal(np.sort(found, axis=1), np.sort(values, axis=1)[:, :k])
    np.testing.assert_array_equal(np.take_along_axis(values, columns.astype(np.int64), axis=1), found)
    for row in columns:
        assert len(set(row.tolist())) == k


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(
    ("width", "k", "blocks"),
    [
        (1024, 1, ()),
        (1024, 1024, ()),
        (1024, 300, ()),
        (1024, 1, (4,)),
        (1024, 256, (4,)),
        (1024, 16, (64,)),
        (1024, 1, (1024,)),
        (4096, 1, (64,)),
        (4096, 64, (64,)),
        (4096, 100, (16,)),
        (5120, 5, (1024,)),
        (20480, 320, (64,)),
        (4096, 4, (512, 32)),
        (4096, 8, (512, 8)),
        (20480, 1, (1024, 64, 4)),
        (20480, 40, (512, 32)),
        (20480, 20, (1024, 32, 4)),
    ],
)
def test_the_values_and_columns_are_those_of_a_sort(rows: int, width: int, k: int, blocks: tuple[int, ...]) -> None:
    check(np.random.default_rng(width + k).normal(size=(rows, width)).astype(np.float32), k, *blocks)


@pytest.mark.parametrize("different", [1, 2, 7, 100])
@pytest.mark.parametrize(("blocks", "k"), [((), 50), ((4,), 200), ((64,), 20), ((256,), 3), ((64, 8), 20)])
def test_ties_give_as_many_values_at_different_columns(different: int, blocks: tuple[int, ...], k: int) -> None:
    check(np.random.default_rng(k).integers(0, different, (4, 2048)).astype(np.float32), k, *blocks)


@pytest.mark.parametrize("blocks", [(), (8,), (64,), (64, 8)])
def test_all_the_smallest_in_one_block_are_found(blocks: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).uniform(1, 2, (2, 1024)).astype(np.float32)
    values[0, 64:72] = -np.arange(8)
    values[1, 1016:] = -np.arange(8)
    check(values, 8, *blocks)


@pytest.mark.parametrize("blocks", [(), (64,), (64, 16)])
def test_extreme_values_are_ordered_like_any(blocks: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).normal(size=(1, 1024)).astype(np.float32)
    values[0, [5, 500, 900]] = np.inf, -np.inf, -3e38
    values[0, 100:200] = 3e38
    check(values, 10, *blocks)


@given(data=st.data(), seed=st.integers(0, 1000), distinct=st.integers(1, 3000))
def test_any_blocks_that_leave_k_blocks_will_do(data: st.DataObject, seed: int, distinct: int) -> None:
    count = data.draw(st.sampled_from([2, 5, 16, 32]))
    inner = data.draw(st.sampled_from([2, 4, 32]))
    outer = data.draw(st.sampled_from([1, 2, 8]))
    k = data.draw(st.integers(1, count))
    values = np.random.default_rng(seed).integers(0, distinct, (2, count * inner * outer)).astype(np.float32)
    check(values, k, *((inner * outer, inner) if outer > 1 else (inner,)))


@pytest.mark.parametrize("kind", ["cpu", "metal", "cuda"])
def test_the_blocks_chosen_divide_what_is_left_and_leave_enough_blocks(kind: DeviceKind) -> None:
    for width in (1024, 2048, 5 * 1024, 100 * 1024, 1024 * 1024):
        for k in (1, 16, 32, 33, 100, 384, 1024):
            left = width
            for block in block_sizes(kind, width, k):
                assert left % block == 0
                assert left // block >= k
                left = k * block
