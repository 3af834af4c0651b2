""".hdf5: any of its arrays (n, d); AnnData's .h5ad and ann-benchmarks' ground truth are known by their layout.

What lies in one piece is mapped. All else is read by a process of its own (core/hdf5), since HDF5's library can crash or never
return on a damaged file. Format of ann-benchmarks: https://github.com/erikbern/ann-benchmarks#data-sets
"""

from __future__ import annotations

import json
import math
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil
from numpy.typing import NDArray

from core.dataset import Dataset, FileGuard
from core.errors import ArrayChoice, UserError
from core.readers import h5ad
from core.readers.arrays import check_vectors, choose, first_values, is_table, one_line, value_name
from core.readers.extras import library
from core.readers.mapped import map_array
from core.readers.options import OpenOptions, Reader, go_on
from core.readers.room import MEMORY_SHARE, check_room
from core.truth import Truth, TruthMetric

MAGIC = b"\x89HDF\r\n\x1a\n"
# What ann-benchmarks calls our metrics.
METRICS: dict[str, TruthMetric] = {
    **dict.fromkeys(("euclidean", "l2"), "l2"),
    **dict.fromkeys(("angular", "cosine"), "cosine"),
    **dict.fromkeys(("dot", "ip"), "inner_product"),
}
# A child that says nothing for so long has lost its way in the file.
SILENCE_S = 60.0
PART_BYTES = 1 << 22
# Addresses a child may have at least: its libraries reserve more than they use.
LEAST_LIMIT = 4 << 30
ROOT = Path(__file__).parents[2]

What = Literal["list", "values", "obs"]


class File:
    """An HDF5 file, asked through child processes."""

    def __init__(self, path: Path) -> None:
        if find_spec("h5py") is None:
            library("h5py", path)  # tells how to install it
        self.path = path
        told = json.loads(self._ask_whole("list"))
        self.arrays: dict[str, dict[str, Any]] = told["arrays"]
        self.sparse: dict[str, dict[str, Any]] = told["sparse"]
        self.is_anndata: bool = told["anndata"]
        self.has_obs: bool = told["obs"]
        self.distance: str = told["distance"]

    def choice(self, name: str) -> ArrayChoice:
        array = self.arrays[name]
        dtype = np.dtype(array["dtype"]).name if array["dtype"] else array["kind"]
        return ArrayChoice(name, tuple(array["shape"]), dtype)

    def preview(self, name: str) -> str:
        return first_values(np.array(self.arrays[name]["first"])) if name in self.arrays else "sparse"

    def values(self, name: str, options: OpenOptions) -> tuple[NDArray[Any], FileGuard | None, str]:
        """An array of vectors: mapped if it lies in one piece, else read; and the name of its type."""
        array, where = self.arrays[name], f"{self.path} ({name})"
        if not array["dtype"]:
            raise UserError(f"{where} holds {array['kind']}, not numbers; save the vectors as a plain array of floats.")
        dtype, shape = np.dtype(array["dtype"]), tuple(array["shape"])
        check_vectors(dtype, shape, where)
        dtype_name = value_name(dtype, options, where)
        if array["elsewhere"]:
            raise UserError(f"{where} keeps its values in other files; save them in one.")
        if array["offset"] is not None:
            mapped, guard = map_array(self.path, shape, dtype, array["offset"])
            return mapped, guard, dtype_name
        return self.read([name], options.told)[0], None, dtype_name

    def read(self, names: Sequence[str], told: Callable[[int, int], None]) -> list[NDArray[Any]]:
        """Whole arrays of numbers, in memory that is checked first."""
        listed = [self.arrays[name] for name in names]
        sizes = [math.prod(array["shape"]) * np.dtype(array["dtype"]).itemsize for array in listed]
        where = f"{self.path} ({names[0]})"
        check_room(where, max(sum(sizes), *(array["chunk_bytes"] for array in listed)), "is compressed or in pieces")
        out = [np.empty(array["shape"], array["dtype"]) for array in listed]
        done = 0
        with self._asked("values", *names) as receive:
            for array in out:
                view = memoryview(array.reshape(-1).view(np.uint8).data)
                for start in range(0, len(view), PART_BYTES):
                    done += receive(view[start : start + PART_BYTES])
                    told(done, sum(sizes))
        return out

    def obs(self) -> bytes:
        """The columns of AnnData's obs, an Arrow stream."""
        return self._ask_whole("obs")

    def _ask_whole(self, what: What) -> bytes:
        whole = bytearray()
        with self._asked(what) as receive:
            part = memoryview(bytearray(PART_BYTES))
            while count := receive(part, all_of_it=False):
                whole += part[:count]
                check_room(str(self.path), len(whole), "has more metadata than fits in memory,")
        return bytes(whole)

    @contextmanager
    def _asked(self, what: What, *names: str) -> Iterator[_Receive]:
        """A child that was asked, and the function that takes what it answers. It has ended when this has."""
        limit = max(LEAST_LIMIT, int(MEMORY_SHARE * psutil.virtual_memory().available))
        command = [sys.executable, "-m", "core.hdf5.child", what, str(limit), str(self.path.absolute()), *names]
        search = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        environment = {**os.environ, "PYTHONPATH": search, "OPENBLAS_NUM_THREADS": "1"}
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, env=environment) as child:  # noqa: S603
            try:
                yield _Receive(self.path, child)
            finally:
                child.kill()


