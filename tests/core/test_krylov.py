"""Block Krylov iteration on matrices that are known by their products, against LAPACK."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from core.compute.krylov import BLOCKS, Doubles, by_steps, completed, leading, random_block, width


def symmetric(values: Doubles) -> Doubles:
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(len(values), len(values))))[0]
    m: Doubles = (turned * values) @ turned.T
    return m


def test_it_finds_the_leading_pairs_in_fewer_products_than_subspace_iteration() -> None:
    m = symmetric(np.power(0.97, np.arange(400.0)))
    found = leading(by_steps(lambda v: m @ v), random_block(400, 16), 3, 1e-9, 8, 200)
    exact, vectors = np.linalg.eigh(m)
    np.testing.assert_allclose(found.values[:3], exact[::-1][:3], rtol=1e-12)
    overlap = np.abs(vectors[:, ::-1][:, :3].T @ found.vectors[:, :3])
    np.testing.assert_allclose(overlap, np.eye(3), atol=1e-6)
    # Subspace iteration gains 0.97 ** 13 a product.
    assert found.steps < np.log(1e-9) / (13 * np.log(0.97)) / 2


def test_a_basis_too_large_is_cut_down_without_losing_what_was_found() -> None:
    m = symmetric(1.0 + 0.01 * np.random.default_rng(1).random(300))
    residuals = [
        leading(by_steps(lambda v: m @ v), random_block(300, 16), 4, 1e-12, 4, cap).residual for cap in (4, 8, 16, 32, 64)
    ]
    assert all(after < before for before, after in pairwise(residuals))
    found = leading(by_steps(lambda v: m @ v), random_block(300, 16), 4, 1e-10, 4, 400)
    assert found.steps > BLOCKS
    np.testing.assert_allclose(found.values[:4], np.linalg.eigvalsh(m)[::-1][:4], rtol=1e-12)


@pytest.mark.parametrize("n", [1, 3, 64, 65, 90, 129, 200])
@pytest.mark.parametrize("rank", [0, 1, 2, 200])
def test_any_size_and_rank_ends_with_orthonormal_vectors(n: int, rank: int) -> None:
    values = np.where(np.arange(n) < rank, 2.0 ** -np.arange(n), 0.0)
    m, k = symmetric(values), min(5, n)
    found = leading(by_steps(lambda v: m @ v), random_block(n, width(k, n)), k, 1e-12, 3, 100)
    np.testing.assert_allclose(found.values[:k], values[:k], atol=1e-10)
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(found.vectors.shape[1]), atol=1e-9)
    assert found.residual <= 1e-12


def test_it_ends_when_it_is_told_that_the_rest_is_not_worth_it() -> None:
    m = symmetric(np.linspace(1.0, 2.0, 300))
    asked: list[int] = []

    def go_on(remaining: int) -> bool:
        asked.append(remaining)
        return len(asked) < 3

    found = leading(by_steps(lambda v: m @ v), random_block(300, 16), 2, 1e-12, 1, 100, go_on)
    assert found.steps == 3
    assert all(remaining > 0 for remaining in asked)
    assert found.residual > 1e-12


def test_it_ends_where_rounding_lets_it_come_no_nearer() -> None:
    m = symmetric(np.power(0.8, np.arange(300.0)))
    noise = np.random.default_rng(0)
    found = leading(by_steps(lambda v: m @ v + 1e-7 * noise.normal(size=v.shape)), random_block(300, 16), 3, 1e-12, 1, 1000)
    assert found.steps < 100
    assert found.residual < 1e-5


def test_it_ends_soon_where_the_tolerance_is_about_what_rounds() -> None:
    m = symmetric(np.power(0.8, np.arange(300.0)))
    noise = np.random.default_rng(0)
    expand = by_steps(lambda v: m @ v + 1e-6 * noise.normal(size=v.shape))
    tolerance = 4e-6
    found = leading(expand, random_block(300, 16), 3, tolerance, 8, 400)
    assert tolerance < found.residual < 4 * tolerance
    assert found.steps <= 8


@pytest.mark.parametrize("scale", [0.0, 1e-200, 1.0, 1e200])
def test_a_block_is_completed_whatever_its_rank_and_size(scale: float) -> None:
    kept = np.linalg.qr(np.random.default_rng(0).normal(size=(40, 10)))[0]
    block = np.random.default_rng(1).normal(size=(40, 6)) * scale
    block[:, 3] = kept[:, 0]
    block[:, 4] = block[:, 5]
    v = np.hstack([kept, completed(kept, block)])
    np.testing.assert_allclose(v.T @ v, np.eye(16), atol=1e-12)
