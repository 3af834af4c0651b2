"""Rows whose fields hold what is looked for: a text, a word, a regular expression, or a comparison such as year > 2010."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from core import kinds
from core.errors import UserError
from core.table import Column, Table
from core.types import Ids

How = Literal["contains", "word", "regex"]

# Rows looked at before the next result is told.
BLOCK = 1 << 18
# A search within earlier hits gathers them first, which pays where they are at most this share of the rows.
FEW = 0.25
COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    ">": pc.greater,
    ">=": pc.greater_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    "=": pc.equal,
    "!=": pc.not_equal,
}
_COMPARISON = re.compile(r"\s*(.*?)\s*(>=|<=|!=|==|=|>|<)\s*(.*?)\s*", re.DOTALL)
# What RE2 would take for more than itself (https://github.com/google/re2/wiki/Syntax).
_SPECIAL = re.compile(r"([!-/:-@\[-^`{-~])")

Mask = NDArray[np.bool_]
Look = Callable[[slice | Ids], Mask]  # which of some rows hold it


@dataclass(frozen=True)
class Search:
    """What is looked for, letters small or capital, and where: in every column, or in one."""

    text: str
    column: Column | None = None
    how: How = "contains"

    def narrows(self, other: Search) -> bool:
        """Whether its hits are among those of `other`: not so with comparisons, nor with numbers, which are found whole."""
        plain = self.how == other.how == "contains" and self.column is other.column and not set("<>=") & set(self.text)
        return plain and other.text.lower() in self.text.lower() and _number(self.text) is None


@dataclass(frozen=True, eq=False)
class Found:
    rows: Ids  # (h,) sorted
    done: int  # rows looked at
    total: int


def find(table: Table, search: Search, within: Ids | None = None) -> Iterator[Found]:
    """The hits block by block, in order; of the sorted rows `within`, if these are given. Raises UserError, at once."""
    looks = _looks(table, search)
    if within is not None and len(within) > FEW * table.rows:
        within = None
    return _blocks(looks, table.rows, within)


def _blocks(looks: list[Look], rows: int, within: Ids | None) -> Iterator[Found]:
    total = rows if within is None else len(within)
    for start in range(0, total, BLOCK):
        stop = min(start + BLOCK, total)
        part = slice(start, stop) if within is None else within[start:stop]
        held = np.zeros(stop - start, np.bool_)
        for look in looks:
            held |= look(part)
        hits = np.flatnonzero(held)
        yield Found(hits + start if within is None else within[start + hits], stop, total)


def _looks(table: Table, search: Search) -> list[Look]:
    if search.how != "regex" and (compared := _compared(table, search)) is not None:
        return [_comparing(*compared)]
    columns = table.columns if search.column is None else (search.column,)
    test = _test(search)
    looks = [_reading(column, test) for column in columns if not column.is_number or column.kind == "boolean"]
    looks += [_spelling(column, test) for column in columns if column.kind == "date"]
    number = _number(search.text)
    for column in columns:
        if column.kind == "number" and number is not None:
            looks.append(_comparing(column, "=", number))
    return looks


def _test(search: Search) -> Callable[[Any], Any]:
    """What is asked of strings."""
    text = search.text
    if search.how == "contains" and text.isascii():
        return lambda strings: pc.match_substring(pc.ascii_lower(strings), text.lower())
    if search.how == "contains":
        return lambda strings: pc.match_substring(strings, text, ignore_case=True)
    if search.how == "word":
        text = r"(?:^|[^\pL\pN_])" + _SPECIAL.sub(r"\\\1", text) + r"(?:$|[^\pL\pN_])"
    pattern = f"(?i){text}"
    try:
        pc.match_substring_regex(pa.array([""]), pattern)
    except pa.ArrowInvalid as error:
        reason = str(error).splitlines()[0].removeprefix("Invalid regular expression: ")
        raise UserError(f"This is no regular expression: {reason}.") from None
    return lambda strings: pc.match_substring_regex(strings, pattern)


def _reading(column: Column, test: Callable[[Any], Any]) -> Look:
    """Of few values each is looked at once."""
    codes = column.codes
    if codes is not None:
        held = _mask(test(column.groups.dictionary))
        return lambda part: held[codes[part]]
    return lambda part: _mask(test(column.some(part)))


def _spelling(column: Column, test: Callable[[Any], Any]) -> Look:
    return lambda part: _mask(test(column.some(part).cast(pa.string())))


def _comparing(column: Column, sign: str, value: object) -> Look:
    compare = COMPARISONS[sign]
    if column.codes is not None and isinstance(value, str):
        return _reading(column, lambda names: compare(pc.utf8_lower(names), value))
    if isinstance(value, str):
        return lambda part: _mask(compare(pc.utf8_lower(column.some(part)), value))
    return lambda part: _mask(compare(column.some(part), value))


def _compared(table: Table, search: Search) -> tuple[Column, str, object] | None:
    """The column, the sign and the value, where the text is a comparison that can be made."""
    match = _COMPARISON.fullmatch(search.text)
    if match is None:
        return None
    name, sign, text = match[1].casefold(), match[2].replace("==", "="), match[3]
    named = next((c for c in table.columns if c.name.casefold() == name), None)
    column = named or (search.column if not name else None)
    if column is None or not text:
        return None
    value = _value(column, text)
    if value is None or (isinstance(value, str) and sign not in ("=", "!=")):
        return None
    return column, sign, value


def _value(column: Column, text: str) -> object:
    """What the values of a column are to be compared with; None where `text` is nothing of their kind."""
    match column.kind:
        case "number":
            return _number(text)
        case "date":
            whole = {4: f"{text}-01-01", 7: f"{text}-01"}.get(len(text), text)  # a year, a month
            dates = kinds.dates(pa.array([whole]))
            return None if dates is None else dates.cast(column.data.type)[0]
        case _:
            return text.lower()


def _number(text: str) -> float | None:
    numbers = kinds.numbers(pa.array([text]))
    value = None if numbers is None else numbers[0].as_py()
    return None if value is None else float(value)


def _mask(held: Any) -> Mask:
    """Null is not found."""
    return np.asarray(pc.fill_null(held, False), np.bool_)
