"""Projection of vectors onto their leading principal components, in chunks of rows.

With d up to MAX_GRAM the covariance (d, d) is summed in one pass over the rows and decomposed by core.compute.svd; beyond that
the iteration itself passes over the rows. Both work on the same standardised rows: divided by their length or not, the mean
taken off or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from core.compute.compilation import pair
from core.compute.svd import OVERSAMPLE, fix_signs, orthonormal, truncated_svd
from core.compute.timing import fence
from core.compute.vectors import Chunk, Poll, Report, Vectors, no_poll, no_report
from core.types import Floats, Mode

# Up to here one pass for the covariance costs less than the passes of an iteration (measured on 2 CPU cores).
MAX_GRAM = 4096
# Passes over the rows where there is no covariance.
PASSES = 12
ROUGH_PASSES = 4
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


@pair
def total(*chunk: mx.array, dims: int, unit: bool, columns: bool) -> mx.array:
    """Sum of the standardised rows of a chunk, (d,)."""
    x = standardise(*chunk, dims=dims, unit=unit, columns=columns)
    return x @ mx.ones(x.shape[1]) if columns else mx.ones(x.shape[0]) @ x


@pair
def gram(*chunk: mx.array, dims: int, unit: bool, columns: bool) -> mx.array:
    """AᵀA of the standardised rows of a chunk, (d, d)."""
    x = standardise(*chunk, dims=dims, unit=unit, columns=columns)
    return x @ x.T if columns else x.T @ x


@pair
def power_step(v: mx.array, *chunk: mx.array, dims: int, unit: bool, columns: bool) -> tuple[mx.array, mx.array]:
    """A chunk's share of Aᵀ(A·V), (d, p), and of the squared length of A."""
    x = standardise(*chunk, dims=dims, unit=unit, columns=columns)
    step = x @ (v.T @ x).T if columns else x.T @ (x @ v)
    return step, mx.square(x).sum()


@pair
def coordinates(v: mx.array, *chunk: mx.array, dims: int, unit: bool, columns: bool) -> mx.array:
    """The standardised rows of a chunk on components V (d, c): (c, width) or (width, c)."""
    x = standardise(*chunk, dims=dims, unit=unit, columns=columns)
    return v.T @ x if columns else x @ v


@dataclass(frozen=True, eq=False)
class Fit:
    """Leading components, and what share of the variance each explains."""

    components: Floats  # (d, c), orthonormal columns, signs fixed
    explained: Floats  # (c,) shares of the whole, largest first
    mean: Floats  # (d,) taken off each row
    unit: bool
    method: str


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
        components = min(components, self.vectors.dims)
        mean = self._mean(poll, report)
        # A covariance pays where there are rows enough to make one.
        wide = self.vectors.dims > LAPACK_DIMS // 2 and self.vectors.rows < 2 * self.vectors.dims
        if self.vectors.dims <= MAX_GRAM and not self.rough and not wide:
            v, values, whole, method = self._by_covariance(components, mean, poll, report)
        else:
            v, values, whole, method = self._by_passes(components, mean, poll, report)
        share = np.maximum(values, 0.0) / whole if whole > 0 else np.zeros_like(values)
        return Fit((v * fix_signs(v)).astype(np.float32), share.astype(np.float32), mean, self.unit, method)

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
            host = np.array(y).T if self.vectors.columns else np.array(y)
            out[chunk.file_rows(np.arange(chunk.rows))] = host[: chunk.rows] * unscale
            out[chunk.file_rows(chunk.wild)] = np.nan
            self._report(report, "Mapping rows", chunk)
        return out

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

    def _by_covariance(
        self, components: int, mean: Floats, poll: Poll, report: Report
    ) -> tuple[NDArray[np.floating[Any]], NDArray[np.float64], float, str]:
        dims = self.vectors.dims
        summed = np.zeros((dims, dims))
        for chunk in self.vectors.chunks(poll):
            part = gram(self.mode, *self._inputs(chunk, mean), **self._static)
            fence(part)
            summed += np.array(part)
            self._report(report, "Summing the covariance", chunk)
        whole = float(np.trace(summed))
        size = whole / dims or 1.0
        small = dims <= LAPACK_DIMS
        rounds = 5 if small else 12
        scaled = (summed / size).astype(np.float32)
        found = truncated_svd(scaled, components, mode=self.mode, poll=poll, max_rounds=rounds)
        name = f"covariance {dims} x {dims}"
        if found.residual <= MAX_RESIDUAL or not small:
            return (
                np.array(found.vt).T,
                np.array(found.s, np.float64) * size,
                whole,
                f"{name}, {found.iterations} subspace iterations, residual {found.residual:.0e}",
            )
        report("Decomposing the covariance", 0, 0)
        values, vectors = np.linalg.eigh(summed)
        return vectors[:, ::-1][:, :components], values[::-1][:components], whole, f"{name}, decomposed in full"

    def _by_passes(
        self, components: int, mean: Floats, poll: Poll, report: Report
    ) -> tuple[NDArray[np.floating[Any]], NDArray[np.float64], float, str]:
        width = min(components + OVERSAMPLE, self.vectors.dims)
        v = orthonormal(mx.random.normal((self.vectors.dims, width), key=mx.random.key(0)))
        whole = 0.0
        z = np.zeros((self.vectors.dims, width))
        passes = ROUGH_PASSES if self.rough else PASSES
        for number in range(passes):
            z[:], whole = 0.0, 0.0
            for chunk in self.vectors.chunks(poll):
                part, square = power_step(self.mode, v, *self._inputs(chunk, mean), **self._static)
                fence(part, square)
                z += np.array(part)
                whole += float(square.item())
            report("Iterating over the rows", number + 1, passes)
            basis = np.array(v, np.float64)
            v = orthonormal(mx.array(z.astype(np.float32)))
        # Rayleigh and Ritz in the span of the last but one basis, whose image under AᵀA is z.
        small = basis.T @ z
        values, rotation = np.linalg.eigh((small + small.T) / 2)
        vectors = basis @ rotation[:, ::-1]
        return vectors[:, :components], values[::-1][:components], whole, f"{passes} subspace iterations over the rows"

    def _inputs(self, chunk: Chunk, mean: Floats) -> tuple[mx.array, ...]:
        return chunk.data, chunk.ones, chunk.inverse_norms, self._shift, mx.array(mean)

    def _report(self, report: Report, stage: str, chunk: Chunk) -> None:
        rows = self.vectors.source.rows
        report(stage, min(chunk.start + self.vectors.step, rows), rows)
