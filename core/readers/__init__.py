"""Opening files: one registry, which looks at a file's content first, and at its suffix where the content does not tell."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from core.dataset import Dataset
from core.errors import UserError
from core.readers import (
    arrow,
    bins,
    delimited,
    faiss_flat,
    hdf5,
    jsonl,
    lance,
    npy,
    npz,
    parquet,
    projector,
    safetensors,
    torch,
    vecs,
    words,
    words_binary,
)
from core.readers.arrays import one_line
from core.readers.options import OpenOptions, Probe, Reader

# Those that know their files by the first bytes come first, then those that go by the suffix, then what looks like text.
READERS: tuple[Reader, ...] = (
    npy.READER,
    torch.READER,
    npz.READER,
    parquet.READER,
    arrow.READER,
    hdf5.READER,
    faiss_flat.READER,
    vecs.READER,
    bins.READER,
    projector.READER,
    lance.READER,
    safetensors.READER,
    jsonl.READER,
    words_binary.READER,
    words.READER,
    delimited.READER,
)
SUFFIXES: tuple[str, ...] = tuple(dict.fromkeys(s for reader in READERS for s in reader.suffixes))
HEAD_BYTES = 1 << 16


def open_dataset(path: Path, options: OpenOptions | None = None) -> Dataset:
    """Open `path` with the first reader that knows it. Raises UserError with one sentence if it cannot be read."""
    probe = _probe(path)
    for reader in READERS:
        if reader.sniff(probe):
            return _open(reader, path, options or OpenOptions())
    formats = ", ".join(reader.name for reader in READERS)
    if path.suffix.lower() in SUFFIXES:
        raise UserError(
            f"{path} is not a {path.suffix} file: its first bytes are not those of one; save it anew, for example as .npy."
        )
    raise UserError(f"{path} is in no format Kinscope knows; it opens {formats} files.")


def open_queries(path: Path, options: OpenOptions | None = None) -> Dataset:
    """As `open_dataset`, but one vector alone, a .npy of one dimension, is a data set of one row."""
    if npy.READER.sniff(_probe(path)) and (alone := npy.open_alone(path, options or OpenOptions())) is not None:
        return alone
    return open_dataset(path, options)


def _open(reader: Reader, path: Path, options: OpenOptions) -> Dataset:
    try:
        dataset = reader.open(path, options)
    except OSError as error:  # a disk that fails, a file that goes away meanwhile
        raise UserError(f"{path} cannot be read: {error.strerror or one_line(error)}.") from None
    except MemoryError:
        raise UserError(f"{path} needs more memory than there is; close other programs or save it as .npy.") from None
    if options.bfloat16 and dataset.dtype_name != "bfloat16":
        raise UserError(f"{path} holds {dataset.dtype_name}; only uint16 values can be read as bfloat16.")
    return dataset


def _probe(path: Path) -> Probe:
    """The first bytes of a regular, readable, non-empty file; or a folder that is one of Lance."""
    try:
        status = os.stat(path)
        mode = status.st_mode
        if stat.S_ISDIR(mode) and path.suffix.lower() == lance.SUFFIX:
            return Probe(path, b"", 0, is_folder=True)
        if stat.S_ISDIR(mode):
            raise UserError(f"{path} is a folder; choose a file in it.")
        if not stat.S_ISREG(mode):
            raise UserError(f"{path} is not a regular file; copy its content to a file first.")
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; check the name.") from None
    except PermissionError:
        raise UserError(f"{path} cannot be read: permission denied; change its permissions or copy it.") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    if not head:
        raise UserError(f"{path} is empty (0 bytes); save the vectors again.")
    return Probe(path, head, status.st_size)
