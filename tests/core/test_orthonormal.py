"""Orthonormal bases by QR and by products: orthonormal, of the same span, and never NaN."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from numpy.typing import NDArray

from core.compute.orthonormal import orthonormal, unit_columns

Doubles = NDArray[np.float64]

every_way = pytest.mark.parametrize("products", [False, True], ids=["qr", "products"])


def basis(z: Doubles, products: bool, dtype: mx.Dtype = mx.float32) -> Doubles:
    q: Doubles = np.array(orthonormal(mx.array(z, dtype), products), np.float64)
    assert q.shape == z.shape
    assert np.isfinite(q).all()
    return q


def of_condition(n: int, p: int, condition: float) -> Doubles:
    generator = np.random.default_rng(0)
    left, right = (np.linalg.qr(generator.normal(size=(size, p)))[0] for size in (n, p))
    z: Doubles = (left * np.geomspace(1, 1 / condition, p)) @ right
    return z


@every_way
@pytest.mark.parametrize(("n", "p"), [(768, 16), (256, 48), (20, 20), (5, 1), (1, 1)])
@pytest.mark.parametrize("condition", [1.0, 1e2, 1e4])
@pytest.mark.parametrize("dtype", [mx.float32, mx.float64])
def test_the_basis_is_orthonormal_and_spans_the_columns(
    n: int, p: int, condition: float, dtype: mx.Dtype, products: bool
) -> None:
    z = of_condition(n, p, condition)
    q = basis(z, products, dtype)
    np.testing.assert_allclose(q.T @ q, np.eye(p), atol=1e-5)
    left = z - q @ np.linalg.solve(q.T @ q, q.T @ z)
    assert np.linalg.norm(left) <= (1e-5 if dtype == mx.float32 else 1e-12) * np.linalg.norm(z)


@every_way
def test_directions_that_rounding_all_but_hides_are_kept_apart(products: bool) -> None:
    q = basis(of_condition(768, 16, 1e6), products)
    np.testing.assert_allclose(q.T @ q, np.eye(16), atol=1e-3)


@every_way
def test_lengths_of_columns_do_not_matter(products: bool) -> None:
    z = np.random.default_rng(1).normal(size=(100, 6)) * [1e-30, 1e-12, 1.0, 1e6, 1e20, 1e30]
    q = basis(z, products)
    np.testing.assert_allclose(q.T @ q, np.eye(6), atol=1e-5)


@every_way
@pytest.mark.parametrize("rank", [0, 1, 3])
def test_of_lower_rank_the_span_is_kept(rank: int, products: bool) -> None:
    z = np.zeros((50, 8))
    z[:, :rank] = np.random.default_rng(0).normal(size=(50, rank))
    q = basis(z @ np.random.default_rng(1).normal(size=(8, 8)) if rank > 1 else z, products)
    np.testing.assert_allclose(q @ (q.T @ z), z, atol=1e-4)
    assert np.linalg.norm(q, 2) <= 1 + 1e-4


@pytest.mark.parametrize("scale", [1e-35, 1.0, 1e35])
def test_unit_columns_are_of_unit_length(scale: float) -> None:
    z: Any = np.random.default_rng(0).normal(size=(9, 4)) * scale
    z[:, 2] = 0
    unit = np.array(unit_columns(mx.array(z, mx.float32)), np.float64)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=0), [1, 1, 0, 1], rtol=1e-5)
