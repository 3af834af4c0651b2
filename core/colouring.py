"""What the colour of a point stands for, as a code of each row: a category, a step of a range of numbers, a band of distances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.point_index import Codes
from core.types import Floats, Ids

Kind = Literal["one", "category", "number", "order", "distance"]
Numbers = NDArray[np.floating[Any]] | NDArray[np.integer[Any]]

# Every code is below TABLE, and every table of colours has so many: a picture may be asked for with the colours of one choice and
# drawn with the codes of the next. The last code is that of rows without a value.
TABLE = 1024
MISSING = TABLE - 1
# The code of rows that filters leave out: it is never shown.
FILTERED = TABLE - 2
# Categories that have a colour of their own; the others share grey.
COLOURED = 40
# Steps of a range of numbers.
LEVELS = 256
# The shares of the values that lie below a range at first, and below its upper end.
ROBUST = (0.02, 0.98)
BINS = 48
# No range reaches farther from 0: its width must be a float64.
WIDEST = 8e307
# Where bands of distances end, as shares of the rows, nearest first: fine near the query, where differences matter.
SHARES = (0.01, 0.03, 0.07, 0.14, 0.24, 0.36, 0.5, 0.66, 0.82)
BANDS = len(SHARES) + 1
# Values that quantiles are taken of, and how many are worked on at once.
SAMPLE = 200_000
CHUNK = 1 << 18


@dataclass(frozen=True, eq=False)
class Coded:
    codes: Codes  # (n,)
    counts: Ids  # (TABLE,) rows of each code


@dataclass(frozen=True, eq=False)
class Spread:
    """How numbers spread: the range worth showing at first, the axis it is chosen on, and how many lie where."""

    low: float
    high: float
    first: float  # the axis: all values, or where outliers would squeeze the rest, as much as helps
    last: float
    smallest: float
    largest: float
    bins: Ids  # (BINS,) values in equal parts of the axis; those beyond it count at its ends
    whole: bool  # whether all are whole numbers


def one_code(rows: int) -> Coded:
    """All rows alike."""
    counts = np.zeros(TABLE, np.int64)
    counts[0] = rows
    return Coded(np.zeros(rows, np.uint16), counts)


def category_codes(codes: NDArray[np.integer[Any]], categories: tuple[str, ...]) -> Coded:
    """Codes of categories in their order, the empty one left out: it is missing."""
    filled = [bool(name.strip()) for name in categories]
    if sum(filled) >= FILTERED:
        raise ValueError(f"{len(categories)} categories are more than there are codes")
    table = np.where(filled, np.cumsum(filled) - 1, MISSING).astype(np.uint16)
    return _counted(np.take(table, codes))


def survey(values: Numbers) -> Spread:
    """How the finite values spread; where there is none, over 0 to 1."""
    sample = values[:: 1 + len(values) // SAMPLE].astype(np.float64)
    sample = sample[np.isfinite(sample)]
    smallest, largest = np.inf, -np.inf
    whole = True
    for start in range(0, len(values), CHUNK):
        part = values[start : start + CHUNK].astype(np.float64)
        part = part[np.isfinite(part)]
        smallest, largest = min(smallest, float(part.min(initial=np.inf))), max(largest, float(part.max(initial=-np.inf)))
        whole = whole and bool(np.all(part == np.round(part)))
    if smallest > largest:
        return Spread(0.0, 1.0, 0.0, 1.0, 0.0, 1.0, np.zeros(BINS, np.int64), False)
    smallest, largest = np.clip([smallest, largest], -WIDEST, WIDEST).tolist()
    low, high = np.quantile(sample.clip(-WIDEST, WIDEST), ROBUST).tolist() if len(sample) else (smallest, largest)
    if low >= high:  # most values coincide
        low, high = smallest, largest
    if low >= high:
        room = 0.5 * max(1.0, abs(low) * 1e-6)
        low, high = low - room, high + room
    width = high - low
    first, last = max(min(smallest, low), low - width), min(max(largest, high), high + width)
    bins = np.zeros(BINS, np.int64)
    for start in range(0, len(values), CHUNK):
        part = values[start : start + CHUNK].astype(np.float64)
        steps = _steps(part[~np.isnan(part)], first, last, BINS)
        bins += np.bincount(steps.astype(np.int64), minlength=BINS)
    return Spread(low, high, first, last, smallest, largest, bins, whole)


def bins_of(values: Numbers, spread: Spread) -> NDArray[np.uint8]:
    """Which of the BINS of `spread` each value lies in (n,), as they are counted there; BINS where there is none."""
    bins = np.empty(len(values), np.uint8)
    for start in range(0, len(values), CHUNK):
        part = values[start : start + CHUNK]
        missing = np.isnan(part)
        steps = _steps(np.where(missing, spread.first, part), spread.first, spread.last, BINS)
        bins[start : start + CHUNK] = np.where(missing, BINS, steps)
    return bins


def without(coded: Coded, passed: NDArray[np.bool_]) -> Coded:
    """The same with the code FILTERED for rows that do not pass."""
    return _counted(np.where(passed, coded.codes, np.uint16(FILTERED)))


def range_codes(values: Numbers, low: float, high: float) -> Coded:
    """Codes 0 to 255 from `low` to `high`; values beyond take the code of that end."""
    codes = np.empty(len(values), np.uint16)
    for start in range(0, len(values), CHUNK):
        part = values[start : start + CHUNK]
        missing = np.isnan(part)
        codes[start : start + CHUNK] = np.where(missing, MISSING, _steps(np.where(missing, low, part), low, high, LEVELS))
    return _counted(codes)


def band_codes(distances: Floats, largest_first: bool) -> tuple[Coded, tuple[float, ...]]:
    """Codes of bands, nearest first, and the distances at which they end, BANDS - 1 of them; NaN is missing.

    `largest_first` where the largest is the nearest, as with inner products.
    """
    order = -distances if largest_first else distances
    sample = order[:: 1 + len(order) // SAMPLE]
    sample = sample[~np.isnan(sample)]
    if not len(sample):
        return _counted(np.full(len(distances), MISSING, np.uint16)), ()
    edges = np.quantile(sample, SHARES, method="lower").astype(np.float32)
    codes = np.empty(len(order), np.uint16)
    for start in range(0, len(order), CHUNK):
        part = order[start : start + CHUNK]
        codes[start : start + CHUNK] = np.where(np.isnan(part), MISSING, np.searchsorted(edges, part))
    return _counted(codes), tuple((-edges if largest_first else edges).tolist())


def _steps(values: Numbers, low: float, high: float, count: int) -> NDArray[np.float64]:
    """Which of `count` equal steps from `low` to `high` each value lies in, as a float; the ends take what lies beyond."""
    # Both halves apart: the width of a range of float64 may overflow.
    half = (high / 2 - low / 2) / count
    with np.errstate(over="ignore"):  # what is far beyond becomes infinite
        steps = np.floor((values / 2 - low / 2) / half)
    return np.clip(steps, 0, count - 1)


def _counted(codes: Codes) -> Coded:
    counts = np.zeros(TABLE, np.int64)
    for start in range(0, len(codes), CHUNK):
        counts += np.bincount(codes[start : start + CHUNK], minlength=TABLE)
    return Coded(codes, counts)
