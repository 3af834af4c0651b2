"""The k smallest of each row, against a sort by NumPy."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.compute.selection import block_size, smallest
from core.types import DeviceKind


def check(values: NDArray[np.float32], k: int, block: int) -> None:
    found, columns = (np.array(a) for a in smallest(mx.array(values), k, block))
    assert found.shape == columns.shape == (len(values), k)
    np.testing.assert_array_equal(np.sort(found, axis=1), np.sort(values, axis=1)[:, :k])
    np.testing.assert_array_equal(np.take_along_axis(values, columns.astype(np.int64), axis=1), found)
    for row in columns:
        assert len(set(row.tolist())) == k


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(
    ("width", "block", "k"),
    [
        (1024, 1, 1),
        (1024, 1, 1024),
        (1024, 1, 300),
        (1024, 4, 1),
        (1024, 4, 256),
        (1024, 64, 16),
        (1024, 1024, 1),
        (4096, 64, 1),
        (4096, 64, 64),
        (4096, 16, 100),
        (5120, 1024, 5),
        (20480, 64, 320),
    ],
)
def test_the_values_and_columns_are_those_of_a_sort(rows: int, width: int, block: int, k: int) -> None:
    check(np.random.default_rng(width + k).normal(size=(rows, width)).astype(np.float32), k, block)


@pytest.mark.parametrize("different", [1, 2, 7, 100])
@pytest.mark.parametrize(("block", "k"), [(1, 50), (4, 200), (64, 20), (256, 3)])
def test_ties_give_as_many_values_at_different_columns(different: int, block: int, k: int) -> None:
    check(np.random.default_rng(k).integers(0, different, (4, 2048)).astype(np.float32), k, block)


@pytest.mark.parametrize("block", [1, 8, 64])
def test_all_the_smallest_in_one_block_are_found(block: int) -> None:
    values = np.random.default_rng(0).uniform(1, 2, (2, 1024)).astype(np.float32)
    values[0, 64:72] = -np.arange(8)
    values[1, 1016:] = -np.arange(8)
    check(values, 8, block)


@pytest.mark.parametrize("block", [1, 64])
def test_extreme_values_are_ordered_like_any(block: int) -> None:
    values = np.random.default_rng(0).normal(size=(1, 1024)).astype(np.float32)
    values[0, [5, 500, 900]] = np.inf, -np.inf, -3e38
    values[0, 100:200] = 3e38
    check(values, 10, block)


@given(data=st.data(), seed=st.integers(0, 1000), distinct=st.integers(1, 3000))
def test_any_block_that_leaves_k_blocks_will_do(data: st.DataObject, seed: int, distinct: int) -> None:
    blocks = data.draw(st.sampled_from([2, 5, 16, 32]))
    block = data.draw(st.sampled_from([2, 4, 32]))
    k = data.draw(st.integers(1, blocks))
    check(np.random.default_rng(seed).integers(0, distinct, (2, blocks * block)).astype(np.float32), k, block)


@pytest.mark.parametrize("kind", ["cpu", "metal", "cuda"])
def test_the_block_chosen_always_leaves_enough_blocks(kind: DeviceKind) -> None:
    for width in (1024, 2048, 5 * 1024, 100 * 1024, 1024 * 1024):
        for k in (1, 16, 32, 33, 100, 384, 1024):
            block = block_size(kind, width, k)
            assert width % block == 0
            assert block == 1 or width // block >= k
