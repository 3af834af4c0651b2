"""Metadata of a data set: named columns, one value a row."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

# A text column with at most this many different values, each used twice on average, is worth colouring by; one of whole numbers
# with far fewer, such as the digit that a picture shows or the number of a cluster.
MAX_CATEGORIES = 1000
MAX_CLASSES = 40
# Of columns that part the rows into groups, those with at most so many colour the map at first.
MAX_AT_FIRST = 48
# Rows that are looked at first, to find classes.
CLASS_SAMPLE = 1000
MAX_CATEGORY_NAME = 60
# Whole numbers from here on are not all float64: a column with one of them is text, such as an id.
EXACT = 2.0**53

Kind = Literal["text", "category", "number"]


@dataclass(frozen=True, eq=False)
class Column:
    """One column. `values` is float64 for numbers, variable-width strings otherwise.

    Numbers that stand for classes, being few and whole, have codes as well.
    """

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
        return _number_text(float(value))


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

    def record(self, row: int) -> list[tuple[str, str]]:
        return [(c.name, c.text(row)) for c in self.columns]


def make_column(name: str, texts: list[str]) -> Column:
    """A column from its texts: numbers where every filled value is one, categories where values repeat, else text."""
    numbers = _as_numbers(texts)
    if numbers is not None:
        return Column(name, "number", numbers, *_classes(numbers))
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


def _classes(numbers: NDArray[np.float64]) -> tuple[NDArray[np.int32] | None, tuple[str, ...]]:
    """Codes and names of the different numbers, if these are few and whole, each used twice on average."""
    # Most columns that have none are told by their first rows, without sorting all.
    if len(np.unique(numbers[:CLASS_SAMPLE])) > MAX_CLASSES:
        return None, ()
    different, places, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    few = len(different) <= MAX_CLASSES and 2 * len(different) <= len(numbers)
    if not few or not all(np.isnan(value) or float(value).is_integer() for value in different):
        return None, ()
    order = np.argsort(-counts, kind="stable")
    ranks = np.empty(len(order), np.int32)
    ranks[order] = np.arange(len(order), dtype=np.int32)
    return ranks[places], tuple(_number_text(float(value)) for value in different[order])


def _number_text(number: float) -> str:
    if np.isnan(number):
        return ""
    return str(int(number)) if number.is_integer() and abs(number) < EXACT else f"{number:.15g}"


# What stands for a missing number, in small letters, and numbers whose thousands are parted by commas.
_ABSENT = frozenset({"", "na", "n/a", "nan", "null", "none", "-", "?"})
_THOUSANDS = re.compile(r"\s*[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?\s*")
# What float() takes but a reader would not show as a number: 007, 1_000.
_CODES = re.compile(r"\s*[+-]?0\d|.*_")


def _as_numbers(texts: list[str]) -> NDArray[np.float64] | None:
    if any(_CODES.match(text) for text in texts):
        return None
    try:
        numbers = np.array([_as_number(text) for text in texts])
    except ValueError:
        return None
    inexact = [text.replace(",", "") for number, text in zip(numbers, texts, strict=True) if abs(number) >= EXACT]
    if np.all(np.isnan(numbers)) or any(text.strip().lstrip("+-").isdigit() for text in inexact):
        return None
    return numbers


def _as_number(text: str) -> float:
    """Raises ValueError if it is none."""
    if text.strip().lower() in _ABSENT:
        return np.nan
    return float(text.replace(",", "") if _THOUSANDS.fullmatch(text) else text)
