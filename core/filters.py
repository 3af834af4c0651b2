"""Which rows are shown by what their fields hold: a range, some of the categories, a text; and how the rest spreads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.colouring import BINS, Spread, bins_of, survey
from core.finding import Search, find
from core.table import Column, Table
from core.types import Ids

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Range:
    """Numbers, or dates in seconds since 1970, from `low` to `high`, both within; None where it has no end."""

    column: Column
    low: float | None = None
    high: float | None = None

    @property
    def passes_all(self) -> bool:
        return self.low is None and self.high is None


@dataclass(frozen=True)
class Among:
    """Rows of all categories but some."""

    column: Column
    without: frozenset[int] = frozenset()  # their codes

    @property
    def passes_all(self) -> bool:
        return not self.without


@dataclass(frozen=True)
class Holding:
    """Texts that hold another, letters small or capital."""

    column: Column
    text: str = ""

    @property
    def passes_all(self) -> bool:
        return not self.text.strip()


Filter = Range | Among | Holding


@dataclass(frozen=True, eq=False)
class Axis:
    """How the values of a column spread, and in which of the bins each row lies; BINS for those without a value."""

    spread: Spread
    bins: NDArray[np.uint8]  # (n,)


@dataclass(frozen=True, eq=False)
class Filtered:
    """What several filters leave."""

    passed: Mask | None  # (n,) rows that pass all; None where all do
    count: int
    held: dict[Filter, Mask]  # by filter, those that pass it alone; to be handed in again
    axes: dict[Column, Axis]  # of ranges; to be handed in again
    shares: dict[Column, Ids]  # rows of each bin or category that pass all other filters


def filter_for(column: Column) -> Filter:
    """A filter by a column that all rows pass: of the kind that suits its values."""
    if column.kind in ("number", "date"):
        return Range(column)
    return Among(column) if column.groups is not None else Holding(column)


def apply(table: Table, filters: Sequence[Filter], before: Filtered | None = None) -> Filtered:
    """The rows that pass all filters. What is the same as `before` is not worked out again."""
    known, axes = ({}, {}) if before is None else (before.held, before.axes)
    axes = {f.column: axes.get(f.column) or _axis(f.column) for f in filters if isinstance(f, Range)}
    active = [f for f in filters if not f.passes_all]
    held = {f: known[f] if f in known else _held(table, f) for f in active}
    passed = _all(list(held.values()))
    shares = {}
    for f in filters:
        others = passed if f.passes_all else _all([mask for other, mask in held.items() if other is not f])
        if isinstance(f, Range):
            shares[f.column] = _counts(axes[f.column].bins, others, BINS)
        elif isinstance(f, Among):
            codes = f.column.codes
            assert codes is not None
            shares[f.column] = _counts(codes, others, len(f.column.categories))
    count = table.rows if passed is None else int(np.count_nonzero(passed))
    return Filtered(passed, count, held, axes, shares)


def _axis(column: Column) -> Axis:
    values = column.values
    spread = survey(values)
    return Axis(spread, bins_of(values, spread))


def _held(table: Table, wanted: Filter) -> Mask:
    match wanted:
        case Range(column, low, high):
            values = column.values
            with np.errstate(invalid="ignore"):
                held = ~np.isnan(values)
                if low is not None:
                    held &= values >= low
                if high is not None:
                    held &= values <= high
            return held
        case Among(column, without):
            codes = column.codes
            assert codes is not None
            kept = np.ones(len(column.categories), np.bool_)
            kept[list(without)] = False
            return np.take(kept, codes)
        case Holding(column, text):
            held = np.zeros(table.rows, np.bool_)
            for found in find(table, Search(text, column)):
                held[found.rows] = True
            return held


def _all(masks: list[Mask]) -> Mask | None:
    """Where all hold; None where there is none."""
    if not masks:
        return None
    every = masks[0].copy()
    for mask in masks[1:]:
        every &= mask
    return every


def _counts(codes: NDArray[np.integer[Any]], rows: Mask | None, count: int) -> Ids:
    """How many of the `rows` have each code below `count`."""
    some = codes if rows is None else codes[rows]
    return np.bincount(some, minlength=count)[:count]
