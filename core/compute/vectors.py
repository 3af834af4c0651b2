"""Vectors on the device, in chunks of rows, laid out for the product that every search and projection begins with.

Each row is stored shifted (to near the data's median where that is far from the origin, so that distances do not cancel) and
followed by four more entries, so that one product yields a whole score and no pass over (queries, n) is spent on norms:

    x - shift | |x - shift|² less its error bound | |x - shift| | 1 | 0          a row
    0         | 0                                 | 0           | 0 | PAD        padding, which never wins
    0         | 0                                 | 0           | 0 | WILD       a row of wild norm, which always does

On a CPU a chunk is transposed, (d + 4, rows): one query then reads memory in order, 2.7 times as fast as row-major. On a GPU it
is (rows, d), and a float16 copy beside it, with the entries apart, serves the search (see core.compute.half_search). With
`storage` float16 or bfloat16 that copy is all there is: a third of the memory, and exact, for the values are rounded before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from core.errors import UserError
from core.types import DeviceKind, Floats, Ids, Storage

EXTRA = 4
SQUARE, NORM, ONE, PADDING = range(EXTRA)  # offsets of the entries after the d values
PAD = 3e38
# Rows are padded to whole blocks of this size; core.compute.selection works in blocks that divide it.
ROW_MULTIPLE = 1024
# The part of the memory budget that is kept for work on the vectors: scores, a chunk in another form, chunks on their way.
WORKING_SHARE = 4
# Chunks of vectors that stream exist at once: two on the host, two on the device, and as many again for what is computed.
CHUNKS_AT_ONCE = 8
# On a GPU few large chunks: every one costs a round trip. At most 2**30 values, well within 32-bit indices.
CHUNK_BYTES: dict[DeviceKind, int] = {"cpu": 256 << 20, "metal": 1 << 30, "cuda": 6 << 30}
# A typical norm outside this range is scaled by a power of two, which is exact, so that squares neither overflow nor vanish.
TYPICAL_NORMS = (2.0**-20, 2.0**20)
# Rows whose norm lies outside this range after that (zero apart) are 'wild': float32 products of them prove nothing.
SANE_NORMS = (1e-30, 1e18)
# Rows are read and converted in strips of about this size: arrays so small reuse memory, where larger ones would fault in fresh
# pages each time, which costs more than the work.
STRIP_BYTES = 2 << 20
# Added to the norm that float16's error is told by.
HALF_FLOOR = np.float32(1e-30)
# What stands in a wild row's last entry: it is among the candidates under every metric, and its bound counts as -infinity.
WILD = -1e37


Poll = Callable[[], None]  # raises Cancelled if the job is to end
Report = Callable[[str, int, int], None]  # stage, done, total


def no_poll() -> None: ...


def no_report(stage: str, done: int, total: int) -> None: ...


class Rows(Protocol):
    """Where vectors come from; core.dataset.Dataset is one."""

    @property
    def rows(self) -> int: ...
    @property
    def dims(self) -> int: ...
    def read(self, selection: slice | Ids) -> NDArray[np.floating[Any]]: ...
    def sample_rows(self, count: int) -> Ids: ...


def strip_rows(dims: int) -> int:
    """Rows in a strip, a multiple of 64."""
    return max(1, STRIP_BYTES // (4 * dims * 64)) * 64


@dataclass(frozen=True, eq=False)
class Scan:
    """What one pass over all rows found."""

    finite: NDArray[np.bool_]  # (n,)

    @cached_property
    def non_finite_rows(self) -> Ids:
        return np.flatnonzero(~self.finite)

    @property
    def finite_count(self) -> int:
        return len(self.finite) - len(self.non_finite_rows)


def scan_rows(source: Rows, poll: Poll = no_poll, report: Report = no_report) -> Scan:
    """Find rows with NaN or infinity. Raises UserError if no row is finite."""
    step = strip_rows(source.dims)
    finite = np.empty(source.rows, bool)
    for start in range(0, source.rows, step):
        poll()
        stop = min(start + step, source.rows)
        x = source.read(slice(start, stop))
        good = np.isfinite(np.einsum("ij,ij->i", x, x))
        if not good.all():  # the square of a finite value may overflow: look at the values themselves
            good = np.isfinite(x).all(axis=1)
        finite[start:stop] = good
        if start // step % 32 == 0 or stop == source.rows:
            report("Checking rows", stop, source.rows)
    if not finite.any():
        raise UserError(f"Every one of the {source.rows:,} rows holds NaN or infinity; there is nothing to show.")
    return Scan(finite)


@dataclass(frozen=True, eq=False)
class HalfCopy:
    """Rows in float16 and what bounds them, all of a chunk's width."""

    rows: mx.array  # (width, d) float16, each row times a power of two that brings its norm to 16..32
    back: mx.array  # (width,) float32, what undoes that
    squares: mx.array  # (width,) float32, less their error bound
    norms: mx.array  # (width,) float32, plus theirs
    rounded: mx.array  # (width,) float32, how far the stored row, in float32, may lie from the row; 0 where nothing was rounded
    bias: mx.array  # (width,) 0; PAD for padding; WILD for a wild row


