""".jsonl, by pyarrow: an object a line, of whose fields one holds a list of numbers or several hold numbers; or a list a line.

Numbers of a list are read as float32. Format: https://jsonlines.org
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.json as pa_json

from core.dataset import Dataset
from core.errors import UserError
from core.readers.arrow_faults import told_plainly
from core.readers.lines import count_lines, line_blocks
from core.readers.options import OpenOptions, Probe, Reader
from core.readers.tabular import Source, find_vectors, open_columns
from core.readers.text_lists import lists_of

FIRST_BLOCK, BLOCK = 1 << 20, 1 << 22
WHY = "is text, which cannot be mapped,"


def _open(path: Path, options: OpenOptions) -> Dataset:
    with told_plainly(path, "JSON lines"):
        with path.open("rb") as file:
            bare = file.read(1) == b"["
            file.seek(0)
            lines = count_lines(file, options)
        batches = _Lists(path) if bare else _Objects(path)
        first = next(batches.read(None, FIRST_BLOCK), None)
        if first is None or not first.num_rows:
            raise UserError(f"{path} has no rows; there is nothing to show.")
        schema = batches.schema
        source = Source(path, "jsonl", schema, lines, lambda places, _: batches.read(places, BLOCK), first.slice(0, 16), why=WHY)
        return open_columns(source, options)


class _Lists:
    """A list a line."""

    schema = pa.schema([("vector", pa.list_(pa.float32()))])

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, places: list[int] | None, block: int) -> Iterator[pa.RecordBatch]:
        row = 0
        with self._path.open("rb") as file:
            for lines, _ in line_blocks(file, str(self._path)):
                texts = [line.decode("utf-8", "replace") for line in lines if line]
                yield pa.record_batch([lists_of(texts, str(self._path), row)], schema=self.schema)
                row += len(texts)


class _Objects:
    """An object a line; what its fields hold is judged by the first of them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with closing(self._open(None, FIRST_BLOCK)) as reader:
            inferred = reader.schema
        wanted = {i: vectors.lists for vectors in find_vectors(inferred) for i in vectors.columns}
        kinds = {True: pa.list_(pa.float32()), False: pa.float64()}
        self.schema = pa.schema([(f.name, kinds[wanted[i]] if i in wanted else f.type) for i, f in enumerate(inferred)])

    def read(self, places: list[int] | None, block: int) -> Iterator[pa.RecordBatch]:
        schema = self.schema if places is None else pa.schema([self.schema.field(i) for i in places])
        with told_plainly(self._path, "JSON lines"), closing(self._open(schema, block)) as reader:
            for batch in reader:
                yield batch.select(schema.names)

    def _open(self, schema: pa.Schema | None, block: int) -> pa_json.JSONStreamingReader:
        return pa_json.open_json(
            self._path,
            pa_json.ReadOptions(use_threads=False, block_size=block),
            pa_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="infer" if schema is None else "ignore"),
        )


def _sniff(probe: Probe) -> bool:
    """An object or a list in the first line, and a line after it; a single one of a JSON document is longer than that."""
    first = probe.head.lstrip()[:1]
    return first in (b"{", b"[") and (probe.suffix in (".jsonl", ".ndjson") or probe.head[:4096].count(b"}\n{") > 0)


READER = Reader("jsonl", (".jsonl", ".ndjson"), _sniff, _open)
