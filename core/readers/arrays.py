"""Which array of a file is meant, and whether it is a table of vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.dataset import from_bfloat16
from core.errors import ArrayChoice, ChoiceNeeded, UserError
from core.readers.options import OpenOptions

# What the chooser shows of an array.
PREVIEW_VALUES = 4
# The names of arrays that a refusal lists at most.
MAX_LISTED = 12

_REAL = {"float16", "bfloat16", "float32", "float64", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))}


def check_vectors(dtype: np.dtype[Any], shape: tuple[int, ...], where: str) -> None:
    """Refuse what is not a table of real vectors, in one sentence."""
    if dtype.hasobject:
        raise UserError(f"{where} holds pickled Python objects, which are never loaded; save a plain float array instead.")
    if dtype.names is not None:
        raise UserError(f"{where} holds structured records ({len(dtype.names)} fields); save the vectors alone as a 2-d array.")
    if dtype.kind in "SU":
        raise UserError(f"{where} holds text ({dtype}), not numbers; open the vectors and keep texts in a file beside them.")
    if dtype.kind not in "fiu" or dtype.itemsize > 8:
        raise UserError(f"{where} holds {dtype} values; real numbers of at most 64 bits are needed.")
    check_shape(shape, where)


def check_shape(shape: tuple[int, ...], where: str) -> None:
    if len(shape) != 2:
        raise UserError(f"{where} holds a {len(shape)}-d array of shape {shape}; vectors are a 2-d array (rows, dimensions).")
    if any(extent < 0 for extent in shape):
        raise UserError(f"{where} has a damaged header (negative shape {shape}); save the vectors again.")
    if shape[0] == 0:
        raise UserError(f"{where} has no rows (shape {shape}); there is nothing to show.")
    if shape[1] < 2:
        raise UserError(f"{where} has {shape[1]} column(s) (shape {shape}); a map needs vectors of at least 2 dimensions.")


def value_name(dtype: np.dtype[Any], options: OpenOptions, where: str) -> str:
    """The name of the values, bfloat16 where the user said so."""
    if not options.bfloat16:
        return dtype.name
    if dtype.kind != "u" or dtype.itemsize != 2:
        raise UserError(f"{where} holds {dtype.name}; only uint16 values can be read as bfloat16.")
    return "bfloat16"


def is_table(choice: ArrayChoice) -> bool:
    """Whether it could be meant: a 2-d array of real numbers with rows and columns."""
    return len(choice.shape) == 2 and choice.dtype in _REAL and choice.shape[0] > 0 and choice.shape[1] > 1


def choose(path: Path, arrays: Sequence[ArrayChoice], wanted: str | None, preview: Callable[[str], str]) -> ArrayChoice:
    """The array the user named, else the only one that holds vectors.

    Raises ChoiceNeeded where several do, with what `preview` shows of the array of a name.
    """
    if wanted is not None:
        found = next((a for a in arrays if a.name == wanted), None)
        if found is None:
            raise UserError(f"{path} has no array {wanted!r}; it holds {_listed([a.name for a in arrays])}.")
        return found
    if len(arrays) == 1:
        return arrays[0]
    tables = [a for a in arrays if is_table(a)]
    if len(tables) == 1:
        return tables[0]
    if not tables:
        shapes = _listed([f"{a.name} {a.shape}" for a in arrays])
        raise UserError(f"{path} holds no 2-d array of numbers ({shapes}); save the vectors as (rows, dimensions).")
    raise ChoiceNeeded(str(path), tuple(replace(a, preview=preview(a.name)) for a in tables))


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MAX_LISTED:,} more" if len(names) > MAX_LISTED else ""
    return ", ".join(names[:MAX_LISTED]) + more


def first_values(row: NDArray[Any], bfloat16: bool = False) -> str:
    """The beginning of a row, for the chooser."""
    some = row[:PREVIEW_VALUES]
    values = from_bfloat16(some) if bfloat16 else some
    return " ".join(f"{float(value):.4g}" for value in values) + (" …" if len(row) > PREVIEW_VALUES else "")


def one_line(error: BaseException | str) -> str:
    """What a library said, as part of a sentence."""
    text = " ".join(str(error).split()).rstrip(".")
    return (text[:200] + "…" if len(text) > 200 else text) or type(error).__name__
