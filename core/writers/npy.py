""".npy: the vectors or coordinates; where there are none, the numbers of the rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.export import GoOn, save_npy, write_whole
from core.writers.content import Content


def write(path: Path, content: Content, told: GoOn) -> tuple[Path, ...]:
    matrix = content.matrix
    if matrix is None:
        save_npy(path, content.rows)
        return (path,)

    def fill(whole: Path) -> None:
        with whole.open("wb") as file:
            header = {"descr": matrix.dtype.str, "fortran_order": False, "shape": (len(content.rows), len(matrix.columns))}
            np.lib.format.write_array_header_1_0(file, header)
            for part in content.parts(told):
                file.write(np.ascontiguousarray(part.matrix, matrix.dtype).data)

    write_whole(path, fill)
    return (path,)
