"""Metadata of a data set: named columns, one value a row, in Arrow memory; values become Python's only when they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from core.kinds import EXACT, Kind

# A text column with at most this many different values, each used twice on average, is worth colouring by; one of whole numbers
# with far fewer, such as the digit that a picture shows or the number of a cluster.
MAX_CATEGORIES = 1000
MAX_CLASSES = 40
# Of columns that part the rows into groups, those with at most so many colour the map at first.
MAX_AT_FIRST = 48
MAX_CATEGORY_NAME = 60


@dataclass(frozen=True, eq=False)
class Column:
    """One column. `data` is a chunked Arrow array of n values: numbers, strings, dates or booleans; null where missing.

    `groups` says which of few values each row has: the data itself where these are categories, else for numbers that stand for
    classes, being few and whole, and for booleans.
    """

    name: str
    kind: Kind
    data: Any  # pa.ChunkedArray (n,)
    groups: Any = None  # pa.DictionaryArray (n,), int16 into strings, the most frequent first; None where values are not few

    def __len__(self) -> int:
        return len(self.data)

    @property
    def is_number(self) -> bool:
        """Whether its values lie on a line: numbers, dates, and truth as 0 and 1."""
        return self.kind in ("number", "date", "boolean")

    @property
    def values(self) -> NDArray[np.float64]:
        """Where they lie on that line (n,), dates in seconds since 1970; NaN where missing. Made anew each time."""
        data = self.data
        if self.kind == "date":
            days = data.type == pa.date32()
            data = pc.cast(data, pa.int32() if days else pa.int64())
            return _floats(data) * (86400.0 if days else 1e-6)
        return _floats(data)

    @property
    def codes(self) -> NDArray[np.int16] | None:
        """The category of each row (n,), an index into `categories`."""
        return None if self.groups is None else self.groups.indices.to_numpy()

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """The most frequent first."""
        return () if self.groups is None else tuple(self.groups.dictionary.to_pylist())

    @property
    def tells_groups(self) -> bool:
        """Whether its categories part the rows into groups: several, named shortly, most of more than one row."""
        codes = self.codes
        if codes is None or len(self.categories) < 2:
            return False
        alone = int(np.count_nonzero(np.bincount(codes) == 1))
        return 2 * alone <= len(self.categories) and max(map(len, self.categories)) <= MAX_CATEGORY_NAME

    def some(self, rows: slice | NDArray[np.int64]) -> Any:
        """The values (chunked) of a run of rows, or of sorted ones.

        Arrow's own `take` would join all chunks of strings first, however few rows are wanted.
        """
        if isinstance(rows, slice):
            return self.data.slice(rows.start, rows.stop - rows.start)
        starts = self._starts
        ends = np.searchsorted(rows, starts)
        parts = [
            self.data.chunk(i).take(pa.array(rows[ends[i] : ends[i + 1]] - starts[i]))
            for i in np.flatnonzero(np.diff(ends)).tolist()
        ]
        return pa.chunked_array(parts, self.data.type)

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """The row that each chunk begins with, and the number of rows."""
        return np.cumsum([0, *(len(chunk) for chunk in self.data.chunks)])

    def text(self, row: int) -> str:
        value = self.data[row]
        # Arrow spells dates that Python's calendar has no room for, too.
        return value_text(value.cast(pa.string()).as_py() if self.kind == "date" else value.as_py()).removesuffix(".000000")


@dataclass(frozen=True, eq=False)
class Table:
    """The columns beside the vectors, and which of them names a row."""

    source: str
    rows: int
    columns: tuple[Column, ...]

    @cached_property
    def label_column(self) -> Column:
        """The first column of words; where there is none, the first that is not numbers, then the first."""
        words = (c for c in self.columns if c.kind in ("text", "category"))
        others = (c for c in self.columns if not c.is_number)
        return next(words, None) or next(others, None) or self.columns[0]

    @cached_property
    def colour_column(self) -> Column | None:
        """What the map is coloured by at first: of the columns whose values are short and mostly shared, the one with most.

        Words go before numbers, and what a legend can hold at a glance before the rest.
        """

        def worth(column: Column) -> tuple[bool, bool, int]:
            count = len(column.categories)
            at_a_glance = count <= MAX_AT_FIRST
            return column.kind == "category", at_a_glance, count if at_a_glance else -count

        return max((c for c in self.columns if c.tells_groups), key=worth, default=None)

    def label(self, row: int) -> str:
        return self.label_column.text(row)


def value_text(value: object) -> str:
    """A value as it is shown; nothing where it is missing."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return _number_text(value)
        case _:
            return str(value)


def _number_text(number: float) -> str:
    if np.isnan(number):
        return ""
    return str(int(number)) if number.is_integer() and abs(number) < EXACT else f"{number:.15g}"


def _floats(data: Any) -> NDArray[np.float64]:
    """Chunk by chunk, so that no second array as long is made on the way."""
    out = np.empty(len(data), np.float64)
    start = 0
    for chunk in data.chunks:
        # Null becomes NaN, also where nulls would keep NumPy from looking into Arrow's memory.
        out[start : start + len(chunk)] = pc.fill_null(pc.cast(chunk, pa.float64(), safe=False), np.nan).to_numpy()
        start += len(chunk)
    return out
