"""Custom GPU kernels: how they are launched, and the Z step of the SVD, Z = Aᵀ(A·V), in bands of rows that MLX adds up: in one
pass over A, where registers hold V and Z; else as B = A·V and then AᵀB. core.compute.nearest_kernels has those of the search.

The bodies in resources/kernels are one source for Metal and CUDA; in front of each stands a short prelude that says in the
backend's words what a thread, a group, shared memory and a barrier are. Sizes are read when a kernel runs: a new (m, n, p)
compiles nothing new unless its tiling differs.

The tests run them, with either prelude, on the CPU. Nothing here has run on a Mac: that Metal's compiler takes the source, and
how fast it is there, is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any, cast

import mlx.core as mx

from core.errors import UserError
from core.types import DeviceKind

# Columns of V that one group works on, at most: beyond that V is cut into tiles of equal width and A is read once for each.
MAX_COLS = 32
# From this many rows on a thread works on four rows or columns, which spares reads of shared memory; with fewer rows that
# would leave too few groups.
MANY_ROWS = 1 << 16
# AᵀB is cut into bands of rows until there are about this many groups, which fill any GPU, or bands as low as BAND_ROWS.
GROUPS = 1024
BAND_ROWS = 64
# One pass over A: the columns of V and threads a group, the columns of A that registers reach over, the floats in a tile of rows
# (6 kB: with those that are on their way two groups a multiprocessor keep the memory busy), and the bands.
COLS = 16
THREADS = 128
WIDEST = 1024
TILE_FLOATS = 1536
BANDS = 264


@dataclass(frozen=True)
class Tiling:
    """How the work is cut up; any choice gives the same Z up to rounding."""

    cols: int  # columns of V a group, a multiple of 4
    bands: int  # bands of rows in AᵀB, each with a partial sum (n, p)
    per_thread: int = 1  # rows of B, or columns of A, a thread
    lanes: int = 32  # threads side by side over these
    depth: int = 16  # how much of the summed axis shared memory holds

    @property
    def threads(self) -> int:
        return self.lanes * self.cols // 4

    @property
    def width(self) -> int:
        """Rows of B, or columns of A, a group."""
        return self.lanes * self.per_thread


@dataclass(frozen=True)
class OnePass:
    """How the work of one pass over A is cut up; as with `Tiling` any choice gives the same Z up to rounding."""

    cols: int  # columns of V a group: 4, 8, 16 or 32
    threads: int  # a multiple of 32
    per_thread: int  # of four columns of A each, by four of V
    rows: int  # in a tile: a power of two, at most 128 / cols and threads / cols
    bands: int  # of rows, each with a partial sum (n, p)
    ahead: int = 3  # tiles on their way to shared memory; 1 where that is small (Metal)

    @property
    def width(self) -> int:
        """Columns of A that a group reaches over."""
        return self.threads * 16 // self.cols * self.per_thread


@dataclass(frozen=True)
class Body:
    """A kernel source in resources/kernels and the names it gives its arrays."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    shared: tuple[str, ...] = ()  # sources that stand before it


PRODUCT = Body("product", ("a", "v"), ("b",))
TRANSPOSED = Body("transposed", ("a", "b"), ("partial",))
ONE_PASS = Body("one_pass", ("a", "v"), ("b", "partial"))


