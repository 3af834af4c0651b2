"""Lists of numbers that are written in a text, such as '[0.1, 0.2]' or NumPy's '[0.1 0.2]'."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.errors import UserError

_BLANKS = str.maketrans(dict.fromkeys("[](){},;\n\r\t\"'", " "))


def lists_of(texts: Sequence[str | None], where: str, first: int) -> pa.Array:
    """list<float32>, null where there is no text. Raises UserError, with the row's number, for one that is no list of numbers."""
    plain = ["" if text is None else text.translate(_BLANKS) for text in texts]
    lengths = np.array([len(text.split()) for text in plain], np.int64)
    values = numbers_in(" ".join(plain), int(lengths.sum()))
    if values is None:
        wrong = next((i for i, text in enumerate(plain) if numbers_in(text, int(lengths[i])) is None), 0)
        raise UserError(f"{where} has a list that is not all numbers in row {first + wrong:,}; mend it or save it again.")
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    missing = np.array([text is None for text in texts])
    return pa.ListArray.from_arrays(offsets, pa.array(values), mask=pa.array(missing) if missing.any() else None)


def numbers_in(text: str | bytes, count: int) -> NDArray[np.float32] | None:
    """The numbers of a text, parted by spaces, in float32; None if they are not `count`, and nothing else."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # NumPy warns of what it cannot read to its end, and of what float32 does not hold
        try:
            values = np.fromstring(text, np.float32, sep=" ") if count else np.empty(0, np.float32)
        except (ValueError, DeprecationWarning, RuntimeWarning):
            return None
    return values if len(values) == count else None
