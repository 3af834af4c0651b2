"""Projection onto principal components, against a float64 SVD of the whole table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from numpy.typing import NDArray

from core.compute import projection, vectors
from core.compute.projection import Costs, Fit, Projector
from core.compute.vectors import ArrayRows, Vectors, scan_rows
from core.errors import Cancelled
from core.types import MODES, DeviceKind, Floats, Mode

Doubles = NDArray[np.float64]
Values = NDArray[np.floating[Any]]

LAYOUTS: tuple[DeviceKind, ...] = ("cpu", "metal")
AMPLE = 1 << 40
# Coordinates of float32 data, against the largest: sums over rows and dimensions in float32, and a residual of 1e-5.
TOLERANCE = 1e-4

every_standard = pytest.mark.parametrize(("centre", "unit"), [(True, False), (False, False), (True, True), (False, True)])
every_layout = pytest.mark.parametrize("layout", LAYOUTS)


@pytest.fixture(params=["covariance", "passes over the rows"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to find components; the second is meant for wide data."""
    if request.param != "covariance":
        monkeypatch.setattr(projection, "MAX_GRAM", 1)
    return str(request.param)


def decaying(rows: int, dims: int, ratio: float = 0.7, seed: int = 0) -> Doubles:
    """Rows about a mean, with variances well apart."""
    generator = np.random.default_rng(seed)
    turned = np.linalg.qr(generator.normal(size=(dims, dims)))[0]
    spread = np.power(ratio, np.arange(dims, dtype=np.float64))
    rows_about_it: Doubles = (generator.normal(size=(rows, dims)) * spread) @ turned
    return generator.normal(size=dims) + rows_about_it


@dataclass(frozen=True)
class Exact:
    coords: Doubles  # (n, c), signs fixed
    explained: Doubles  # (c,)
    components: Doubles  # (d, c)


def exact(x: Values, centre: bool, unit: bool, count: int) -> Exact:
    rows = x.astype(np.float64)
    if unit:
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        rows = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    if centre:
        rows = rows - rows.mean(axis=0)
    _, s, vt = np.linalg.svd(rows, full_matrices=False)
    v = vt.T * np.where(vt[np.arange(len(vt)), np.abs(vt).argmax(axis=1)] < 0, -1, 1)
    return Exact((rows @ v)[:, :count], (s**2 / np.square(s).sum())[:count], v[:, :count])


@dataclass(frozen=True)
class Found:
    fit: Fit
    coords: Floats


def found(
    x: Values,
    count: int,
    centre: bool = True,
    unit: bool = False,
    mode: Mode = "eager",
    layout: DeviceKind = "cpu",
    budget: int = AMPLE,
) -> Found:
    source = ArrayRows(x)
    projector = Projector(Vectors(source, scan_rows(source), layout, budget), centre, unit, mode)
    fit = projector.fit(count)
    return Found(fit, projector.transform(fit, tuple(range(len(fit.explained)))))


def assert_close(got: Found, wanted: Exact, tolerance: float = TOLERANCE) -> None:
    assert got.coords.dtype == got.fit.components.dtype == got.fit.explained.dtype == np.float32
    largest = np.abs(wanted.coords).max()
    np.testing.assert_allclose(got.coords.astype(np.float64) / largest, wanted.coords / largest, atol=tolerance)
    np.testing.assert_allclose(got.fit.explained, wanted.explained, rtol=tolerance, atol=tolerance**2)
    assert np.all(np.diff(got.fit.explained) <= 0)
    gram = got.fit.components.T.astype(np.float64) @ got.fit.components
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-5)


@every_standard
@every_layout
@pytest.mark.parametrize("mode", MODES)
def test_coordinates_and_shares_are_those_of_a_whole_svd(
    centre: bool, unit: bool, layout: DeviceKind, mode: Mode, way: str
) -> None:
    x = decaying(3000, 12).astype(np.float32)
    got = found(x, 4, centre, unit, mode, layout)
    assert_close(got, exact(x, centre, unit, 4))
    assert got.fit.method.startswith("covariance") is (way == "covariance")


def test_chosen_axes_come_in_the_order_chosen() -> None:
    source = ArrayRows(decaying(500, 8).astype(np.float32))
    projector = Projector(Vectors(source, scan_rows(source), "cpu", AMPLE))
    fit = projector.fit(5)
    every = projector.transform(fit, (0, 1, 2, 3, 4))
    np.testing.assert_allclose(projector.transform(fit, (4, 1)), every[:, [4, 1]], atol=1e-6)


