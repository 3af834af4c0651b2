"""Metadata from an Arrow table, whose columns say themselves what they hold; their memory is kept, not copied."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from core.columns import column_of_texts, plain_column
from core.kinds import EXACT
from core.table import Column, Table


def table_from_arrow(source: str, arrow: Any) -> Table:
    """The columns of a pyarrow.Table as metadata of as many rows; `source` is where they come from, as the user knows it."""
    columns = (column_from_arrow(name, data) for name, data in zip(arrow.column_names, arrow.columns, strict=True))
    return Table(source, arrow.num_rows, tuple(columns))


def column_from_arrow(name: str, data: Any) -> Column:
    """A column from a pyarrow.ChunkedArray of any type."""
    kind = data.type
    if isinstance(kind, pa.ExtensionType):
        data = pa.chunked_array([chunk.storage for chunk in data.chunks], kind.storage_type)
        kind = data.type
    if pa.types.is_dictionary(kind):
        data = data.cast(kind.value_type)
        kind = data.type
    if pa.types.is_boolean(kind):
        return plain_column(name, data)
    if pa.types.is_decimal(kind) or pa.types.is_float16(kind):
        data = data.cast(pa.float64())
    if pa.types.is_floating(data.type) or (pa.types.is_integer(kind) and not _is_inexact(data)):
        return plain_column(name, data)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return Column(name, "date", _dates(data))
    return column_of_texts(name, _texts(data), written=False)


def _is_inexact(data: Any) -> bool:
    """Whether a whole number is too large to be a float64, as ids are: these are names."""
    ends = pc.min_max(data).as_py()
    return ends["min"] is not None and max(-ends["min"], ends["max"]) >= EXACT


def _dates(data: Any) -> Any:
    """Days where no time of day is given, else microseconds in UTC."""
    if data.type == pa.date32():
        return data
    times = data.cast(pa.timestamp("us"), safe=False)
    days = times.cast(pa.date32())
    return days if pc.all(pc.equal(days.cast(pa.timestamp("us")), times)).as_py() else times


def _texts(data: Any) -> Any:
    kind = data.type
    if kind in (pa.string(), pa.large_string()):
        return data
    if pa.types.is_null(kind) or pa.types.is_integer(kind) or pa.types.is_string_view(kind) or pa.types.is_temporal(kind):
        return data.cast(pa.string())
    return pa.chunked_array([pa.array(map(_text, chunk), pa.large_string()) for chunk in data.chunks], pa.large_string())


def _text(scalar: Any) -> str | None:
    """Lists, structures and the like as JSON."""
    value = scalar.as_py()
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return None if value is None else json.dumps(value, ensure_ascii=False, default=str)
