"""Runs of the lab as records: written to a history that is kept, read back, exported as CSV or JSON."""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from core.errors import UserError
from core.export import write_whole
from core.lab import Finding, LabRun, WayFigures

log = logging.getLogger(__name__)

# Of the history; a record of a later version is passed over.
VERSION = 1
# Runs kept in the history; the oldest go first.
KEPT = 500
# Repeats of a way that a record keeps: enough to show how they spread.
KEPT_REPEATS = 400


def record(run: LabRun) -> dict[str, Any]:
    """A run as JSON has it."""
    return {"version": VERSION} | asdict(run)


def from_record(values: dict[str, Any]) -> LabRun:
    """The run that `record` made of it. Raises KeyError, TypeError or ValueError for anything else."""
    values = dict(values)
    if values.pop("version") != VERSION:
        raise ValueError("a record of another version")
    ways = [
        way | {"ms": tuple(way["ms"]), "stages": tuple((str(n), float(t)) for n, t in way["stages"])} for way in values["ways"]
    ]
    values["ways"] = tuple(WayFigures(**way) for way in ways)
    values["findings"] = tuple(Finding(**finding) for finding in values["findings"])
    return LabRun(**values)


def _way(values: dict[str, Any]) -> WayFigures:
    stages = tuple((str(name), float(ms)) for name, ms in values["stages"])
    return WayFigures(**values | {"ms": tuple(map(float, values["ms"])), "stages": stages})


def read_history(path: Path) -> list[LabRun]:
    """The runs that were kept, oldest first; none where there is no file. A line that is no run is passed over, and logged."""
    try:
        lines = path.read_text("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"The lab's history in {path} cannot be read ({error.strerror}); runs of before are not shown.") from None
    runs = []
    for number, line in enumerate(lines, 1):
        try:
            runs.append(from_record(json.loads(line)))
        except (KeyError, TypeError, ValueError):
            log.info("line %d of %s is no run of the lab", number, path)
    return runs


def write_history(path: Path, runs: Sequence[LabRun]) -> None:
    """Keep the newest runs. Raises UserError if the system refuses; the history is then as it was."""
    text = "".join(json.dumps(record(_shortened(run))) + "\n" for run in runs[-KEPT:])

    def write(whole: Path) -> None:
        whole.write_text(text, "utf-8")

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path.parent} cannot be made ({error.strerror}); this run of the lab is not kept.") from None
    write_whole(path, write)


def export_json(path: Path, runs: Iterable[LabRun]) -> None:
    """Write runs with all their repeats as one JSON document. Raises UserError if the system refuses."""
    document = json.dumps([record(run) | {"verdict": run.verdict} for run in runs], indent=1)

    def write(whole: Path) -> None:
        whole.write_text(document + "\n", "utf-8")

    write_whole(path, write)


def export_csv(path: Path, runs: Iterable[LabRun]) -> None:
    """Write a line for each way of each run. Raises UserError if the system refuses."""
    lines = [figures(run, way) for run in runs for way in run.ways]

    def write(whole: Path) -> None:
        with whole.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(lines[0]) if lines else [])
            writer.writeheader()
            writer.writerows(lines)

    write_whole(path, write)


def figures(run: LabRun, way: WayFigures) -> dict[str, object]:
    """What is known of one way, by name."""
    ratio = run.ratio(way)
    return {
        "started": run.started,
        "workload": run.workload,
        "size": run.size,
        "file": run.file,
        "way": way.name,
        "compiled": way.compiled,
        "repeats": len(way.ms),
        "median_ms": way.median_ms,
        "p95_ms": way.p95_ms,
        "first_ms": way.first_ms,
        "times_as_fast": ratio and ratio.value,
        "times_as_fast_low": ratio and ratio.low,
        "times_as_fast_high": ratio and ratio.high,
        "pays_off_after_calls": run.pays_off_after(way),
        "traces": way.traces,
        "peak_bytes": way.peak_bytes,
        "active_bytes": way.active_bytes,
        "gb_s": run.gb_s(way),
        "gflop_s": run.gflop_s(way),
        "share_of_limit": run.share_of_limit(way),
        "verdict": run.verdict,
        "device": run.device,
        "mlx": run.versions.get("mlx", ""),
    }


def _shortened(run: LabRun) -> LabRun:
    ways = tuple(replace(way, ms=way.ms[-KEPT_REPEATS:]) for way in run.ways)
    return replace(run, ways=ways)
