"""The compiled loops are a gain, never a need: the map draws and picks without numba, and without a place to keep its work."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from core import raster_backend, raster_numpy

ROOT = Path(__file__).parents[2]

DRAW_AND_PICK = """
import logging, sys
import numpy as np
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(levelname)s %(name)s %(message)s")
{before}
from core import raster_backend
from core.picking import in_lasso, nearest
from core.rasterize import Colours, View, build_index, draw
assert "numba" not in sys.modules or sys.modules["numba"] is None
raster_backend.load()
raster_backend.load()
print("loops:", raster_backend.current().__name__)
points = np.random.default_rng(0).normal(size=(5000, 2)).astype(np.float32)
index = build_index(points, np.arange(5000), np.zeros(5000, np.uint16))
picture = draw(index, View(-3, 3, -3, 3, 99, 99), Colours(np.ones((1, 3), np.float32), np.zeros(3, np.float32)), 1.0)
assert picture.max() > 0xFF000000
assert nearest(index, *points[7].astype(float), (1e6, 1e6), 3.0) == 7
assert len(in_lasso(index, np.array([[-9.0, -9], [9, -9], [9, 9], [-9, 9]]))) == 5000
"""


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """As at the program's start."""
    monkeypatch.setattr(raster_backend, "_current", raster_numpy)
    monkeypatch.setattr(raster_backend, "_failed", False)


def drawn_in_a_process(before: str = "", place: Path = ROOT, **environment: str) -> list[str]:
    """Run DRAW_AND_PICK; the lines it prints."""
    run = [sys.executable, "-W", "error", "-c", DRAW_AND_PICK.format(before=before)]
    whole = {**os.environ, **environment}
    done = subprocess.run(run, cwd=place, env=whole, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout.splitlines()


def test_without_numba_numpy_draws_and_the_log_says_so_once() -> None:
    lines = drawn_in_a_process(before="sys.modules['numba'] = None")
    assert "loops: core.raster_numpy" in lines
    said = [line for line in lines if line.startswith(("INFO", "WARNING"))]
    assert len(said) == 1
    assert said[0].startswith("INFO core.raster_backend points are drawn by NumPy")


def test_with_no_place_to_keep_what_was_compiled_it_is_compiled_anew(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "core", tmp_path / "core", ignore=shutil.ignore_patterns("__pycache__"))
    # A folder within a file, or of a file's name, can be made by nobody, root included.
    (tmp_path / "core" / "__pycache__").touch()
    nowhere = str(tmp_path / "core" / "__pycache__" / "folder")
    lines = drawn_in_a_process(place=tmp_path, HOME=nowhere, XDG_CACHE_HOME=nowhere, PYTHONDONTWRITEBYTECODE="1")
    assert lines == ["loops: core.raster_kernels"]


def test_what_was_compiled_is_kept_on_disk(tmp_path: Path) -> None:
    drawn_in_a_process(NUMBA_CACHE_DIR=str(tmp_path))
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")}
    assert kept
    drawn_in_a_process(NUMBA_CACHE_DIR=str(tmp_path))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")} == kept


def test_loading_ends_when_told_to(fresh: None) -> None:
    raster_backend.load(lambda: True)
    assert raster_backend.current() is raster_numpy


def test_whatever_is_wrong_with_numba_is_told_once(
    fresh: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(stop: object) -> bool:
        raise OSError("no space left on device")

    import core.raster_kernels

    monkeypatch.setattr(core.raster_kernels, "compile_all", broken)
    with caplog.at_level(logging.INFO):
        raster_backend.load()
        raster_backend.load()
    assert raster_backend.current() is raster_numpy
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "no space left" in caplog.text


def test_two_threads_load_once(fresh: None) -> None:
    threads = [threading.Thread(target=raster_backend.load) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert raster_backend.current().__name__ == "core.raster_kernels"