@dataclass(frozen=True, eq=False)
class Chunk:
    """Some rows of the file on the device."""

    start: int  # row of the file that the first position stands for
    first: int  # how many rows were kept before it
    rows: int  # real rows, without padding
    kept: Ids | None  # rows kept, counted from `start`, where some were left out
    stored: mx.array | None  # (d + 4, width) on a CPU, (width, d) on a GPU, float32; None where the half copy is all there is
    wild: Ids  # positions of wild rows, which are stored as zeros
    ones: mx.array  # (width,) 1 for a row, 0 for a wild row and for padding
    inverse_norms: mx.array  # (width,) of the unshifted rows; 0 for a zero row, 1 for padding
    half: HalfCopy | None  # on a GPU

    @property
    def data(self) -> mx.array:
        """Rows in float32, in the layout of `stored`; made of the half copy, lazily, where that is all there is."""
        if self.stored is not None:
            return self.stored
        assert self.half is not None
        return self.half.rows.astype(mx.float32) * self.half.back[:, None]

    @property
    def scanned_bytes(self) -> int:
        """Bytes that a search reads."""
        return self.data.nbytes if self.half is None else self.half.rows.nbytes + 5 * self.half.norms.nbytes

    def file_rows(self, index: NDArray[np.integer[Any]]) -> Ids:
        """Row numbers in the file of positions in this chunk."""
        return self.start + (index.astype(np.int64) if self.kept is None else self.kept[index])


@dataclass(frozen=True, eq=False)
class _HostChunk:
    """A chunk read and converted, still on the host."""

    start: int
    rows: int
    kept: Ids | None
    data: Floats  # part of a buffer that the next chunk but one overwrites
    extra: Floats  # (4, width)
    inverse_norms: Floats  # (width,)
    rounded: Floats  # (width,), on a GPU


