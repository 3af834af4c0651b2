"""Truncated SVD: by what it rebuilds, by its orthonormal factors, and against LAPACK in float64."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from numpy.typing import NDArray

from core.compute.krylov import random_block
from core.compute.orthonormal import Way
from core.compute.svd import Triplets, iterate, topk_svd, truncated_svd
from core.errors import Cancelled, UserError
from core.types import MODES, Mode

Doubles = NDArray[np.float64]
Factors = tuple[Doubles, Doubles, Doubles]

# What is allowed for each precision: singular values against the largest, and cosines between unit vectors.
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-10}

every_dtype = pytest.mark.parametrize("dtype", TOLERANCE)
# Orthonormal by QR, as on a CPU, and by products alone, as on a GPU; test_kernels.py has the kernel.
every_way = pytest.mark.parametrize("way", ["qr", "products"])
every_shape = pytest.mark.parametrize(("m", "n"), [(300, 40), (40, 300), (64, 64), (500, 3), (3, 500), (1, 20), (20, 1), (1, 1)])


def orthonormal(rows: int, columns: int, seed: int) -> Doubles:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(rows, columns)))[0]


def with_values(m: int, n: int, values: Doubles, seed: int = 0) -> Doubles:
    """A matrix of given singular values."""
    return (orthonormal(m, len(values), seed) * values) @ orthonormal(n, len(values), seed + 1).T


def decaying(m: int, n: int, ratio: float = 0.9) -> Doubles:
    return with_values(m, n, 7.0 * np.power(ratio, np.arange(min(m, n), dtype=np.float64)))


def factors(a: Any, k: int, **options: Any) -> Factors:
    if "way" in options:
        found = truncated_svd(a, k, **options)
        u, s, vt = found.u, found.s, found.vt
    else:
        u, s, vt = topk_svd(a, k, **options)
    return np.array(u, np.float64), np.array(s, np.float64), np.array(vt, np.float64)


def assert_leading(a: Doubles, found: Factors, k: int, tolerance: float) -> None:
    """The factors are orthonormal, their values the k largest, and together the best of rank k."""
    u, s, vt = found
    m, n = a.shape
    assert (u.shape, s.shape, vt.shape) == ((m, k), (k,), (k, n))
    exact = np.linalg.svd(a, compute_uv=False)
    np.testing.assert_allclose(s, exact[:k], rtol=0, atol=tolerance * exact[0])
    np.testing.assert_allclose(vt @ vt.T, np.eye(k), atol=tolerance * 10)
    np.testing.assert_allclose(u.T @ u, np.eye(k), atol=tolerance * 10)
    assert np.all(np.diff(s) <= 0)
    # The best approximation of rank k leaves exactly what the smaller values hold.
    left = np.linalg.norm(a - (u * s) @ vt)
    assert left <= np.linalg.norm(exact[k:]) * (1 + 100 * tolerance) + 10 * tolerance * exact[0]


@every_dtype
@every_shape
@every_way
@pytest.mark.parametrize("mode", MODES)
def test_the_leading_triplets_of_any_shape_are_found(m: int, n: int, dtype: Any, mode: Mode, way: Way) -> None:
    a = decaying(m, n).astype(dtype)
    for k in {1, min(m, n, 5), min(m, n)}:
        if k == min(m, n) and k > 5 and dtype is np.float32:
            continue  # the last values, below the rounding of the first, have a test of their own
        found = factors(a, k, mode=mode, way=way)
        assert_leading(a.astype(np.float64), found, k, TOLERANCE[dtype])


@every_dtype
@every_way
@pytest.mark.parametrize("n", [40, 150])
def test_values_of_a_decaying_spectrum_are_right_each_to_its_own_size(dtype: Any, way: Way, n: int) -> None:
    a = with_values(400, n, np.geomspace(1.0, 0.05, n))
    _, s, _ = factors(a.astype(dtype), 15, way=way)
    exact = np.linalg.svd(a.astype(dtype).astype(np.float64), compute_uv=False)[:15]
    np.testing.assert_allclose(s, exact, rtol=TOLERANCE[dtype])


@every_dtype
@every_shape
def test_all_triplets_rebuild_the_matrix(m: int, n: int, dtype: Any) -> None:
    a = np.random.default_rng(3).normal(size=(m, n)).astype(dtype)
    u, s, vt = factors(a, min(m, n))
    np.testing.assert_allclose((u * s) @ vt, a, atol=TOLERANCE[dtype] * 10 * float(np.linalg.norm(a)))


@every_dtype
@every_way
@pytest.mark.parametrize(("m", "n"), [(200, 50), (50, 200), (400, 300)])
def test_a_matrix_of_lower_rank_is_rebuilt_and_its_null_values_vanish(m: int, n: int, dtype: Any, way: Way) -> None:
    a = with_values(m, n, np.array([5.0, 3.0, 2.0])).astype(dtype)
    u, s, vt = factors(a, 10, way=way)
    tolerance = TOLERANCE[dtype]
    np.testing.assert_allclose(s[:3], [5, 3, 2], rtol=tolerance)
    # A value is the root of an eigenvalue, of which rounding leaves its own size.
    assert np.all(s[3:] <= 5 * np.sqrt(tolerance))
    np.testing.assert_allclose((u * s) @ vt, a, atol=tolerance * 50)
    # Where the value vanishes a vector of the longer side is not determined: it may be missing, that is zero.
    for vectors in (u, vt.T):
        gram = vectors.T @ vectors
        lengths = np.diag(gram).round()
        np.testing.assert_array_equal(lengths[:3], np.ones(3))
        assert set(lengths) <= {0.0, 1.0}
        np.testing.assert_allclose(gram, np.diag(lengths), atol=tolerance * 10)


@every_dtype
@every_way
@pytest.mark.parametrize("n", [30, 300])
@pytest.mark.parametrize("values", [[4, 4, 4, 4, 4, 4], [4, 4, 4, 1, 1, 1], [9, 4, 4, 4, 4, 1]])
def test_tied_values_span_the_right_space(values: list[float], dtype: Any, n: int, way: Way) -> None:
    """Single vectors are not determined; what they span is."""
    a = with_values(400, n, np.array(values, np.float64)).astype(dtype)
    found = factors(a, 6, way=way)
    assert_leading(a.astype(np.float64), found, 6, TOLERANCE[dtype])


@every_dtype
def test_a_cut_within_tied_values_still_gives_triplets(dtype: Any) -> None:
    a = with_values(80, 30, np.array([4.0] * 20)).astype(dtype)
    u, s, vt = factors(a, 5)
    tolerance = TOLERANCE[dtype]
    np.testing.assert_allclose(s, [4] * 5, rtol=tolerance)
    np.testing.assert_allclose(a.astype(np.float64) @ vt.T, u * s, atol=tolerance * 40)
    np.testing.assert_allclose(a.astype(np.float64).T @ u, vt.T * s, atol=tolerance * 40)


def test_a_flat_spectrum_gives_values_within_its_range() -> None:
    a = np.random.default_rng(0).normal(size=(600, 100)).astype(np.float32)
    exact = np.linalg.svd(a.astype(np.float64), compute_uv=False)
    result = truncated_svd(a, 8)
    s = np.array(result.s, np.float64)
    # A Ritz value is never above the singular value of its rank, and off by the square of the residual at most.
    assert np.all(s <= exact[:8] * (1 + 1e-5))
    assert np.all(s >= exact[:8] * (1 - 1e-3))


@every_dtype
@every_way
@pytest.mark.parametrize("shape", [(20, 6), (6, 20), (300, 200)])
def test_a_zero_matrix_has_zero_values_and_no_nan(shape: tuple[int, int], dtype: Any, way: Way) -> None:
    u, s, vt = factors(np.zeros(shape, dtype), 4, way=way)
    np.testing.assert_array_equal(s, np.zeros(4))
    assert np.isfinite(u).all()
    assert np.isfinite(vt).all()
    np.testing.assert_array_equal((u * s) @ vt, np.zeros(shape))


@pytest.mark.parametrize("scale", [1e-15, 1e-6, 1e6, 1e15])
def test_the_result_scales_with_the_matrix(scale: float) -> None:
    a = decaying(100, 20)
    _, s, vt = factors(a.astype(np.float32), 5)
    _, scaled, scaled_vt = factors((a * scale).astype(np.float32), 5)
    np.testing.assert_allclose(scaled / scale, s, rtol=1e-5)
    np.testing.assert_allclose(scaled_vt, vt, atol=1e-3)


@every_dtype
@every_way
@pytest.mark.parametrize("n", [30, 120])
def test_eager_equals_compiled(dtype: Any, way: Way, n: int) -> None:
    a = decaying(200, n).astype(dtype)
    eager, compiled = (factors(a, 6, mode=mode, way=way) for mode in MODES)
    for one, other in zip(eager, compiled, strict=True):
        np.testing.assert_allclose(one, other, atol=TOLERANCE[dtype])


def test_float64_is_kept_on_the_cpu_and_everything_else_is_float32() -> None:
    a = decaying(30, 10)
    for given, dtype in [
        (a, mx.float64),
        (mx.array(a, mx.float64), mx.float64),
        (a.astype(np.float32), mx.float32),
        (a.astype(np.float16), mx.float32),
        (mx.array(a, mx.float16), mx.float32),
        ((100 * a).astype(np.int32), mx.float32),
        (a.tolist(), mx.float64),
    ]:
        assert [f.dtype for f in topk_svd(given, 2)] == [dtype] * 3


def test_an_mlx_array_is_taken_like_a_numpy_array() -> None:
    a = decaying(30, 10).astype(np.float32)
    for one, other in zip(factors(mx.array(a), 3), factors(a, 3), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("m", "n"), [(60, 20), (20, 60)])
def test_signs_do_not_depend_on_the_way_there(m: int, n: int) -> None:
    a = decaying(m, n, 0.7)
    u, _, vt = factors(a, 4)
    for other in (factors(a, 4, iters=3), factors(a, 9), factors(a.astype(np.float32), 4)):
        np.testing.assert_allclose(other[0][:, :4], u, atol=1e-3)
        np.testing.assert_allclose(other[2][:4], vt, atol=1e-3)


def test_of_each_vector_of_the_shorter_side_the_largest_entry_is_positive() -> None:
    a = decaying(60, 20, 0.7)
    for matrix in (a, -a):
        v = factors(matrix, 6)[2].T
        assert np.all(v[np.abs(v).argmax(axis=0), np.arange(6)] > 0)
        u = factors(matrix.T, 6)[0]
        assert np.all(u[np.abs(u).argmax(axis=0), np.arange(6)] > 0)


def test_the_same_matrix_gives_the_same_bits() -> None:
    a = np.random.default_rng(0).normal(size=(100, 30)).astype(np.float32)
    for one, other in zip(factors(a, 5), factors(a, 5), strict=True):
        np.testing.assert_array_equal(one, other)


def residual(a: Doubles, found: Triplets) -> float:
    s, vt = np.array(found.s, np.float64), np.array(found.vt, np.float64)
    return float(np.linalg.norm(a.T @ (a @ vt.T) - vt.T * s**2, axis=0).max() / s[0] ** 2)


@every_way
@pytest.mark.parametrize(("m", "n"), [(200, 40), (40, 200), (500, 300)])
def test_the_residual_told_is_the_residual_reached(m: int, n: int, way: Way) -> None:
    a = decaying(m, n)
    found = truncated_svd(a, 5, way=way)
    assert found.residual <= 1e-13
    assert residual(a if m >= n else a.T, found if m >= n else flipped(found)) <= 1e-12


def flipped(found: Triplets) -> Triplets:
    return Triplets(found.vt.T, found.s, found.u.T, found.residual, found.explained, found.iterations)


def test_a_residual_that_was_not_given_time_is_told_as_it_is() -> None:
    a = np.random.default_rng(0).normal(size=(600, 300))
    found = truncated_svd(a, 5, iters=2, max_rounds=1)
    assert found.iterations == 2
    assert found.residual > 1e-3
    # The last Rayleigh and Ritz can but improve on it.
    assert found.residual / 3 <= residual(a, found) <= found.residual * 1.01


@every_dtype
@pytest.mark.parametrize(("m", "n"), [(300, 40), (40, 300), (500, 200)])
def test_shares_of_the_variance_are_those_of_the_whole(m: int, n: int, dtype: Any) -> None:
    a = decaying(m, n).astype(dtype)
    exact = np.linalg.svd(a.astype(np.float64), compute_uv=False) ** 2
    explained = np.array(truncated_svd(a, 4).explained, np.float64)
    np.testing.assert_allclose(explained, exact[:4] / exact.sum(), rtol=TOLERANCE[dtype])


def test_it_stops_at_the_residual_that_is_asked_for() -> None:
    a = with_values(500, 300, np.geomspace(1, 1e-3, 300))
    found = [truncated_svd(a, 3, tolerance=tolerance) for tolerance in (1e-2, 1e-4, 1e-8)]
    assert [f.iterations for f in found] == sorted({f.iterations for f in found})
    for wanted, result in zip((1e-2, 1e-4, 1e-8), found, strict=True):
        assert result.residual <= wanted
        assert residual(a, result) <= wanted


def test_more_steps_between_tests_give_the_same() -> None:
    a = with_values(500, 300, np.geomspace(1, 1e-3, 300))
    for iters in (1, 2, 5, 100):
        np.testing.assert_allclose(factors(a, 3, iters=iters)[2], factors(a, 3)[2], atol=1e-9)


@every_way
def test_directions_that_a_sample_of_the_rows_lacks_are_found(way: Way) -> None:
    """The start is made from one row in 16; what the other rows hold alone must come out all the same."""
    rows, n = 16 * 4 * 100, 100
    a = np.zeros((rows, n))
    a[np.arange(rows), np.arange(rows) % n] = np.where(np.arange(rows) % 16 == 0, 1.0, 3.0)
    a[::16, 1:] = 0.0
    a[1, 7], a[2, 8] = 50.0, 40.0
    found = factors(a, 3, way=way)
    assert_leading(a, found, 3, 1e-10)


@every_way
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_subspace_iteration_nears_the_leading_space(way: Way, dtype: Any) -> None:
    a = with_values(120, 60, np.power(0.5, np.arange(60.0))).astype(dtype)
    kind = mx.float32 if dtype is np.float32 else mx.float64
    v = mx.array(random_block(60, 8), kind)
    _, _, vt = np.linalg.svd(a.astype(np.float64))
    last = np.inf
    for iters in (1, 3, 6):
        q = np.array(iterate("eager", mx.array(a, kind), v, iters=iters, way=way), np.float64)
        np.testing.assert_allclose(q.T @ q, np.eye(8), atol=1e-4)
        angle = float(np.linalg.norm(vt[:2] - (vt[:2] @ q) @ q.T))
        assert angle < max(last / 10, 1e-5)
        last = angle


@pytest.mark.parametrize("k", [0, -1, 11, 31])
def test_a_k_outside_the_matrix_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match="from 1 to 10"):
        topk_svd(np.ones((30, 10)), k)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_what_has_no_finite_squares_is_refused(value: float) -> None:
    a = decaying(300, 100).astype(np.float32)
    a[3, 4] = value
    with pytest.raises(ValueError, match="NaN or infinity"):
        topk_svd(a, 2)


@pytest.mark.parametrize("shape", [(), (5,), (2, 3, 4)])
def test_what_is_no_matrix_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="matrix"):
        topk_svd(np.ones(shape), 1)


def test_a_kernel_that_this_device_has_not_is_refused() -> None:
    with pytest.raises(UserError, match="kernel"):
        topk_svd(np.eye(4), 2, use_kernel=True)


def test_it_polls_and_ends_when_told_to() -> None:
    def poll() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        truncated_svd(np.eye(4), 2, poll=poll)
