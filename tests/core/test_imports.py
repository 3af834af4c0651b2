"""What loads what: the front end's imports must not cost it MLX, nor the headless commands Qt."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
QT = {"PySide6", "shiboken6", "pyqtgraph"}
MLX = {"mlx"}


def loaded_by(program: str, *arguments: str) -> set[str]:
    """The top-level packages loaded when `program` has run, in a process of its own."""
    program += "\nimport json, sys; print('\\n' + json.dumps(sorted({m.partition('.')[0] for m in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_what_is_looked_for_can_be_found() -> None:
    assert loaded_by("import mlx.core") & MLX
    assert not loaded_by("") & (QT | MLX)


@pytest.mark.parametrize(
    "modules", ["core.engine, core.types, core.readers, core.rasterize", "core.picking, core.export, core.statistics, core.table"]
)
def test_what_the_window_imports_loads_neither_qt_nor_mlx(modules: str) -> None:
    assert not loaded_by(f"import {modules}") & (QT | MLX)


def test_the_engine_package_never_loads_qt() -> None:
    every = ", ".join(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "core").rglob("*.py")
        if path.stem != "__init__"
    )
    assert "core.compute.service" in every
    loaded = loaded_by(f"import {every}")
    assert not loaded & (QT | {"app"})
    assert loaded & MLX


def test_libraries_of_single_formats_are_not_loaded_before_such_a_file_is_opened() -> None:
    assert not loaded_by("import core.readers, core.writers") & {"h5py", "torch", "lance", "safetensors"}


@pytest.mark.parametrize("command", [["info"], ["knn", "--row", "0", "-k", "3"], ["project", "-o", "OUT"], ["--version"]])
def test_headless_commands_load_no_qt(tmp_path: Path, command: list[str]) -> None:
    file = tmp_path / "vectors.npy"
    np.save(file, np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32))
    arguments = [str(tmp_path / "out.npy") if a == "OUT" else a for a in command]
    if command != ["--version"]:
        arguments[1:1] = [str(file), "--device", "cpu"]
    run = "import sys\nfrom app.__main__ import main\ntry:\n    status = main(sys.argv[1:])\nexcept SystemExit as end:\n"
    run += "    status = end.code\nassert not status, status"
    assert not loaded_by(run, *arguments) & QT
