""".parquet: the fields, and the vectors or coordinates as one column of lists of one length."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.export import GoOn, write_whole
from core.writers.content import Content, Part


def write(path: Path, content: Content, told: GoOn) -> tuple[Path, ...]:
    schema, matrix = content.schema, content.matrix
    if matrix is not None:
        schema = schema.append(pa.field(matrix.name, pa.list_(pa.from_numpy_dtype(matrix.dtype), len(matrix.columns))))

    def batch(part: Part) -> pa.RecordBatch:
        columns = list(part.fields.columns)
        if part.matrix is not None:
            values = pa.array(np.ascontiguousarray(part.matrix).reshape(-1))
            columns.append(pa.FixedSizeListArray.from_arrays(values, part.matrix.shape[1]))
        return pa.record_batch(columns, schema=schema)

    def fill(whole: Path) -> None:
        with pq.ParquetWriter(whole, schema) as writer:
            for part in content.parts(told):
                writer.write_batch(batch(part))

    write_whole(path, fill)
    return (path,)
