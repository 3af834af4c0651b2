"""Writing results, atomically: a file is either the old one or the whole new one."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.dataset import Dataset
from core.errors import UserError
from core.table import Table
from core.types import Ids

# Rows written between two looks at whether to go on.
STEP = 4096

GoOn = Callable[[int], None]  # told how many rows are written; raises to give up


def go_on(written: int) -> None: ...


def save_npy(path: Path, array: NDArray[Any]) -> None:
    """Write `array` to `path` as .npy. Raises UserError if that cannot be done; an older file is then left as it was."""

    def write(whole: Path) -> None:
        with whole.open("wb") as file:
            np.save(file, array, allow_pickle=False)

    write_whole(path, write)


def save_vectors(path: Path, dataset: Dataset, rows: Ids, told: GoOn = go_on) -> None:
    """Write the vectors of `rows` as .npy, in float32, or float64 where their values need it.

    Raises UserError as `save_npy`, or for a file of vectors that was cut meanwhile.
    """

    def write(whole: Path) -> None:
        dtype = dataset.read(rows[:0]).dtype
        with whole.open("wb") as file:
            header = {"descr": dtype.str, "fortran_order": False, "shape": (len(rows), dataset.dims)}
            np.lib.format.write_array_header_1_0(file, header)
            for start in range(0, len(rows), STEP):
                told(start)
                file.write(np.ascontiguousarray(dataset.read(rows[start : start + STEP])).data)

    write_whole(path, write)


def save_table(path: Path, table: Table | None, rows: Ids, told: GoOn = go_on) -> None:
    """Write the numbers of `rows` and, where there are labels, all their fields as CSV. Raises UserError as `save_npy`."""

    def write(whole: Path) -> None:
        columns = () if table is None else table.columns
        with whole.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["row", *(column.name for column in columns)])
            for start in range(0, len(rows), STEP):
                told(start)
                some = rows[start : start + STEP].tolist()
                writer.writerows([row, *(column.text(row) for column in columns)] for row in some)

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
