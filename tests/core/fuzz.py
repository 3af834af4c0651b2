"""Damages sound files in many ways and opens them: `python -m tests.core.fuzz NAME COUNT [SEED] [FIRST]`.

In a process of its own: what makes a library crash, hang or take all memory is told by how the process ends. Each case is a data
set that can be read, or a UserError of one sentence.
"""

from __future__ import annotations

import faulthandler
import resource
import sys
import tempfile
import traceback
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np

from core.errors import ChoiceNeeded, UserError
from core.readers import hdf5, open_dataset
from core.readers.options import OpenOptions
from tests.core.written import BARE, NAMED, Write, anndata

SAMPLES: dict[str, Write] = {**NAMED, **BARE, "sparse.h5ad": lambda path: anndata(path, "csr")}
SAMPLES["config.json"] = NAMED["tensors.bytes"]
MEMORY = 6 << 30  # bytes of addresses, most of which libraries only reserve
SECONDS = 20
STRUCTURE = 600  # bytes at both ends, where most formats tell what lies between
EXTREMES = [b"\x00", b"\xff", b"\x7f", b"\x80", b"\x01", b"-", b"9", b"\n", b" ", b",", b'"', b"{", b"["]
EXTREMES += [b"\xff" * 4, b"\xff" * 8, b"\x00" * 4, b"\x00" * 8, b"\xff\xff\xff\x7f", b"\xff" * 7 + b"\x7f"]
EXTREMES += [b"\x00\x00\x00\x80", b"99999999999", b"1e400"]


def damaged(whole: bytes, random: np.random.Generator) -> bytes:
    """Cut, or some bytes replaced, put in, taken out or moved."""
    content = bytearray(whole)
    if random.random() < 0.15:
        return bytes(content[: random.integers(len(content))])
    for _ in range(random.integers(1, 5)):
        if not content:
            break
        near = int(random.integers(min(len(content), STRUCTURE)))
        at = [near, len(content) - 1 - near, int(random.integers(len(content)))][random.integers(3)]
        extreme = EXTREMES[random.integers(len(EXTREMES))]
        match random.integers(5):
            case 0:
                content[at] = int(random.integers(256))
            case 1:
                content[at : at + len(extreme)] = extreme
            case 2:
                content[at:at] = extreme
            case 3:
                del content[at : at + int(random.integers(1, 9))]
            case _:
                length = int(random.integers(1, 60))
                other = int(random.integers(len(content)))
                content[at : at + length] = content[other : other + length]
    return bytes(content)


def open_and_read(path: Path) -> None:
    """As a window does it: choose if asked, read some rows and the metadata."""
    try:
        dataset = open_dataset(path)
    except ChoiceNeeded as needed:
        dataset = open_dataset(path, OpenOptions(needed.choices[0].name))
    rows = min(2, dataset.rows)
    assert dataset.read(slice(0, 2)).shape == (rows, dataset.dims)
    assert dataset.read(np.array([dataset.rows - 1])).shape == (1, dataset.dims)
    if dataset.metadata is not None:
        table = dataset.metadata()
        assert all(column.text(table.rows - 1) is not None for column in table.columns)


def complaint(path: Path) -> str | None:
    """What is wrong with how a file is met, or None."""
    try:
        open_and_read(path)
    except UserError as error:
        sentence = str(error)
        return None if sentence.endswith(".") and "\n" not in sentence else f"no sentence: {sentence!r}"
    except Exception:
        return traceback.format_exc()
    return None


def run(name: str, count: int, seed: int = 0, first: int = 0) -> int:
    """The number of cases that were not met well."""
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        SAMPLES[name](path.with_name("tensors.bytes") if name == "config.json" else path)
        if name == "config.json":
            path = path.with_name("projector_config.json")
        whole = path.read_bytes()
        for case in range(first, first + count):
            path.write_bytes(damaged(whole, np.random.default_rng([seed, case])))
            faulthandler.dump_traceback_later(SECONDS, exit=True)
            print(f"\r{name} case {case} ", end="", file=sys.stderr, flush=True)
            if (told := complaint(path)) is not None:
                faults += 1
                print(f"\n{told}", file=sys.stderr)
        faulthandler.cancel_dump_traceback_later()
    return faults


if __name__ == "__main__":
    faulthandler.enable()
    hdf5.SILENCE_S = 3.0  # so that a child that has lost its way does not take a minute
    warnings.simplefilter("ignore")  # remarks of the libraries about odd files
    with suppress(OSError, ValueError):  # not every system sets such a limit
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    wanted, cases, *rest = sys.argv[1:]
    names = list(SAMPLES) if wanted == "all" else wanted.split(",")
    sys.exit(min(1, sum(run(sample, int(cases), *map(int, rest)) for sample in names)))
