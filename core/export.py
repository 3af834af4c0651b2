"""Writing results, atomically: a file is either the old one or the whole new one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import UserError

GoOn = Callable[[int], None]  # told how many rows are written; raises to give up


def go_on(written: int) -> None: ...


def save_npy(path: Path, array: NDArray[Any]) -> None:
    """Write `array` to `path` as .npy. Raises UserError if that cannot be done; an older file is then left as it was."""

    def write(whole: Path) -> None:
        with whole.open("wb") as file:
            np.save(file, array, allow_pickle=False)

    write_whole(path, write)


def write_whole(path: Path, write: Callable[[Path], None], suffix: str = "") -> None:
    """Let `write` fill a new file beside `path`, then put it in its place, with the mode of the one that was there.

    Raises UserError if the system refuses; an older file is then left as it was.
    """
    path = path.resolve()  # what a link points to, not the link, is replaced
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=suffix)
        os.close(handle)
        write(Path(temporary))
        os.chmod(temporary, path.stat().st_mode & 0o777 if path.exists() else 0o644)
        os.replace(temporary, path)
    except BaseException as error:
        if temporary:
            os.unlink(temporary)
        if not isinstance(error, OSError):
            raise
        raise UserError(f"{path} cannot be written: {error.strerror}; choose another place.") from None
