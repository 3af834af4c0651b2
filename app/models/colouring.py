"""What the points are coloured by, which colour code each row has, and which codes are hidden."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from app.figures import figure
from app.models.dataset import DatasetModel
from app.worker import NewestWorker
from core.colouring import (
    BANDS,
    COLOURED,
    FILTERED,
    MISSING,
    Coded,
    Kind,
    Numbers,
    Spread,
    band_codes,
    category_codes,
    one_code,
    range_codes,
    survey,
    without,
)
from core.table import Column
from core.types import DistancesResult, Metric

DISTANCES: dict[Metric, str] = {
    "l2": "Euclidean distance",
    "cosine": "Cosine distance",
    "inner_product": "Inner product",
    "l1": "Manhattan distance",
    "linf": "Chebyshev distance",
}


@dataclass(frozen=True)
class ColourBy:
    """What to colour by: one colour, a column's categories or numbers, the order of rows, or the distance to the query."""

    kind: Kind = "one"
    column: Column | None = None


@dataclass(frozen=True)
class Entry:
    """A line of the legend; several codes where it stands for a group."""

    name: str
    count: int
    codes: tuple[int, ...]
    member: bool = False  # of the group above


@dataclass(frozen=True, eq=False)
class Colouring:
    """What is shown: the codes, and what they stand for."""

    by: ColourBy
    coded: Coded
    entries: tuple[Entry, ...] = ()
    spread: Spread | None = None  # of numbers and the order of rows
    range: tuple[float, float] = (0.0, 1.0)  # that their colours run over
    distances: DistancesResult | None = None
    whole: Coded | None = None  # the codes as they are without filters, where there are any

    @property
    def filtered(self) -> int:
        """Rows that filters leave out."""
        return int(self.coded.counts[FILTERED])

    @property
    def rows(self) -> int:
        return len(self.coded.codes)

    def line(self, row: int) -> str | None:
        """What the colour of a row stands for, in words; None where it stands for nothing that is not said anyway."""
        if self.by.column is not None:
            return f"{self.by.column.name}: {self.by.column.text(row)}"
        if self.distances is not None:
            value = float(self.distances.distances[row])
            return None if np.isnan(value) else f"{DISTANCES[self.distances.metric]}: {figure(value)}"
        return None


NOTHING = Colouring(ColourBy(), one_code(0))


class ColouringModel(QObject):
    choice_changed = Signal()  # another thing to colour by; its colours follow
    changed = Signal()  # other colours of points
    hidden_changed = Signal()
    measuring_changed = Signal()

    def __init__(self, dataset: DatasetModel) -> None:
        super().__init__()
        self.by = ColourBy()
        self.shown = NOTHING
        self.hidden: frozenset[int] = frozenset()
        self.measuring = False  # whether distances are on their way
        self._dataset = dataset
        self._range: tuple[float, float] | None = None  # chosen by the user
        self._distances: DistancesResult | None = None
        self._passed: NDArray[np.bool_] | None = None  # the rows that filters leave; None: all
        self._awaited: int | None = None  # the worker's task whose result is wanted
        self._worker = NewestWorker("kinscope-colours")
        self._worker.done.connect(self._on_done)
        dataset.opened.connect(self._on_opened)
        dataset.annotated.connect(self._on_annotated)

    def close(self) -> None:
        self._worker.close()

    @property
    def busy(self) -> bool:
        """Whether colours are being worked out."""
        return self._awaited is not None

    @property
    def shown_rows(self) -> int:
        return self.shown.rows - sum(int(self.shown.coded.counts[code]) for code in self.unseen)

    @property
    def unseen(self) -> frozenset[int]:
        """The codes that the map does not show."""
        return self.hidden | {FILTERED} if self.shown.filtered else self.hidden

    @property
    def choices(self) -> list[ColourBy]:
        """All there is to colour by."""
        columns = () if self._dataset.table is None else self._dataset.table.columns
        by_column = [ColourBy("category", c) for c in columns if c.codes is not None and len(c.categories) > 1]
        by_column += [ColourBy("number", c) for c in columns if c.kind in ("number", "date")]
        by_column.sort(key=lambda by: columns.index(by.column))
        return [ColourBy(), *by_column, ColourBy("distance"), ColourBy("order")]

    def choose(self, by: ColourBy) -> None:
        if by == self.by:
            return
        self.by, self._range, self._distances, self.hidden = by, None, None, frozenset()
        self.choice_changed.emit()
        self._colour()

    def set_range(self, low: float, high: float) -> None:
        """Let the colours of numbers run from `low` to `high`."""
        if self.by.kind in ("number", "order") and low < high and (low, high) != self._range:
            self._range = (low, high)
            self._colour()

    def reset_range(self) -> None:
        """Let the colours run over all but the extreme values again."""
        if self._range is not None:
            self._range = None
            self._colour()

    def await_distances(self) -> None:
        """Distances are on their way; those shown stay until they come."""
        self.measuring = True
        self.measuring_changed.emit()

    def measure(self, distances: DistancesResult | None) -> None:
        """Colour by these distances, if distances are what to colour by; None: there is no query."""
        self.measuring = False
        self.measuring_changed.emit()
        if self.by.kind == "distance" and distances is not self._distances:
            self._distances = distances
            self._colour()

    def filter(self, passed: NDArray[np.bool_] | None) -> None:
        """Leave out the rows that do not pass (n,); None: all do."""
        if passed is self._passed:
            return
        self._passed = passed
        if self.busy:
            self._colour()
        else:
            shown = self.shown
            self._awaited = self._worker.run(lambda: _filtered(shown, passed))

    # What is hidden

    def toggle(self, codes: tuple[int, ...]) -> None:
        """Hide these codes, or show them if all of them are hidden."""
        self._hide(self.hidden - set(codes) if self.hidden.issuperset(codes) else self.hidden | set(codes))

    def isolate(self, codes: tuple[int, ...]) -> None:
        """Hide all codes but these; all are shown again if that is so already."""
        others = frozenset(code for entry in self.shown.entries for code in entry.codes) - set(codes)
        self._hide(frozenset() if self.hidden == others else others)

    def show_all(self) -> None:
        self._hide(frozenset())

    def _hide(self, codes: frozenset[int]) -> None:
        if codes != self.hidden:
            self.hidden = codes
            self.hidden_changed.emit()

    # Colours

    def _on_opened(self) -> None:
        """Distances and the order of rows are there for any data set; columns are not."""
        self._passed = None
        by = ColourBy() if self.by.column is not None else self.by
        self.by, self._range, self._distances, self.hidden = by, None, None, frozenset()
        # The map still shows the points of the data set before, and asks for these codes with the new ones.
        self.shown = self._one()
        self.hidden_changed.emit()
        self._awaited = self._begin()
        self.choice_changed.emit()

    def _on_annotated(self) -> None:
        """Colour by what a table offers first; labels chosen in place of others, by their column of the same name."""
        table, before = self._dataset.table, self.by.column
        if before is not None:
            alike = (by for by in self.choices if by.column and (by.kind, by.column.name) == (self.by.kind, before.name))
            self.choose(next(alike, ColourBy()))
        if self.by.kind == "one" and table is not None and (column := table.colour_column) is not None:
            self.choose(ColourBy("category", column))
        else:
            self.choice_changed.emit()

    def _colour(self) -> None:
        """Work out the colours on the worker; one colour is no work."""
        self._awaited = self._begin()
        if not self.busy:
            self.shown = self._one()
            self.changed.emit()

    def _one(self) -> Colouring:
        return Colouring(ColourBy(), one_code(0 if self._dataset.dataset is None else self._dataset.dataset.rows))

    def _begin(self) -> int | None:
        """Have the colours worked out; None where that is no work."""
        task, passed = self._task(), self._passed
        if task is None and passed is None:
            return None
        make = task or self._one
        return self._worker.run(lambda: _filtered(make(), passed))

    def _task(self) -> Callable[[], Colouring] | None:
        by, distances, column, wanted = self.by, self._distances, self.by.column, self._range
        known = self.shown.spread if self.shown.by == by else None
        if by.kind == "category" and column is not None:
            return lambda: _by_category(by, column)
        if by.kind == "distance" and distances is not None:
            return lambda: _by_distance(by, distances)
        if by.kind == "order" and (rows := self.shown.rows):
            return lambda: _by_number(by, np.arange(rows), known, wanted)
        if by.kind == "number" and column is not None:
            return lambda: _by_number(by, column.values, known, wanted)
        return None

    def _on_done(self, number: int, result: Colouring | None) -> None:
        if number != self._awaited:
            # While an end of the range is dragged every task is overtaken; the map is to follow all the same.
            follows = self.busy and result is not None and result.spread is not None and result.by == self.by
            if not follows:
                return
        else:
            self._awaited = None
        if result is not None:
            self.shown = result
        self.changed.emit()