class _Receive:
    """Takes bytes from a child. Raises UserError if it ends or falls silent before all have come."""

    def __init__(self, path: Path, child: subprocess.Popen[bytes]) -> None:
        self._path, self._child = path, child

    def __call__(self, view: memoryview, all_of_it: bool = True) -> int:
        assert self._child.stdout is not None
        fd, filled = self._child.stdout.fileno(), 0
        while filled < len(view):
            if not select.select([fd], [], [], SILENCE_S)[0]:
                raise self._fault("its content leads nowhere")
            count = os.readv(fd, [view[filled:]])
            filled += count
            if count and not all_of_it:
                break
            if not count:
                self._check_end()
                if all_of_it:
                    raise self._fault("it ends too soon")
                break
        return filled

    def _check_end(self) -> None:
        assert self._child.stderr is not None
        said = self._child.stderr.read().decode("utf-8", "replace").strip()
        if self._child.wait() != 0:
            raise self._fault(said.splitlines()[-1] if said else "HDF5's library crashes on it")

    def _fault(self, why: str) -> UserError:
        return UserError(f"{self._path} cannot be read as HDF5 ({one_line(why)}); copy or save it again.")


def _open(path: Path, options: OpenOptions) -> Dataset:
    file = File(path)
    if file.is_anndata:
        return h5ad.open_anndata(file, options)
    if not file.arrays:
        raise UserError(f"{path} holds no arrays; save the vectors in it again.")
    arrays = tuple(map(file.choice, file.arrays))
    # Of ann-benchmarks' arrays only one is meant to be looked at.
    wanted = options.array or ("train" if {"train", "test"} <= file.arrays.keys() else None)
    name = choose(path, arrays, wanted, file.preview).name
    array, guard, dtype_name = file.values(name, options)
    truth = _truth(file) if name == "train" else None
    return Dataset(path, array, "hdf5", dtype_name, name, guard is not None, guard, arrays, truth=truth)


def _truth(file: File) -> Truth | None:
    """Test queries and their neighbours, if the file has them and they fit the vectors."""
    if not {"test", "neighbors"} <= file.arrays.keys():
        return None
    train, test, near = (file.choice(name) for name in ("train", "test", "neighbors"))
    fits = is_table(test) and is_table(near) and test.shape[1] == train.shape[1] and test.shape[0] == near.shape[0]
    if not fits or "int" not in near.dtype:
        return None
    queries, neighbours = file.read(["test", "neighbors"], go_on)
    return Truth(queries, neighbours, file.distance, METRICS.get(file.distance))


READER = Reader("hdf5", (".hdf5", ".h5", ".h5ad"), lambda probe: probe.head.startswith(MAGIC), _open)
