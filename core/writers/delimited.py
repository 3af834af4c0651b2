""".csv: a header, the fields, then a column a dimension. .tsv: the embedding projector's pair, vectors without a header and the
fields in a file of their own beside them, with a header if there are several."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from core.export import GoOn, write_whole
from core.readers.projector import metadata_beside
from core.writers.content import Content, Matrix, Part


def write_csv(path: Path, content: Content, told: GoOn) -> tuple[Path, ...]:
    schema = content.schema
    if content.matrix is not None:
        schema = pa.schema([*schema, *_columns(content.matrix)])

    def batches() -> Iterator[pa.RecordBatch]:
        for part in content.parts(told):
            yield pa.record_batch([*part.fields.columns, *_side_by_side(part)], schema=schema)

    write_whole(path, _filler(schema, batches, ",", header=True))
    return (path,)


def write_tsv(path: Path, content: Content, told: GoOn) -> tuple[Path, ...]:
    fields, matrix = content.schema, content.matrix

    def batches() -> Iterator[pa.RecordBatch]:
        return (part.fields for part in content.parts(told))

    if matrix is None:
        write_whole(path, _fields_filler(fields, batches, header=True))
        return (path,)
    schema = pa.schema(_columns(matrix))

    def vectors() -> Iterator[pa.RecordBatch]:
        return (pa.record_batch(_side_by_side(part), schema=schema) for part in content.parts(told))

    if not len(fields):
        write_whole(path, _filler(schema, vectors, "\t", header=False))
        return (path,)
    beside = metadata_beside(path)

    def both(whole: Path) -> None:
        _filler(schema, vectors, "\t", header=False)(whole)
        alone = Content(content.rows, content.fields)
        batches = (part.fields for part in alone.parts(told))
        write_whole(beside, _fields_filler(fields, lambda: batches, header=len(fields) > 1))

    write_whole(path, both)
    return (path, beside)


def _filler(
    schema: pa.Schema, batches: Callable[[], Iterator[pa.RecordBatch]], mark: str, header: bool
) -> Callable[[Path], None]:
    def fill(whole: Path) -> None:
        options = pa_csv.WriteOptions(include_header=header, delimiter=mark)
        with pa_csv.CSVWriter(whole, schema, write_options=options) as writer:
            for batch in batches():
                writer.write_batch(batch)

    return fill


def _fields_filler(schema: pa.Schema, batches: Callable[[], Iterator[pa.RecordBatch]], header: bool) -> Callable[[Path], None]:
    """Quotes only where they must be, since the projector shows them."""

    def fill(whole: Path) -> None:
        with whole.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter="\t", lineterminator="\n")
            if header:
                writer.writerow(schema.names)
            for batch in batches():
                texts = [pc.fill_null(column.cast(pa.string()), "").to_pylist() for column in batch.columns]
                writer.writerows(zip(*texts, strict=True))

    return fill


def _columns(matrix: Matrix) -> list[pa.Field]:
    return [pa.field(name, pa.from_numpy_dtype(matrix.dtype)) for name in matrix.columns]


def _side_by_side(part: Part) -> list[pa.Array]:
    return [] if part.matrix is None else [pa.array(column) for column in part.matrix.T.copy()]
