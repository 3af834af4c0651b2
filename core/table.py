"""Metadata of a data set: named columns, one value a row."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

# A text column with at most this many different values, each used twice on average, is worth colouring by.
MAX_CATEGORIES = 256
MAX_CATEGORY_NAME = 60
# Whole numbers from here on are not all float64: a column with one of them is text, such as an id.
EXACT = 2.0**53

Kind = Literal["text", "category", "number"]


@dataclass(frozen=True, eq=False)
class Column:
    """One column. `values` is float64 for numbers, variable-width strings otherwise."""

    name: str
    kind: Kind
    values: NDArray[np.generic]
    codes: NDArray[np.int32] | None = None  # category of each row, an index into `categories`
    categories: tuple[str, ...] = ()  # most frequent first

    @property
    def tells_groups(self) -> bool:
        """Whether its categories part the rows into groups: several, named shortly, most of more than one row."""
        if self.codes is None or len(self.categories) < 2:
            return False
        alone = int(np.count_nonzero(np.bincount(self.codes) == 1))
        return 2 * alone <= len(self.categories) and max(map(len, self.categories)) <= MAX_CATEGORY_NAME

    def text(self, row: int) -> str:
        value = self.values[row]
        if self.kind != "number":
            return str(value)
        number = float(value)
        if np.isnan(number):
            return ""
        return str(int(number)) if number.is_integer() and abs(number) < EXACT else f"{number:.15g}"


@dataclass(frozen=True, eq=False)
class Table:
    """The columns beside the vectors, and which of them names a row."""

    source: str
    rows: int
    columns: tuple[Column, ...]

    @property
    def label_column(self) -> Column:
        """The first text column; where all are numbers, the first."""
        return next((c for c in self.columns if c.kind != "number"), self.columns[0])

    @property
    def colour_column(self) -> Column | None:
        """What the map is coloured by at first: of the columns whose values are short and mostly shared, the one with most."""
        return max((c for c in self.columns if c.tells_groups), key=lambda c: len(c.categories), default=None)

    def label(self, row: int) -> str:
        return self.label_column.text(row)

    def record(self, row: int) -> list[tuple[str, str]]:
        return [(c.name, c.text(row)) for c in self.columns]


def make_column(name: str, texts: list[str]) -> Column:
    """A column from its texts: numbers where every filled value is one, categories where values repeat, else text."""
    numbers = _as_numbers(texts)
    if numbers is not None:
        return Column(name, "number", numbers)
    values = np.array(texts, dtype=np.dtypes.StringDType())
    counts: dict[str, int] = {}
    for text in texts:
        counts[text] = counts.get(text, 0) + 1
        if len(counts) > MAX_CATEGORIES:
            return Column(name, "text", values)
    if len(counts) * 2 > len(texts):
        return Column(name, "text", values)
    ordered = sorted(counts, key=lambda t: (-counts[t], t))
    index = {text: i for i, text in enumerate(ordered)}
    codes = np.fromiter((index[t] for t in texts), np.int32, len(texts))
    return Column(name, "category", values, codes, tuple(ordered))


# What float() takes but a reader would not show as a number: 007, 1_000.
_CODES = re.compile(r"\s*[+-]?0\d|.*_")


def _as_numbers(texts: list[str]) -> NDArray[np.float64] | None:
    if any(_CODES.match(text) for text in texts):
        return None
    try:
        numbers = np.array([float(t) if t.strip() else np.nan for t in texts])
    except ValueError:
        return None
    inexact = [text for number, text in zip(numbers, texts, strict=True) if abs(number) >= EXACT]
    if np.all(np.isnan(numbers)) or any(text.strip().lstrip("+-").isdigit() for text in inexact):
        return None
    return numbers
