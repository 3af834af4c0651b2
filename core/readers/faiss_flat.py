"""FAISS flat index files, mapped: a header, then the vectors as they were added.

Format: write_index_header and IndexFlat in https://github.com/facebookresearch/faiss/blob/main/faiss/impl/index_write.cpp
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from core.dataset import Dataset
from core.errors import UserError
from core.readers.arrays import check_shape, value_name
from core.readers.mapped import map_array
from core.readers.options import OpenOptions, Probe, Reader

FLAT = (b"IxF2", b"IxFI", b"IxFl")  # l2, inner product, any metric
# Dimensions, rows, two numbers of no meaning, trained, metric; then an argument of the metric if it is neither of the first two.
HEADER = struct.Struct("<iqqq?i")
ARGUMENT_BYTES = 4
VALUES = np.dtype("<f4")
COUNT = struct.Struct("<Q")


def _open(path: Path, options: OpenOptions) -> Dataset:
    with path.open("rb") as file:
        kind = file.read(4)
        if kind not in FLAT:
            raise UserError(
                f"{path} holds a FAISS index of another kind ({kind.decode('latin1')!r}), which keeps no plain vectors; "
                "write a flat index, or the vectors themselves."
            )
        header = file.read(HEADER.size)
        if len(header) < HEADER.size:
            raise _cut(path)
        dims, rows, _, _, _, metric = HEADER.unpack(header)
        if metric > 1:
            file.read(ARGUMENT_BYTES)
        count = file.read(COUNT.size)
        if len(count) < COUNT.size:
            raise _cut(path)
        start = file.tell()
    check_shape((rows, dims), str(path))
    if COUNT.unpack(count)[0] != rows * dims:
        raise UserError(f"{path} is a damaged FAISS index: {rows:,} x {dims:,} is not the number of its values; write it again.")
    array, guard = map_array(path, (rows, dims), VALUES, start)
    return Dataset(path, array, "FAISS flat index", value_name(VALUES, options, str(path)), guard=guard)


def _cut(path: Path) -> UserError:
    return UserError(f"{path} is cut short: it ends in the header of a FAISS index; copy it again.")


def _sniff(probe: Probe) -> bool:
    """Flat ones, and all others that FAISS writes, to say that they are of another kind."""
    others = probe.suffix in (".faiss", ".index") and probe.head[:1] == b"I"
    return probe.head[:4] in FLAT or others


READER = Reader("FAISS flat index", (".faiss", ".index"), _sniff, _open)
