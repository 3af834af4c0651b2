""".parquet, by pyarrow: vectors in chunks, the other columns when they are asked for.

Format: https://parquet.apache.org/docs/file-format
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from core.dataset import Dataset
from core.errors import UserError
from core.readers.arrow_faults import told_plainly
from core.readers.options import OpenOptions, Reader
from core.readers.room import check_room
from core.readers.tabular import Source, open_columns

FIRST_ROWS = 16


def _open(path: Path, options: OpenOptions) -> Dataset:
    with told_plainly(path, "Parquet"):
        file = pq.ParquetFile(path)
        names = [column.name for column in file.schema_arrow]
        if len(set(names)) < len(names):
            raise UserError(f"{path} has two columns of one name; give each its own.")
        # Before anything is unpacked.
        check_room(str(path), _unpacked(file), "is compressed")
        batches = _batches(file, names, list(range(len(names))), FIRST_ROWS)
        first = next(batches, pa.RecordBatch.from_pylist([], file.schema_arrow))
        source = Source(
            path,
            "parquet",
            file.schema_arrow,
            file.metadata.num_rows,
            lambda places, rows: _told(path, _batches(file, names, places, rows)),
            first,
            why="is compressed",
        )
        return open_columns(source, options)


def _batches(file: pq.ParquetFile, names: list[str], places: list[int], rows: int) -> Iterator[pa.RecordBatch]:
    return iter(file.iter_batches(rows, columns=[names[i] for i in places], use_threads=False))


def _told(path: Path, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    with told_plainly(path, "Parquet"):
        yield from batches


def _unpacked(file: pq.ParquetFile) -> int:
    """Bytes of all columns, by what groups of rows tell. To ask a single column ends the process if it is damaged."""
    return sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))


READER = Reader("parquet", (".parquet", ".pq"), lambda probe: probe.head[:4] == b"PAR1", _open)
