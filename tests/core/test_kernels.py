"""The Z step's kernels: their sources, with either prelude, run on the CPU by kernel_shim.cpp against float64 NumPy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from numpy.typing import NDArray

from core.compute import kernels
from core.compute.kernels import OnePass, Tiling, images, one_pass, tiling, z_step
from core.compute.svd import iterate, topk_svd, truncated_svd
from core.errors import UserError
from core.types import DeviceKind
from tests.core.kernel_backend import KINDS, Backend, Change, Fault, needs_shim, on_gpu, running_on, running_on_gpu

# Small tiles, so that small matrices have many, and full-sized ones. Two of them in bands of rows.
TILINGS: list[Tiling | OnePass] = [
    Tiling(cols=4, bands=1, per_thread=1, lanes=4, depth=4),
    Tiling(cols=8, bands=3, per_thread=2, lanes=4, depth=5),
    Tiling(cols=16, bands=5, per_thread=4),
    OnePass(cols=16, threads=32, per_thread=1, rows=2, bands=3, ahead=1),
    OnePass(cols=32, threads=32, per_thread=2, rows=1, bands=1, ahead=2),
    OnePass(cols=8, threads=96, per_thread=1, rows=4, bands=5),
    OnePass(cols=4, threads=32, per_thread=1, rows=8, bands=2, ahead=1),
]
SIZES = [
    (1, 1, 1),
    (8, 8, 8),  # whole tiles
    (3, 1, 1),
    (1, 9, 2),
    (2, 30, 1),  # fewer rows than a tile, a band or the number of bands
    (37, 1, 5),
    (37, 29, 11),
    (150, 13, 18),
    (41, 32, 35),
]

Doubles = NDArray[np.float64]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where compiled kernels are kept from test to test."""
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture(params=KINDS)
def backend(request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    """A device of that kind, as far as the kernels can tell."""
    with running_on(request.param, folder, monkeypatch) as made:
        yield made


def whole_numbers(m: int, n: int, p: int, seed: int = 0) -> tuple[Doubles, Doubles]:
    """A (m, n) and V (n, p) of small whole numbers, whose products and sums float32 holds exactly."""
    random = np.random.default_rng(seed)
    return random.integers(-4, 5, (m, n)).astype(np.float64), random.integers(-4, 5, (n, p)).astype(np.float64)


def assert_exact(m: int, n: int, p: int, how: Tiling | OnePass | None = None) -> None:
    a, v = whole_numbers(m, n, p)
    b, z = images(mx.array(a, mx.float32), mx.array(v, mx.float32), how)
    np.testing.assert_array_equal(np.array(b), a @ v)
    np.testing.assert_array_equal(np.array(z), a.T @ (a @ v))


def assert_close(m: int, n: int, p: int, how: Tiling | OnePass | None = None) -> None:
    """Within what m + n roundings in float32 can add up to."""
    random = np.random.default_rng(1)
    a, v = random.normal(size=(m, n)).astype(np.float32), random.normal(size=(n, p)).astype(np.float32)
    z = np.array(z_step(mx.array(a), mx.array(v), how), np.float64)
    a64, v64 = a.astype(np.float64), v.astype(np.float64)
    bound = (m + n + 2) * 2.0**-24 * (np.abs(a64).T @ (np.abs(a64) @ np.abs(v64)))
    assert np.all(np.abs(z - a64.T @ (a64 @ v64)) <= bound)


@needs_shim
@pytest.mark.parametrize("how", TILINGS)
@pytest.mark.parametrize(("m", "n", "p"), SIZES)
def test_z_is_right_at_any_size(backend: Backend, m: int, n: int, p: int, how: Tiling) -> None:
    assert_exact(m, n, p, how)
    assert_close(m, n, p, how)


@needs_shim
@pytest.mark.parametrize(("m", "n", "p"), [(200, 70, 13), (33, 17, 35), (500, 3, 14)])
def test_z_is_right_with_the_tiling_chosen(backend: Backend, m: int, n: int, p: int) -> None:
    assert_exact(m, n, p)
    assert_close(m, n, p)


@needs_shim
def test_a_view_that_is_not_contiguous_is_taken(backend: Backend) -> None:
    v, a = whole_numbers(20, 6, 30)[0], whole_numbers(20, 30, 1)[0]
    z = z_step(mx.array(a, mx.float32).T, mx.array(v, mx.float32), TILINGS[1])
    np.testing.assert_array_equal(np.array(z), a @ (a.T @ v))


@needs_shim
@pytest.mark.parametrize("shape", [(60, 20), (20, 60), (150, 70)])
def test_an_svd_with_kernels_equals_one_without(backend: Backend, shape: tuple[int, int]) -> None:
    a = np.random.default_rng(2).normal(size=shape).astype(np.float32)
    plain = topk_svd(a, 3, use_compile=False)
    found = truncated_svd(a, 3, use_kernel=True, mode="eager", way="kernel")
    for one, other in zip((found.u, found.s, found.vt), plain, strict=True):
        np.testing.assert_allclose(np.array(one), np.array(other), atol=1e-4)


NO_BARRIERS: list[tuple[DeviceKind, Change]] = [
    ("metal", ("#define BARRIER() ", "#define BARRIER() //")),
    ("metal", ("mem_flags::mem_threadgroup", "mem_flags::mem_none")),
    ("cuda", ("#define BARRIER() ", "#define BARRIER() //")),
]
# The bodies are the same for both kinds; one is enough.
WRONG_BODIES: list[Change] = [
    ("BARRIER();  // the tiles are written", ""),
    ("BARRIER();  // the tiles are read, and may be written again", ""),
    ("BARRIER();  // the tiles are written", "if (lane > 0) BARRIER();"),
    ("i < DEPTH * QUADS;", "i < DEPTH * QUADS - 1;"),  # a part of shared memory that nobody writes
    # bounds of the product
    ("row < m && k < n ? a[", "k < n ? a["),
    ("row < m && k < n ? a[", "row < m ? a["),
    ("row < m && k < n ? a[", "row <= m && k < n ? a["),
    ("k < n && col < p ? v[", "col < p ? v["),
    ("k < n && col + 3 < p ? v[", "k < n ? v["),
    ("start < n;", "start + DEPTH < n;"),
    ("if (row < m && col < p)", "if (col < p)"),
    ("if (row < m && col + 1 < p)", "if (row < m)"),
    ("if (row < m && col + 3 < p)", "if (row < m && col + 3 <= p)"),
    # bounds of the transposed product
    ("k < end && row < n ? a[", "k < end ? a["),
    ("k < end && col + 3 < p ? b[", "k < end ? b["),
    ("begin + height < m ? begin + height : m", "begin + height"),
    ("(m + GROUPS_Z - 1) / GROUPS_Z", "m / GROUPS_Z"),
    ("if (row < n && col < p)", "if (col < p)"),
    ("if (row < n && col + 1 < p)", "if (row < n)"),
]


# Of one pass over A.
WRONG_PASSES: list[Change] = [
    ("BARRIER();  // the tile has come", "//"),
    ("BARRIER();  // shared memory is zero", ""),
    ("TILES = AHEAD + 3", "TILES = AHEAD + 2"),
    ("(TILES - 2) * TILE;", "(TILES - 1) * TILE;"),
    ("row < n && col < p ? v[", "col < p ? v["),
    ("row < n && col + 3 < p ? v[", "row < n ? v["),
    ("row < end && k + 1 < n ? a[", "row < end ? a["),
    ("row < end && k < n ? a[", "k < n ? a["),
    ("row < end && k + 3 < n ? a[", "row <= end && k + 3 < n ? a["),
    ("(m + GROUPS_X - 1) / GROUPS_X", "m / GROUPS_X"),
    ("begin + height < m ? begin + height : m", "begin + height"),
    ("(end - begin + ROWS - 1) / ROWS + 2", "(end - begin + ROWS - 1) / ROWS + 1"),
    ("j ^ side % ROWS", "j"),
    ("by = ROWS / 2; by > 0", "by = ROWS / 2; by > 1"),
    ("by = ROWS; by < SIDE", "by = 2 * ROWS; by < SIDE"),
    ("step > 0 && row < end && to < p", "step > 0 && to < p"),
    ("step > 0 && row < end && to < p", "step > 0 && row < end"),
    ("step > 0 && row < end && to < p", "row < end && to < p"),
    ("const int now = step % 2", "const int now = 0"),
]


@needs_shim
@pytest.mark.parametrize(
    ("backend", "how", "change"),
    [
        *((kind, how, change) for kind, change in NO_BARRIERS for how in (TILINGS[1], TILINGS[3])),
        *(("cuda", TILINGS[1], change) for change in WRONG_BODIES),
        *(("cuda", TILINGS[3], change) for change in WRONG_PASSES),
    ],
    indirect=["backend"],
)
def test_a_planted_bug_is_found(backend: Backend, how: Tiling | OnePass, change: Change) -> None:
    assert_exact(37, 29, 11, how)  # right as it stands
    kernels._kernel.cache_clear()
    backend.change = change
    with pytest.raises((Fault, AssertionError)) as found:
        assert_exact(37, 29, 11, how)
    assert "error:" not in str(found.value)  # it did compile


@needs_shim
@pytest.mark.parametrize("backend", ["cuda"], indirect=True)
@pytest.mark.parametrize("change", [("a, first + k, row < end", "a, first + k, true"), ("if (k < n) COPY", "COPY")])
def test_a_planted_bug_is_found_in_wide_loads(backend: Backend, change: Change) -> None:
    assert_exact(37, 28, 11, TILINGS[3])
    kernels._kernel.cache_clear()
    backend.change = change
    with pytest.raises((Fault, AssertionError)) as found:
        assert_exact(37, 28, 11, TILINGS[3])
    assert "error:" not in str(found.value)


def test_one_pass_refuses_what_it_does_not_reach_over() -> None:
    with pytest.raises(ValueError, match="32 columns, not 33"):
        images(mx.zeros((5, 33)), mx.zeros((33, 2)), TILINGS[3])


@pytest.mark.parametrize("m", [1, 63, 512, 10_000, 1_000_000, 200_000_000])
@pytest.mark.parametrize("n", [1, 3, 60, 128, 256, 300, 768, 769, kernels.WIDEST])
@pytest.mark.parametrize("p", [1, 5, 12, 16, 33, 500])
def test_one_pass_keeps_within_what_a_gpu_has(m: int, n: int, p: int) -> None:
    how = one_pass(m, n, p)
    warps = how.threads // 32
    assert n <= how.width
    assert 2 * how.per_thread * 16 * how.threads <= 1 << 15  # registers that hold V and Z, half of a multiprocessor's
    assert how.per_thread <= 6
    assert 1 <= how.rows <= 128 // how.cols  # a warp's threads along a row
    assert how.rows * how.cols <= how.threads
    shared = 4 * ((how.ahead + 3) * how.rows * how.width + 2 * (warps + 1) * how.rows * how.cols)
    assert shared <= 49152
    assert 1 <= how.bands <= m


@pytest.mark.parametrize("m", [1, 63, 512, 10_000, 1_000_000, 200_000_000])
@pytest.mark.parametrize("n", [1, 256, 768, 4096, 100_000])
@pytest.mark.parametrize("p", [1, 12, 32, 33, 500])
def test_a_tiling_keeps_within_what_a_gpu_launches(m: int, n: int, p: int) -> None:
    how = tiling(m, n, p)
    assert how.cols % 4 == 0
    assert how.cols <= kernels.MAX_COLS
    assert how.threads <= 256
    assert 1 <= how.bands <= m
    assert -(-m // how.width) * how.threads < 2**31  # a grid is counted in threads, as an int
    assert -(-p // how.cols) * how.cols - p < 4 * -(-p // how.cols)  # no tile is mostly empty
    assert how.bands <= 65_535  # CUDA's limit in z


@pytest.mark.parametrize(
    ("a", "v"),
    [
        ((3, 4), (3, 2)),
        ((3, 4), (4,)),
        ((4,), (4, 2)),
        ((2, 3, 4), (4, 2)),
        ((0, 4), (4, 2)),
        ((3, 0), (0, 2)),
        ((3, 4), (4, 0)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(a: tuple[int, ...], v: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=re.escape(f"{a} and {v}")):
        z_step(mx.zeros(a), mx.zeros(v))


@pytest.mark.parametrize(("a", "v"), [(mx.float16, mx.float32), (mx.float32, mx.float64), (mx.int32, mx.int32)])
def test_other_dtypes_than_float32_are_refused(a: mx.Dtype, v: mx.Dtype) -> None:
    with pytest.raises(ValueError, match="float32"):
        z_step(mx.zeros((3, 4), a), mx.zeros((4, 2), v))


def test_a_cpu_has_no_kernels_and_says_so_in_a_sentence() -> None:
    assert not kernels.available("cpu")
    for refused in (
        lambda: z_step(mx.zeros((3, 4)), mx.zeros((4, 2))),
        lambda: topk_svd(np.eye(4), 2, use_kernel=True),
    ):
        with pytest.raises(UserError, match="kernel") as raised:
            refused()
        assert str(raised.value).endswith(".")


@pytest.fixture
def gpu() -> Iterator[None]:
    with running_on_gpu():
        yield


@on_gpu
@pytest.mark.parametrize(("m", "n", "p"), [*SIZES, (100_003, 257, 21), (50_001, 768, 16), (9_999, 1024, 33)])
def test_the_gpu_computes_z(gpu: None, m: int, n: int, p: int) -> None:
    assert_exact(m, n, p)
    assert_close(m, n, p)
    for how in TILINGS:
        if isinstance(how, Tiling) or n <= how.width:
            assert_exact(m, n, p, how)


@on_gpu
def test_the_gpu_takes_a_view_that_wide_loads_would_not(gpu: None) -> None:
    a, v = whole_numbers(300, 32, 16)
    view = mx.array(np.append(0.0, a), mx.float32)[1:].reshape(a.shape)
    np.testing.assert_array_equal(np.array(z_step(view, mx.array(v, mx.float32))), a.T @ (a @ v))


@on_gpu
def test_on_the_gpu_eager_equals_compiled(gpu: None) -> None:
    a, v = (mx.array(x, mx.float32) for x in whole_numbers(500, 40, 10))
    one, other = (np.array(iterate(mode, a, v, iters=2, use_kernel=True)) for mode in ("eager", "compiled"))
    np.testing.assert_array_equal(one, other)
