"""Labels as .parquet and .jsonl, whose columns say what they hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.json as arrow_json
import pyarrow.parquet as parquet

from core.arrow_table import column_from_arrow
from core.errors import UserError, reason
from core.table import Table

# Labels may take this share of the memory that is free when they are read.
MEMORY_SHARE = 0.5
BATCH = 1 << 15
FAULTS = (pa.ArrowException, UnicodeDecodeError)

Poll = Callable[[], None]


def read_parquet(path: Path, _rows: int, poll: Poll) -> tuple[Table, int]:
    """The columns of a Parquet file, one after the other, and its number of rows. Raises UserError, OSError."""
    try:
        with parquet.ParquetFile(path, memory_map=True) as file:
            names = [field.name for field in file.schema_arrow if not _is_vector(field.type)]
            columns = tuple(column_from_arrow(name, _read_column(path, file, name, poll)) for name in names)
            return Table(str(path), file.metadata.num_rows, columns), file.metadata.num_rows
    except FAULTS as error:
        raise _damaged(path, error) from None


def _read_column(path: Path, file: Any, name: str, poll: Poll) -> Any:
    """A column of a Parquet file, which may be small and yet claim to unpack to any size."""
    room = MEMORY_SHARE * psutil.virtual_memory().available
    chunks: list[Any] = []
    for batch in file.iter_batches(BATCH, columns=[name]):
        poll()
        batch.validate(full=True)  # a damaged file may hold texts that are none
        chunks.append(batch.column(0))
        room -= chunks[-1].nbytes
        if room < 0:
            raise UserError(f"The column {name!r} of {path} unpacks to more than memory has room for.")
    return pa.chunked_array(chunks, file.schema_arrow.field(name).type)


def read_jsonl(path: Path, _rows: int, poll: Poll) -> tuple[Table, int]:
    """The columns of a file with a JSON object a line, and its number of lines. Raises UserError, OSError."""
    try:
        read = arrow_json.read_json(path)
        read.validate(full=True)
        columns, lines = [], read.num_rows
        while read.num_columns:
            poll()
            if not _is_vector(read.field(0).type):
                columns.append(column_from_arrow(read.field(0).name, read.column(0)))
            read = read.remove_column(0)
    except FAULTS as error:
        raise _damaged(path, error) from None
    return Table(str(path), lines, tuple(columns)), lines


def _is_vector(kind: Any) -> bool:
    """Whether values are lists of floats: vectors, not labels."""
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(lists and pa.types.is_floating(kind.value_type))


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(f"The labels in {path} cannot be read ({reason(error)}).")