def test_more_components_than_dimensions_are_cut_to_them(way: str) -> None:
    x = decaying(100, 3).astype(np.float32)
    got = found(x, 8)
    assert_close(got, exact(x, True, False, 3))
    np.testing.assert_allclose(got.fit.explained.sum(), 1, rtol=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_the_same_rows_give_the_same_map_to_the_bit(mode: Mode, way: str) -> None:
    x = decaying(1500, 10).astype(np.float32)
    first, second = found(x, 4, mode=mode), found(x.copy(), 4, mode=mode)
    np.testing.assert_array_equal(first.coords, second.coords)
    np.testing.assert_array_equal(first.fit.explained, second.fit.explained)


@every_standard
@every_layout
@pytest.mark.parametrize("resident", [True, False])
def test_many_chunks_give_the_same_map_as_one(
    monkeypatch: pytest.MonkeyPatch, centre: bool, unit: bool, layout: DeviceKind, resident: bool, way: str
) -> None:
    x = decaying(9000, 8).astype(np.float32)
    x[1024:2048] = np.nan  # a whole chunk
    x[[7, 8999]] = np.inf
    whole = found(x, 3, centre, unit, layout=layout)
    row_bytes = Vectors(ArrayRows(x), scan_rows(ArrayRows(x)), layout, AMPLE).nbytes // len(x)
    monkeypatch.setitem(vectors.CHUNK_BYTES, layout, 1024 * row_bytes)
    source = ArrayRows(x)
    parted = Vectors(source, scan_rows(source), layout, AMPLE if resident else vectors.CHUNKS_AT_ONCE * 1024 * row_bytes)
    assert parted.resident is resident
    assert len(list(parted.chunks())) == 9
    projector = Projector(parted, centre, unit, "eager")
    fit = projector.fit(3)
    largest = float(np.nanmax(np.abs(whole.coords)))
    np.testing.assert_allclose(projector.transform(fit, (0, 1, 2)), whole.coords, atol=1e-5 * largest)
    np.testing.assert_allclose(fit.explained, whole.fit.explained, rtol=1e-5)


@every_layout
def test_rows_with_nan_or_infinity_have_no_place_and_change_no_other(layout: DeviceKind, way: str) -> None:
    x = decaying(1000, 8).astype(np.float32)
    bad = [0, 500, 501, 999]
    spoilt = x.copy()
    spoilt[bad, 3] = np.nan, np.inf, -np.inf, np.nan
    got = found(spoilt, 3, layout=layout)
    good = np.setdiff1d(np.arange(1000), bad)
    assert np.isnan(got.coords[bad]).all()
    assert_close(Found(got.fit, got.coords[good]), exact(x[good], True, False, 3))


def test_both_ways_agree_on_wide_data(monkeypatch: pytest.MonkeyPatch) -> None:
    x = decaying(300, 120, 0.8).astype(np.float32)
    narrow = found(x, 4)
    monkeypatch.setattr(projection, "MAX_GRAM", 119)
    wide = found(x, 4)
    assert narrow.fit.method != wide.fit.method
    largest = np.abs(narrow.coords).max()
    np.testing.assert_allclose(wide.coords / largest, narrow.coords / largest, atol=TOLERANCE)
    np.testing.assert_allclose(wide.fit.explained, narrow.fit.explained, rtol=TOLERANCE)


def test_fewer_rows_than_dimensions_are_no_obstacle(way: str) -> None:
    x = decaying(6, 40).astype(np.float32)
    assert_close(found(x, 3), exact(x, True, False, 3))


@pytest.mark.parametrize("centre", [True, False])
def test_rows_of_lower_rank_explain_all_with_as_many_components(centre: bool, way: str) -> None:
    generator = np.random.default_rng(1)
    x = (generator.normal(size=(800, 2)) * [3, 1]) @ np.linalg.qr(generator.normal(size=(10, 2)))[0].T
    x = x.astype(np.float32)
    got = found(x, 6, centre)
    wanted = exact(x, centre, False, 2)
    np.testing.assert_allclose(got.fit.explained[:2], wanted.explained, rtol=1e-5)
    np.testing.assert_allclose(got.fit.explained[2:], 0, atol=1e-6)
    np.testing.assert_allclose(got.coords[:, :2], wanted.coords, atol=TOLERANCE * 10)
    np.testing.assert_allclose(got.coords[:, 2:], 0, atol=TOLERANCE * 10)


@every_standard
def test_equal_rows_lie_on_one_point_and_explain_no_nan(centre: bool, unit: bool, way: str) -> None:
    x = np.repeat(np.random.default_rng(0).normal(size=(1, 6)), 50, axis=0).astype(np.float32)
    got = found(x, 3, centre, unit)
    assert np.isfinite(got.coords).all()
    assert np.isfinite(got.fit.explained).all()
    length = 1.0 if unit else float(np.linalg.norm(x[0]))
    np.testing.assert_allclose(got.coords, np.repeat(got.coords[:1], 50, axis=0), atol=1e-6 * length)
    np.testing.assert_allclose(np.linalg.norm(got.coords[0]), 0 if centre else length, atol=1e-5 * length)


def test_rows_of_zeros_lie_at_the_origin(way: str) -> None:
    got = found(np.zeros((50, 6), np.float32), 3)
    np.testing.assert_array_equal(got.coords, np.zeros((50, 3)))
    np.testing.assert_array_equal(got.fit.explained, np.zeros(3))


@every_standard
@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12, 1e30])
def test_a_change_of_unit_changes_the_map_by_as_much(centre: bool, unit: bool, scale: float, way: str) -> None:
    x = decaying(1000, 8)
    got = found((x * scale).astype(np.float32), 3, centre, unit)
    wanted = exact(x, centre, unit, 3)
    assert_close(Found(got.fit, (got.coords.astype(np.float64) / (1 if unit else scale)).astype(np.float32)), wanted)


