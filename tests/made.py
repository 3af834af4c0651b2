"""Columns as tests write them down."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from core.columns import column_of_texts
from core.table import Column


def make_column(name: str, texts: Iterable[str]) -> Column:
    """A column from texts as a file would hold them: numbers where every filled value is one, categories where values repeat."""
    return column_of_texts(name, pa.chunked_array([pa.array(texts, pa.string())]), written=True)
