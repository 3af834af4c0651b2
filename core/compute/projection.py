"""Projection of vectors onto their leading principal components, in chunks of rows.

Either the covariance (d, d) is summed in one pass over the rows and decomposed, or block Krylov iteration (core.compute.krylov)
passes over the rows until a residual test holds; which of the two is cheaper here is measured first. Both work on the same
standardised rows: divided by their length or not, the mean taken off or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import mlx.core as mx
import numpy as np

from core.compute import krylov
from core.compute.compilation import pair
from core.compute.krylov import Doubles, GoOn, Pairs, always
from core.compute.svd import TOLERANCE, fix_signs, mixed
from core.compute.timing import fence
from core.compute.vectors import Chunk, Poll, Report, Vectors, no_poll, no_report
from core.linear_map import LinearMap
from core.types import Floats, Mode

# Dimensions up to which the covariance fits beside a chunk.
MAX_GRAM = 4096
# Operations of a product that is made to measure the cost of a covariance. Rows that need no more are not worth measuring.
TRIAL_FLOPS = 5e9
# Before that, on so many rows, what is done for the first time only.
WARM_UP_ROWS = 256
# Passes that an iteration is expected to take before its first residual tells more, and at most.
EXPECTED_PASSES = 6
MAX_PASSES = 100
# A first picture: the residual that no eye sees, and passes at most.
ROUGH = 1e-2
ROUGH_PASSES = 4
# A start from a sample's covariance: finer would tell of the sample only, coarser of the wanted components only.
LIKELY = 1e-4
# A covariance is iterated on to this residual, in at most so many products of (d, d), each far cheaper than a pass over rows.
COVARIANCE_RESIDUAL = 1e-7
COVARIANCE_STEPS = 40
# Residual above which a covariance of at most LAPACK_DIMS is decomposed in full by LAPACK instead: a spectrum too flat to iterate
# on. Larger ones would take LAPACK minutes; there the directions of a flat spectrum stay as the iteration left them.
LAPACK_DIMS = 1024
MAX_RESIDUAL = 1e-4


def standardise(
    data: mx.array, ones: mx.array, lengths: mx.array, shift: mx.array, mean: mx.array, *, dims: int, unit: bool, columns: bool
) -> mx.array:
    """Rows of a chunk as the projection sees them, as stored: (d, width) or (width, d); 0 where there is padding.

    `shift` (d,) is what the stored rows were shifted by, `mean` (d,) what to take off; `lengths` (width,) are inverse norms.
    """
    if columns:
        x, shift, mean, ones, lengths = data[:dims], shift[:, None], mean[:, None], ones[None, :], lengths[None, :]
    else:
        x, shift, mean, ones, lengths = data, shift[None, :], mean[None, :], ones[:, None], lengths[:, None]
    return (x + shift * ones) * lengths - mean * ones if unit else x + (shift - mean) * ones


def images(
    v: mx.array,
    data: mx.array,
    ones: mx.array,
    lengths: mx.array,
    shift: mx.array,
    mean: mx.array,
    *,
    dims: int,
    unit: bool,
    columns: bool,
) -> mx.array:
    """(Y·V)ᵀ, (p, width), of the standardised rows Y of a chunk, without a copy of them: what is taken off is taken off after."""
    x = data[:dims] if columns else data.T
    if unit:
        return (v.T @ x + (shift @ v)[:, None] * ones) * lengths - (mean @ v)[:, None] * ones
    return v.T @ x + ((shift - mean) @ v)[:, None] * ones


@pair
def total(
    data: mx.array, ones: mx.array, lengths: mx.array, shift: mx.array, mean: mx.array, *, dims: int, unit: bool, columns: bool
) -> mx.array:
    """Sum of the standardised rows of a chunk, (d,)."""
    x = data[:dims] if columns else data.T
    if unit:
        return x @ (ones * lengths) + shift * (ones @ lengths) - mean * ones.sum()
    return x @ ones + (shift - mean) * ones.sum()


@pair
def gram(*chunk: mx.array, dims: int, unit: bool, columns: bool) -> mx.array:
    """YᵀY of the standardised rows Y of a chunk, (d, d)."""
    x = standardise(*chunk, dims=dims, unit=unit, columns=columns)
    return x @ x.T if columns else x.T @ x


@pair
def squares(*chunk: mx.array, dims: int, unit: bool, columns: bool) -> mx.array:
    """Sums of squares of the standardised rows of a chunk, by dimension or by row."""
    return mx.square(standardise(*chunk, dims=dims, unit=unit, columns=columns)).sum(axis=1)


@pair
def power_step(
    v: mx.array,
    data: mx.array,
    ones: mx.array,
    lengths: mx.array,
    shift: mx.array,
    mean: mx.array,
    *,
    dims: int,
    unit: bool,
    columns: bool,
) -> mx.array:
    """A chunk's share of Yᵀ(Y·V), (d, p), of its standardised rows Y."""
    b = images(v, data, ones, lengths, shift, mean, dims=dims, unit=unit, columns=columns)
    x = data[:dims] if columns else data.T
    scaled = b * lengths if unit else b
    along = mx.outer(shift, scaled @ ones) - mx.outer(mean, b @ ones)
    return (scaled @ x.T).T + along


