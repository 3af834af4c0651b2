"""The headless commands, as a script would call them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app import cli
from app.__main__ import main
from core.readers import open_dataset
from core.statistics import Ratio
from core.types import BenchRow, Floats
from tests.core import written


@pytest.fixture
def vectors() -> Floats:
    return np.random.default_rng(0).standard_normal((300, 16)).astype(np.float32)


@pytest.fixture
def file(tmp_path: Path, vectors: Floats) -> Path:
    path = tmp_path / "v.npy"
    np.save(path, vectors)
    path.with_suffix(".txt").write_text("\n".join(f"name {i}" for i in range(300)) + "\n")
    return path


def _json(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    """What a command prints with --json, which must be one document and nothing else."""
    assert main([*map(str, arguments), "--json", "--device", "cpu"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_info_tells_what_a_file_holds(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    found = _json(capsys, "info", file)
    assert {k: found[k] for k in ("rows", "dims", "dtype", "format", "bytes", "non_finite_rows", "device")} == {
        "rows": 300,
        "dims": 16,
        "dtype": "float32",
        "format": "npy",
        "bytes": 300 * 16 * 4,
        "non_finite_rows": 0,
        "device": "cpu",
    }
    assert found["labels"] == {"file": str(file.with_suffix(".txt")), "columns": [{"name": "label", "kind": "text"}]}
    assert found["blas"]


def test_info_tells_arrays_columns_truth_and_notes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    written.hdf5(tmp_path / "a.hdf5")
    found = _json(capsys, "info", tmp_path / "a.hdf5")
    assert found["ground_truth"] == {"queries": 6, "k": 10, "distance": "euclidean", "metric": "l2"}
    assert {array["name"]: array["shape"] for array in found["arrays"]}["neighbors"] == [6, 10]
    assert (found["array"], found["mapped"]) == ("train", True)
    written.anndata(tmp_path / "a.h5ad")
    found = _json(capsys, "info", tmp_path / "a.h5ad", "--array", "obsm/X_pca")
    kinds = {column["name"]: column["kind"] for column in found["labels"]["columns"]}
    assert kinds == {"_index": "text", "kind": "category", "depth": "number"}
    written.projector(tmp_path / "t.bytes", bookmarksPath="b.json")
    assert main(["info", str(tmp_path / "t.bytes"), "--device", "cpu"]) == 0
    assert "b.json" in capsys.readouterr().out


def test_several_arrays_are_listed_and_one_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, a=written.X, b=written.X[:7])
    assert main(["info", str(path), "--device", "cpu"]) == 1
    assert "a (40 x 5 float32), b (7 x 5 float32)" in capsys.readouterr().err
    assert _json(capsys, "info", path, "--array", "b")["rows"] == 7


@pytest.mark.parametrize("suffix", [".npy", ".parquet", ".csv", ".tsv", ".jsonl"])
def test_convert_writes_vectors_and_labels(
    capsys: pytest.CaptureFixture[str], file: Path, vectors: Floats, tmp_path: Path, suffix: str
) -> None:
    (tmp_path / "to").mkdir()
    out = tmp_path / "to" / f"out{suffix}"
    found = _json(capsys, "convert", file, out)
    assert found["output"][0] == str(out)
    dataset = open_dataset(out)
    np.testing.assert_array_equal(dataset.read(slice(None)), vectors)
    if suffix != ".npy":
        assert found["columns"] == ["label"]
        assert dataset.metadata is not None
        assert dataset.metadata().label(7) == "name 7"


def test_convert_takes_labels_from_a_file_that_is_named(capsys: pytest.CaptureFixture[str], file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("kind,size\n" + "".join(f"k{i},{i}\n" for i in range(300)))
    out = tmp_path / "to.parquet"
    assert _json(capsys, "convert", file, out, "--metadata", other)["columns"] == ["kind", "size"]
    other.write_text("a\nb\nc\n")
    out.unlink()
    assert main(["convert", str(file), str(out), "--metadata", str(other), "--device", "cpu"]) == 1
    assert "other.csv" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(("out", "words"), [("out.xyz", ".parquet"), ("v.npy", "being shown"), ("none/out.npy", "written")])
def test_convert_refuses_in_a_sentence(
    capsys: pytest.CaptureFixture[str], file: Path, tmp_path: Path, out: str, words: str
) -> None:
    before = file.read_bytes()
    assert main(["convert", str(file), str(tmp_path / out), "--device", "cpu"]) == 1
    assert words in capsys.readouterr().err
    assert file.read_bytes() == before


def test_recall_is_told(capsys: pytest.CaptureFixture[str], file: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.hdf5"
    written.hdf5(path)
    found = _json(capsys, "recall", path, "-k", 5)
    assert (found["recall"], found["k"], found["queries"], found["found"]) == (1, 5, 6, 30)
    assert main(["recall", str(path), "--device", "cpu"]) == 0
    assert "Recall 1.0000" in capsys.readouterr().out
    assert main(["recall", str(file), "--device", "cpu"]) == 1
    assert "no ground truth" in capsys.readouterr().err


@pytest.mark.parametrize("metric", ["l2", "cosine", "inner_product"])
@pytest.mark.parametrize("compiling", ["--compile", "--no-compile"])
def test_knn_finds_the_true_neighbours(
    capsys: pytest.CaptureFixture[str], file: Path, vectors: Floats, metric: str, compiling: str
) -> None:
    found = _json(capsys, "knn", file, "--row", 7, "--row", 250, "-k", 5, "--metric", metric, compiling)
    x = vectors.astype(np.float64)
    for query, row in zip(found["queries"], (7, 250), strict=True):
        norms = np.linalg.norm(x, axis=1)
        distances = {
            "l2": np.linalg.norm(x - x[row], axis=1),
            "cosine": 1 - x @ x[row] / norms / norms[row],
            "inner_product": x @ x[row],
        }[metric]
        order = np.argsort(-distances if metric == "inner_product" else distances, kind="stable")
        wanted = [int(i) for i in order if i != row][:5]
        assert query["row"] == row
        assert query["ids"] == wanted
        np.testing.assert_allclose(query["distances"], distances[wanted], rtol=1e-12)
        assert query["labels"] == [f"name {i}" for i in wanted]
        assert query["exact"] == "proven"
        assert query["time_ms"] > 0
        if compiling == "--no-compile":
            assert query["mode"] == "eager"


def test_knn_asks_about_labels_and_vectors_of_files(
    capsys: pytest.CaptureFixture[str], file: Path, vectors: Floats, tmp_path: Path
) -> None:
    two = np.random.default_rng(1).standard_normal((2, 16))
    np.save(tmp_path / "two.npy", two)
    np.save(tmp_path / "one.npy", vectors[9])
    asked = ["--row", 3, "--label", "NAME 7", "--query", tmp_path / "two.npy", "--query", tmp_path / "one.npy"]
    found = _json(capsys, "knn", file, "-k", 4, *asked)["queries"]
    assert [query["query"] for query in found] == ["row 3", "row 7", "row 0 of two.npy", "row 1 of two.npy", "one.npy"]
    assert [query["row"] for query in found] == [3, 7, None, None, None]
    assert [query["label"] for query in found] == ["name 3", "name 7", None, None, None]
    x = vectors.astype(np.float64)
    for query, vector in zip(found[2:], [*two, x[9]], strict=True):
        distances = np.linalg.norm(x - vector, axis=1)
        wanted = np.argsort(distances, kind="stable")[:4]
        assert query["ids"] == wanted.tolist()
        np.testing.assert_allclose(query["distances"], distances[wanted], rtol=1e-12)
    assert found[4]["ids"][0] == 9


def test_project_writes_the_leading_components(
    capsys: pytest.CaptureFixture[str], file: Path, vectors: Floats, tmp_path: Path
) -> None:
    out = tmp_path / "out.npy"
    found = _json(capsys, "project", file, "-o", out, "--components", 3)
    coords = np.load(out)
    assert coords.shape == (300, 3)
    assert coords.dtype == np.float32
    centred = vectors.astype(np.float64) - vectors.astype(np.float64).mean(axis=0)
    _, sigma, vt = np.linalg.svd(centred, full_matrices=False)
    expected = centred @ vt[:3].T
    np.testing.assert_allclose(np.abs(coords), np.abs(expected), atol=1e-3 * np.abs(expected).max())
    np.testing.assert_allclose(found["explained_variance"], (sigma**2 / np.sum(sigma**2))[:3], rtol=1e-4)


@pytest.mark.parametrize("output", ["v.npy", "v.txt", "link.npy"])
def test_project_never_overwrites_what_it_reads(capsys: pytest.CaptureFixture[str], file: Path, output: str) -> None:
    (file.parent / "link.npy").symlink_to(file)
    before = file.read_bytes()
    assert main(["project", str(file), "-o", str(file.parent / output), "--device", "cpu"]) == 1
    assert "being read" in capsys.readouterr().err
    assert file.read_bytes() == before


def test_project_without_centring(capsys: pytest.CaptureFixture[str], file: Path, vectors: Floats, tmp_path: Path) -> None:
    out = tmp_path / "out.npy"
    _json(capsys, "project", file, "-o", out, "--no-centre")
    _, _, vt = np.linalg.svd(vectors.astype(np.float64), full_matrices=False)
    expected = vectors @ vt[:2].T
    np.testing.assert_allclose(np.abs(np.load(out)), np.abs(expected), atol=1e-3 * np.abs(expected).max())


def test_text_output_reads_well(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    assert main(["knn", str(file), "--row", "7", "-k", "2", "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "row 7 name 7" in out
    assert len(out.splitlines()) == 3


def test_k_beyond_the_rows_is_cut_and_said(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    assert main(["knn", str(file), "--row", "0", "-k", "1000", "--json", "--device", "cpu"]) == 0
    captured = capsys.readouterr()
    assert len(json.loads(captured.out)["queries"][0]["ids"]) == 299
    assert "cut to 299" in captured.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["info", "/nowhere/x.npy"], "does not exist"),
        (["knn", "FILE", "--row", "300"], "no row 300"),
        (["knn", "FILE", "--label", "name"], "'name 0', 'name 1', 'name 2', 'name 3', 'name 4' hold it"),
        (["knn", "FILE", "--label", "nobody"], "No row is called 'nobody'"),
        (["knn", "FILE", "--query", "nowhere.npy"], "nowhere.npy does not exist"),
        (["knn", "FILE", "--row", "0", "--device", "metal"], "no device"),
        (["project", "FILE", "-o", "/nowhere/out.npy"], "cannot be written"),
        (["project", "FILE", "-o", "x.npy", "--components", "17"], "16 dimensions"),
        (["info", "FILE", "--bfloat16"], "bfloat16"),
    ],
)
def test_a_users_fault_is_one_line_and_status_1(
    capsys: pytest.CaptureFixture[str], file: Path, arguments: list[str], words: str
) -> None:
    assert main([str(file) if a == "FILE" else a for a in arguments]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err
    assert len(captured.err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["knn", "x.npy"],
        ["knn", "x.npy", "--row", "1", "-k", "0"],
        ["bench", "--workload", "gelu", "--only", "corners"],
        ["--size", "3"],
        ["info"],
    ],
)
def test_wrong_usage_is_status_2(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_without_a_compiler_knn_runs_uncompiled_and_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    monkeypatch.setenv("MLX_DISABLE_COMPILE", "0")
    assert main(["knn", str(file), "--row", "1", "--json", "--device", "cpu"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["queries"][0]["mode"] == "eager"
    assert "MLX_DISABLE_COMPILE" in captured.err


@pytest.mark.skipif(sys.platform != "linux", reason="MLX calls g++ on Linux only")
@pytest.mark.parametrize("script", ["exit 1", '[ "$1" = --version ] || exit 1'])
def test_a_failing_compiler_is_survived(file: Path, tmp_path: Path, script: str) -> None:
    """MLX keeps silent when g++ does not run at all, and raises when it fails to compile: both are said."""
    broken = tmp_path / "bin"
    broken.mkdir()
    (broken / "g++").write_text(f"#!/bin/sh\n{script}\n")
    (broken / "g++").chmod(0o755)
    scratch = tmp_path / "scratch"  # none of the kernels compiled before
    scratch.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "app", "knn", str(file), "--row", "1", "--json", "--device", "cpu", "--metric", "cosine"],
        capture_output=True,
        text=True,
        timeout=100,
        env={"PATH": f"{broken}:/usr/bin:/bin", "TMPDIR": str(scratch), "HOME": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["queries"][0]["mode"] == "eager"
    assert "g++" in done.stderr


def test_a_picture_of_the_window(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "window.png"
    command = [sys.executable, "-m", "app", str(file), "--screenshot", str(out), "--select", "5", "--size", "900x600"]
    done = subprocess.run([*command, "--device", "cpu"], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    header = out.read_bytes()[:24]
    assert (int.from_bytes(header[16:20], "big"), int.from_bytes(header[20:24], "big")) == (900, 600)


def test_a_picture_of_a_bad_file_is_status_1(tmp_path: Path) -> None:
    bad = tmp_path / "bad.npy"
    bad.write_bytes(b"")
    command = [sys.executable, "-m", "app", str(bad), "--screenshot", str(tmp_path / "o.png"), "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 1
    assert "empty" in done.stderr
    assert not (tmp_path / "o.png").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux may lack a screen")
def test_without_a_screen_the_window_says_so(file: Path) -> None:
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    environment = {name: value for name, value in os.environ.items() if name not in screens}
    command = [sys.executable, "-m", "app", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment, check=False)
    assert done.returncode == 1
    assert "no screen" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_bench_prints_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    found = _json(capsys, "bench", "--only", "iteration", "--repeat", 2, "--time-limit", 20)
    assert {row["case"] for row in found["rows"]} == {"iteration-512x256"}
    for row in found["rows"]:
        assert row["runner"].startswith("Kinscope ")
        assert 0 < row["median_ms"] <= row["p95_ms"]
        assert row["count"] == 2
    assert found["bandwidth_gb_s"] > 0
    assert found["versions"]["mlx"][0].isdigit()
    assert found["device"]["kind"] == "cpu"


def test_bench_prints_a_table_and_refuses_unknown_cases(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--device", "cpu", "--only", "iteration,kernel-512", "--repeat", "1", "--time-limit", "20"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("iteration-512x256: ")
    assert "median ms" in lines[1]
    assert "left out: kernel-512x256x32: custom kernels run on Metal and CUDA only" in lines
    assert lines[-1].startswith("memory ")
    assert main(["bench", "--device", "cpu", "--only", "nonsense"]) == 1
    assert "No case is called nonsense" in capsys.readouterr().err


def test_the_table_of_corners_has_a_line_a_corner() -> None:
    def row(case: str, runner: str, ms: float, ratio: Ratio | None) -> BenchRow:
        return BenchRow(case, "100k x 16, 1 query, k=10", runner, ms, ms, ms, 5, ratio, 0.5, 1.0, None, 1.0, None)

    corners = [
        [row("corners-base", "ours", 2.0, None), row("corners-base", "faiss flat", 6.0, Ratio(3.0, 2.5, 3.5))],
        [row("corners-far-1", "ours", 4.0, None), row("corners-far-1", "faiss flat", 2.0, None)],
        [row("corners-far-2", "ours", 4.0, None)],
    ]
    heading, columns, base, few, alone, _ = cli._corner_lines(corners)
    assert heading == "corners: the peer is faiss flat"
    assert "3.00 (2.50 to 3.50)" in base
    assert "0.500 (too few)" in few
    assert " - " in alone
    assert columns.index("answers") == base.index("recall") == few.index("recall") == alone.index("recall")
