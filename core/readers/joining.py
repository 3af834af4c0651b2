"""Which line of a labels file is about which row: by their order, or by a column that says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from core.arrow_table import column_from_arrow
from core.errors import JoinNeeded, UserError
from core.table import Column, Table

# Columns that are taken to hold the numbers of rows, in small letters, if they can.
NAMES = ("row", "id", "index", "idx", "row_id", "row id", "row number")


@dataclass(frozen=True, eq=False)
class Labels:
    table: Table
    note: str | None = None  # a sentence, where lines and rows are not one to one


def joined(table: Table, lines: int, rows: int, own: Table | None = None, by: str | None = None) -> Labels:
    """`table`, read from so many `lines`, with one for each of `rows` rows. Raises UserError if nothing tells which is whose."""
    if by is None and table.rows == rows:
        return Labels(table)
    namesakes = {} if own is None else {column.name: column for column in own.columns}
    if by is None:
        name, line_of = _found(table, lines, rows, namesakes)
    else:
        name, line_of = by, _chosen(table, rows, namesakes, by)
    indices = pa.array(line_of, mask=line_of < 0)
    columns = tuple(column_from_arrow(c.name, c.data.take(indices)) for c in table.columns)
    used = int(np.count_nonzero(line_of >= 0))
    told = [f"{rows - used:,} of {rows:,} rows have no line" if used < rows else ""]
    told += [f"{table.rows - used:,} of {table.rows:,} lines belong to no row" if used < table.rows else ""]
    note = ": ".join(filter(None, [f"{table.source} is joined by its column {name!r}", " and ".join(filter(None, told))])) + "."
    return Labels(Table(table.source, rows, columns), note)


def _found(table: Table, lines: int, rows: int, namesakes: dict[str, Column]) -> tuple[str, NDArray[np.int64]]:
    """A column that tells which row each line is about, and the line of each row, -1 where it has none."""
    others = []
    for column in table.columns:
        line_of = _line_of(column, rows, namesakes.get(column.name))
        if line_of is not None and (column.name in namesakes or column.name.lower() in NAMES):
            return column.name, line_of
        if line_of is not None:
            others.append(column.name)
    remedy = "" if others else "; add one, or write a line for every row"
    raise JoinNeeded(
        f"The labels in {table.source} have {lines:,} lines, the vectors {rows:,} rows, and no column named 'row' or 'id' holds "
        f"the number of the row that each line is about{remedy}.",
        tuple(others),
    )


def _chosen(table: Table, rows: int, namesakes: dict[str, Column], by: str) -> NDArray[np.int64]:
    column = next((column for column in table.columns if column.name == by), None)
    if column is None:
        raise UserError(f"{table.source} has no column {by!r}; it has {', '.join(c.name for c in table.columns)}.")
    line_of = _line_of(column, rows, namesakes.get(by))
    if line_of is None:
        raise UserError(
            f"The column {by!r} of {table.source} does not tell which row each line is about: it must hold numbers of rows, "
            f"0 to {rows - 1:,}, each at most once."
        )
    return line_of


def _line_of(column: Column, rows: int, namesake: Column | None) -> NDArray[np.int64] | None:
    """The line of each row; None if the column does not tell it."""
    if namesake is not None and len(namesake) == rows:
        return _line_of_name(column.data, namesake.data)
    if column.kind != "number":
        return None
    numbers = column.values
    with np.errstate(invalid="ignore"):
        whole = (numbers >= 0) & (numbers < rows) & (numbers == np.floor(numbers))
    if not whole.all():
        return None
    ids = numbers.astype(np.int64)
    line_of = np.full(rows, -1, np.int64)
    line_of[ids] = np.arange(len(ids))
    return line_of if np.count_nonzero(line_of >= 0) == len(ids) else None


def _line_of_name(names: Any, wanted: Any) -> NDArray[np.int64] | None:
    names, wanted = (_plain(data) for data in (names, wanted))
    if names.type != wanted.type or names.null_count or pc.count_distinct(names).as_py() < len(names):
        return None
    lines = pc.fill_null(pc.index_in(wanted, value_set=names.combine_chunks()), -1)
    found: NDArray[np.int64] = lines.to_numpy().astype(np.int64)
    return found if (found >= 0).any() else None


def _plain(data: Any) -> Any:
    """As strings or float64."""
    if pa.types.is_integer(data.type) or pa.types.is_floating(data.type):
        return data.cast(pa.float64())
    return data.cast(pa.large_string())
