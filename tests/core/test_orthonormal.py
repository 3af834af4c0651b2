"""Orthonormal bases by QR, by products and by the kernel: orthonormal, of the same span, and never NaN."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from numpy.typing import NDArray

from core.compute import kernels
from core.compute.orthonormal import Way, orthonormal, unit_columns, usual
from tests.core.kernel_backend import KINDS, Change, Fault, needs_shim, on_gpu, running_on, running_on_gpu

Doubles = NDArray[np.float64]

every_way = pytest.mark.parametrize("way", ["qr", "products", *(pytest.param(k, marks=needs_shim) for k in KINDS)], indirect=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where compiled kernels are kept from test to test."""
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture
def way(request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Way]:
    """QR, products, or the kernel on a device of that kind."""
    if request.param not in KINDS:
        yield request.param
        return
    with running_on(request.param, folder, monkeypatch):
        yield "kernel"


def basis(z: Doubles, way: Way, dtype: mx.Dtype = mx.float32) -> Doubles:
    q: Doubles = np.array(orthonormal(mx.array(z, dtype), way), np.float64)
    assert q.shape == z.shape
    assert np.isfinite(q).all()
    return q


def of_condition(n: int, p: int, condition: float) -> Doubles:
    generator = np.random.default_rng(0)
    left, right = (np.linalg.qr(generator.normal(size=(size, p)))[0] for size in (n, p))
    z: Doubles = (left * np.geomspace(1, 1 / condition, p)) @ right
    return z


def assert_spans(z: Doubles, q: Doubles, tolerance: float) -> None:
    np.testing.assert_allclose(q.T @ q, np.eye(z.shape[1]), atol=1e-5)
    left = z - q @ np.linalg.solve(q.T @ q, q.T @ z)
    assert np.linalg.norm(left) <= tolerance * np.linalg.norm(z)


@every_way
@pytest.mark.parametrize(("n", "p"), [(768, 16), (256, 32), (300, 11), (20, 20), (5, 1), (1, 1)])
@pytest.mark.parametrize("condition", [1.0, 1e2, 1e4])
def test_the_basis_is_orthonormal_and_spans_the_columns(n: int, p: int, condition: float, way: Way) -> None:
    z = of_condition(n, p, condition)
    assert_spans(z, basis(z, way), 1e-5)


@pytest.mark.parametrize("way", ["qr", "products"], indirect=True)
@pytest.mark.parametrize(("n", "p"), [(256, 48), (20, 20)])
def test_float64_and_many_columns_are_kept(n: int, p: int, way: Way) -> None:
    z = of_condition(n, p, 1e4)
    assert_spans(z, basis(z, way, mx.float64), 1e-12)


@every_way
def test_directions_that_rounding_all_but_hides_are_kept_apart(way: Way) -> None:
    q = basis(of_condition(768, 16, 1e6), way)
    np.testing.assert_allclose(q.T @ q, np.eye(16), atol=1e-3)


@every_way
def test_lengths_of_columns_do_not_matter(way: Way) -> None:
    z = np.random.default_rng(1).normal(size=(100, 6)) * [1e-30, 1e-12, 1.0, 1e6, 1e20, 1e30]
    q = basis(z, way)
    np.testing.assert_allclose(q.T @ q, np.eye(6), atol=1e-5)


@every_way
@pytest.mark.parametrize("rank", [0, 1, 3])
def test_of_lower_rank_the_span_is_kept(rank: int, way: Way) -> None:
    z = np.zeros((50, 8))
    z[:, :rank] = np.random.default_rng(0).normal(size=(50, rank))
    q = basis(z @ np.random.default_rng(1).normal(size=(8, 8)) if rank > 1 else z, way)
    np.testing.assert_allclose(q @ (q.T @ z), z, atol=1e-4)
    assert np.linalg.norm(q, 2) <= 1 + 1e-4


@pytest.mark.parametrize("scale", [1e-35, 1.0, 1e35])
def test_unit_columns_are_of_unit_length(scale: float) -> None:
    z: Any = np.random.default_rng(0).normal(size=(9, 4)) * scale
    z[:, 2] = 0
    unit = np.array(unit_columns(mx.array(z, mx.float32)), np.float64)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=0), [1, 1, 0, 1], rtol=1e-5)


@needs_shim
@pytest.mark.parametrize(
    "change",
    [
        ("shares[warp * COLS + lane] = values[0]; \\\n  BARRIER();", "shares[warp * COLS + lane] = values[0];"),
        ("totals[index] = total; \\\n  } \\\n  BARRIER();", "totals[index] = total; }"),
        ("by = COLS; by < 32", "by = COLS; by < 16"),
        ("row < n && i < p ? z[", "row < n ? z["),
        ("if (row < n && i < p)", "if (row < n)"),
        ("step < 2 * COLS", "step < 2 * COLS - 1"),
    ],
)
def test_a_planted_bug_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch, change: Change) -> None:
    z = of_condition(300, 11, 100.0)
    with running_on("cuda", folder, monkeypatch) as backend:
        right = basis(z, "kernel")
        np.testing.assert_allclose(right @ (right.T @ z), z, atol=1e-5)
        kernels._kernel.cache_clear()
        backend.change = change
        with pytest.raises((Fault, AssertionError)) as found:
            np.testing.assert_array_equal(basis(z, "kernel"), right)
        assert "error:" not in str(found.value)


@pytest.mark.parametrize(("shape", "dtype"), [((300, 33), mx.float32), ((4096, 16), mx.float32), ((30, 3), mx.float64)])
def test_what_the_kernel_does_not_take_is_refused(shape: tuple[int, int], dtype: mx.Dtype) -> None:
    with pytest.raises(ValueError, match="the kernel takes float32"):
        orthonormal(mx.zeros(shape, dtype), "kernel")


def test_a_cpu_goes_by_qr() -> None:
    assert usual(768, 16) == "qr"


@on_gpu
@pytest.mark.parametrize(("n", "p"), [(768, 16), (2048, 16), (1024, 32), (300, 11), (5, 1)])
def test_the_gpu_agrees_with_qr(n: int, p: int) -> None:
    z = of_condition(n, p, 100.0)
    with running_on_gpu():
        q = basis(z, "kernel")
    np.testing.assert_allclose(q.T @ q, np.eye(p), atol=1e-5)
    np.testing.assert_allclose(q @ (q.T @ z), z, atol=1e-5)
