"""Lists of numbers that are written in a text, such as '[0.1, 0.2]' or NumPy's '[0.1 0.2]'."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from core.errors import UserError

_BLANKS = str.maketrans(dict.fromkeys("[](){},;\n\r\t\"'", " "))


def lists_of(texts: Sequence[str | None], where: str, first: int) -> pa.Array:
    """list<float32>, null where there is no text. Raises UserError, with the row's number, for one that is no list of numbers."""
    plain = ["" if text is None else " ".join(text.translate(_BLANKS).split()) for text in texts]
    lengths = np.array([text.count(" ") + bool(text) for text in plain], np.int64)
    dims = int(lengths[0]) if len(lengths) and (lengths == lengths[0]).all() else 0
    values = matrix_in([text.encode() for text in plain], dims) if dims else None
    if values is None:
        values = numbers_in(" ".join(plain), int(lengths.sum()))
    if values is None:
        wrong = next((i for i, text in enumerate(plain) if numbers_in(text, int(lengths[i])) is None), 0)
        raise UserError(f"{where} has a list that is not all numbers in row {first + wrong:,}; mend it or save it again.")
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    missing = np.array([text is None for text in texts])
    return pa.ListArray.from_arrays(offsets, pa.array(values.reshape(-1)), mask=pa.array(missing) if missing.any() else None)


def matrix_in(lines: Sequence[bytes], dims: int) -> NDArray[np.float32] | None:
    """The numbers of lines (n, d), parted by single spaces; None if there is anything else, or a number spelt oddly."""
    names = [str(i) for i in range(dims)]
    text = pa.BufferReader(b"\n".join(lines) + b"\n")
    try:
        table = pa_csv.read_csv(
            text,
            pa_csv.ReadOptions(column_names=names, use_threads=False, block_size=text.size() + 1),
            pa_csv.ParseOptions(delimiter=" ", quote_char=False, ignore_empty_lines=False),
            pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.float32()), null_values=[]),
        )
    except pa.ArrowException:
        return None
    if table.num_rows != len(lines):
        return None
    values = np.empty((len(lines), dims), np.float32)
    for i, column in enumerate(table.columns):
        values[:, i] = column.to_numpy()
    return values


def numbers_in(text: str | bytes, count: int) -> NDArray[np.float32] | None:
    """The numbers of a text, parted by spaces, in float32; None if they are not `count`, and nothing else."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # NumPy warns of what it cannot read to its end, and of what float32 does not hold
        try:
            values = np.fromstring(text, np.float32, sep=" ") if count else np.empty(0, np.float32)
        except (ValueError, DeprecationWarning, RuntimeWarning):
            return None
    return values if len(values) == count else None
