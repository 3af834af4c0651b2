""".csv and .tsv, by pyarrow: columns of numbers, or one that holds a list in brackets; with or without a header line.

Numbers of the vectors are read as float32. The embedding projector's tensors.tsv has no header; its metadata.tsv lies beside it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv

from core.columns import column_of_texts
from core.dataset import Dataset
from core.errors import UserError
from core.readers.arrow_faults import told_plainly
from core.readers.lines import count_lines
from core.readers.options import OpenOptions, Probe, Reader
from core.readers.projector import metadata_beside
from core.readers.sidecar import read_sidecar
from core.readers.tabular import Source, find_vectors, open_columns
from core.readers.text_lists import lists_of
from core.table import Table

SUFFIXES = (".csv", ".tsv")
FIRST_BLOCK, BLOCK = 1 << 20, 1 << 22
MAX_HEADER = 1 << 24
LISTS = pa.list_(pa.float32())
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|nan|inf(inity)?)\s*", re.IGNORECASE)


def _open(path: Path, options: OpenOptions) -> Dataset:
    with told_plainly(path, "a table in text"):
        with path.open("rb") as file:
            head = file.readline(MAX_HEADER)
            file.seek(0)
            lines = count_lines(file, options)
        text = _Text(path, head)
        schema, first = text.look()
        source = Source(path, text.format, schema, lines - text.has_header, lambda places, _: text.batches(schema, places), first)
        source.why, source.as_metadata = "is text, which cannot be mapped,", _texts_as_metadata
        dataset = open_columns(source, options)
    beside = metadata_beside(path)
    if dataset.metadata is None and beside.is_file():
        return replace(dataset, metadata=lambda: read_sidecar(beside, dataset.rows).table)
    return dataset


class _Text:
    """How a file of lines is parted in columns."""

    def __init__(self, path: Path, head: bytes) -> None:
        line = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
        self._path = path
        self._delimiter = delimiter_of(line, path.suffix.lower())
        self._quote = False if self._delimiter == "\t" else '"'
        fields = next(csv.reader([line], delimiter=self._delimiter), [])
        self.has_header = is_header(fields)
        self.names = _unlike(fields) if self.has_header else [f"x{i}" for i in range(len(fields))]
        self.format = "tsv" if self._delimiter == "\t" else "csv"

    def look(self) -> tuple[pa.Schema, pa.RecordBatch]:
        """What its columns hold, judged by the beginning: float32 and lists of them in vectors, else text as bytes."""
        with closing(self._read({}, self.names, FIRST_BLOCK)) as reader:
            batch = next(iter(reader), None)
        if batch is None or not batch.num_rows:
            raise UserError(f"{self._path} has no rows; there is nothing to show.")
        kinds = {c.name: LISTS if _holds_lists(batch.column(i)) else c.type for i, c in enumerate(batch.schema)}
        inferred = pa.schema(kinds.items())
        wanted = {inferred.field(i).name for vectors in find_vectors(inferred) for i in vectors.columns}
        schema = pa.schema(
            (name, pa.binary() if name not in wanted else LISTS if kind == LISTS else pa.float32())
            for name, kind in kinds.items()
        )
        first = next(self.batches(schema, list(range(len(schema))), FIRST_BLOCK))
        return schema, first.slice(0, 16)

    def batches(self, schema: pa.Schema, places: list[int], block: int = BLOCK) -> Iterator[pa.RecordBatch]:
        wanted = [schema.field(i) for i in places]
        types = {field.name: pa.binary() if field.type == LISTS else field.type for field in wanted}
        row = 0
        with told_plainly(self._path, "a table in text"), closing(self._read(types, list(types), block)) as reader:
            for batch in reader:
                arrays = [
                    lists_of(_decoded(column), f"{self._path} ({field.name})", row) if field.type == LISTS else column
                    for field, column in zip(wanted, batch.columns, strict=True)
                ]
                yield pa.record_batch(arrays, schema=pa.schema(wanted))
                row += batch.num_rows

    def _read(self, types: dict[str, pa.DataType], names: list[str], block: int) -> pa_csv.CSVStreamingReader:
        return pa_csv.open_csv(
            self._path,
            pa_csv.ReadOptions(block_size=block, column_names=self.names, skip_rows=int(self.has_header), use_threads=False),
            pa_csv.ParseOptions(delimiter=self._delimiter, quote_char=self._quote, newlines_in_values=bool(self._quote)),
            pa_csv.ConvertOptions(column_types=types, include_columns=names, strings_can_be_null=False),
        )


def delimiter_of(line: str, suffix: str) -> str:
    """What parts the fields of `line`: the most frequent of tab, comma and semicolon, else a space between numbers."""
    if suffix == ".tsv" and "\t" in line:
        return "\t"
    best = max(("\t", ",", ";"), key=line.count)
    if best in line:
        return best
    return " " if len(line.split(" ")) > 1 and all(map(is_number, line.split())) else ","


def is_header(fields: list[str]) -> bool:
    """Most fields of a header are no numbers, or are all counted from 0, as pandas names columns that have no names."""
    filled = [field.strip() for field in fields if field.strip()]
    counted = len(filled) > 1 and filled == [str(i) for i in range(len(filled))]
    return counted or 2 * sum(map(is_number, filled)) < len(filled)


def is_number(field: str) -> bool:
    return _NUMBER.fullmatch(field) is not None


def _unlike(names: list[str]) -> list[str]:
    """Names that differ, none of them empty."""
    used: dict[str, int] = {}
    unlike = []
    for i, name in enumerate(names):
        name = name.strip() or f"column {i + 1}"
        used[name] = used.get(name, 0) + 1
        unlike.append(name if used[name] == 1 else f"{name} ({used[name]})")
    if len(set(unlike)) < len(unlike):
        return [f"column {i + 1}" for i in range(len(names))]
    return unlike


def _holds_lists(column: pa.Array) -> bool:
    if not (pa.types.is_string(column.type) or pa.types.is_binary(column.type)):
        return False
    first = next((text.strip() for text in _decoded(column.slice(0, 16)) if text), "")
    return first[:1] in "[(" and first[-1:] in "])" and len(first) > 2 and is_number(re.split(r"[,\s]+", first[1:-1].strip())[0])


def _decoded(column: pa.Array) -> list[str | None]:
    """Bytes that are no UTF-8 show as the replacement character."""
    values = column.to_pylist() if pa.types.is_binary(column.type) else column.cast(pa.binary()).to_pylist()
    return [None if value is None else value.decode("utf-8", "replace") for value in values]


def _texts_as_metadata(source: str, table: pa.Table) -> Table:
    columns = []
    for name, data in zip(table.column_names, table.columns, strict=True):
        texts = pa.chunked_array([pa.array(_decoded(chunk), pa.string()) for chunk in data.chunks], pa.string())
        columns.append(column_of_texts(name, texts, written=True))
    return Table(source, table.num_rows, tuple(columns))


def _sniff(probe: Probe) -> bool:
    """The suffix, or lines of which the second has several numbers."""
    if b"\0" in probe.head[:1024]:
        return False
    if probe.suffix in SUFFIXES:
        return True
    lines = probe.head.decode("utf-8", "replace").split("\n")[:2]
    fields = re.split(r"[\t,; ]", lines[-1].strip())[:-1]
    return len(lines) > 1 and len(fields) > 1 and all(map(is_number, fields))


READER = Reader("csv", SUFFIXES, _sniff, _open)
