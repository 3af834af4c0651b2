"""What kernels do before and after a scan: run on the CPU by kernel_shim.cpp, against float64 and MLX's own operations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from numpy.typing import NDArray

from core.compute import selection
from core.compute.half_search import HalfSearch, candidates, half_bounds, halved, settle
from core.compute.refine_kernels import MAX_CANDIDATES, RefineTiling, prepare, refine
from core.compute.rounding import chain_error
from core.compute.vectors import ArrayRows, Vectors, scan_rows
from core.errors import UserError
from core.types import DeviceKind, Metric, Storage
from tests.core.kernel_backend import KINDS, Backend, Change, Fault, needs_shim, on_gpu, running_on, running_on_gpu

METRICS: tuple[Metric, ...] = ("l2", "cosine", "inner_product")
SMALL = RefineTiling(rows=2, threads=64)

Found = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]


@dataclass(frozen=True)
class Case:
    """Queries and candidates as a search has them, what is found by MLX's own operations, and the truth."""

    metric: Metric
    k: int
    inputs: tuple[mx.array, ...]  # of refine
    shift_length: float
    complete: bool
    plain: Found  # sorted, as refine gives it
    loose: NDArray[np.bool_]  # (q,) whether the plain way still settles with errors four times as large
    truth: NDArray[np.longdouble]  # (q, width) order of all rows; infinity for padding and the row left out

    def found(self, how: RefineTiling | None = None) -> Found:
        return whole(*refine(*self.inputs, metric=self.metric, k=self.k, complete=self.complete, how=how))


def whole(found: mx.array, nearest: mx.array) -> Found:
    """What `packed` or `refine` tells: order, error and positions (q, c), settled and left_out (q,)."""
    bits, first = np.array(found), np.array(nearest)
    c, k = bits.shape[1] // 4, first.shape[1] // 3
    order, second, error = (bits[:, i * c : (i + 1) * c].view(np.float32).astype(np.longdouble) for i in range(3))
    positions = bits[:, 3 * c :]
    # The first k are told once more.
    for at, values in enumerate((bits[:, :k], bits[:, c : c + k], positions[:, :k])):
        np.testing.assert_array_equal(first[:, at * k : (at + 1) * k], values)
    with np.errstate(invalid="ignore"):
        assert np.all((np.abs(second) <= 2.0**-24 * np.abs(order)) | (second == 0))
    return order + second, error, positions, first[:, -2], first[:, -1].view(np.float32)