@every_layout
@every_standard
def test_rows_far_from_the_origin_keep_their_shape(centre: bool, unit: bool, layout: DeviceKind, way: str) -> None:
    x = (decaying(1000, 8) + 1000).astype(np.float32)
    got, wanted = found(x, 3, centre, unit, layout=layout), exact(x, centre, unit, 3)
    # Where the mean is kept it rules the first component, and the others hold a millionth of the whole.
    if centre and not unit:
        assert_close(got, wanted, 1e-3)
    else:
        np.testing.assert_allclose(got.fit.explained[0], wanted.explained[0], rtol=1e-5)
        largest = np.abs(wanted.coords[:, 0]).max()
        np.testing.assert_allclose(got.coords[:, 0] / largest, wanted.coords[:, 0] / largest, atol=2e-2 if centre else 1e-5)


def test_float64_and_whole_numbers_are_mapped_like_float32(way: str) -> None:
    x = decaying(500, 8) * 100
    for given in (x, x.round().astype(np.int16)):
        assert_close(found(np.asarray(given, np.float64), 3), exact(np.asarray(given, np.float64), True, False, 3))


@pytest.mark.parametrize("unit", [True, False])
def test_a_zero_row_divided_by_its_length_stays_zero(unit: bool) -> None:
    x = decaying(400, 6).astype(np.float32)
    x[3] = 0
    assert_close(found(x, 3, False, unit), exact(x, False, unit, 3))
    np.testing.assert_array_equal(found(x, 3, False, unit).coords[3], np.zeros(3))


@pytest.mark.parametrize("factor", [1e25, 1e-35])
@pytest.mark.parametrize("unit", [True, False])
def test_a_row_of_wild_length_is_mapped_truly_or_left_out(unit: bool, factor: float) -> None:
    """Shown at a place that is not its own it would be taken for something else."""
    x = decaying(400, 6).astype(np.float32)
    x[3] *= np.float32(factor)
    got, wanted = found(x, 2, True, unit), exact(x, True, unit, 2)
    if np.isfinite(got.coords[3]).all():
        largest = np.abs(wanted.coords).max()
        np.testing.assert_allclose(got.coords[3] / largest, wanted.coords[3] / largest, atol=TOLERANCE * 10)


def test_a_spectrum_too_flat_to_iterate_on_is_decomposed_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    x = decaying(1000, 12).astype(np.float32)
    assert "in full" not in found(x, 4).fit.method
    monkeypatch.setattr(projection, "MAX_RESIDUAL", -1.0)
    got = found(x, 4)
    assert "in full" in got.fit.method
    assert_close(got, exact(x, True, False, 4))


def test_a_flat_spectrum_gives_the_variance_there_is() -> None:
    x = np.random.default_rng(0).normal(size=(800, 60)).astype(np.float32)
    got, wanted = found(x, 3), exact(x, True, False, 3)
    np.testing.assert_allclose(got.fit.explained, wanted.explained, rtol=1e-3)
    # Close values leave single directions open to rounding, not the variance along them.
    np.testing.assert_allclose(got.coords.var(axis=0) / x.var(axis=0).sum(), wanted.explained, rtol=1e-3)


@pytest.mark.parametrize("at", [1, 2, 3, 5])
def test_it_polls_at_every_chunk_and_ends_when_told_to(monkeypatch: pytest.MonkeyPatch, at: int, way: str) -> None:
    monkeypatch.setitem(vectors.CHUNK_BYTES, "cpu", 1024 * 12 * 4)
    x = decaying(5000, 8).astype(np.float32)
    source = ArrayRows(x)
    held = Vectors(source, scan_rows(source), "cpu", AMPLE)
    held.upload()
    polled = 0

    def poll() -> None:
        nonlocal polled
        polled += 1
        if polled == at:
            raise Cancelled

    with pytest.raises(Cancelled):
        Projector(held, mode="eager").fit(2, poll)
    assert polled == at


