"""What texts stand for: numbers, dates, truth, places on the web, files of pictures or sound; told from texts of Arrow arrays."""

from __future__ import annotations

import re
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

Kind = Literal["number", "category", "text", "date", "boolean", "url", "image", "audio"]

# Filled values that are looked at first.
SAMPLE = 1000
# Whole numbers from here on are not all float64: a column with one of them is text, such as an id.
EXACT = 2.0**53
# What stands for a missing value among numbers, dates and truth, in small letters.
ABSENT = pa.array(["", "na", "n/a", "nan", "null", "none", "-", "?"])
TRUTH = pa.array(["true", "false"])
# What a float can be read from but a reader would not show as a number: 007, 1_000.
_CODE = r"^[+-]?0\d|_"
# Numbers whose thousands are parted by commas.
_THOUSANDS = r"^[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?$"
_WHOLE = r"^[+-]?\d+$"
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?$", re.DOTALL)
FLAVOURS: dict[Kind, re.Pattern[str]] = {
    "url": re.compile(r"https?://\S+", re.IGNORECASE),
    # A part of a picture is named as in W3C's Media Fragments URI 1.0: sheet.png#xywh=0,28,28,28.
    "image": re.compile(r".+\.(png|jpe?g|gif|bmp|webp|svg|ico|ppm|tiff?)(#xywh=\d+(,\d+){3})?", re.IGNORECASE),
    "audio": re.compile(r".+\.(wav|mp3|flac|ogg|oga|opus|m4a|aac)", re.IGNORECASE),
}

Strings = Any  # pa.Array of string or large_string; Arrow has no types for a checker
Numbers = Any  # pa.Array of float64
Dates = Any  # pa.Array of date32 or timestamp('us'), in UTC where a zone was given
Truth = Any  # pa.Array of bool


def guess(texts: Strings, written: bool) -> Kind | None:
    """What the first filled texts look like; None where none is filled.

    `written` where a text file could not have said it otherwise, so that numbers and truth are spelt in words as well.
    """
    sample = _filled(texts)
    if not len(sample):
        return None
    if written and numbers(sample) is not None:
        return "number"
    if written and truth(sample) is not None:
        return "boolean"
    words = sample.to_pylist()
    if all(_DATE.match(word.strip()) for word in words) and dates(sample) is not None:
        return "date"
    return next((kind for kind, pattern in FLAVOURS.items() if all(pattern.fullmatch(word.strip()) for word in words)), "text")


def flavour(text: str) -> Kind | None:
    """Whether one text is an address on the web or the name of a file of a picture or of sound."""
    return next((kind for kind, pattern in FLAVOURS.items() if pattern.fullmatch(text.strip())), None)


def numbers(texts: Strings) -> Numbers | None:
    """float64, null where missing; None if any is neither."""
    trimmed = pc.utf8_trim_whitespace(texts)
    if _any(pc.match_substring_regex(trimmed, _CODE)):
        return None
    filled = _without_absent(trimmed)
    if _any(pc.match_substring(filled, ",")):
        parted = pc.match_substring_regex(filled, _THOUSANDS)
        filled = pc.if_else(parted, pc.replace_substring(filled, ",", ""), filled)
    try:
        values = pc.cast(filled, pa.float64())
    except pa.ArrowInvalid:
        return None
    large = pc.greater_equal(pc.abs(values), EXACT)
    if _any(large) and _any(pc.match_substring_regex(filled.filter(large), _WHOLE)):
        return None
    return values


def truth(texts: Strings) -> Truth | None:
    """Null where missing; None if any is neither 'true' nor 'false'."""
    filled = _without_absent(pc.utf8_lower(pc.utf8_trim_whitespace(texts)))
    if not pc.all(pc.is_in(filled.drop_null(), value_set=TRUTH)).as_py():
        return None
    return pc.equal(filled, "true")


def dates(texts: Strings) -> Dates | None:
    """Days where all lack a time of day, else microseconds, in UTC where they say their zone; None if any is no ISO 8601 date."""
    filled = _without_absent(pc.utf8_trim_whitespace(texts))
    for kind in (pa.date32(), pa.timestamp("us"), pa.timestamp("us", "UTC")):
        try:
            return pc.cast(pc.cast(filled, kind), kind if kind == pa.date32() else pa.timestamp("us"))
        except pa.ArrowInvalid:
            continue
    return None


def _filled(texts: Strings) -> Strings:
    """At most SAMPLE texts, the first that are there."""
    start, step = 0, 16 * SAMPLE
    while start < len(texts):
        part = texts.slice(start, step)
        found = _without_absent(pc.utf8_trim_whitespace(part)).drop_null()
        if len(found):
            return found.slice(0, SAMPLE)
        start += step
    return texts.slice(0, 0)


def _without_absent(texts: Strings) -> Strings:
    absent = pc.is_in(pc.utf8_lower(texts), value_set=ABSENT.cast(texts.type))
    return pc.if_else(absent, pa.scalar(None, texts.type), texts)


def _any(mask: Any) -> bool:
    return bool(pc.any(mask).as_py())
