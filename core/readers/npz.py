""".npz archives. A stored (uncompressed) array is mapped where it lies; a compressed one is unpacked into memory."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import psutil

from core.dataset import Dataset
from core.errors import ArrayChoice, ChoiceNeeded, UserError
from core.readers import npy
from core.readers.options import OpenOptions, Reader

# A compressed array may take this share of the memory that is free when it is opened.
MEMORY_SHARE = 0.5
UNPACK_BYTES = 1 << 24


def _open(path: Path, options: OpenOptions) -> Dataset:
    try:
        with zipfile.ZipFile(path) as archive:
            return _open_archive(path, archive, options)
    except UserError:
        raise
    except Exception as error:  # a damaged archive fails in a dozen ways
        raise UserError(f"{path} is a damaged .npz archive ({error}); save it again with numpy.savez.") from None


def _open_archive(path: Path, archive: zipfile.ZipFile, options: OpenOptions) -> Dataset:
    headers = _headers(path, archive)
    name = _choose(path, headers, options.array)
    where = f"{path} ({name})"
    header = headers[name]
    npy.check_vectors(header, where)
    dtype_name = npy.value_name(header.dtype, options, where)
    entry = archive.getinfo(f"{name}.npy")
    if entry.file_size < header.offset + header.nbytes:
        raise UserError(f"{where} is cut short: it needs {header.nbytes:,} bytes of values; save it again.")
    if entry.compress_type == zipfile.ZIP_STORED and not entry.flag_bits & 1:
        array, guard = npy.map_array(path, header, _data_start(path, entry) + header.offset)
        return Dataset(path, array, "npz", dtype_name, name, guard=guard)
    return Dataset(path, _unpack(where, archive, entry, header), "npz", dtype_name, name, mapped=False)


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


def _choose(path: Path, headers: dict[str, npy.Header], wanted: str | None) -> str:
    """The array the user named, else the only one that holds vectors."""
    if wanted is not None:
        if wanted not in headers:
            raise UserError(f"{path} has no array {wanted!r}; it holds {', '.join(headers)}.")
        return wanted
    if len(headers) == 1:
        return next(iter(headers))
    tables = [n for n, h in headers.items() if len(h.shape) == 2 and h.dtype.kind in "fiu" and min(h.shape) > 0]
    if len(tables) == 1:
        return tables[0]
    if not tables:
        shapes = ", ".join(f"{n} {h.shape}" for n, h in headers.items())
        raise UserError(f"{path} holds no 2-d array of numbers ({shapes}); save the vectors as (rows, dimensions).")
    raise ChoiceNeeded(str(path), tuple(ArrayChoice(n, headers[n].shape, headers[n].dtype.name) for n in tables))


def _data_start(path: Path, entry: zipfile.ZipInfo) -> int:
    """Where a stored entry's bytes begin: its local header repeats the name and may have an extra field of its own."""
    with path.open("rb") as file:
        file.seek(entry.header_offset + 26)
        name_length, extra_length = struct.unpack("<HH", file.read(4))
    return int(entry.header_offset + 30 + name_length + extra_length)


def _unpack(where: str, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, header: npy.Header) -> np.ndarray:
    needed, free = header.nbytes, psutil.virtual_memory().available
    if needed > MEMORY_SHARE * free:
        raise UserError(
            f"{where} is compressed and unpacks to {needed / 1e9:.1f} GB, of which {MEMORY_SHARE * free / 1e9:.1f} GB "
            "may be used now; save it uncompressed with numpy.save, which is mapped."
        )
    data = bytearray(needed)
    filled = 0
    with archive.open(entry) as member:
        member.read(header.offset)
        while filled < needed and (part := member.read(min(UNPACK_BYTES, needed - filled))):
            data[filled : filled + len(part)] = part
            filled += len(part)
    if filled < needed:
        raise UserError(f"{where} is cut short: {filled:,} of {needed:,} bytes; save it again.")
    return np.ndarray(header.shape, header.dtype, data, order="F" if header.fortran else "C")


READER = Reader("npz", (".npz",), lambda head: head.startswith(b"PK\x03\x04"), _open)
