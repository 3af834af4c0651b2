"""The rows of smallest bound by custom GPU kernels: the minima of blocks, the k smallest of these, the bounds in their blocks,
and the k smallest of those (core.compute.selection says why that is exact).

Bounds are those of core.compute.half_search.half_bounds, formed in float32 by one expression in all kernels, so that the
minimum of a block is among its bounds bit for bit. There are two ways: 'product' works on float16 products that MLX computed;
'fused' computes them itself, in float32, and writes no (queries, rows) array at all, which is the faster way for few queries.

Arrays: queries (q, d) float16, their terms (q, 3) float32, rows (n, d) float16, and back, base, norms, inverse_norms (n,)
float32 (which is read for the cosine alone). n is a multiple of 1024; q is at most 65,535, CUDA's limit for a grid. Kernels read
16 bytes at a time: an array that is a view into another has to begin at a multiple of 16 bytes. Everything is lazy. All
functions raise ValueError for arguments that do not fit and UserError where this thread's default device runs no kernels.

They assume 32 threads a warp (SIMD-group), as NVIDIA's and Apple's GPUs have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import mlx.core as mx

from core.compute.kernels import Body, launch
from core.compute.vectors import ROW_MULTIPLE
from core.types import DeviceKind, Way

# Up to how many queries the fused scan is taken, and whether products are selected from by kernels beyond. On Metal nothing is
# measured: there MLX's own operations do it.
FUSED_QUERIES: dict[DeviceKind, int] = {"cpu": 0, "metal": 0, "cuda": 4}
KERNELS: dict[DeviceKind, bool] = {"cpu": False, "metal": False, "cuda": True}
# Rows a block, a power of two: short blocks leave few bounds to select from, long ones few minima. The usual number comes last.
SHORTEST, LONGEST, USUAL = 16, ROW_MULTIPLE, 64
# The longest blocks whose minima product_minima's kernel takes itself; those of longer ones are taken from these.
WITHIN_WARP = 256
# Queries that share what is read of a row: a power of two, no more than there are, at most this.
SCAN_QUERIES = 8

_ROWS = ("back", "base", "norms", "inverse_norms")
MINIMA = Body("minima", ("products", "terms", *_ROWS), ("minima",), ("bound",))
BLOCKS = Body("blocks", ("products", "terms", *_ROWS, "winners"), ("bounds",), ("bound",))
SCAN = Body("scan", ("queries", "terms", "rows", *_ROWS, "winners"), ("scanned",), ("bound",))
SELECT = Body("select", ("values", "winners", "wanted"), ("smallest", "positions"))


@dataclass(frozen=True)
class MinimaTiling:
    """How the work of product_minima is cut up; any choice gives the same bits."""

    queries: int = 32  # a group, a multiple of `batch`
    batch: int = 4  # queries whose products a thread loads at once


@dataclass(frozen=True)
class ScanTiling:
    """How the work of a scan is cut up; any choice gives the same bits."""

    rows: int = 4  # that a thread loads from at once, a power of two
    tile: int = 256  # rows a group, a power of two of at least 32 and at most 256
    threads: int = 256


@dataclass(frozen=True)
class SelectTiling:
    """How the work of select_smallest is cut up; any choice gives the same result.

    1024 threads launch with a strip of at most 16: a thread then has 64 registers, and one of 32 takes up to 114.
    """

    threads: int = 512  # a power of two of at most 1024
    strip: int = 32  # values that a thread reads at once, and keeps if there are no more


def plan(kind: DeviceKind, queries: int) -> Way:
    """The fastest way for a batch of queries, as far as it is measured."""
    if not KERNELS[kind]:
        return "plain"
    return "fused" if queries <= FUSED_QUERIES[kind] else "product"


def block_length(rows: int, k: int) -> int:
    """Rows a block for the k smallest of `rows`: the usual length, or less so that there are several times k blocks."""
    block = USUAL
    while block > SHORTEST and rows // block < 4 * k:
        block //= 2
    return block


def smallest_bounds(
    queries: mx.array,
    terms: mx.array,
    rows: mx.array,
    back: mx.array,
    base: mx.array,
    norms: mx.array,
    inverse_norms: mx.array,
    *,
    cosine: bool,
    k: int,
    block: int,
    way: Literal["fused", "product"],
) -> tuple[mx.array, mx.array]:
    """The k smallest bounds of each query, (q, k) float32, and the rows they belong to, (q, k) uint32, by ascending row.

    Of equal bounds the lowest rows are taken. No bound left out is smaller than the largest returned, bit for bit. `block` as
    block_length gives it; k is at most n.
    """
    vectors = (back, base, norms, inverse_norms)
    q, n = queries.shape[0], rows.shape[0]
    if not 1 <= k <= n:
        raise ValueError(f"k must be from 1 to {n}, not {k}")
    products = queries @ rows.T if way == "product" else None
    if k < n // block:
        if products is None:
            minima = scan_minima(queries, terms, rows, *vectors, cosine=cosine, block=block)
        else:
            minima = product_minima(products, terms, *vectors, cosine=cosine, block=block)
        _, winners = select_smallest(minima, k)
    else:
        winners = mx.broadcast_to(mx.arange(n // block, dtype=mx.uint32), (q, n // block))
    if products is None:
        bounds = scan_blocks(queries, terms, rows, *vectors, winners, cosine=cosine, block=block)
    else:
        bounds = product_blocks(products, terms, *vectors, winners, cosine=cosine, block=block)
    return select_smallest(bounds, k, winners=winners, block=block)


def product_minima(
    products: mx.array,
    terms: mx.array,
    back: mx.array,
    base: mx.array,
    norms: mx.array,
    inverse_norms: mx.array,
    *,
    cosine: bool,
    block: int,
    how: MinimaTiling | None = None,
) -> mx.array:
    """The smallest bound of each `block` consecutive rows, (q, n / block) float32, of products (q, n) float16.

    Reads the products once, and the rows' vectors once for how.queries queries.
    """
    q, n = products.shape
    _check(q, n, block)
    how = how or MinimaTiling()
    if how.queries % how.batch:
        raise ValueError(f"{how.queries} queries a group are no multiple of {how.batch}")
    taken = min(block, WITHIN_WARP)
    constants = {"QUERIES": how.queries, "BATCH": how.batch, "BLOCK": taken, "COSINE": int(cosine)}
    groups = (n // 1024 * _ceil(q, how.queries), 1, 1)
    inputs = (products, terms, back, base, norms, inverse_norms)
    (minima,) = launch(MINIMA, inputs, constants, groups, 128, [((q, n // taken), mx.float32)])
    return _longer(minima, block // taken)


def product_blocks(
    products: mx.array,
    terms: mx.array,
    back: mx.array,
    base: mx.array,
    norms: mx.array,
    inverse_norms: mx.array,
    winners: mx.array,
    *,
    cosine: bool,
    block: int,
) -> mx.array:
    """The bounds in the blocks that `winners` (q, w) uint32 names, (q, w · block) float32, of products (q, n) float16."""
    q, n = products.shape
    _check(q, n, block)
    width = winners.shape[1] * block
    inputs = (products, terms, back, base, norms, inverse_norms, winners)
    constants = {"BLOCK": block, "COSINE": int(cosine)}
    (bounds,) = launch(BLOCKS, inputs, constants, (_ceil(width, 256), q, 1), 256, [((q, width), mx.float32)])
    return bounds


def scan_minima(
    queries: mx.array,
    terms: mx.array,
    rows: mx.array,
    back: mx.array,
    base: mx.array,
    norms: mx.array,
    inverse_norms: mx.array,
    *,
    cosine: bool,
    block: int,
    how: ScanTiling | None = None,
) -> mx.array:
    """The smallest bound of each `block` consecutive rows, (q, n / block) float32, straight from the rows.

    Reads the rows once for up to SCAN_QUERIES queries.
    """
    (q, d), n = queries.shape, rows.shape[0]
    _check(q, n, block)
    how = how or ScanTiling()
    taken = min(block, how.tile)
    shared = min(SCAN_QUERIES, 1 << (q - 1).bit_length())
    constants = _scan_constants(d, how, cosine) | {"QUERIES": shared, "TILE": how.tile, "BLOCK": taken, "WINNERS": 0}
    tiles, parts = _ceil(q, shared), n // how.tile
    # Tiles of queries side by side find rows in the cache that another has just read, unless the grid grows too long for an int.
    groups = (parts * tiles, 1, 1) if parts * tiles * how.threads < 2**31 else (parts, tiles, 1)
    inputs = (queries, terms, rows, back, base, norms, inverse_norms, _no_winners())
    (minima,) = launch(SCAN, inputs, constants, groups, how.threads, [((q, n // taken), mx.float32)])
    return _longer(minima, block // taken)


def scan_blocks(
    queries: mx.array,
    terms: mx.array,
    rows: mx.array,
    back: mx.array,
    base: mx.array,
    norms: mx.array,
    inverse_norms: mx.array,
    winners: mx.array,
    *,
    cosine: bool,
    block: int,
    how: ScanTiling | None = None,
) -> mx.array:
    """The bounds in the blocks that `winners` (q, w) uint32 names, (q, w · block) float32, as scan_minima has them."""
    (q, d), n, w = queries.shape, rows.shape[0], winners.shape[1]
    _check(q, n, block)
    how = how or ScanTiling()
    constants = _scan_constants(d, how, cosine) | {"QUERIES": 1, "TILE": block, "BLOCK": block, "WINNERS": 1}
    inputs = (queries, terms, rows, back, base, norms, inverse_norms, winners)
    (bounds,) = launch(SCAN, inputs, constants, (w, q, 1), how.threads, [((q, w * block), mx.float32)])
    return bounds


def select_smallest(
    values: mx.array, k: int, *, winners: mx.array | None = None, block: int = 0, how: SelectTiling | None = None
) -> tuple[mx.array, mx.array]:
    """The k smallest of each row of values (q, n) float32 and their positions, (q, k) float32 and uint32, by ascending position.

    Of equal values the lowest positions are taken; -0 is less than 0, NaN more than infinity (less than -infinity with its sign
    set). Where the values are those of the blocks `winners` (q, w) uint32 of `block` each, positions are those in the whole.
    """
    q, n = values.shape
    if not 1 <= k <= n:
        raise ValueError(f"k must be from 1 to {n}, not {k}")
    how = how or _select_tiling(n)
    constants = {"THREADS": how.threads, "STRIP": how.strip, "ONCE": int(n <= how.threads * how.strip), "BLOCK": block}
    wanted = mx.array([k], mx.uint32)
    inputs = (values, _no_winners() if winners is None else winners, wanted)
    outputs = [((q, k), mx.float32), ((q, k), mx.uint32)]
    smallest, positions = launch(SELECT, inputs, constants, (q, 1, 1), how.threads, outputs)
    return smallest, positions


def lanes_for(dims: int) -> int:
    """Lanes that have a row together, 4 to 32: as many as idle least, for each takes eight dimensions at a time."""
    eights = _ceil(dims, 8)
    return min((32, 16, 8, 4), key=lambda lanes: _ceil(eights, lanes) * lanes)


def _select_tiling(n: int) -> SelectTiling:
    usual = SelectTiling()
    return SelectTiling(usual.threads, 8) if n <= usual.threads * 8 else usual


def _scan_constants(d: int, how: ScanTiling, cosine: bool) -> dict[str, int]:
    return {
        "ROWS": how.rows,
        "LANES": lanes_for(d),
        "THREADS": how.threads,
        "ALIGNED": int(d % 8 == 0),
        "COSINE": int(cosine),
    }


def _no_winners() -> mx.array:
    return mx.array([[0]], mx.uint32)


def _longer(minima: mx.array, times: int) -> mx.array:
    """Minima (q, m) of blocks as those of blocks so many times as long."""
    return minima if times == 1 else minima.reshape(minima.shape[0], -1, times).min(axis=-1)


def _check(q: int, n: int, block: int) -> None:
    if not 1 <= q < 1 << 16 or n < 1 or n % ROW_MULTIPLE:
        raise ValueError(f"1 to 65,535 queries and a multiple of {ROW_MULTIPLE} rows are needed, not {q} and {n}")
    if not SHORTEST <= block <= LONGEST or block & (block - 1):
        raise ValueError(f"a block has a power of two of rows, {SHORTEST} to {LONGEST}, not {block}")


def _ceil(number: int, by: int) -> int:
    return -(-number // by)