def rows_of(name: str, n: int, d: int) -> NDArray[np.float32]:
    random = np.random.default_rng(d)
    x = random.normal(size=(n, d))
    if name == "far":  # differences cancel
        x = x * 0.01 + 1000.0
    elif name == "aside":  # where float32 cannot hold what they are shifted to, in pairs about as far apart as that rounds
        x = np.repeat(x[: -(-n // 2)], 2, axis=0)[:n] + random.normal(size=(n, d)) * 3e-7 + 1.8
        x[4:40:9] *= 1e-6  # little beside the shift
    elif name == "tight":  # in clusters too small for float32
        x = np.repeat(x[: -(-n // 8)], 8, axis=0)[:n] + random.normal(size=(n, d)) * 1e-6
    elif name == "odd":  # zero, tiny, wild and equal rows
        x[3:40:9] = 0.0
        x[4:40:9] *= 1e-16
        x[5:40:9] *= 1e-25
        x[6:40:9] *= 1e25
        x[60:70] = x[50]
    return x.astype(np.float32)


def case_of(
    name: str, metric: Metric, d: int, c: int, k: int = 5, n: int = 300, q: int = 3, storage: Storage = "float32"
) -> Case:
    """Query 0 leaves out its own row."""
    k = min(k, c)
    x = rows_of(name, n, d)
    if storage == "float16":
        x = x.astype(np.float16).astype(np.float32)
    raw = x[7 : 7 + 9 * q : 9] + np.float32(0.3) * x[8 : 8 + 9 * q : 9]
    raw[0] = x[7]
    source = ArrayRows(x)
    vectors = Vectors(source, scan_rows(source), "cuda", 1 << 30, storage)
    (chunk,) = vectors.chunks()
    half, prepared = chunk.half, HalfSearch(vectors, metric, "cuda")._prepare(raw)
    assert half is not None
    own = np.full((q, 1), -1, np.int32)
    own[0] = 7
    shift = mx.array(vectors.shift)
    shift_length = float(np.linalg.norm(vectors.shift.astype(np.float64)))
    queries, rounded, products = (mx.array(a) for a in (prepared.q, prepared.rounded, prepared.shift_products))
    base = half.squares if metric == "l2" else half.bias
    halves, terms, lengths = halved(queries, products, shift_length, metric)
    bounds = half_bounds(halves, terms, half.rows, half.back, base, half.norms, chunk.inverse_norms, cosine=metric == "cosine")
    rows = half.rows if chunk.stored is None else chunk.stored
    order, error, positions, left_out = candidates(
        "eager",
        *(queries, rounded, mx.array(own), shift, products, rows),
        *(half.rows, half.back, half.squares, half.norms, half.rounded, half.bias, chunk.inverse_norms),
        metric=metric,
        wanted=c,
        way="plain",
        blocks=selection.block_sizes("cuda", bounds.shape[1], c),
        shift_length=shift_length,
        halves_only=vectors.halves_only,
        complete=c >= n,
    )
    # By ascending position, as the kernels select them.
    by_position = mx.argsort(positions, axis=1)
    order, error, positions = (mx.take_along_axis(a, by_position, axis=1) for a in (order, error, positions))
    plain, loose = (whole(*settle("eager", order, error * times, positions, left_out, k=k)) for times in (1.0, 4.0))
    lowest = mx.take_along_axis(bounds, positions, axis=1)
    inputs = (queries, lengths, rounded, positions, lowest, mx.array(own), shift, rows)
    return Case(
        metric,
        k,
        (*inputs, half.back, half.norms, half.rounded, chunk.inverse_norms),
        shift_length,
        c >= n,
        (plain[0], plain[1], plain[2], plain[3], np.array(left_out)),
        loose[3] == 1,
        true_order(x, raw, metric, vectors, own, bounds.shape[1]),
    )


def true_order(
    x: NDArray[np.float32], raw: NDArray[np.float32], metric: Metric, vectors: Vectors, own: NDArray[np.int32], width: int
) -> NDArray[np.longdouble]:
    rows, queries = x.astype(np.longdouble) * vectors.scale, raw.astype(np.longdouble) * vectors.scale
    if metric == "l2":
        order = np.square(rows - queries[:, None, :]).sum(axis=2)
    elif metric == "inner_product":
        order = -((rows - vectors.shift) * queries[:, None, :]).sum(axis=2)
    else:
        queries = np.ldexp(raw.astype(np.longdouble), -np.frexp(np.abs(raw).max(axis=1, keepdims=True))[1])
        norms = np.sqrt(np.square(rows).sum(axis=1))
        order = -(rows * queries[:, None, :]).sum(axis=2) / np.where(norms > 0, norms, 1.0)
    for i in np.flatnonzero(own[:, 0] >= 0):
        order[i, own[i, 0]] = np.inf
    return np.pad(order, ((0, 0), (0, width - len(x))), constant_values=np.inf)


def check_refine(case: Case, how: RefineTiling | None = None) -> NDArray[np.bool_]:
    """Which queries are settled."""
    order, error, positions, settled, left_out = case.found(how)
    plain_order, plain_error, plain_positions, _, plain_left_out = case.plain
    # The same candidates, sorted; of equal orders the lowest position first.
    np.testing.assert_array_equal(np.sort(positions, axis=1), np.sort(plain_positions, axis=1))
    assert np.all(order[:, :-1] <= order[:, 1:])
    assert np.all((order[:, :-1] < order[:, 1:]) | (positions[:, :-1] < positions[:, 1:]))
    truth = np.take_along_axis(case.truth, positions.astype(np.int64), axis=1)
    known = np.isfinite(order) & np.isfinite(error)
    assert np.all(np.abs(order[known] - truth[known]) <= error[known])
    np.testing.assert_array_equal(np.isinf(order) & (error == 0), np.isinf(truth))
    # Errors no larger than in float32 alone.
    by_position, plain_by_position = np.argsort(positions, axis=1), np.argsort(plain_positions, axis=1)
    one, other = np.take_along_axis(error, by_position, axis=1), np.take_along_axis(plain_error, plain_by_position, axis=1)
    np.testing.assert_array_equal(np.isinf(one), np.isinf(other))
    assert np.all((one <= other)[np.isfinite(one)])
    one, other = np.take_along_axis(order, by_position, axis=1), np.take_along_axis(plain_order, plain_by_position, axis=1)
    np.testing.assert_array_equal(np.isinf(one), np.isinf(other))
    # A difference of large numbers, so that what rounds away is a share of these.
    largest = np.abs(plain_left_out[np.isfinite(plain_left_out)]).max(initial=1.0)
    np.testing.assert_allclose(left_out, plain_left_out, rtol=1e-5, atol=1e-5 * largest)
    # Settled where orders and errors say so, where float32 alone settles too, and never wrongly.
    assert set(np.unique(settled)) <= {0, 1}
    done: NDArray[np.bool_] = settled == 1
    assert np.all(done[case.loose])
    assert np.all(done[told_apart(order, error * 1.001, left_out, case.k)])
    assert not np.any(done & ~told_apart(order, error * 0.999, left_out, case.k))
    nearest = np.argsort(case.truth, axis=1, kind="stable")[:, : case.k]
    np.testing.assert_array_equal(positions[done, : case.k], nearest[done])
    return done


def told_apart(order: NDArray[Any], error: NDArray[Any], left_out: NDArray[Any], k: int) -> NDArray[np.bool_]:
    """Whether the first k of sorted orders (q, c) are less than all after them and than `left_out` (q,), whatever the errors."""
    low, high = order - error, order + error
    beyond = np.full((len(low), 1), np.inf)
    lowest_after = np.minimum.accumulate(np.hstack([low, beyond])[:, ::-1], axis=1)[:, ::-1][:, 1 : k + 1]
    apart = (lowest_after > high[:, :k]).all(axis=1) & (high[:, k - 1] < left_out)
    return np.asarray(apart)


def check_prepare(d: int, metric: Metric) -> None:
    random = np.random.default_rng(d)
    sizes = 10.0 ** np.array([0, 3, -3, 8, -18, -30, 17, 20, 30, 36, -38])
    q = (random.normal(size=(len(sizes), d)) * sizes[:, None]).astype(np.float32)
    q = np.vstack([q, np.zeros((1, d)), np.ones((1, d)) * 2.0**-3])
    q[1, d // 2 :] *= 1e-6  # float16 takes these for subnormal numbers or zero
    products = random.normal(size=(len(q), 1)).astype(np.float32)
    inputs = mx.array(q.astype(np.float32)), mx.array(products)
    halves, terms, lengths = (np.array(a) for a in prepare(*inputs, metric=metric, shift_length=3.0))
    plain_halves, plain_terms, plain_lengths = (np.array(a) for a in halved(*inputs, 3.0, metric))
    true = np.linalg.norm(q.astype(np.float64), axis=1, keepdims=True)
    assert np.all(np.abs(lengths - true) <= chain_error(d) * true)
    usual = lengths[:, 0] > 1e-36  # below that the plain way has less than the length
    np.testing.assert_allclose(lengths[usual], plain_lengths[usual], rtol=2 * chain_error(d))
    np.testing.assert_array_equal(halves[usual].view(np.uint16), plain_halves[usual].view(np.uint16))
    np.testing.assert_array_equal(terms[usual, 0], plain_terms[usual, 0])
    np.testing.assert_allclose(terms, plain_terms, rtol=1e-5, atol=1e-37)
    norms = np.linalg.norm(halves.astype(np.float64), axis=1)
    assert np.all((norms[:6] > 15.9) & (norms[:6] < 32.1))
    assert np.all(np.isfinite(norms))


def check_wild_queries(d: int, metric: Metric) -> None:
    q = np.ones((5, d), np.float32)
    q[0, 0], q[1, d - 1], q[2], q[3, 0] = np.nan, np.inf, 3e38, -np.inf
    q[4] = 1e19
    case = case_of("normal", metric, d, 64, q=5)
    products = mx.array(np.array([[1.0], [np.nan], [np.inf], [-np.inf], [2.0]], np.float32))
    _, _, lengths = prepare(mx.array(q), products, metric=metric, shift_length=1.0)
    assert not np.any(np.array(lengths) <= 1e18)
    lowest = np.array(case.inputs[4])
    lowest[:2, ::3] = np.nan
    lowest[2] = -np.inf
    for complete in (False, True):
        _, _, rounded, positions, lower, *others = case.inputs
        wild = (mx.array(q), lengths, rounded, positions, mx.array(lowest), *others)
        _, error, taken, settled, left_out = whole(*refine(*wild, metric=metric, k=5, complete=complete))
        np.testing.assert_array_equal(np.sort(taken, axis=1), np.sort(np.array(positions), axis=1))
        assert not settled[:4].any()
        assert np.all(np.isposinf(left_out) if complete else np.isneginf(left_out))
        assert lower.shape == error.shape


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where compiled kernels are kept from test to test."""
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture(params=KINDS)
def backend(request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    """A device of that kind, as far as the kernels can tell."""
    with running_on(request.param, folder, monkeypatch) as made:
        yield made


NAMES = ("normal", "far", "aside", "tight", "odd")
CASES: list[tuple[DeviceKind, Metric, int, int, Storage, RefineTiling | None]] = [
    ("cuda", "l2", 96, 64, "float32", None),
    ("cuda", "cosine", 200, 80, "float32", SMALL),
    ("cuda", "cosine", 24, 64, "float16", SMALL),
    ("cuda", "cosine", 37, 64, "float16", None),
    ("cuda", "inner_product", 5, 48, "float32", SMALL),
    ("cuda", "l2", 1, 200, "float32", None),
    ("cuda", "l2", 37, 16, "float32", SMALL),
    ("cuda", "inner_product", 200, 1, "float16", SMALL),
    ("metal", "l2", 264, 80, "float16", SMALL),
    ("metal", "cosine", 5, 64, "float32", RefineTiling(rows=1, threads=128)),
    ("metal", "inner_product", 132, 16, "float32", None),
]


@needs_shim
@pytest.mark.parametrize(("backend", "metric", "d", "c", "storage", "how"), CASES, indirect=["backend"])
def test_candidates_are_refined(
    backend: Backend, metric: Metric, d: int, c: int, storage: Storage, how: RefineTiling | None
) -> None:
    for name in NAMES:
        if storage == "float32" or name in NAMES[:3]:  # the others are no float16 values
            check_refine(case_of(name, metric, d, c, storage=storage), how)


@needs_shim
@pytest.mark.parametrize("backend", ["cuda"], indirect=True)
@pytest.mark.parametrize("metric", METRICS)
def test_queries_are_settled_where_neighbours_lie_apart(backend: Backend, metric: Metric) -> None:
    for k in (1, 5, 33):
        assert check_refine(case_of("normal", metric, 24, 64, k), SMALL).any()
    assert check_refine(case_of("normal", metric, 24, 40, 39, n=40), SMALL).all()  # all rows are candidates
    if metric != "cosine":  # rows of one direction
        assert check_refine(case_of("tight", metric, 24, 64), SMALL).all()  # which takes more than float32
    assert not check_refine(case_of("odd", metric, 24, 80, 79, n=80), SMALL).any()  # among them equal rows
    assert not check_refine(case_of("normal", metric, 24, 64, 64), SMALL).any()  # one left out may lie below the last


@needs_shim
@pytest.mark.parametrize("metric", METRICS)
def test_queries_are_prepared(backend: Backend, metric: Metric) -> None:
    for d in (1, 5, 300):
        check_prepare(d, metric)


@needs_shim
@pytest.mark.parametrize("backend", ["cuda"], indirect=True)
@pytest.mark.parametrize("metric", METRICS)
def test_wild_queries_end_and_settle_nothing(backend: Backend, metric: Metric) -> None:
    check_wild_queries(24, metric)


WRONG: list[tuple[DeviceKind, str, Change]] = [
    ("metal", "refine", ("#define BARRIER() ", "#define BARRIER() //")),
    ("metal", "prepare", ("#define BARRIER() ", "#define BARRIER() //")),
    ("cuda", "refine", ("BARRIER();  // the candidates are written", "")),
    ("cuda", "refine", ("BARRIER();  // this step's pairs are in order", "")),
    ("cuda", "refine", ("start + j < c ? start + j : c - 1", "start + j")),
    ("cuda", "refine", ("if (lane < ROWS && start + lane < c)", "if (start + lane < c)")),
    ("cuda", "refine", ("column += 32 * PER", "column += 64 * PER")),
    ("cuda", "refine", ("column + i < d ? float", "column + i <= d ? float")),
    ("cuda", "refine", ("ADD(value, L2 ? -y : moved,", "ADD(value, L2 ? 0.0f * y : moved,")),
    ("cuda", "refine", ("L2 ? -y : moved,", "L2 ? -y : 0.0f * moved,")),
    ("cuda", "refine", ("FMA(L2 ? 2.0f * factor : factor, part,", "FMA(0.0f, part,")),
    ("cuda", "refine", ("rests[j] += rest + FMA", "rests[j] += 0.0f * rest + FMA")),
    ("cuda", "refine", ("FMA(factor, whole, -product)", "0.0f")),
    ("cuda", "refine", ("FMA(whole, whole, -square)", "0.0f")),
    ("cuda", "refine", ("rests[j] = rest + (rests[j] + other_rest)", "rests[j] = rest + (rests[j] + 0.0f * other_rest)")),
    ("cuda", "refine", ("square_rests[j] + other_square_rest", "square_rests[j] + 0.0f * other_square_rest")),
    ("cuda", "refine", ("FMA(-quotient, root_second, second)", "FMA(-quotient, 0.0f * root_second, second)")),
    ("cuda", "refine", ("second = remainder * inverse;", "second = 0.0f * remainder;")),
    ("cuda", "refine", ("int by = 16; by > 0", "int by = 8; by > 0")),
    ("cuda", "refine", ("rounded_rows[position] + share", "0.0f * share")),
    ("cuda", "refine", ("|| inverse_norm > 1e12f", "")),
    ("cuda", "refine", ("!(away < figures[7] * root) ||", "")),
    ("cuda", "refine", ("if (!(lower >= wild)) off = infinity;", "")),
    ("cuda", "refine", ("lower >= padding || ", "lower >= 20.0f * padding || ")),
    ("cuda", "refine", (" || int(position) == own[query]", "")),
    ("cuda", "refine", ("second > other_second : from > to", "second > other_second : from < to")),
    ("cuda", "refine", ("second != other_second ? second > other_second : ", "")),
    ("cuda", "refine", ("keys[i] = 0xffffffffu;", "keys[i] = 0u;")),
    ("cuda", "refine", ("beyond = bound + square - 4.0f", "beyond = bound + 1.1f * square - 4.0f")),
    ("cuda", "refine", ("bound = MAXIMUM(bound, bounds[i]);", "")),
    ("cuda", "refine", ("lane == 0 || BELOW(lowest_after, lowest_second, after, after_second)", "lane == 0")),
    ("cuda", "refine", ("FLOAT_BITS(errors[places[i]])", "FLOAT_BITS(errors[i])")),
    ("cuda", "refine", ("if (i == k - 1 && !(high < beyond)) apart = false;", "")),
    ("cuda", "refine", ("ADD(order, second + off, high,", "ADD(order, second + 0.0f * off, high,")),
    ("cuda", "prepare", ("BARRIER();  // the sums are written", "")),
    ("cuda", "prepare", ("BARRIER();  // the largest entries are written", "")),
    ("cuda", "prepare", ("/ unit;", ";")),
    ("cuda", "prepare", ("(bits & 0x7fffffu) != 0u ? 1 : 0", "0")),
    ("cuda", "prepare", ("? 120 : 5 - power", "? 5 - power : 5 - power")),
]


@needs_shim
@pytest.mark.parametrize(("backend", "body", "change"), WRONG, indirect=["backend"])
def test_a_planted_bug_is_found(backend: Backend, body: str, change: Change) -> None:
    def check() -> None:
        if body == "prepare":
            check_prepare(300, "cosine")
            return
        for name in ("normal", "aside", "tight", "odd"):
            check_refine(case_of(name, "l2", 37, 79), SMALL)
            check_refine(case_of(name, "cosine", 200, 79), SMALL)
        check_refine(case_of("normal", "cosine", 200, 80, n=60), SMALL)
        check_refine(case_of("normal", "l2", 37, 79, 79), SMALL)
        check_refine(case_of("aside", "l2", 37, 79, 1, q=32), SMALL)

    backend.change = change
    source = Path(__file__).parents[2] / "resources" / "kernels"
    assert any(change[0] in (source / f"{name}.inc").read_text() for name in (body, backend.kind))
    with pytest.raises((Fault, AssertionError)) as found:
        check()
    assert "error:" not in str(found.value)  # it did compile


def some_inputs(c: int = 16) -> list[mx.array]:
    q, d, n = 2, 8, 1024
    column, vector = mx.zeros((q, 1)), mx.zeros(n)
    positions, lowest, own = mx.zeros((q, c), mx.uint32), mx.zeros((q, c)), mx.zeros((q, 1), mx.int32)
    queries = [mx.zeros((q, d)), column, column, positions, lowest, own]
    return [*queries, mx.zeros(d), mx.zeros((n, d)), vector, vector, vector, vector]


@pytest.mark.parametrize(
    ("at", "wrong"),
    [
        (0, mx.zeros((2, 8), mx.float16)),
        (0, mx.zeros((0, 8))),
        (1, mx.zeros(2)),
        (2, mx.zeros((2, 2))),
        (3, mx.zeros((2, 16), mx.int32)),
        (4, mx.zeros((2, 15))),
        (5, mx.zeros((2, 1))),
        (6, mx.zeros(7)),
        (7, mx.zeros((1024, 9))),
        (7, mx.zeros((1024, 8), mx.bfloat16)),
        (9, mx.zeros(1023)),
        (10, mx.zeros(1023)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(at: int, wrong: mx.array) -> None:
    inputs = some_inputs()
    inputs[at] = wrong
    with pytest.raises(ValueError, match="needed"):
        refine(*inputs, metric="l2", k=5, complete=False)


@pytest.mark.parametrize(("c", "k"), [(16, 17), (16, -1), (0, 0), (MAX_CANDIDATES + 1, 5)])
def test_numbers_of_candidates_that_do_not_fit_are_refused(c: int, k: int) -> None:
    with pytest.raises(ValueError, match="candidates"):
        refine(*some_inputs(c), metric="l2", k=k, complete=False)


def test_other_metrics_are_refused() -> None:
    with pytest.raises(ValueError, match="not for l1"):
        prepare(mx.zeros((2, 8)), mx.zeros((2, 1)), metric="l1", shift_length=0.0)


def test_a_cpu_has_no_kernels_and_says_so() -> None:
    with pytest.raises(UserError, match="kernel"):
        prepare(mx.zeros((2, 8)), mx.zeros((2, 1)), metric="l2", shift_length=0.0)
    with pytest.raises(UserError, match="kernel"):
        refine(*some_inputs(), metric="l2", k=5, complete=False)


@pytest.fixture
def gpu() -> Iterator[None]:
    with running_on_gpu():
        yield


@on_gpu
@pytest.mark.parametrize("metric", METRICS)
def test_the_gpu_prepares_and_refines(gpu: None, metric: Metric) -> None:
    for d in (1, 5, 300, 768):
        check_prepare(d, metric)
    for d, c in ((1, 16), (24, 200), (37, 64), (96, 1), (200, 80), (768, 64)):
        for name in NAMES:
            check_refine(case_of(name, metric, d, c))
        for name in NAMES[:3]:
            check_refine(case_of(name, metric, d, c, storage="float16"))
    check_refine(case_of("normal", metric, 96, MAX_CANDIDATES, 700, n=3000))
    check_wild_queries(24, metric)
