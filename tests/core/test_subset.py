"""Some rows of a source, and their mean."""

from __future__ import annotations

import numpy as np
import pytest

from core.compute.subset import SomeRows, mean_of
from core.compute.vectors import ArrayRows, strip_rows
from core.errors import Cancelled, UserError

X = np.random.default_rng(0).standard_normal((5000, 40)).astype(np.float32)


def test_some_rows_read_as_those_rows() -> None:
    chosen = np.array([3, 9, 4000, 4999])
    some = SomeRows(ArrayRows(X), chosen)
    assert (some.rows, some.dims) == (4, 40)
    np.testing.assert_array_equal(some.read(slice(1, 3)), X[[9, 4000]])
    np.testing.assert_array_equal(some.read(np.array([3, 0])), X[[4999, 3]])
    assert some.sample_rows(100).tolist() == [0, 1, 2, 3]
    assert some.sample_rows(2).tolist() == [0, 3]


def test_a_mean_is_that_of_float64() -> None:
    wide = np.tile(X, (1 + strip_rows(40) // 2500, 1)) + np.float32(1000)
    rows = np.arange(0, len(wide), 2)
    assert len(rows) > strip_rows(40)
    np.testing.assert_allclose(mean_of(ArrayRows(wide), rows), wide[rows].astype(np.float64).mean(axis=0), rtol=1e-12)


def test_a_mean_can_be_given_up() -> None:
    def poll() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        mean_of(ArrayRows(X), np.arange(10), poll)


def test_a_mean_beyond_float64_is_told() -> None:
    with pytest.raises(UserError, match="no mean"):
        mean_of(ArrayRows(np.full((4, 2), 1e308)), np.arange(4))
