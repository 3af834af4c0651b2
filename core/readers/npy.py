""".npy files, versions 1 to 3, mapped. The header is checked against the file's size before anything is touched.

Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy_format

from core.dataset import Dataset
from core.errors import UserError
from core.readers.arrays import check_vectors, value_name
from core.readers.mapped import map_array
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
    check_vectors(header.dtype, header.shape, str(path))
    name = value_name(header.dtype, options, str(path))
    array, guard = map_array(path, header.shape, header.dtype, header.offset, header.fortran)
    return Dataset(path, array, "npy", name, guard=guard)


READER = Reader("npy", (".npy",), lambda probe: probe.head.startswith(MAGIC), _open)