def tiling(m: int, n: int, p: int) -> Tiling:
    """The tiling for A (m, n) and V (n, p). It depends on nothing but the sizes, so that every device rounds alike."""
    cols = 4 * _ceil(_ceil(p, _ceil(p, MAX_COLS)), 4)
    wide = Tiling(cols, bands=1, per_thread=4 if m >= MANY_ROWS else 1)
    tiles = _ceil(n, wide.width) * _ceil(p, cols)
    return Tiling(cols, max(1, min(GROUPS // tiles, m // BAND_ROWS)), wide.per_thread)


def one_pass(m: int, n: int, p: int) -> OnePass:
    """The tiling for one pass over A (m, n), n up to WIDEST, and V (n, p)."""
    cols = min(COLS, 4 * (1 << (_ceil(p, 4) - 1).bit_length()))
    # More threads only where registers would not do: two groups of few overlap better than one of many.
    threads = THREADS if n * cols <= 6 * THREADS * 16 else 2 * THREADS
    how = OnePass(cols, threads, _ceil(n * cols, 16 * threads), 1, max(1, min(BANDS, m // BAND_ROWS)))
    rows = min(128 // cols, max(1, TILE_FLOATS // how.width))
    return replace(how, rows=1 << rows.bit_length() - 1)


def faster(n: int, p: int) -> bool:
    """Whether the Z step of V (n, p) is measured to be faster by kernels than by MLX's products, on this thread's default device.

    On an H200 one pass over A with 16 columns of V takes 0.81 to 0.86 of the products' time (512 to a million rows), and with 32,
    which needs two, 1.5 times that. Nothing is measured on Metal.
    """
    return n <= WIDEST and p <= COLS and current() == "cuda" and available("cuda")


def available(kind: DeviceKind) -> bool:
    """Whether this machine's MLX runs custom kernels on a device of that kind; on a CPU it never does."""
    return (kind == "metal" and mx.metal.is_available()) or (kind == "cuda" and mx.cuda.is_available())


def current() -> DeviceKind:
    """The kind of this thread's default device."""
    on_cpu = mx.default_device() == mx.Device(mx.cpu)
    return "cpu" if on_cpu else "metal" if mx.metal.is_available() else "cuda"


def require() -> DeviceKind:
    """As `current`. Raises UserError if custom kernels do not run there."""
    kind = current()
    if not available(kind):
        raise UserError("There is no custom kernel for the SVD step on this device; run it without use_kernel.")
    return kind


def z_step(a: mx.array, v: mx.array, how: Tiling | OnePass | None = None) -> mx.array:
    """Z = Aᵀ(A·V), (n, p), as `images` computes it."""
    return images(a, v, how)[1]


def images(a: mx.array, v: mx.array, how: Tiling | OnePass | None = None) -> tuple[mx.array, mx.array]:
    """B = A·V, (m, p), and Z = AᵀB, (n, p), of A (m, n) and V (n, p), all float32; lazy.

    `how` overrides the way and the tiling that are chosen by size. A that is not row-contiguous is copied at every call. Raises
    ValueError for shapes or dtypes that do not fit, UserError where this thread's default device runs no custom kernels.
    """
    if a.ndim != 2 or v.ndim != 2 or a.shape[1] != v.shape[0] or 0 in a.shape or 0 in v.shape:
        raise ValueError(f"a matrix (m, n) and one (n, p) are needed, not empty, not arrays of shapes {a.shape} and {v.shape}")
    if (a.dtype, v.dtype) != (mx.float32, mx.float32):
        raise ValueError(f"the kernels compute in float32, not in {a.dtype} and {v.dtype}")
    (m, n), p = a.shape, v.shape[1]
    if how is None:
        how = one_pass(m, n, p) if n <= WIDEST and require() == "cuda" else tiling(m, n, p)
    return _in_one_pass(a, v, how) if isinstance(how, OnePass) else _in_two_passes(a, v, how)


def _in_one_pass(a: mx.array, v: mx.array, how: OnePass) -> tuple[mx.array, mx.array]:
    (m, n), p = a.shape, v.shape[1]
    if n > how.width:
        raise ValueError(f"a group reaches over {how.width} columns, not {n}")
    constants = {
        "COLS": how.cols,
        "THREADS": how.threads,
        "PER_THREAD": how.per_thread,
        "ROWS": how.rows,
        "AHEAD": how.ahead,
        "ALIGNED": int(n % 4 == 0),
    }
    groups = (how.bands, _ceil(p, how.cols), 1)
    outputs = [((m, p), mx.float32), ((how.bands, n, p), mx.float32)]
    b, partial = launch(ONE_PASS, (a, v), constants, groups, how.threads, outputs)
    return b, partial.sum(axis=0)


def _in_two_passes(a: mx.array, v: mx.array, how: Tiling) -> tuple[mx.array, mx.array]:
    (m, n), p = a.shape, v.shape[1]
    constants = {"COLS": how.cols, "LANES": how.lanes, "PER_THREAD": how.per_thread, "DEPTH": how.depth}
    groups = (_ceil(m, how.width), _ceil(p, how.cols), 1)
    (b,) = launch(PRODUCT, (a, v), constants, groups, how.threads, [((m, p), mx.float32)])
    groups = (_ceil(n, how.width), _ceil(p, how.cols), how.bands)
    (partial,) = launch(TRANSPOSED, (a, b), constants, groups, how.threads, [((how.bands, n, p), mx.float32)])
    return b, partial.sum(axis=0)


def launch(
    body: Body,
    inputs: Sequence[mx.array],
    constants: Mapping[str, int],
    groups: tuple[int, int, int],
    threads: int,
    outputs: Sequence[tuple[tuple[int, ...], mx.Dtype]],
) -> list[mx.array]:
    """The arrays that `body` writes, of the shapes and dtypes in `outputs`; lazy. Each set of constants is compiled once.

    Inputs that are not row-contiguous are copied. Raises UserError where this thread's default device runs no custom kernels.
    """
    made: list[mx.array] = _kernel(require(), body)(
        inputs=list(inputs),
        template=list(constants.items()),
        grid=(groups[0] * threads, groups[1], groups[2]),  # in threads, on CUDA too
        threadgroup=(threads, 1, 1),
        output_shapes=[shape for shape, _ in outputs],
        output_dtypes=[dtype for _, dtype in outputs],
    )
    return made


@cache
def _kernel(kind: DeviceKind, body: Body) -> Callable[..., Any]:
    build = mx.fast.metal_kernel if kind == "metal" else mx.fast.cuda_kernel
    folder = files("resources") / "kernels"
    # The prelude is no `header`: MLX looks for Metal's attributes in `source` alone, and the prelude names them.
    source = "".join((folder / f"{name}.inc").read_text("utf-8") for name in (kind, *body.shared, body.name))
    # On CUDA MLX keeps what it compiled on disk, by name alone: a changed source needs another name.
    name = f"kinscope_{body.name}_{sha256(source.encode()).hexdigest()[:8]}"
    made = build(name=name, input_names=list(body.inputs), output_names=list(body.outputs), source=source)
    return cast(Callable[..., Any], made)


def _ceil(number: int, by: int) -> int:
    return -(-number // by)
