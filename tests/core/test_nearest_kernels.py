"""The search's kernels: their sources, with either prelude, run on the CPU by kernel_shim.cpp against NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import mlx.core as mx
import numpy as np
import pytest
from numpy.typing import NDArray

from core.compute import nearest_kernels
from core.compute.nearest_kernels import (
    MinimaTiling,
    ScanTiling,
    SelectTiling,
    block_length,
    lanes_for,
    plan,
    product_blocks,
    product_minima,
    scan_blocks,
    scan_minima,
    select_smallest,
    smallest_bounds,
)
from core.compute.vectors import PAD, WILD
from core.errors import UserError
from core.types import DeviceKind
from tests.core.kernel_backend import KINDS, Backend, Change, Fault, needs_shim, on_gpu, running_on, running_on_gpu

Six = tuple[mx.array, mx.array, mx.array, mx.array, mx.array, mx.array]
Seven = tuple[mx.array, mx.array, mx.array, mx.array, mx.array, mx.array, mx.array]

WAYS: tuple[Literal["fused", "product"], ...] = ("fused", "product")


@dataclass(frozen=True)
class Case:
    """Queries and rows with all that bounds are made of."""

    queries: NDArray[np.float16]  # (q, d)
    terms: NDArray[np.float32]  # (q, 3)
    rows: NDArray[np.float16]  # (n, d)
    vectors: tuple[NDArray[np.float32], ...]  # back, base, norms, inverse norms (n,)

    def products(self) -> NDArray[np.float16]:
        return (self.queries.astype(np.float32) @ self.rows.astype(np.float32).T).astype(np.float16)

    def bounds(self, cosine: bool) -> NDArray[np.float32]:
        """Of all rows, (q, n); exact for whole numbers."""
        products = self.queries.astype(np.float64) @ self.rows.astype(np.float64).T
        back, base, norms, inverse = (v.astype(np.float64) for v in self.vectors)
        t = self.terms.astype(np.float64)
        bounds = base - t[:, :1] * products * back - t[:, 1:2] * norms - t[:, 2:]
        return (bounds * inverse if cosine else bounds).astype(np.float32)

    def of_products(self) -> Six:
        back, base, norms, inverse = map(mx.array, self.vectors)
        return mx.array(self.products()), mx.array(self.terms), back, base, norms, inverse

    def of_rows(self) -> Seven:
        _, terms, *vectors = self.of_products()
        back, base, norms, inverse = vectors
        return mx.array(self.queries), terms, mx.array(self.rows), back, base, norms, inverse


def whole_case(q: int, d: int, n: int) -> Case:
    """Small whole numbers and powers of two, of which float16 and float32 make no errors; many bounds are equal."""
    random = np.random.default_rng(q * d + n)
    queries, rows = random.integers(-3, 4, (q, d)), random.integers(-3, 4, (n, d))
    terms = np.stack([random.choice([1, 2, 4], q), random.integers(0, 3, q), random.integers(-3, 4, q)], axis=1)
    back, inverse = random.choice([0.25, 0.5, 1.0], n), random.choice([0.0, 0.5, 1.0, 2.0], n)
    base = random.integers(0, 50, n).astype(np.float64)
    base[-17:] = PAD
    inverse[-17:] = 1.0
    base[[5, n // 2]] = WILD
    norms = random.integers(0, 20, n)
    vectors = tuple(v.astype(np.float32) for v in (back, base, norms, inverse))
    return Case(queries.astype(np.float16), terms.astype(np.float32), rows.astype(np.float16), vectors)


def normal_case(q: int, d: int, n: int) -> Case:
    random = np.random.default_rng(d)
    queries, rows = (random.normal(size=(m, d)).astype(np.float16) for m in (q, n))
    terms = np.abs(random.normal(size=(q, 3)))
    vectors = tuple(np.abs(random.normal(size=n)).astype(np.float32) for _ in range(4))
    return Case(queries, terms.astype(np.float32), rows, vectors)


def in_blocks(bounds: NDArray[np.float32], winners: NDArray[np.uint32], block: int) -> NDArray[np.float32]:
    parts = bounds.reshape(len(bounds), -1, block)
    chosen: NDArray[np.float32] = np.take_along_axis(parts, winners[:, :, None].astype(np.int64), axis=1)
    return chosen.reshape(len(bounds), -1)


def some_winners(q: int, blocks: int, w: int) -> NDArray[np.uint32]:
    random = np.random.default_rng(w)
    return np.stack([random.permutation(blocks)[:w] for _ in range(q)]).astype(np.uint32)


def smallest(values: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.uint32]]:
    """What select_smallest must give, bit for bit."""
    bits = values.view(np.uint32)
    keys = np.where(bits >> 31 != 0, ~bits, bits | np.uint32(1 << 31))
    positions = np.sort(np.argsort(keys, axis=1, kind="stable")[:, :k], axis=1)
    return np.take_along_axis(values, positions, axis=1), positions.astype(np.uint32)


def same_bits(one: Any, other: Any) -> None:
    np.testing.assert_array_equal(np.array(one).view(np.uint32), np.array(other).view(np.uint32))


def check_products(q: int, n: int, block: int, w: int, cosine: bool, how: MinimaTiling | None = None) -> None:
    case = whole_case(q, 5, n)
    expected = case.bounds(cosine)
    minima = product_minima(*case.of_products(), cosine=cosine, block=block, how=how)
    np.testing.assert_array_equal(np.array(minima), expected.reshape(q, -1, block).min(axis=2))
    winners = some_winners(q, n // block, w)
    bounds = product_blocks(*case.of_products(), mx.array(winners), cosine=cosine, block=block)
    np.testing.assert_array_equal(np.array(bounds), in_blocks(expected, winners, block))


def check_scan(q: int, d: int, n: int, block: int, w: int, cosine: bool, how: ScanTiling | None = None) -> None:
    case = whole_case(q, d, n)
    expected = case.bounds(cosine)
    minima = scan_minima(*case.of_rows(), cosine=cosine, block=block, how=how)
    np.testing.assert_array_equal(np.array(minima), expected.reshape(q, -1, block).min(axis=2))
    winners = some_winners(q, n // block, w)
    bounds = scan_blocks(*case.of_rows(), mx.array(winners), cosine=cosine, block=block, how=how)
    np.testing.assert_array_equal(np.array(bounds), in_blocks(expected, winners, block))


def check_same_bits(q: int, d: int, n: int, block: int, cosine: bool) -> None:
    """Minima are, bit for bit, those of the bounds of all blocks, which are right but for rounding."""
    case = normal_case(q, d, n)
    every = mx.array(np.tile(np.arange(n // block, dtype=np.uint32), (q, 1)))
    off = {}
    for name, minima, bounds in (
        (
            "product",
            product_minima(*case.of_products(), cosine=cosine, block=block),
            product_blocks(*case.of_products(), every, cosine=cosine, block=block),
        ),
        (
            "fused",
            scan_minima(*case.of_rows(), cosine=cosine, block=block),
            scan_blocks(*case.of_rows(), every, cosine=cosine, block=block),
        ),
    ):
        same_bits(minima, np.array(bounds).reshape(q, -1, block).min(axis=2))
        off[name] = np.abs(np.array(bounds) - case.bounds(cosine))
    scale = np.abs(case.queries.astype(np.float64)) @ np.abs(case.rows.astype(np.float64)).T
    sizes = case.terms[:, :1] * scale * case.vectors[0] + case.terms.sum(axis=1)[:, None] * 4 + 4
    sizes = sizes * case.vectors[3] if cosine else sizes
    assert np.all(off["product"] <= (2.0**-11 + (d + 8) * 2.0**-24) * sizes)
    assert np.all(off["fused"] <= (d + 8) * 2.0**-24 * sizes)


def check_select(values: NDArray[np.float32], ks: tuple[int, ...], how: SelectTiling | None = None) -> None:
    for k in ks:
        for one, other in zip(select_smallest(mx.array(values), k, how=how), smallest(values, k), strict=True):
            same_bits(one, other)


def check_all(way: Literal["fused", "product"], q: int, d: int, n: int, k: int, block: int, cosine: bool) -> None:
    case = whole_case(q, d, n)
    found = smallest_bounds(*case.of_rows(), cosine=cosine, k=k, block=block, way=way)
    values, positions = smallest(case.bounds(cosine), k)
    np.testing.assert_array_equal(np.array(found[0]), values)
    np.testing.assert_array_equal(np.array(found[1]), positions)


def all_kinds_of_values(q: int, n: int) -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(n)
    normal = random.normal(size=(q, n)).astype(np.float32)
    far = np.where(random.random((q, n)) < 0.3, np.float32(PAD), normal)
    far[random.random((q, n)) < 0.05] = WILD
    far[random.random((q, n)) < 0.05] = np.inf
    far[random.random((q, n)) < 0.05] = -np.inf
    return {
        "normal": normal,
        "near": np.float32(1000.0) + normal * np.float32(0.001),
        "tied": random.integers(-2, 3, (q, n)).astype(np.float32) * random.choice([-1.0, 1.0], (q, n)).astype(np.float32),
        "equal": np.full((q, n), -7.5, np.float32),
        "far": far,
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where compiled kernels are kept from test to test."""
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture(params=KINDS)
def backend(request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    """A device of that kind, as far as the kernels can tell."""
    with running_on(request.param, folder, monkeypatch) as made:
        yield made


PRODUCTS = [
    (1, 1024, 64, 3, False, None),
    (3, 2048, 16, 128, True, MinimaTiling(2, 1)),
    (9, 3072, 256, 12, True, MinimaTiling(4, 2)),
    (33, 1024, 1024, 1, False, None),
]


@needs_shim
@pytest.mark.parametrize(("q", "n", "block", "w", "cosine", "how"), PRODUCTS)
def test_bounds_of_products_are_right(
    backend: Backend, q: int, n: int, block: int, w: int, cosine: bool, how: MinimaTiling | None
) -> None:
    check_products(q, n, block, w, cosine, how)


SCANS = [
    (1, 96, 1024, 64, 3, False, None),
    (1, 1, 2048, 16, 5, True, None),
    (3, 5, 1024, 512, 2, False, ScanTiling(rows=1, tile=64, threads=64)),
    (9, 37, 3072, 32, 4, True, ScanTiling(rows=2, tile=128, threads=128)),
    (33, 8, 1024, 256, 2, False, None),
    (2, 264, 1024, 64, 2, True, ScanTiling(rows=8)),
    (5, 800, 1024, 128, 1, False, None),  # more than a slab
]


@needs_shim
@pytest.mark.parametrize(("q", "d", "n", "block", "w", "cosine", "how"), SCANS)
def test_scanned_bounds_are_right(
    backend: Backend, q: int, d: int, n: int, block: int, w: int, cosine: bool, how: ScanTiling | None
) -> None:
    check_scan(q, d, n, block, w, cosine, how)


@needs_shim
@pytest.mark.parametrize("backend", ["cuda"], indirect=True)
@pytest.mark.parametrize(("q", "d", "block", "cosine"), [(3, 24, 64, True), (9, 37, 32, False), (5, 800, 128, True)])
def test_minima_and_blocks_have_the_same_bits(backend: Backend, q: int, d: int, block: int, cosine: bool) -> None:
    check_same_bits(q, d, 1024, block, cosine)


@needs_shim
@pytest.mark.parametrize(
    ("q", "n", "ks", "how"),
    [
        (1, 1, (1,), None),
        (2, 33, (1, 32, 33), None),
        (3, 1000, (1, 58, 999, 1000), None),
        (1, 5000, (1, 300), None),  # more than a short strip
        (2, 1111, (1, 40, 1111), SelectTiling(64, 4)),  # read anew at every pass
        (1, 3000, (2000,), SelectTiling(1024, 4)),
    ],
)
def test_the_smallest_are_selected(backend: Backend, q: int, n: int, ks: tuple[int, ...], how: SelectTiling | None) -> None:
    for values in all_kinds_of_values(q, n).values():
        check_select(values, ks, how)


@needs_shim
def test_selection_ends_whatever_the_values(backend: Backend) -> None:
    values = np.full((2, 100), np.nan, np.float32)
    values[1, ::3] = -1.0
    values[1, 1::3] = -np.nan
    check_select(values, (1, 50, 100))


@needs_shim
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("backend", "q", "d", "n", "k", "block", "cosine"),
    [
        ("metal", 3, 37, 3072, 40, 32, True),
        ("cuda", 1, 8, 2048, 5, 64, False),
        ("cuda", 9, 5, 1024, 64, 16, False),  # all blocks
        ("cuda", 2, 96, 1024, 1024, 64, True),  # all rows
        ("cuda", 1, 24, 2048, 1, 1024, False),
    ],
    indirect=["backend"],
)
def test_the_smallest_bounds_are_found_and_ties_go_to_the_lowest_rows(
    backend: Backend, way: Literal["fused", "product"], q: int, d: int, n: int, k: int, block: int, cosine: bool
) -> None:
    check_all(way, q, d, n, k, block, cosine)


