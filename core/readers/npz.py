""".npz archives. A stored (uncompressed) array is mapped where it lies; a compressed one is unpacked into memory."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.dataset import Dataset
from core.errors import ArrayChoice, Cancelled, UserError
from core.readers import npy
from core.readers.arrays import PREVIEW_VALUES, check_vectors, choose, first_values, one_line, value_name
from core.readers.mapped import map_array
from core.readers.options import OpenOptions, Reader
from core.readers.room import check_room

UNPACK_BYTES = 1 << 24


def _open(path: Path, options: OpenOptions) -> Dataset:
    try:
        with zipfile.ZipFile(path) as archive:
            return _open_archive(path, archive, options)
    except (UserError, Cancelled):
        raise
    except Exception as error:  # a damaged archive fails in a dozen ways
        raise UserError(f"{path} is a damaged .npz archive ({one_line(error)}); save it again with numpy.savez.") from None


def _open_archive(path: Path, archive: zipfile.ZipFile, options: OpenOptions) -> Dataset:
    headers = _headers(path, archive)
    arrays = tuple(ArrayChoice(name, h.shape, h.dtype.name) for name, h in headers.items())
    name = choose(path, arrays, options.array, lambda name: _preview(archive, name, headers[name])).name
    where = f"{path} ({name})"
    header = headers[name]
    check_vectors(header.dtype, header.shape, where)
    dtype_name = value_name(header.dtype, options, where)
    entry = archive.getinfo(f"{name}.npy")
    if entry.file_size < header.offset + header.nbytes:
        raise UserError(f"{where} is cut short: it needs {header.nbytes:,} bytes of values; save it again.")
    if entry.compress_type == zipfile.ZIP_STORED and not entry.flag_bits & 1:
        start = _data_start(path, entry) + header.offset
        array, guard = map_array(path, header.shape, header.dtype, start, header.fortran)
        return Dataset(path, array, "npz", dtype_name, name, guard=guard, arrays=arrays)
    unpacked = _unpack(where, archive, entry, header, options)
    return Dataset(path, unpacked, "npz", dtype_name, name, mapped=False, arrays=arrays)


def _headers(path: Path, archive: zipfile.ZipFile) -> dict[str, npy.Header]:
    headers = {}
    for entry in archive.infolist():
        if entry.filename.endswith(".npy"):
            name = entry.filename.removesuffix(".npy")
            with archive.open(entry) as member:
                headers[name] = npy.read_header(member, f"{path} ({name})")  # type: ignore[arg-type]
    if not headers:
        raise UserError(f"{path} is a zip archive without arrays in it; save it with numpy.savez.")
    return headers


def _preview(archive: zipfile.ZipFile, name: str, header: npy.Header) -> str:
    """The beginning of the first row; of an array in Fortran's order its first values lie far apart, and are not looked for."""
    if header.fortran:
        return ""
    with archive.open(f"{name}.npy") as member:
        member.read(header.offset)
        length = min(header.shape[1], PREVIEW_VALUES + 1)
        some = member.read(length * header.dtype.itemsize)
    return first_values(np.frombuffer(some, header.dtype))


def _data_start(path: Path, entry: zipfile.ZipInfo) -> int:
    """Where a stored entry's bytes begin: its local header repeats the name and may have an extra field of its own."""
    with path.open("rb") as file:
        file.seek(entry.header_offset + 26)
        name_length, extra_length = struct.unpack("<HH", file.read(4))
    return int(entry.header_offset + 30 + name_length + extra_length)


def _unpack(
    where: str, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, header: npy.Header, options: OpenOptions
) -> NDArray[Any]:
    needed = header.nbytes
    check_room(where, needed, "is compressed")
    data = np.empty(needed, np.uint8)
    filled = 0
    with archive.open(entry) as member:
        member.read(header.offset)
        while filled < needed and (part := member.read(min(UNPACK_BYTES, needed - filled))):
            data[filled : filled + len(part)] = np.frombuffer(part, np.uint8)
            filled += len(part)
            options.told(filled, needed)
    if filled < needed:
        raise UserError(f"{where} is cut short: {filled:,} of {needed:,} bytes; save it again.")
    return np.ndarray(header.shape, header.dtype, data, order="F" if header.fortran else "C")


READER = Reader("npz", (".npz",), lambda probe: probe.head.startswith(b"PK\x03\x04"), _open)
