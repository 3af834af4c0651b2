"""Tables of named columns: which of them are vectors, their values as an array (n, d), and the others as metadata."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from core.arrow_table import table_from_arrow
from core.dataset import Dataset, FileGuard
from core.errors import ArrayChoice, UserError
from core.readers.arrays import check_shape, choose, first_values
from core.readers.arrow_faults import told_plainly
from core.readers.options import OpenOptions
from core.readers.room import check_room
from core.table import Table

# Bytes of vectors in a batch, about.
BATCH_BYTES = 1 << 24
Mapped = tuple[NDArray[Any], FileGuard]
_NUMBERED = re.compile(r"(.*?)(\d{1,6})")


@dataclass(frozen=True)
class Vectors:
    """Columns that are vectors together: one that holds a list in each row, or several of numbers."""

    name: str
    columns: tuple[int, ...]  # their places
    values: pa.DataType  # of a single number
    lists: bool


@dataclass
class Source:
    """A file of columns, as its format's reader sees it."""

    path: Path
    format: str
    schema: pa.Schema
    rows: int  # or more, where that is not known before they are read
    batches: Callable[[list[int], int], Iterator[pa.RecordBatch]]  # of the columns at these places, with so many rows if it can
    first: pa.RecordBatch  # some of its rows, all columns
    why: str = "cannot be mapped"
    mapped: Callable[[Vectors, int], Mapped | None] | None = None  # the vectors (n, d) where they lie in the file, if they do
    as_metadata: Callable[[str, pa.Table], Table] = table_from_arrow

    def metadata(self, places: list[int], rows: int) -> Table:
        """The columns at these places. Raises UserError if they are not as long as the vectors."""
        with told_plainly(self.path, self.format):
            schema = pa.schema([self.schema.field(i) for i in places])
            table = visible(pa.Table.from_batches(self.batches(places, 1 << 16), schema))
            if table.num_rows != rows:
                raise UserError(f"{self.path} has {table.num_rows:,} rows beside {rows:,} vectors; it is damaged, save it again.")
            return self.as_metadata(str(self.path), table)


def visible(table: pa.Table) -> pa.Table:
    """A sound table: text that is no UTF-8 shows as the replacement character. Raises ArrowInvalid for damaged columns."""
    for i, name in enumerate(table.column_names):
        data = table.column(i)
        if pa.types.is_string(data.type) or pa.types.is_large_string(data.type):
            kind, data = data.type, data.cast(pa.large_binary())
            data.validate(full=True)
            try:
                data = data.cast(kind)
            except pa.ArrowInvalid:
                texts = [None if v is None else v.decode("utf-8", "replace") for v in data.to_pylist()]
                data = pa.chunked_array([pa.array(texts, kind)])
            table = table.set_column(i, name, data)
        else:
            data.validate(full=True)
    return table


def open_columns(source: Source, options: OpenOptions) -> Dataset:
    """Read the vectors of `source` into memory. Raises UserError if there are none, or several to choose from."""
    path, found = source.path, find_vectors(source.schema)
    if not found:
        names = ", ".join(source.schema.names[:8])
        raise UserError(
            f"{path} has no column of lists of numbers and no two columns of numbers (its columns: {names}); add vectors."
        )
    by_name = {vectors.name: vectors for vectors in found}
    arrays = tuple(_choice(source, vectors) for vectors in found)
    name = choose(path, arrays, options.array, lambda name: _preview(source, by_name[name])).name
    vectors, where = by_name[name], f"{path} ({name})"
    shape = next(a.shape for a in arrays if a.name == name)
    check_shape(shape, where)
    lies = None if source.mapped is None else source.mapped(vectors, shape[1])
    array, guard = lies or (read_vectors(source, vectors, shape, options), None)
    taken = {place for one in found for place in one.columns} if len(found) > 1 else set(vectors.columns)
    rest = [i for i, column in enumerate(source.schema) if i not in taken and is_plain(column.type)]
    metadata = (lambda: source.metadata(rest, len(array))) if rest else None
    listed = arrays if len(arrays) > 1 else ()
    mapped = guard is not None
    return Dataset(path, array, source.format, array.dtype.name, name, mapped, guard, listed, metadata)