@needs_shim
@pytest.mark.parametrize("backend", ["cuda"], indirect=True)
@pytest.mark.parametrize("way", WAYS)
def test_no_bound_left_out_is_smaller(backend: Backend, way: Literal["fused", "product"]) -> None:
    case, q, n, k = normal_case(3, 37, 1024), 3, 1024, 9
    every = mx.array(np.tile(np.arange(n // 16, dtype=np.uint32), (q, 1)))
    if way == "fused":
        bounds = np.array(scan_blocks(*case.of_rows(), every, cosine=True, block=16))
    else:
        products = mx.array(case.queries) @ mx.array(case.rows).T
        _, terms, back, base, norms, inverse = case.of_products()
        bounds = np.array(product_blocks(products, terms, back, base, norms, inverse, every, cosine=True, block=16))
    found, rows = (np.array(x) for x in smallest_bounds(*case.of_rows(), cosine=True, k=k, block=16, way=way))
    same_bits(found, np.take_along_axis(bounds, rows.astype(np.int64), axis=1))
    np.put_along_axis(bounds, rows.astype(np.int64), np.inf, axis=1)
    assert np.all(bounds.min(axis=1) >= found.max(axis=1))


WRONG: list[tuple[DeviceKind, str, Change]] = [
    ("metal", "select", ("#define BARRIER() ", "#define BARRIER() //")),
    ("metal", "scan", ("#define BARRIER() ", "#define BARRIER() //")),
    ("cuda", "minima", ("BARRIER();  // the terms are written", "")),
    ("cuda", "minima", ("LOAD_FLOATS(base, row + 4 * i)", "LOAD_FLOATS(base, row + 4 * i + 1)")),
    ("cuda", "minima", ("size_t(query) * n + row);", "size_t(query) * n + row + 1);")),
    ("cuda", "minima", ("if (query < q && row", "if (row")),
    ("cuda", "minima", ("by < BLOCK / 8", "by < BLOCK / 16")),
    ("cuda", "minima", ("GROUP_X % tiles * QUERIES", "0")),
    ("cuda", "blocks", ("if (i < w * BLOCK)", "")),
    ("cuda", "blocks", ("winners[query * w + i / BLOCK]) * BLOCK", "winners[query * w]) * BLOCK")),
    ("cuda", "scan", ("BARRIER();  // the last slab is read, and may be written over", "")),
    ("cuda", "scan", ("BARRIER();  // the slab is written", "")),
    ("cuda", "scan", ("BARRIER();  // all products are written", "")),
    ("cuda", "scan", ("BARRIER();  // the minima of parts are written", "")),
    ("cuda", "scan", ("d - start : SLAB) + 7) / 8", "d - start : SLAB)) / 8")),
    ("cuda", "scan", ("pass == 0 || d > SLAB", "pass == 0")),
    ("cuda", "scan", ("query < q && column + e < d", "column + e < d")),
    ("cuda", "scan", ("query < q && column + e < d", "query < q")),
    ("cuda", "scan", ("(row < TILE ? row : TILE - 1)", "row")),
    ("cuda", "scan", ("(lane & by) != 0", "(lane & by) == 0")),
    ("cuda", "scan", ("if (query < q) scanned", "scanned")),
    ("cuda", "select", ("BARRIER();  // the histogram is empty", "")),
    ("cuda", "select", ("BARRIER();  // the histogram is complete", "")),
    ("cuda", "select", ("BARRIER();  // the warps' totals are written", "")),
    ("cuda", "select", ("BARRIER();  // what is known is written, and the histogram empty", "")),
    ("cuda", "select", ("BARRIER();  // the warps' counts are written", "")),
    ("cuda", "select", ("running += lane >= by ? before : 0u", "running += before")),
    ("cuda", "select", ("SET_COUNT(histogram[THREAD * OWN + i], 0u);", "")),
    ("cuda", "select", ("(step) < steps && POSITION(step) < n", "POSITION(step) < n")),
    ("cuda", "select", ("(step) < steps && POSITION(step) < n", "(step) < steps")),
    ("cuda", "select", ("is_equal && equal_before < left", "is_equal")),
    ("cuda", "select", ("if (left == known[2]) break;", "if (pass == 1) break;")),
]


@needs_shim
@pytest.mark.parametrize(("backend", "body", "change"), WRONG, indirect=["backend"])
def test_a_planted_bug_is_found(backend: Backend, body: str, change: Change) -> None:
    def check() -> None:
        if body in ("minima", "blocks"):
            check_products(5, 2048, 16, 5, False, MinimaTiling(4, 2))
        elif body == "scan":
            # The first with a tile that is less than a group works on at once, the second with several tiles and slabs.
            check_scan(1, 5, 1024, 16, 64, True)
            check_scan(9, 800, 1024, 64, 1, True, ScanTiling(rows=2, tile=64, threads=64))
        else:
            values = all_kinds_of_values(1, 1111)
            for name in ("near", "tied", "far"):
                check_select(values[name], (40,), SelectTiling(64, 4))

    backend.change = change
    source = Path(__file__).parents[2] / "resources" / "kernels"
    assert any(change[0] in (source / f"{name}.inc").read_text() for name in (body, backend.kind))
    with pytest.raises((Fault, AssertionError)) as found:
        check()
    assert "error:" not in str(found.value)  # it did compile


@pytest.mark.parametrize(
    ("q", "n", "block", "k"),
    [(0, 1024, 64, 1), (1, 1000, 64, 1), (1, 0, 64, 1), (1, 1024, 48, 1), (1, 1024, 8, 1), (1 << 16, 1024, 64, 1)],
)
def test_sizes_that_do_not_fit_are_refused(q: int, n: int, block: int, k: int) -> None:
    products, terms, vector = mx.zeros((q, n), mx.float16), mx.zeros((q, 3)), mx.zeros(n)
    with pytest.raises(ValueError, match=r"needed|power of two"):
        product_minima(products, terms, vector, vector, vector, vector, cosine=False, block=block)


@pytest.mark.parametrize("k", [0, 11])
def test_a_k_that_does_not_fit_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match="k must be from 1 to 10"):
        select_smallest(mx.zeros((2, 10)), k)


def test_a_cpu_has_no_kernels_and_says_so() -> None:
    with pytest.raises(UserError, match="kernel"):
        select_smallest(mx.zeros((2, 10)), 3)


def test_the_plan_takes_kernels_where_they_are_measured() -> None:
    most = nearest_kernels.FUSED_QUERIES["cuda"]
    assert [plan("cuda", q) for q in (1, most, most + 1, 256)] == ["fused", "fused", "product", "product"]
    assert {plan(kind, q) for kind in ("cpu", "metal") for q in (1, 256)} == {"plain"}


@pytest.mark.parametrize("k", [1, 58, 500, 4096])
@pytest.mark.parametrize("rows", [1024, 15_360, 1_000_448])
def test_blocks_are_several_times_as_many_as_are_taken(rows: int, k: int) -> None:
    block = block_length(rows, k)
    assert rows % block == 0
    assert rows // block >= 4 * k or block == nearest_kernels.SHORTEST


@pytest.mark.parametrize(("dims", "lanes"), [(1, 4), (8, 4), (96, 4), (100, 16), (128, 16), (384, 16), (768, 32), (1024, 32)])
def test_few_lanes_idle(dims: int, lanes: int) -> None:
    assert lanes_for(dims) == lanes


@pytest.fixture
def gpu() -> Iterator[None]:
    with running_on_gpu():
        yield


@on_gpu
def test_the_gpu_forms_bounds(gpu: None) -> None:
    for products in PRODUCTS:
        check_products(*products)
    for scan in SCANS:
        check_scan(*scan)
    check_same_bits(9, 37, 3072, 64, True)
    check_same_bits(4, 768, 2048, 128, False)


@on_gpu
def test_the_gpu_selects(gpu: None) -> None:
    for q, n, ks in ((1, 1, (1,)), (33, 15_625, (58, 4000)), (3, 78_125, (58, 78_125)), (5, 4096, (1, 64))):
        for values in all_kinds_of_values(q, n).values():
            check_select(values, ks)


@on_gpu
@pytest.mark.parametrize("way", WAYS)
def test_the_gpu_finds_the_smallest_bounds_eager_and_compiled(gpu: None, way: Literal["fused", "product"]) -> None:
    check_all(way, 9, 37, 102_400, 58, 64, True)

    def run(
        queries: mx.array, terms: mx.array, rows: mx.array, a: mx.array, b: mx.array, c: mx.array, d: mx.array
    ) -> tuple[mx.array, mx.array]:
        return smallest_bounds(queries, terms, rows, a, b, c, d, cosine=False, k=20, block=32, way=way)

    arrays = normal_case(5, 96, 10_240).of_rows()
    for one, other in zip(run(*arrays), mx.compile(run)(*arrays), strict=True):
        same_bits(one, other)