@pair
def coordinates(v: mx.array, *chunk: mx.array, dims: int, unit: bool, columns: bool) -> mx.array:
    """The standardised rows of a chunk on components V (d, c): (c, width)."""
    return images(v, *chunk, dims=dims, unit=unit, columns=columns)


@dataclass(frozen=True, eq=False)
class Fit:
    """Leading components, and what share of the variance each explains."""

    components: Floats  # (d, c), orthonormal columns, signs fixed
    explained: Floats  # (c,) shares of the whole, largest first
    mean: Floats  # (d,) taken off each row
    unit: bool
    method: str  # how they were found, and why so
    residual: float  # largest |AᵀAv - σ²v| / σ₁² among them, of the standardised rows A


@dataclass(frozen=True)
class Costs:
    """Seconds that the two ways are estimated to take."""

    covariance: float
    one_pass: float

    @property
    def passes(self) -> float:
        return EXPECTED_PASSES * self.one_pass


class Projector:
    """Fits the leading components of `vectors` and maps rows onto them."""

    def __init__(
        self, vectors: Vectors, centre: bool = True, unit: bool = False, mode: Mode = "compiled", rough: bool = False
    ) -> None:
        """`rough`: in few passes, for a first picture."""
        self.vectors = vectors
        self.centre = centre
        self.unit = unit
        self.rough = rough
        self.mode: Mode = mode
        self._shift = mx.array(vectors.shift)
        self._static: dict[str, Any] = {"dims": vectors.dims, "unit": unit, "columns": vectors.columns}

    def fit(self, components: int, poll: Poll = no_poll, report: Report = no_report) -> Fit:
        """The `components` leading directions (at most d). Never holds more than one chunk beside the vectors."""
        dims = self.vectors.dims
        components = min(components, dims)
        mean = self._mean(poll, report)
        start = krylov.random_block(dims, krylov.width(components, dims))
        if self.rough:
            pairs, whole = self._by_passes(components, start, mean, ROUGH, ROUGH_PASSES, poll, report)
            return self._fit(components, pairs, whole, mean, f"{_passes(pairs)} for a first picture")
        if dims > MAX_GRAM:
            pairs, whole = self._by_passes(components, start, mean, TOLERANCE[mx.float32], MAX_PASSES, poll, report)
            return self._fit(components, pairs, whole, mean, f"{_passes(pairs)}, too wide for a covariance")
        name = f"covariance {dims} x {dims}"
        if 2.0 * self.vectors.rows * dims * dims <= TRIAL_FLOPS:
            return self._by_covariance(components, mean, name, poll, report)
        costs, sample = self._measured(start.shape[1], mean, poll, report)
        if costs.covariance <= costs.passes:
            why = f"{name} ({costs.covariance:.2g} s against {costs.passes:.2g} s by passes)"
            return self._by_covariance(components, mean, why, poll, report)
        likely = krylov.leading(_product(sample, poll), start, components, LIKELY, 1, COVARIANCE_STEPS)
        start = mixed(likely.vectors, start)
        pairs, whole = self._by_passes(
            components,
            start,
            mean,
            TOLERANCE[mx.float32],
            MAX_PASSES,
            poll,
            report,
            lambda remaining: remaining * costs.one_pass <= costs.covariance,
        )
        if pairs.residual <= MAX_RESIDUAL:
            why = f"{_passes(pairs)} ({costs.passes:.2g} s expected against {costs.covariance:.2g} s by {name})"
            return self._fit(components, pairs, whole, mean, why)
        why = f"{name} (after {pairs.steps} passes a spectrum too flat for more)"
        return self._by_covariance(components, mean, why, poll, report)

    def transform(self, fit: Fit, axes: tuple[int, ...], poll: Poll = no_poll, report: Report = no_report) -> Floats:
        """All rows on the chosen components, (n, len(axes)) in the file's units; NaN for rows that were left out.

        Left out are rows with NaN or infinity, and wild rows, whose length float32 cannot hold beside the others'.
        """
        out = np.full((self.vectors.source.rows, len(axes)), np.nan, np.float32)
        v = mx.array(fit.components[:, list(axes)])
        unscale = np.float32(1.0 if fit.unit else 1.0 / self.vectors.scale)
        for chunk in self.vectors.chunks(poll):
            y = coordinates(self.mode, v, *self._inputs(chunk, fit.mean), **self._static)
            fence(y)
            host = np.array(y).T
            out[chunk.file_rows(np.arange(chunk.rows))] = host[: chunk.rows] * unscale
            out[chunk.file_rows(chunk.wild)] = np.nan
            self._report(report, "Mapping rows", chunk)
        return out

    def map_of(self, fit: Fit, axes: tuple[int, ...]) -> LinearMap:
        """What maps any vector, in the file's units, as `transform` maps rows."""
        unscale = 1.0 if fit.unit else 1.0 / self.vectors.scale
        return LinearMap(fit.components[:, list(axes)], fit.mean * np.float64(unscale), fit.unit)

    def _mean(self, poll: Poll, report: Report) -> Floats:
        """The exact mean of the standardised rows; with `centre` off, nothing is to be taken off."""
        zero = np.zeros(self.vectors.dims, np.float32)
        if not self.centre:
            return zero
        # A mean of values near zero: taken about the shift unless rows are divided by their length.
        start = zero if self.unit else self.vectors.shift
        summed, count = np.zeros(self.vectors.dims), 0
        for chunk in self.vectors.chunks(poll):
            count += chunk.rows - len(chunk.wild)
            part = total(self.mode, *self._inputs(chunk, start), **self._static)
            fence(part)
            summed += np.array(part, np.float64)
            self._report(report, "Finding the mean", chunk)
        return (start + summed / max(count, 1)).astype(np.float32)

    def _measured(self, width: int, mean: Floats, poll: Poll, report: Report) -> tuple[Costs, Doubles]:
        """What the two ways cost, by trial on the first chunk, and YᵀY (d, d) of some of its rows."""
        report("Choosing a method", 0, 0)
        dims, start = self.vectors.dims, perf_counter()
        chunk = next(self.vectors.chunks(poll))
        held = chunk.ones.size
        chunks = self.vectors.source.rows / min(self.vectors.step, self.vectors.source.rows)
        reading = 0.0 if self.vectors.resident else chunks * (perf_counter() - start)
        # A product for the covariance costs by the operation: few rows tell. One with V costs by the byte: few would fit a cache.
        rows = min(held, max(1, int(TRIAL_FLOPS / (2 * dims * dims))))
        v = mx.array(krylov.random_block(dims, width).astype(np.float32) / np.float32(np.sqrt(dims)))
        inputs = self._inputs(chunk, mean)
        for some in (min(WARM_UP_ROWS, rows), rows):
            part = self._part(inputs, some)
            fence(*part)
            began = perf_counter()
            sample = gram(self.mode, *part, **self._static)
            fence(sample)
            gram_s = perf_counter() - began
            every = part if some < rows else inputs
            fence(every[0])
            began = perf_counter()
            fence(power_step(self.mode, v, *every, **self._static))
            step_s = perf_counter() - began
        # A set that streams is read while it is worked on: the slower of the two counts.
        costs = Costs(max(reading, chunks * gram_s * held / rows), max(reading, chunks * step_s))
        return costs, np.array(sample, np.float64)

    def _part(self, inputs: tuple[mx.array, ...], rows: int) -> tuple[mx.array, ...]:
        """The inputs of the first `rows` positions of a chunk."""
        data, ones, lengths, *rest = inputs
        return mx.contiguous(data[:, :rows] if self.vectors.columns else data[:rows]), ones[:rows], lengths[:rows], *rest

    def _by_covariance(self, components: int, mean: Floats, why: str, poll: Poll, report: Report) -> Fit:
        dims = self.vectors.dims
        summed = np.zeros((dims, dims))
        for chunk in self.vectors.chunks(poll):
            part = gram(self.mode, *self._inputs(chunk, mean), **self._static)
            fence(part)
            summed += np.array(part)
            self._report(report, "Summing the covariance", chunk)
        start = krylov.random_block(dims, krylov.width(components, dims))
        pairs = krylov.leading(_product(summed, poll), start, components, COVARIANCE_RESIDUAL, 1, COVARIANCE_STEPS)
        how = f"{pairs.steps} iterations"
        if pairs.residual > MAX_RESIDUAL and dims <= LAPACK_DIMS:
            report("Decomposing the covariance", 0, 0)
            values, vectors = np.linalg.eigh(summed)
            pairs, how = Pairs(values[::-1], vectors[:, ::-1], 0.0, pairs.steps), "decomposed in full"
        return self._fit(components, pairs, float(np.trace(summed)), mean, f"{why}, {how}")

    def _by_passes(
        self,
        components: int,
        start: Doubles,
        mean: Floats,
        tolerance: float,
        most: int,
        poll: Poll,
        report: Report,
        go_on: GoOn = always,
    ) -> tuple[Pairs, float]:
        """The pairs, and the sum of squares of all standardised rows."""
        number, whole = 0, 0.0

        def step(v: Doubles) -> Doubles:
            nonlocal number, whole
            number += 1
            z, block = np.zeros_like(v), mx.array(v.astype(np.float32))
            for chunk in self.vectors.chunks(poll):
                part = power_step(self.mode, block, *self._inputs(chunk, mean), **self._static)
                fence(part)
                z += np.array(part)
                whole += self._squares(chunk, mean) if number == 1 else 0.0
                self._report(report, f"Pass {number} over the rows", chunk)
            return z

        return krylov.leading(krylov.by_steps(step), start, components, tolerance, 1, most, go_on), whole

    def _squares(self, chunk: Chunk, mean: Floats) -> float:
        """The sum of squares of the standardised rows of a chunk."""
        if self.unit:
            return _summed(squares(self.mode, *self._inputs(chunk, mean), **self._static))
        # Of the rows as they are stored, and what the mean takes off after: MLX would standardise them on one core of a CPU.
        if self.vectors.columns:
            stored = np.array(chunk.data, copy=False)[: self.vectors.dims]
            raw = float(np.einsum("ij,ij->i", stored, stored).sum(dtype=np.float64))
        else:
            raw = _summed(mx.square(chunk.data).sum(axis=1))
        offset = self.vectors.shift.astype(np.float64) - mean
        along = np.array(total(self.mode, *self._inputs(chunk, self.vectors.shift), **self._static), np.float64)
        return raw + 2.0 * float(offset @ along) + (chunk.rows - len(chunk.wild)) * float(offset @ offset)

    def _fit(self, components: int, pairs: Pairs, whole: float, mean: Floats, method: str) -> Fit:
        v, values = pairs.vectors[:, :components], np.maximum(pairs.values[:components], 0.0)
        share = values / whole if whole > 0 else np.zeros_like(values)
        told = f"{method}, residual {pairs.residual:.0e}"
        return Fit((v * fix_signs(v)).astype(np.float32), share.astype(np.float32), mean, self.unit, told, pairs.residual)

    def _inputs(self, chunk: Chunk, mean: Floats) -> tuple[mx.array, ...]:
        return chunk.data, chunk.ones, chunk.inverse_norms, self._shift, mx.array(mean)

    def _report(self, report: Report, stage: str, chunk: Chunk) -> None:
        rows = self.vectors.source.rows
        report(stage, min(chunk.start + self.vectors.step, rows), rows)


def _passes(pairs: Pairs) -> str:
    return f"{pairs.steps} passes over the rows"


def _product(matrix: Doubles, poll: Poll) -> krylov.Expand:
    """Products with a symmetric matrix (d, d) in memory; by MLX on a CPU, see core.compute.krylov on NumPy's threads."""
    held = mx.array(matrix, mx.float64) if krylov.on_cpu() else None

    def step(v: Doubles) -> Doubles:
        poll()
        return np.asarray(matrix @ v) if held is None else np.array(held @ mx.array(v, mx.float64))

    return krylov.by_steps(step)


def _summed(values: mx.array) -> float:
    return float(np.array(values).sum(dtype=np.float64))
