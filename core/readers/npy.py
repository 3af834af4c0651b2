""".npy files, versions 1 to 3, mapped. The header is checked against the file's size before anything is touched.

Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import math
import mmap
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from core.dataset import Dataset, FileGuard
from core.errors import UserError
from core.readers.options import OpenOptions, Reader

MAGIC = b"\x93NUMPY"


@dataclass(frozen=True)
class Header:
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    offset: int  # of the first value, from where the header began

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(file: BinaryIO, where: str) -> Header:
    """Read one .npy header from the current position. `where` names the file in a refusal."""
    start = file.tell()
    try:
        version = npy_format.read_magic(file)
        # Version 3 differs from 2 only in the encoding of field names, which plain vectors do not have.
        read = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
        shape, fortran, dtype = read(file)
    except Exception:  # NumPy evaluates the header as a Python literal: a damaged one fails in a dozen ways
        raise UserError(f"{where} has a damaged .npy header; save the vectors again with numpy.save.") from None
    return Header(shape, fortran, dtype, file.tell() - start)


def check_vectors(header: Header, where: str) -> None:
    """Refuse what is not a table of real vectors, in one sentence."""
    dtype, shape = header.dtype, header.shape
    if dtype.hasobject:
        raise UserError(f"{where} holds pickled Python objects, which are never loaded; save a plain float array instead.")
    if dtype.names is not None:
        raise UserError(f"{where} holds structured records ({len(dtype.names)} fields); save the vectors alone as a 2-d array.")
    if dtype.kind in "SU":
        raise UserError(f"{where} holds text ({dtype}), not numbers; open the vectors and keep texts in a file beside them.")
    if dtype.kind not in "fiu" or dtype.itemsize > 8:
        raise UserError(f"{where} holds {dtype} values; real numbers of at most 64 bits are needed.")
    if len(shape) != 2:
        raise UserError(f"{where} holds a {len(shape)}-d array of shape {shape}; vectors are a 2-d array (rows, dimensions).")
    if any(extent < 0 for extent in shape):
        raise UserError(f"{where} has a damaged .npy header (negative shape {shape}); save the vectors again.")
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


def map_array(path: Path, header: Header, offset: int) -> tuple[NDArray[Any], FileGuard]:
    """Map the array whose header ends at `offset` of `path`. Raises UserError if the file is too short for it."""
    with path.open("rb") as file:
        guard = FileGuard.watch(path, file.fileno(), offset)
        needed = offset + header.nbytes
        if needed > guard.size:
            raise UserError(
                f"{path} is cut short: its header tells of {needed:,} bytes, the file has {guard.size:,}; copy it again."
            )
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return np.ndarray(header.shape, header.dtype, mapping, offset, order="F" if header.fortran else "C"), guard


def open_alone(path: Path, options: OpenOptions) -> Dataset | None:
    """A file of one vector as a data set of one row; None if its array has not just one dimension."""
    with path.open("rb") as file:
        header = read_header(file, str(path))
    return _mapped(path, replace(header, shape=(1, *header.shape)), options) if len(header.shape) == 1 else None


def _open(path: Path, options: OpenOptions) -> Dataset:
    with path.open("rb") as file:
        header = read_header(file, str(path))
    return _mapped(path, header, options)


def _mapped(path: Path, header: Header, options: OpenOptions) -> Dataset:
    check_vectors(header, str(path))
    name = value_name(header.dtype, options, str(path))
    array, guard = map_array(path, header, header.offset)
    return Dataset(path, array, "npy", name, guard=guard)


READER = Reader("npy", (".npy",), lambda head: head.startswith(MAGIC), _open)
