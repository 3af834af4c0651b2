"""What neighbours are asked of: a row, the mean of several, an analogy over rows, a vector at hand, a row of another file.

Two queries with arrays are equal only if they are the same object.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from core.dataset import Dataset
from core.errors import UserError

Doubles = NDArray[np.float64]
Label = Callable[[int], str]  # the name of a row

# A pasted vector is at most so many characters a number, so that a book pasted by mistake is not read through.
MOST_CHARACTERS = 64


@dataclass(frozen=True, slots=True)
class RowQuery:
    """A row; it is no neighbour of its own."""

    row: int

    @property
    def own_rows(self) -> tuple[int, ...]:
        return (self.row,)

    def name(self, label: Label) -> str:
        return label(self.row)


@dataclass(frozen=True, slots=True, eq=False)
class MeanQuery:
    """The mean of some rows, none of which is left out."""

    rows: NDArray[np.int64]  # (m,), sorted
    own_rows: ClassVar[tuple[int, ...]] = ()

    def name(self, label: Label) -> str:
        return f"mean of {len(self.rows):,} rows"


@dataclass(frozen=True, slots=True)
class AnalogyQuery:
    """The sum of some rows less that of others, as they lie in the file; all of them are left out of the neighbours.

    Mikolov et al., Linguistic Regularities in Continuous Space Word Representations, 2013.
    """

    plus: tuple[int, ...]
    minus: tuple[int, ...]

    @property
    def own_rows(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(self.plus + self.minus))

    def name(self, label: Label) -> str:
        first, *rest = self.plus
        return label(first) + "".join(f" − {label(row)}" for row in self.minus) + "".join(f" + {label(row)}" for row in rest)


@dataclass(frozen=True, slots=True, eq=False)
class VectorQuery:
    """A vector that is no row; `source` says where it comes from."""

    vector: Doubles  # (d,)
    source: str
    own_rows: ClassVar[tuple[int, ...]] = ()

    def name(self, label: Label) -> str:
        return self.source


@dataclass(frozen=True, slots=True)
class FileQuery:
    """A row of another file, which is mapped: it is read when it is asked about."""

    dataset: Dataset
    row: int
    own_rows: ClassVar[tuple[int, ...]] = ()

    def name(self, label: Label) -> str:
        return self.dataset.name if self.dataset.rows == 1 else f"row {self.row:,} of {self.dataset.name}"


Query = RowQuery | MeanQuery | AnalogyQuery | VectorQuery | FileQuery


def row_of(query: Query | None) -> int | None:
    """The row that a query is, None where it is anything else."""
    return query.row if isinstance(query, RowQuery) else None


def parse_vector(text: str, dims: int, source: str = "pasted vector") -> VectorQuery:
    """The vector of `dims` numbers in a text: a JSON list, or parted by commas, semicolons, spaces or lines.

    Raises UserError if it is not one.
    """
    if len(text) > MOST_CHARACTERS * (dims + 1):
        raise UserError(f"The text is far longer than {dims:,} numbers; paste one vector.")
    numbers = _numbers(text)
    if len(numbers) != dims:
        raise UserError(f"The text holds {_counted(len(numbers), 'number')}, the vectors have {dims:,} dimensions.")
    vector = np.array(numbers)
    if not np.isfinite(vector).all():
        raise UserError("The text holds NaN or infinity; a query needs finite numbers.")
    return VectorQuery(vector, source)


def _numbers(text: str) -> list[float]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = [word for word in re.split(r"[\s,;]+", text.strip().strip("[]()")) if word]
    # A list of one list is what many a library prints.
    while isinstance(found, list) and len(found) == 1 and isinstance(found[0], list):
        found = found[0]
    numbers = []
    for word in found if isinstance(found, list) else [found]:
        try:
            numbers.append(float(word))
        except (TypeError, ValueError, OverflowError):
            raise UserError(f"{str(word)[:24]!r} is not a number; paste numbers parted by commas, spaces or lines.") from None
    return numbers


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