def test_progress_counts_up_to_all_rows(way: str) -> None:
    seen: list[tuple[str, int, int]] = []
    x = decaying(3000, 8).astype(np.float32)
    source = ArrayRows(x)
    projector = Projector(Vectors(source, scan_rows(source), "cpu", AMPLE), mode="eager")

    def report(stage: str, done: int, total: int) -> None:
        seen.append((stage, done, total))

    projector.transform(projector.fit(2, report=report), (0, 1), report=report)
    assert seen[0] == ("Finding the mean", 3000, 3000)
    assert seen[-1] == ("Mapping rows", 3000, 3000)
    assert all(0 <= done <= total for _, done, total in seen)


def test_what_is_kept_on_the_device_is_not_changed_by_a_projection() -> None:
    source = ArrayRows(decaying(1000, 8).astype(np.float32))
    held = Vectors(source, scan_rows(source), "cpu", AMPLE)
    (chunk,) = held.chunks()
    before = np.array(chunk.data)
    projector = Projector(held)
    projector.transform(projector.fit(2), (0, 1))
    mx.synchronize()
    np.testing.assert_array_equal(np.array(chunk.data), before)


def test_wide_data_of_few_rows_are_no_obstacle(way: str) -> None:
    assert_close(found(decaying(90, 700).astype(np.float32), 4), exact(decaying(90, 700).astype(np.float32), True, False, 4))


@pytest.fixture(params=["covariance", "passes over the rows"])
def cheaper(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """As if the trial, which is made even for few rows, had found this way to be the cheaper one."""
    measured = Projector._measured
    costs = Costs(1.0, 1.0) if request.param == "covariance" else Costs(1e9, 1e-9)
    monkeypatch.setattr(projection, "TRIAL_FLOPS", 1e6)
    monkeypatch.setattr(Projector, "_measured", lambda *arguments: (costs, measured(*arguments)[1]))
    return str(request.param)


@every_standard
@every_layout
@pytest.mark.parametrize("resident", [True, False])
def test_the_way_that_was_measured_to_be_cheaper_is_taken(
    monkeypatch: pytest.MonkeyPatch, centre: bool, unit: bool, layout: DeviceKind, resident: bool, cheaper: str
) -> None:
    x = decaying(9000, 80, 0.9).astype(np.float32)
    monkeypatch.setitem(vectors.CHUNK_BYTES, layout, 1024 * 4 * 86)
    budget = AMPLE if resident else vectors.CHUNKS_AT_ONCE * 1024 * 600
    got = found(x, 4, centre, unit, layout=layout, budget=budget)
    assert cheaper in got.fit.method
    assert "against" in got.fit.method
    assert got.fit.residual <= 1e-5
    assert_close(got, exact(x, centre, unit, 4))


def test_the_cost_of_both_ways_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "TRIAL_FLOPS", 1e6)
    x = decaying(4000, 80, 0.9).astype(np.float32)
    got = found(x, 4)
    assert " s" in got.fit.method
    assert_close(got, exact(x, True, False, 4))


def test_passes_that_come_no_nearer_give_way_to_the_covariance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "TRIAL_FLOPS", 1e6)
    measured = Projector._measured
    monkeypatch.setattr(Projector, "_measured", lambda *arguments: (Costs(8.0, 1.0), measured(*arguments)[1]))
    x = np.random.default_rng(0).normal(size=(3000, 200)).astype(np.float32)
    got, wanted = found(x, 3), exact(x, True, False, 3)
    assert got.fit.method.startswith("covariance")
    assert "too flat" in got.fit.method
    np.testing.assert_allclose(got.fit.explained, wanted.explained, rtol=1e-4)


def test_a_rough_projection_takes_few_passes_and_shows_the_same_shape() -> None:
    x = decaying(3000, 100, 0.8).astype(np.float32)
    source = ArrayRows(x)
    projector = Projector(Vectors(source, scan_rows(source), "cpu", AMPLE), mode="eager", rough=True)
    fit = projector.fit(2)
    wanted = exact(x, True, False, 2)
    assert "first picture" in fit.method
    np.testing.assert_allclose(fit.explained, wanted.explained, rtol=2e-2)
    coords = projector.transform(fit, (0, 1))
    np.testing.assert_allclose(coords, wanted.coords, atol=0.1 * np.abs(wanted.coords).max())


@every_standard
def test_the_residual_told_is_that_of_the_components(centre: bool, unit: bool, way: str) -> None:
    x = decaying(2000, 100, 0.95).astype(np.float32)
    fit = found(x, 3, centre, unit).fit
    rows = x.astype(np.float64)
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True) if unit else rows
    rows = rows - (rows.mean(axis=0) if centre else 0)
    z = rows.T @ (rows @ fit.components)
    values = np.einsum("ij,ij->j", fit.components, z)
    reached = np.linalg.norm(z - fit.components * values, axis=0).max() / values[0]
    assert fit.residual <= 1e-5
    assert reached <= fit.residual + 2e-6
