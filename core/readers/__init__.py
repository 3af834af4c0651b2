"""Opening files: one registry, which looks at a file's content first and at its suffix only to word a refusal."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from core.dataset import Dataset
from core.errors import UserError
from core.readers import npy, npz
from core.readers.options import OpenOptions, Reader

READERS: tuple[Reader, ...] = (npy.READER, npz.READER)
SUFFIXES: tuple[str, ...] = tuple(s for reader in READERS for s in reader.suffixes)


def open_dataset(path: Path, options: OpenOptions | None = None) -> Dataset:
    """Open `path` with the reader its first bytes ask for. Raises UserError with one sentence if it cannot be read."""
    head = _head(path)
    for reader in READERS:
        if reader.sniff(head):
            return reader.open(path, options or OpenOptions())
    formats = " or ".join(reader.name for reader in READERS)
    if path.suffix.lower() in SUFFIXES:
        raise UserError(f"{path} is not a {path.suffix} file: its first bytes are not those of one; save it anew as {formats}.")
    raise UserError(f"{path} is in no format Kinscope knows; it opens {formats} files.")


def open_queries(path: Path, options: OpenOptions | None = None) -> Dataset:
    """As `open_dataset`, but one vector alone, a .npy of one dimension, is a data set of one row."""
    if npy.READER.sniff(_head(path)) and (alone := npy.open_alone(path, options or OpenOptions())) is not None:
        return alone
    return open_dataset(path, options)


def _head(path: Path) -> bytes:
    """The first bytes of a regular, readable, non-empty file."""
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise UserError(f"{path} is a folder; choose a file in it.")
        if not stat.S_ISREG(mode):
            raise UserError(f"{path} is not a regular file; copy its content to a file first.")
        with path.open("rb") as file:
            head = file.read(16)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; check the name.") from None
    except PermissionError:
        raise UserError(f"{path} cannot be read: permission denied; change its permissions or copy it.") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    if not head:
        raise UserError(f"{path} is empty (0 bytes); save the vectors again.")
    return head
