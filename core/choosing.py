"""Which points a box or a lasso encloses, and what becomes of a set of rows with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.picking import in_box, in_lasso
from core.point_index import PointIndex, Shown
from core.types import Ids

How = Literal["replace", "add", "subtract", "toggle"]


@dataclass(frozen=True, slots=True)
class Box:
    """In data units, with x0 <= x1 and y0 <= y1."""

    x0: float
    x1: float
    y0: float
    y1: float


@dataclass(frozen=True, eq=False)
class Lasso:
    corners: NDArray[np.float64]  # (v, 2) in data units; the last is joined to the first


@dataclass(frozen=True, eq=False)
class Area:
    """The shown points of an index within an outline, or all of them."""

    index: PointIndex
    outline: Box | Lasso | None = None
    shown: Shown | None = None  # (65536,) which colour codes are shown; None: all

    def rows(self) -> Ids:
        """Their data set rows, sorted."""
        match self.outline:
            case Box(x0, x1, y0, y1):
                found = in_box(self.index, x0, x1, y0, y1, self.shown)
            case Lasso(corners):
                found = in_lasso(self.index, corners, self.shown)
            case None:
                rows = self.index.rows
                found = (rows if self.shown is None else rows[self.shown[self.index.codes]]).astype(np.int64)
        return np.sort(found)


def combined(before: Ids, others: Ids, how: How) -> Ids:
    """The rows `before` replaced by `others`, with them, without them, or with those of either that are not in both.

    Both are sorted, each row once, and so is what is returned.
    """
    if how == "replace":
        return others
    last = max((int(rows[-1]) for rows in (before, others) if len(rows)), default=-1)
    member = np.zeros(last + 1, np.bool_)
    member[before] = True
    member[others] = True if how == "add" else False if how == "subtract" else ~member[others]
    return np.flatnonzero(member)
