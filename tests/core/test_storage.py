"""Vectors kept in two bytes: rounded to nearest, and searched exactly as they were rounded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from core.compute.knn import FlatIndex
from core.compute.storage import KeptRows, RoundedRows, pack, unpack
from core.compute.vectors import ArrayRows, Vectors, scan_rows
from core.errors import UserError
from core.types import METRICS, MODES, DeviceInfo, DeviceKind, Metric, Mode, Storage
from tests.core.conftest import LAYOUTS

SHORT: tuple[Storage, ...] = ("float16", "bfloat16")
every_storage = pytest.mark.parametrize("storage", SHORT)


def rounded(x: NDArray[Any], storage: Storage) -> NDArray[Any]:
    return unpack(pack(x, storage), storage)


@given(hnp.arrays(np.float32, 20, elements=st.floats(-65000, 65000, width=32)))
def test_bfloat16_is_rounded_as_mlx_rounds(x: NDArray[np.float32]) -> None:
    # MLX on a CPU takes subnormal numbers as they are, too.
    np.testing.assert_array_equal(rounded(x, "bfloat16"), np.array(mx.array(x).astype(mx.bfloat16).astype(mx.float32)))


def test_what_is_no_number_stays_so() -> None:
    x = np.array([np.nan, -np.nan, np.inf, -np.inf, 3.4e38, np.uint32(0x7F800001).view(np.float32)], np.float32)
    for storage in SHORT:
        kept = rounded(np.where(np.isfinite(x), 1, x), storage)
        np.testing.assert_array_equal(np.isnan(kept), np.isnan(x))
        np.testing.assert_array_equal(np.isinf(kept), np.isinf(x))


def test_values_beyond_float16_are_refused_with_a_way_out() -> None:
    with pytest.raises(UserError, match="bfloat16"):
        pack(np.array([1.0, 7e4], np.float32), "float16")
    assert rounded(np.array([7e4], np.float32), "bfloat16")[0] == pytest.approx(7e4, rel=2**-8)


@every_storage
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("centre", [0.0, 30.0])
def test_answers_are_exact_for_the_rounded_vectors(
    device: DeviceInfo, storage: Storage, layout: DeviceKind, mode: Mode, metric: Metric, centre: float
) -> None:
    generator = np.random.default_rng(5)
    x = (generator.standard_normal((1500, 24)) + centre).astype(np.float32)
    x[7] = x[1400]  # equal after rounding too
    q = generator.standard_normal((6, 24)) + centre
    short = FlatIndex(24, metric, replace(device, kind=layout), storage)
    short.add(x)
    whole = FlatIndex(24, metric, device)
    whole.add(rounded(x, storage))
    distances, ids = short.search(q, 9, mode)
    wanted, wanted_ids = whole.search(q, 9, mode)
    np.testing.assert_array_equal(ids, wanted_ids)
    np.testing.assert_allclose(distances, wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(short.reconstruct([3, 7]), rounded(x[[3, 7]], storage))


@every_storage
def test_a_gpu_holds_two_bytes_a_value(storage: Storage) -> None:
    x = np.ones((4096, 64), np.float32)
    source = RoundedRows(ArrayRows(x), storage)
    whole = Vectors(ArrayRows(x), scan_rows(source), "metal", 1 << 40)
    short = Vectors(source, scan_rows(source), "metal", 1 << 40, storage)
    assert short.nbytes < 0.45 * whole.nbytes
    [chunk] = short.chunks()
    assert chunk.stored is None
    np.testing.assert_array_equal(np.array(chunk.data)[:4096], x)


@every_storage
def test_rows_are_kept_in_two_bytes_and_read_as_rounded(storage: Storage) -> None:
    x = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
    kept = KeptRows(pack(x, storage), storage)
    assert kept.kept.itemsize == 2
    np.testing.assert_array_equal(kept.read(slice(10, 20)), rounded(x[10:20], storage))
    np.testing.assert_array_equal(RoundedRows(ArrayRows(x), storage).read(np.array([4, 2])), rounded(x[[4, 2]], storage))


@every_storage
def test_a_saved_index_keeps_its_storage(device: DeviceInfo, tmp_path: Path, storage: Storage) -> None:
    x = np.random.default_rng(1).standard_normal((300, 7)).astype(np.float32)
    index = FlatIndex(7, "l2", device, storage)
    index.add(x)
    index.save(tmp_path / "a.index")
    again = FlatIndex.load(tmp_path / "a.index", device)
    assert again.storage == storage
    np.testing.assert_array_equal(again.search(x[:5], 3)[1], index.search(x[:5], 3)[1])
    np.testing.assert_array_equal(again.reconstruct(range(300)), rounded(x, storage))
