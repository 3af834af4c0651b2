"""Writing results, atomically: a file is either the old one or the whole new one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import UserError


def save_npy(path: Path, array: NDArray[Any]) -> None:
    """Write `array` to `path` as .npy. Raises UserError if that cannot be done; an older file is then left as it was."""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}; choose another place.") from None
    try:
        with os.fdopen(handle, "wb") as file:
            np.save(file, array, allow_pickle=False)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException as error:
        os.unlink(temporary)
        if not isinstance(error, OSError):
            raise
        raise UserError(f"{path} cannot be written: {error.strerror}; choose another place.") from None