def _filtered(colouring: Colouring, passed: NDArray[np.bool_] | None) -> Colouring:
    """The same with those rows left out that do not pass, and the entries counted anew."""
    whole = colouring.whole or colouring.coded
    if passed is not None and len(passed) != len(whole.codes):  # of another data set
        return colouring
    coded = whole if passed is None else without(whole, passed)
    entries = tuple(replace(entry, count=int(coded.counts[list(entry.codes)].sum())) for entry in colouring.entries)
    return replace(colouring, coded=coded, entries=entries, whole=None if passed is None else whole)


def _by_category(by: ColourBy, column: Column) -> Colouring:
    assert column.codes is not None
    coded = category_codes(column.codes, column.categories)
    names = [name for name in column.categories if name.strip()]
    grouped = len(names) > COLOURED + 1
    each = [Entry(name, int(coded.counts[i]), (i,), grouped and i >= COLOURED) for i, name in enumerate(names)]
    if grouped:
        rest = tuple(range(COLOURED, len(names)))
        each.insert(COLOURED, Entry(f"Other ({len(rest)})", int(coded.counts[list(rest)].sum()), rest))
    return Colouring(by, coded, (*each, *_missing(coded)))


def _by_number(by: ColourBy, values: Numbers, known: Spread | None, wanted: tuple[float, float] | None) -> Colouring:
    spread = known or survey(values)
    if by.kind == "order":  # it has no extreme values
        spread = replace(spread, low=spread.first, high=spread.last)
    low, high = wanted or (spread.low, spread.high)
    coded = range_codes(values, low, high)
    return Colouring(by, coded, _missing(coded), spread, (low, high))


def _by_distance(by: ColourBy, result: DistancesResult) -> Colouring:
    largest_first = result.metric == "inner_product"
    coded, edges = band_codes(result.distances, largest_first)
    finite = result.distances[np.isfinite(result.distances)]
    ends = (float(finite.max()), float(finite.min())) if len(finite) else (0.0, 0.0)
    ends = ends if largest_first else ends[::-1]
    bounds = [figure(bound) for bound in (ends[0], *edges, ends[1])]
    entries = [
        Entry(f"{bounds[band]} to {bounds[band + 1]}", int(coded.counts[band]), (band,))
        for band in range(BANDS if edges else 0)
        if coded.counts[band]
    ]
    return Colouring(by, coded, (*entries, *_missing(coded)), distances=result)


def _missing(coded: Coded) -> tuple[Entry, ...]:
    count = int(coded.counts[MISSING])
    return (Entry("Missing", count, (MISSING,)),) if count else ()