class Vectors:
    """All finite rows of a source on the device; read anew chunk by chunk where they do not fit `budget_bytes`.

    The budget covers the rows and the work on them. With a `storage` other than float32 the source's values must be rounded to
    it (core.compute.storage); on a CPU they still take four bytes each.
    """

    def __init__(self, source: Rows, scan: Scan, kind: DeviceKind, budget_bytes: int, storage: Storage = "float32") -> None:
        self.source = source
        self.scan = scan
        self.columns = kind == "cpu"
        self.halves_only = storage != "float32" and not self.columns
        self.dims = source.dims
        self.width = source.dims + EXTRA
        self.working_bytes = budget_bytes // WORKING_SHARE
        row_bytes = self._row_bytes()
        self.nbytes = row_bytes * source.rows
        self.resident = self.nbytes + self.working_bytes <= budget_bytes
        chunk_row_bytes = max(row_bytes, 4 * self.width)
        needed = chunk_row_bytes * ROW_MULTIPLE * CHUNKS_AT_ONCE
        if budget_bytes < needed:
            raise UserError(
                f"{needed / 1e6:,.0f} MB of memory are needed to work through vectors of {self.dims:,} dimensions, "
                f"{budget_bytes / 1e6:,.0f} MB may be used; close other programs, or allow more with --memory."
            )
        chunk_bytes = min(CHUNK_BYTES[kind], budget_bytes // CHUNKS_AT_ONCE)
        self.step = max(1, chunk_bytes // chunk_row_bytes // ROW_MULTIPLE) * ROW_MULTIPLE
        # Every product of D terms in float32, in any order, is off by at most this times the sum of their magnitudes
        # (Higham, Accuracy and Stability of Numerical Algorithms, 3.1); 8 more terms cover the rounding of the entries.
        self.error = 1.01 * (self.width + 8) * 2.0**-24
        self.scale, self.shift = self._scale_and_shift()
        self._shifted = np.flatnonzero(self.shift)
        self._chunks: list[Chunk] = []

    @property
    def rows(self) -> int:
        return self.scan.finite_count

    @property
    def chunk_width(self) -> int:
        """Rows of the widest chunk, with padding."""
        return min(self.step, _padded(self.source.rows))

    def file_rows(self, numbers: Ids) -> Ids:
        """Rows of the file, given by how many kept rows come before each."""
        return numbers + np.searchsorted(self._gaps, numbers, side="right") if len(self._gaps) else numbers

    def numbers(self, file_rows: Ids) -> Ids:
        """How many kept rows come before each of these rows of the file, which must be kept ones; -1 stays."""
        return file_rows - np.searchsorted(self.scan.non_finite_rows, file_rows)

    @cached_property
    def _gaps(self) -> Ids:
        """How many rows are kept before each row that is left out."""
        left_out = self.scan.non_finite_rows
        return left_out - np.arange(len(left_out))

    def upload(self, poll: Poll = no_poll, report: Report = no_report) -> None:
        """Bring the rows onto the device, unless they do not fit."""
        if not self.resident or self._chunks:
            return
        chunks = []
        for chunk in self._make_chunks(poll):
            chunks.append(chunk)
            report("Loading vectors", min(chunk.start + self.step, self.source.rows), self.source.rows)
        self._chunks = chunks

    def chunks(self, poll: Poll = no_poll, report: Report = no_report) -> Iterator[Chunk]:
        """All chunks, in order of rows. `poll` is called before each; `report` is told where they have to be read anew."""
        if not self.resident:
            for chunk in self._make_chunks(poll):
                report("Reading vectors", min(chunk.start + self.step, self.source.rows), self.source.rows)
                yield chunk
            return
        self.upload(poll)
        for chunk in self._chunks:
            poll()
            yield chunk

    def _row_bytes(self) -> int:
        """Bytes that a row takes on the device: its values, and on a GPU the half copy with 8 figures."""
        if self.columns:
            return 4 * (self.width + 2)
        return (2 if self.halves_only else 6) * self.dims + 4 * 8

    def _scale_and_shift(self) -> tuple[float, Floats]:
        """A power of two that brings a wild median norm near 1, and the sample's median after it where that is far from 0.

        Any scale and shift are right: these merely keep the values small. Few values stay exact when shifted, so a dimension
        whose median is within its usual deviation is left as it is. Where only halves are kept there is no shift, for the shifted
        values would have to be rounded.
        """
        ids = self.source.sample_rows(4096)
        ids = ids[self.scan.finite[ids]]
        if not ids.size:
            return 1.0, np.zeros(self.dims, np.float32)
        sample = self.source.read(ids).astype(np.float64)
        norm = float(np.median(np.abs(sample).max(axis=1)) * np.sqrt(self.dims))
        low, high = TYPICAL_NORMS
        scale = 1.0 if norm == 0.0 or low <= norm <= high else 2.0 ** -np.floor(np.log2(norm))
        if self.halves_only:
            return float(scale), np.zeros(self.dims, np.float32)
        typical = np.clip(sample * scale, -SANE_NORMS[1], SANE_NORMS[1])
        if norm == 0.0:
            return float(scale), typical.mean(axis=0).astype(np.float32)
        shift = np.median(typical, axis=0)
        deviation = 1.5 * np.median(np.abs(typical - shift), axis=0)  # of a normal distribution the standard deviation
        return float(scale), np.where(np.abs(shift) > deviation, shift, 0.0).astype(np.float32)

    def _make_chunks(self, poll: Poll) -> Iterator[Chunk]:
        """Read chunk after chunk, each while the one before is worked on."""
        starts = range(0, self.source.rows, self.step)
        width = self.chunk_width
        # Host buffers serve all chunks in turn: fresh pages cost as much as the copying.
        buffers = [
            np.empty((self.width, width) if self.columns else (width, self.dims), np.float32) for _ in range(min(2, len(starts)))
        ]
        reading = ThreadPoolExecutor(1, "kinscope-read")
        try:
            ahead = reading.submit(self._read_chunk, 0, buffers[0])
            for i, start in enumerate(starts):
                poll()
                host = ahead.result()
                if i + 1 < len(starts):
                    ahead = reading.submit(self._read_chunk, start + self.step, buffers[(i + 1) % 2])
                yield self._to_device(host)
        finally:
            reading.shutdown()

    def _read_chunk(self, start: int, buffer: Floats) -> _HostChunk:
        stop = min(start + self.step, self.source.rows)
        finite = self.scan.finite[start:stop]
        kept = None if finite.all() else np.flatnonzero(finite)
        rows = int(np.count_nonzero(finite))
        width = _padded(stop - start)
        data = buffer[:, :width] if self.columns else buffer[:width]
        inverse_norms, extra, rounded = (
            np.ones(width, np.float32),
            np.zeros((EXTRA, width), np.float32),
            np.zeros(width, np.float32),
        )
        done = 0
        for a in range(start, stop, strip_rows(self.dims)):
            b = min(a + strip_rows(self.dims), stop)
            x = self.source.read(slice(a, b))
            if kept is not None:
                x = x[finite[a - start : b - start]]
            part = slice(done, done + len(x))
            shifted = self._convert(x, inverse_norms[part], extra[:, part], rounded[part])
            if self.columns:
                # In strips that stay in the cache: a transposition in one go misses it at every element.
                for c in range(0, len(x), 64):
                    data[: self.dims, done + c : done + min(c + 64, len(x))] = shifted[c : c + 64].T
            else:
                data[part] = shifted
            done += len(x)
        extra[PADDING, rows:] = PAD
        if self.columns:
            data[: self.dims, rows:] = 0.0
            data[self.dims :] = extra
        else:
            data[rows:] = 0.0
        return _HostChunk(start, rows, kept, data, extra, inverse_norms, rounded)

    def _to_device(self, host: _HostChunk) -> Chunk:
        wild = np.flatnonzero(host.extra[PADDING] == np.float32(WILD))
        first = host.start - int(np.searchsorted(self.scan.non_finite_rows, host.start))
        # mx.array copies: the buffer is free again when this returns. But it keeps strides, and a product with a part of a wider
        # buffer, which is what a last chunk is, takes ten times as long.
        data = mx.array(np.ascontiguousarray(host.data))
        ones, inverse_norms = mx.array(host.extra[ONE]), mx.array(host.inverse_norms)
        half = None if self.columns else _half_copy(data, host.extra, host.rounded)
        stored = None if self.halves_only else data
        mx.eval(data, ones, inverse_norms)
        return Chunk(host.start, first, host.rows, host.kept, stored, wild, ones, inverse_norms, half)

    def _convert(self, x: NDArray[np.floating[Any]], inverse_norms: Floats, extra: Floats, rounded: Floats) -> Floats:
        """Rows x (m, d) of the file as they are stored, (m, d), not to be written to.

        Fills their inverse norms (m,), extra entries (4, m) and, on a GPU, what they are rounded by (m,).
        """
        if self.scale != 1.0:
            x = x.astype(np.float64) * self.scale
        norms = _norms(x)
        wild = (norms > SANE_NORMS[1]) | ((norms > 0) & (norms < SANE_NORMS[0]))
        if wild.any():
            x = np.where(wild[:, None], 0, x)
        inverse_norms[:] = np.divide(1.0, norms, out=np.zeros(len(x)), where=(norms > 0) & ~wild)
        inverse_norms[wild] = 1.0
        shifted = (x - self.shift if self._shifted.size else x).astype(np.float32, copy=False)
        if wild.any() and self._shifted.size:
            shifted[wild] = 0.0
        if not self.columns:
            rounded[:] = self._rounding(x, shifted)
        lengths = norms if shifted is x and not wild.any() else _norms(shifted)
        # Less 3 error bounds: core.compute.proposals needs 2, and the sum of squares itself is off by at most 1.
        extra[SQUARE] = np.square(lengths) * (1.0 - 3.0 * self.error)
        extra[NORM] = lengths * (1.0 + self.error)
        extra[ONE] = ~wild
        extra[PADDING, wild] = WILD
        return shifted

    def _rounding(self, x: NDArray[np.floating[Any]], shifted: Floats) -> Floats:
        """How far rows `shifted` (m, d) may lie from rows x (m, d) less the shift."""
        if x.dtype != np.float64:  # else nothing but the shift can have rounded
            if not self._shifted.size:
                return np.zeros(len(x), np.float32)
            return rounded_by(x[:, self._shifted], self.shift[self._shifted], shifted[:, self._shifted])
        return rounded_by(x, self.shift, shifted)


def rounded_by(x: NDArray[np.floating[Any]], shift: Floats, stored: Floats) -> Floats:
    """A bound on the lengths (m,) of x - shift - stored, rows (m, d)."""
    wide, other = x.astype(np.float64), shift.astype(np.float64)
    lost = wide - other
    lost -= stored
    # What float64 itself may round, should the values be of very different size.
    doubt = 2.0**-52 * (np.abs(wide).max(axis=1, initial=0.0) + np.abs(other).max(initial=0.0)) * np.sqrt(wide.shape[1])
    lengths: NDArray[np.float64] = (np.sqrt(np.einsum("ij,ij->i", lost, lost)) + doubt) * (1.0 + 2.0**-20)
    return lengths.astype(np.float32)


def _half_copy(data: mx.array, extra: Floats, rounded: Floats) -> HalfCopy:
    # Rows too short to be scaled to float16's range lose all: the floor covers that, far below what matters elsewhere.
    norms = extra[NORM] + HALF_FLOOR
    to_half = np.exp2(half_exponent(extra[NORM])).astype(np.float32)
    rows = (data * mx.array(to_half)[:, None]).astype(mx.float16)
    vectors = (1.0 / to_half, extra[SQUARE] + extra[PADDING], norms, rounded, extra[PADDING])
    copy = HalfCopy(rows, *(mx.array(a.astype(np.float32)) for a in vectors))
    mx.eval(copy.rows, copy.back, copy.squares, copy.norms, copy.rounded, copy.bias)
    return copy


def half_exponent(norms: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """The power of two that brings each norm to 16..32, where float16 neither overflows nor loses small entries; 0 for 0."""
    exponent = 5.0 - np.ceil(np.log2(np.where(norms > 0, norms, 32.0)))
    return np.asarray(np.clip(exponent, -120, 120))


def _padded(rows: int) -> int:
    return -(-rows // ROW_MULTIPLE) * ROW_MULTIPLE


def _norms(x: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Norms of rows (n,), in float64 where float32 squares would overflow or vanish."""
    norms: NDArray[np.floating[Any]] = np.sqrt(np.einsum("ij,ij->i", x, x))
    doubtful = ~((norms > 1e-15) & (norms < SANE_NORMS[1]))
    if not doubtful.any():
        return norms
    norms = norms.astype(np.float64)
    norms[doubtful] = np.sqrt(np.square(x[doubtful].astype(np.float64)).sum(axis=1))
    return norms


@dataclass(eq=False)
class ArrayRows:
    """Rows of a NumPy array in memory, as a source."""

    array: NDArray[np.floating[Any]]

    @property
    def rows(self) -> int:
        return int(self.array.shape[0])

    @property
    def dims(self) -> int:
        return int(self.array.shape[1])

    def read(self, selection: slice | Ids) -> NDArray[np.floating[Any]]:
        return self.array[selection]

    def sample_rows(self, count: int) -> Ids:
        return np.arange(0, self.rows, max(1, self.rows // count))
