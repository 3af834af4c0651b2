"""Damaged labels: whatever bytes a file holds, there is a table or a sentence."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import UserError
from core.readers.sidecar import read_sidecar

ROWS = 6
NAMES = ["a", "b,c", 'd"', "ü", "", "f"]


def whole(suffix: str) -> bytes:
    """A sound file of labels."""
    arrow = pa.table({"id": range(ROWS), "name": NAMES, "day": ["2020-01-01"] * ROWS, "on": [True, None] * 3})
    if suffix == ".parquet":
        sink = io.BytesIO()
        parquet.write_table(arrow, sink)
        return sink.getvalue()
    if suffix == ".jsonl":
        return "".join(f'{{"id": {i}, "name": "{name.strip(chr(34))}", "on": [1]}}\n' for i, name in enumerate(NAMES)).encode()
    delimiter = {".tsv": "\t", ".csv": ",", ".txt": "\t"}[suffix]
    rows = [delimiter.join([str(i), f'"{name}"', "2020-01-01"]) for i, name in enumerate(NAMES)]
    return "\n".join([delimiter.join(["id", "name", "day"]), *rows]).encode()


def table_or_sentence(content: bytes, suffix: str, rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"labels{suffix}"
        path.write_bytes(content)
        problem, table = "", None
        try:
            table = read_sidecar(path, rows).table
        except UserError as error:
            problem = str(error)
    if table is None:
        assert problem.endswith(".")
        assert problem.isprintable()
        return
    assert table.rows == rows
    for column in table.columns:
        assert len(column) == rows
        assert all(isinstance(column.text(row), str) for row in range(rows))
        assert column.codes is None or max(column.codes) < len(column.categories)


suffixes = pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt", ".jsonl", ".parquet"])


@suffixes
def test_a_sound_file_is_read(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"labels{suffix}"
    path.write_bytes(whole(suffix))
    assert read_sidecar(path, ROWS).table.rows == ROWS


@suffixes
@settings(max_examples=150)
@given(data=st.data())
def test_changed_cut_and_mixed_bytes(suffix: str, data: st.DataObject) -> None:
    content = bytearray(whole(suffix))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
        if not content:
            break
    content = content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content
    table_or_sentence(bytes(content), suffix, data.draw(st.integers(1, ROWS + 2)))


@suffixes
@settings(max_examples=100)
@given(content=st.binary(max_size=60) | st.text('"\t,\n\r\0aé1.', max_size=40).map(str.encode), rows=st.integers(1, 5))
def test_any_bytes(suffix: str, content: bytes, rows: int) -> None:
    table_or_sentence(content, suffix, rows)
