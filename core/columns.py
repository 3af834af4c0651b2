"""Columns made of blocks as they are read: what a column holds is guessed from the first and checked on all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core import kinds
from core.kinds import SAMPLE, Kind
from core.table import MAX_CATEGORIES, MAX_CLASSES, Column, value_text

# Values worked on at once.
BLOCK = 1 << 18
READ: dict[Kind | None, Callable[[Any], Any]] = {"number": kinds.numbers, "boolean": kinds.truth, "date": kinds.dates}


class Refuted(Exception):
    """A later block does not hold what the first ones did: the column is to be read again as text."""


class Texts:
    """Gathers a column of texts block by block; nothing as long as the column is made twice.

    `written` where they come from a text file, in which numbers are spelt too.
    """

    def __init__(self, written: bool, as_text: bool = False) -> None:
        self._written = written
        self._kind: Kind | None = "text" if as_text else None
        self._blocks: list[Any] = []
        self._different: set[str] | None = set()  # texts seen, while they are few enough to be categories

    def add(self, texts: Any) -> None:
        """Take a block of strings. Raises Refuted."""
        for start in range(0, len(texts), BLOCK):
            taken = self._taken(texts.slice(start, BLOCK))  # which may change the blocks before
            self._blocks.append(taken)

    def put_first(self, text: str) -> None:
        """Put a text before all others. Raises Refuted."""
        taken = self._taken(pa.array([text]))
        self._blocks.insert(0, taken)

    def drop_last(self) -> None:
        """Forget the last text."""
        if self._blocks:
            self._blocks[-1] = self._blocks[-1].slice(0, len(self._blocks[-1]) - 1)

    def finish(self, name: str) -> Column:
        """The column; no block may follow."""
        if self._kind == "boolean" or self._kind == "number":
            return plain_column(name, pa.chunked_array(self._blocks))
        if self._kind == "date":
            mixed = len({block.type for block in self._blocks}) > 1
            blocks = [block.cast(pa.timestamp("us")) for block in self._blocks] if mixed else self._blocks
            return Column(name, "date", pa.chunked_array(blocks))
        if self._kind in ("url", "image", "audio"):
            return Column(name, self._kind, pa.chunked_array(self._plain()))
        rows = sum(map(len, self._blocks))
        if rows and self._different is not None and 2 * len(self._different) <= rows:
            encoded = pa.chunked_array(self._blocks).unify_dictionaries().combine_chunks()
            groups = most_frequent_first(encoded)
            return Column(name, "category", pa.chunked_array([groups]), groups)
        return Column(name, "text", pa.chunked_array(self._plain() or [pa.array([], pa.string())]))

    def _taken(self, texts: Any) -> Any:
        """What is kept of a block."""
        first = self._kind is None
        if first:
            self._kind = kinds.guess(texts, self._written)
        if self._kind not in READ:
            return self._encoded(texts)
        values = READ[self._kind](texts)
        if values is None and first:  # what it looked like holds of its beginning only
            self._kind = "text"
            return self._encoded(texts)
        if values is None:
            raise Refuted
        if first:  # what came before is missing throughout
            self._blocks = [pa.nulls(len(block), values.type) for block in self._blocks]
        return values

    def _encoded(self, texts: Any) -> Any:
        """With a dictionary as long as the texts are few."""
        if self._different is None:
            return texts
        encoded = pc.fill_null(texts, "").dictionary_encode()
        if len(encoded.dictionary) <= MAX_CATEGORIES:
            self._different.update(encoded.dictionary.to_pylist())
            if len(self._different) <= MAX_CATEGORIES:
                return pa.DictionaryArray.from_arrays(encoded.indices.cast(pa.int16()), encoded.dictionary.cast(pa.string()))
        self._different = None
        self._blocks = self._plain()
        return texts

    def _plain(self) -> list[Any]:
        """The blocks as strings, of one type."""
        blocks = [block.dictionary_decode() if pa.types.is_dictionary(block.type) else block for block in self._blocks]
        large = any(block.type == pa.large_string() for block in blocks)
        return [block.cast(pa.large_string()) for block in blocks] if large else blocks


def column_of_texts(name: str, data: Any, written: bool) -> Column:
    """A column from a chunked array of strings."""
    try:
        return _gathered(data, Texts(written)).finish(name)
    except Refuted:
        return _gathered(data, Texts(written, as_text=True)).finish(name)


def _gathered(data: Any, texts: Texts) -> Texts:
    for chunk in data.chunks:
        texts.add(chunk)
    return texts


def plain_column(name: str, data: Any) -> Column:
    """A column from a chunked array of numbers or booleans."""
    if data.type == pa.bool_():
        spelt = pa.chunked_array([pc.if_else(chunk, "true", "false") for chunk in data.chunks], pa.string())
        return Column(name, "boolean", data, most_frequent_first(_encoded(spelt)))
    return Column(name, "number", data, _classes(data))


def most_frequent_first(encoded: Any) -> Any:
    """A dictionary array of strings with its codes anew: of the most frequent first, then by name; null is the empty text."""
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    names = encoded.dictionary.to_pylist()
    counts = np.bincount(codes, minlength=len(names))
    order = sorted(range(len(names)), key=lambda i: (-counts[i], names[i]))
    ranks = np.empty(len(order), np.int16)
    ranks[order] = np.arange(len(order), dtype=np.int16)
    return pa.DictionaryArray.from_arrays(pa.array(ranks[codes]), pa.array([names[i] for i in order], pa.string()))


def _encoded(data: Any) -> Any:
    return pc.fill_null(data, "").dictionary_encode().combine_chunks()


def _classes(data: Any) -> Any:
    """Which of the different numbers each row has, if these are few and whole, each used twice on average."""
    # Most columns that have none are told by their first rows.
    if len(pc.unique(data.slice(0, SAMPLE))) > MAX_CLASSES or len(pc.unique(data)) > MAX_CLASSES + 1:
        return None
    if pa.types.is_floating(data.type):
        data = pc.if_else(pc.is_nan(data), pa.scalar(None, data.type), data)
    encoded = data.dictionary_encode("encode").combine_chunks()
    values = encoded.dictionary.to_pylist()
    few = len(values) <= MAX_CLASSES and 2 * len(values) <= len(data)
    if not few or not all(value is None or float(value).is_integer() for value in values):
        return None
    counts = np.bincount(encoded.indices.to_numpy())
    order = sorted(range(len(values)), key=lambda i: (-counts[i], np.inf if values[i] is None else values[i]))
    ranks = np.empty(len(order), np.int16)
    ranks[order] = np.arange(len(order), dtype=np.int16)
    names = [value_text(values[i]) for i in order]
    return pa.DictionaryArray.from_arrays(pa.array(ranks[encoded.indices.to_numpy()]), pa.array(names, pa.string()))
