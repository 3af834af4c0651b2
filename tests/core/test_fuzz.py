"""Damaged files of every format: each opens or is refused in a sentence; no crash, no hang, no memory blown.

KINSCOPE_FUZZ=N opens N files of each kind, with other damage for every N.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.core.fuzz import SAMPLES

ROOT = Path(__file__).parents[2]
ASKED = int(os.environ.get("KINSCOPE_FUZZ", "0"))
# HDF5 takes a process or two a file.
SLOW = [name for name in SAMPLES if name.endswith((".hdf5", ".h5ad"))]
QUICK = [name for name in SAMPLES if name not in SLOW]
GROUPS = [QUICK[i::4] for i in range(4)]


def fuzz(names: list[str], count: int) -> None:
    command = [sys.executable, "-m", "tests.core.fuzz", ",".join(names), str(ASKED or count), str(ASKED)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:].replace("\r", "\n")


@pytest.mark.timeout(0 if ASKED else 120)
@pytest.mark.parametrize("names", GROUPS, ids=lambda names: names[0])
def test_damaged_files_are_opened_or_refused(names: list[str]) -> None:
    fuzz(names, 150)


@pytest.mark.timeout(0 if ASKED else 120)
def test_damaged_hdf5_is_opened_or_refused() -> None:
    fuzz(SLOW, 6)
