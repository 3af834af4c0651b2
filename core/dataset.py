"""The vectors of a file: mapped, never swallowed; a row is converted only when it is read."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import ArrayChoice, UserError
from core.table import Table
from core.truth import Truth

SAMPLE_RUN = 16


@dataclass(frozen=True)
class FileGuard:
    """Notices when a mapped file is cut or rewritten: to read past the end of a mapping kills the process."""

    path: Path
    fd: int
    size: int
    modified_ns: int
    offset: int | None  # where the array begins, None where only its library knows

    @classmethod
    def watch(cls, path: Path, fd: int, offset: int | None) -> FileGuard:
        """Watch the open file `fd` through a descriptor of its own, closed when the guard goes."""
        own = os.dup(fd)
        status = os.fstat(own)
        guard = cls(path, own, status.st_size, status.st_mtime_ns, offset)
        weakref.finalize(guard, os.close, own)
        return guard

    def check(self) -> None:
        status = os.fstat(self.fd)
        if status.st_size < self.size:
            raise UserError(
                f"{self.path} has shrunk from {self.size:,} to {status.st_size:,} bytes while open; "
                "write it again and open it anew."
            )
        if status.st_mtime_ns != self.modified_ns:
            raise UserError(f"{self.path} has changed on disk since it was opened; open it again.")

    def read_into(self, out: NDArray[Any], position: int) -> None:
        """Fill contiguous `out` with the bytes at `position` of the array."""
        assert self.offset is not None
        view = memoryview(out.reshape(-1).view(np.uint8).data)
        filled = 0
        while filled < len(view):
            count = os.preadv(self.fd, [view[filled:]], self.offset + position + filled)
            if count == 0:
                raise UserError(f"{self.path} has shrunk while it was read; write it again and open it anew.")
            filled += count


@dataclass(frozen=True, eq=False)
class Dataset:
    """Vectors (n, d) as they lie in a file, of any real dtype and order.

    Two data sets are equal only if they are the same object, so that one can be told from a later opening of its file.
    """

    path: Path
    array: NDArray[Any]  # (n, d), usually mapped
    format: str
    dtype_name: str  # what the values are; differs from array.dtype for bfloat16 kept in uint16
    array_name: str | None = None  # inside an archive
    mapped: bool = True
    guard: FileGuard | None = field(default=None, repr=False)
    arrays: tuple[ArrayChoice, ...] = ()  # all of a file that holds several
    metadata: Callable[[], Table] | None = field(default=None, repr=False)  # reads what the file itself tells of its rows
    truth: Truth | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()  # what else the file has, in sentences

    @property
    def rows(self) -> int:
        return int(self.array.shape[0])

    @property
    def dims(self) -> int:
        return int(self.array.shape[1])

    @property
    def bytes(self) -> int:
        return int(self.array.nbytes)

    @property
    def name(self) -> str:
        return self.path.name if self.array_name is None else f"{self.path.name}: {self.array_name}"

    def read(self, selection: slice | NDArray[np.int64]) -> NDArray[np.floating[Any]]:
        """The selected rows as a native array, not to be written to: float64 where the file's values need it, else float32.

        Raises UserError if the file was cut or rewritten since it was opened.
        """
        if self.guard is not None:
            self.guard.check()
        taken = self._read_rows(selection) if isinstance(selection, slice) else self.array[selection]
        if self.dtype_name == "bfloat16":
            return from_bfloat16(taken)
        return taken.astype(working_dtype(taken.dtype), order="C", copy=False)

    def _read_rows(self, selection: slice) -> NDArray[Any]:
        """Rows in order. Read, not mapped, where they lie together: a fault for every page costs more than the copy."""
        start, stop, step = selection.indices(self.rows)
        lies_together = self.guard is not None and self.guard.offset is not None and self.array.flags.c_contiguous
        if self.guard is None or step != 1 or not lies_together:
            return self.array[selection]
        rows = np.empty((max(0, stop - start), self.dims), self.array.dtype)
        self.guard.read_into(rows, start * self.dims * self.array.itemsize)
        return rows

    def sample_rows(self, count: int) -> NDArray[np.int64]:
        """At most `count` row numbers, the same each time: short runs spread evenly, so that a disk seeks seldom."""
        if count >= self.rows:
            return np.arange(self.rows)
        run = min(SAMPLE_RUN, count)
        starts = np.linspace(0, self.rows - run, count // run).astype(np.int64)
        return np.unique(starts[:, None] + np.arange(run))


def from_bfloat16(words: NDArray[np.uint16]) -> NDArray[np.float32]:
    """The values of bfloat16 that these words are the bits of."""
    return (words.astype(np.uint32) << 16).view(np.float32)


def working_dtype(dtype: np.dtype[Any]) -> type[np.float32] | type[np.float64]:
    """float32 where it holds every value of `dtype`, else float64."""
    return np.float32 if np.can_cast(dtype, np.float32, casting="safe") else np.float64
