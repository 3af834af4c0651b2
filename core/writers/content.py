"""What is written: rows with their vectors or coordinates and their fields, given some rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.dataset import Dataset
from core.export import GoOn
from core.table import Table
from core.types import Floats, Ids

# Values in a part, about, and rows at most: between two parts an export can be given up.
PART_VALUES, PART_ROWS = 1 << 21, 4096


@dataclass(frozen=True)
class Matrix:
    """Numbers that lie side by side in each row."""

    name: str  # of the whole
    columns: tuple[str, ...]  # of each
    dtype: np.dtype[Any]
    read: Callable[[slice], NDArray[np.floating[Any]]]  # of some of the rows that are written


@dataclass(frozen=True)
class Field:
    name: str
    kind: pa.DataType
    read: Callable[[slice], pa.Array]


@dataclass(frozen=True)
class Part:
    fields: pa.RecordBatch
    matrix: NDArray[np.floating[Any]] | None  # (m, d)


@dataclass(frozen=True)
class Content:
    rows: Ids  # (n,) of the data set, in the order they are written
    fields: tuple[Field, ...]
    matrix: Matrix | None = None

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([(field.name, field.kind) for field in self.fields])

    def parts(self, told: GoOn) -> Iterator[Part]:
        width = 1 if self.matrix is None else len(self.matrix.columns)
        step = max(1, min(PART_ROWS, PART_VALUES // width))
        for start in range(0, len(self.rows), step):
            told(start)
            some = slice(start, min(start + step, len(self.rows)))
            batch = pa.record_batch([field.read(some) for field in self.fields], schema=self.schema)
            yield Part(batch, None if self.matrix is None else self.matrix.read(some))


def content_of(
    dataset: Dataset,
    rows: Ids,
    table: Table | None = None,
    coords: Floats | None = None,
    distances: NDArray[np.float64] | None = None,
    vectors: bool = False,
) -> Content:
    """`rows` (n,) with their fields, and their vectors, or coordinates (n, c); with distances (n,) as a list of neighbours.

    The row's number is a field of its own unless all rows are written in order.
    """
    fields: list[Field] = []
    if distances is not None:
        fields.append(Field("rank", pa.int64(), lambda some: pa.array(range(some.start + 1, some.stop + 1))))
    if len(rows) != dataset.rows or np.any(rows != np.arange(dataset.rows)):
        fields.append(Field("row", pa.int64(), lambda some: pa.array(rows[some])))
    if distances is not None:
        fields.append(Field("distance", pa.float64(), lambda some: pa.array(distances[some])))
    if table is not None:
        fields += _fields_of(table, rows, {field.name for field in fields})
    matrix = None
    if coords is not None:
        names = tuple("xyzw"[i] if coords.shape[1] <= 4 else f"c{i}" for i in range(coords.shape[1]))
        matrix = Matrix("coordinates", names, coords.dtype, lambda some: coords[some])
    elif vectors:
        names = tuple(f"x{i}" for i in range(dataset.dims))
        matrix = Matrix("vector", names, dataset.read(rows[:0]).dtype, lambda some: dataset.read(rows[some]))
    if not fields and matrix is None:
        fields.append(Field("row", pa.int64(), lambda some: pa.array(rows[some])))
    return Content(rows, tuple(fields), matrix)


def _fields_of(table: Table, rows: Ids, taken: set[str]) -> Iterator[Field]:
    for column in table.columns:
        name = column.name
        while name in taken:
            name += "_"
        taken.add(name)
        kind = column.data.type
        plain = kind.value_type if pa.types.is_dictionary(kind) else kind

        def read(some: slice, data: Any = column.data, plain: pa.DataType = plain) -> pa.Array:
            taken = data.take(pa.array(rows[some])).cast(plain)
            return taken.combine_chunks() if isinstance(taken, pa.ChunkedArray) else taken

        yield Field(name, plain, read)