def read_vectors(source: Source, vectors: Vectors, shape: tuple[int, ...], options: OpenOptions) -> NDArray[Any]:
    """The values of all rows, (n, d), in memory that is checked first."""
    where, (rows, dims) = f"{source.path} ({vectors.name})", shape
    dtype = np.dtype(vectors.values.to_pandas_dtype())
    check_room(where, rows * dims * dtype.itemsize, source.why)
    out = np.empty((rows, dims), dtype)
    row = 0
    for batch in source.batches(list(vectors.columns), max(1, BATCH_BYTES // (dims * dtype.itemsize))):
        if row + batch.num_rows > rows:
            raise UserError(f"{where} has more rows than the {rows:,} it tells of; save it again.")
        part = out[row : row + batch.num_rows]
        if vectors.lists:
            _fill_from_lists(part, batch.column(0), where, row)
        else:
            for i, column in enumerate(batch.columns):
                part[:, i] = _numbers(column, where, dtype)
        row += batch.num_rows
        options.told(row, rows)
    check_shape((row, dims), where)
    return out[:row]


def find_vectors(schema: pa.Schema) -> list[Vectors]:
    """Columns of lists; columns of numbers with numbered names; if there are none, all columns of floats, or of numbers."""
    lists = [Vectors(column.name, (i,), column.type.value_type, True) for i, column in enumerate(schema) if _is_list(column.type)]
    found = lists + _families(schema)
    if found:
        return found
    for kind in (pa.types.is_floating, is_number):
        places = [i for i, column in enumerate(schema) if kind(column.type)]
        if len(places) > 1:
            return [_side_by_side(schema, places)]
    return []


def _families(schema: pa.Schema) -> list[Vectors]:
    """Runs of columns such as x0, x1, x2: one beginning, numbers without a gap from 0 or 1."""

    def stem(place: int) -> str | None:
        match = _NUMBERED.fullmatch(schema.field(place).name)
        return match[1] if match and is_number(schema.field(place).type) else None

    found = []
    for beginning, run in groupby(range(len(schema)), key=stem):
        places = list(run)
        if beginning is None or len(places) < 2:
            continue
        numbers = [int(schema.field(i).name[len(beginning) :]) for i in places]
        if numbers[0] in (0, 1) and numbers == list(range(numbers[0], numbers[0] + len(numbers))):
            found.append(_side_by_side(schema, places))
    return found


def _side_by_side(schema: pa.Schema, places: Sequence[int]) -> Vectors:
    types = {np.dtype(schema.field(i).type.to_pandas_dtype()) for i in places}
    name = f"{schema.field(places[0]).name} to {schema.field(places[-1]).name}"
    return Vectors(name, tuple(places), pa.from_numpy_dtype(np.result_type(*types)), False)


def _is_list(kind: pa.DataType) -> bool:
    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return listed and is_number(kind.value_type)


def is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def is_plain(kind: pa.DataType) -> bool:
    """Whether a column of it can tell something of a row: no lists, no records."""
    return not pa.types.is_nested(kind) and not pa.types.is_null(kind)


def _choice(source: Source, vectors: Vectors) -> ArrayChoice:
    shape = (source.rows, _dims(source, vectors))
    return ArrayChoice(vectors.name, shape, np.dtype(vectors.values.to_pandas_dtype()).name)


def _dims(source: Source, vectors: Vectors) -> int:
    if not vectors.lists:
        return len(vectors.columns)
    place = vectors.columns[0]
    kind = source.schema.field(place).type
    if pa.types.is_fixed_size_list(kind):
        return int(kind.list_size)
    lengths = pc.drop_null(pc.list_value_length(source.first.column(place)))
    return int(lengths[0].as_py()) if len(lengths) else 0


def _preview(source: Source, vectors: Vectors) -> str:
    if not source.first.num_rows:
        return ""
    if vectors.lists:
        values = source.first.column(vectors.columns[0])[0].as_py() or []
    else:
        values = [source.first.column(place)[0].as_py() for place in vectors.columns[:8]]
    return first_values(np.array([np.nan if value is None else value for value in values], np.float64))


def _fill_from_lists(out: NDArray[Any], column: pa.Array, where: str, first: int) -> None:
    """A null list becomes a row of NaN. Raises UserError if the lists are not as long as `out` is wide."""
    column.validate(full=True)
    dims = out.shape[1]
    lengths = pc.fill_null(pc.list_value_length(column), dims).to_numpy(zero_copy_only=False)
    if (wrong := np.flatnonzero(lengths != dims)).size:
        row = int(wrong[0])
        raise UserError(
            f"{where} has rows of unequal length: row {first + row:,} has {int(lengths[row]):,} values, others {dims:,}; "
            "make all rows as long."
        )
    values = _numbers(column.flatten(), where, out.dtype).reshape(-1, dims)
    if column.null_count == 0:
        out[:] = values
        return
    _check_missing(where, out.dtype)
    out[:] = np.nan
    out[column.is_valid().to_numpy(zero_copy_only=False)] = values


def _numbers(array: pa.Array, where: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Values with NaN for those that are missing."""
    if array.null_count:
        _check_missing(where, dtype)
    return np.asarray(array.to_numpy(zero_copy_only=False))


def _check_missing(where: str, dtype: np.dtype[Any]) -> None:
    if dtype.kind != "f":
        raise UserError(f"{where} has missing values among whole numbers; fill them, or save it as float32.")
