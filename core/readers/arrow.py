""".arrow and .feather: Arrow's IPC format, as a file or a stream. One batch of fixed_size_list, uncompressed, is mapped.

A file is a stream with a few bytes before and a footer after it; it is read as a stream.
Format: https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from core.dataset import Dataset, FileGuard
from core.errors import UserError
from core.readers import ipc_messages
from core.readers.arrow_faults import told_plainly
from core.readers.mapped import map_array
from core.readers.options import OpenOptions, Probe, Reader
from core.readers.room import check_room
from core.readers.tabular import Source, Vectors, open_columns

END = b"ARROW1"
FILE, STREAM, FEATHER_1 = b"ARROW1\0\0", b"\xff\xff\xff\xff", b"FEA1"


def _open(path: Path, options: OpenOptions) -> Dataset:
    with told_plainly(path, "Arrow"):
        with _stream(path) as stream:
            if stream is None:
                raise UserError(f"{path} is of Feather's first version, which is not read; write it again with pyarrow.")
            batches = list(ipc_messages.batches(stream))
        check_room(str(path), sum(batch.unpacked_bytes for batch in batches), "is compressed")
        rows = sum(batch.rows for batch in batches if not batch.is_dictionary)
        first = next((batch for batch in _batches(path) if batch.num_rows), None)
        if first is None:
            raise UserError(f"{path} has no rows; there is nothing to show.")
        if len(set(first.schema.names)) < len(first.schema.names):
            raise UserError(f"{path} has two columns of one name; give each its own.")
        some = first.slice(0, 16)
        source = Source(path, "arrow", first.schema, rows, lambda places, _: _some(path, places), some)
        source.mapped = lambda vectors, dims: _map(path, vectors, rows, dims)
        return open_columns(source, options)


@contextmanager
def _stream(path: Path) -> Iterator[Any]:
    """The mapped file where its stream begins, None for Feather's first version."""
    with pa.memory_map(str(path)) as file:
        magic = file.read(8)
        if magic[:4] == FEATHER_1:
            yield None
            return
        if magic == FILE:
            file.seek(file.size() - len(END))
            if file.read() != END:
                raise UserError(f"{path} is cut short: it does not end as a file of Arrow does; copy it again.")
        file.seek(len(FILE) if magic == FILE else 0)
        yield file


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    with _stream(path) as stream:
        yield from pa.ipc.open_stream(stream)


def _some(path: Path, places: list[int]) -> Iterator[pa.RecordBatch]:
    with told_plainly(path, "Arrow"):
        yield from (batch.select(places) for batch in _batches(path))


def _map(path: Path, vectors: Vectors, rows: int, dims: int) -> tuple[NDArray[Any], FileGuard] | None:
    """The values of a column of lists where they lie, if they lie there in one piece and as they are."""
    with _stream(path) as file:
        begin = file.tell()
        base = file.read_buffer(1).address - begin
        file.seek(begin)
        batch = next(batch for batch in pa.ipc.open_stream(file) if batch.num_rows)
        column = batch.column(vectors.columns[0])
        if not vectors.lists or batch.num_rows < rows or column.null_count:
            return None
        column.validate(full=True)
        lengths = pc.min_max(pc.list_value_length(column)).as_py()
        values = column.flatten()
        if values.null_count or lengths != {"min": dims, "max": dims}:
            return None
        buffer = values.buffers()[1]
        dtype = np.dtype(vectors.values.to_pandas_dtype())
        start = buffer.address - base + values.offset * dtype.itemsize
        # What was compressed lies in memory of its own.
        if not begin <= start <= file.size() - rows * dims * dtype.itemsize:
            return None
        return map_array(path, (rows, dims), dtype, start)


def _sniff(probe: Probe) -> bool:
    stream = probe.head[:4] == STREAM and int.from_bytes(probe.head[4:8], "little") < probe.size
    return probe.head[:8] == FILE or stream or probe.head[:4] == FEATHER_1


READER = Reader("arrow", (".arrow", ".feather", ".arrows"), _sniff, _open)
