"""The wheel: a working `kinscope` command with its resources, away from the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_wheel_runs_outside_the_checkout(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=100)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    place = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(place), str(wheel)]
    subprocess.run(install, check=True, capture_output=True, timeout=100)
    environment = {**os.environ, "PYTHONPATH": str(place)}
    command = place / "bin" / "kinscope"
    sample = place / "resources" / "samples" / "concepts.npy"
    asked = [sys.executable, str(command), "knn", str(sample), "--row", "0", "-k", "3", "--json", "--device", "cpu"]
    done = subprocess.run(asked, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True, timeout=100)
    assert json.loads(done.stdout)["queries"][0]["label"] == "be"
    picture = [sys.executable, str(command), "--screenshot", "w.png", "--device", "cpu"]
    done = subprocess.run(picture, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "w.png").stat().st_size > 20_000
    assert (place / "resources" / "samples" / "WORDNET-LICENSE.txt").is_file()
