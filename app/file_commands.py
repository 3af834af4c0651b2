"""Headless commands about files: what one holds, in another format, and how we do by its ground truth."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from app.session import Answer, Session
from core.dataset import Dataset
from core.errors import UserError
from core.table import Table
from core.types import (
    ExportRequest,
    ExportResult,
    InspectRequest,
    InspectResult,
    RecallRequest,
    RecallResult,
)
from core.writers import SUFFIXES


def add_arguments(name: str, command: argparse.ArgumentParser) -> None:
    """What `convert` and `recall` take beside a file."""
    if name == "convert":
        command.add_argument("output", type=Path, metavar="OUT", help=f"its suffix chooses the format: {', '.join(SUFFIXES)}")
        command.add_argument("--metadata", type=Path, metavar="FILE", help="labels to write beside, instead of those found")
    if name == "recall":
        command.add_argument("-k", type=int, metavar="K", help="how many neighbours; all that the file lists if left out")
        command.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)


def info(session: Session, options: argparse.Namespace) -> Answer:
    dataset = session.load(options)
    table = session.annotate(dataset)
    inspected = session.ask(InspectRequest(dataset))
    assert isinstance(inspected, InspectResult)
    device, truth, count = session.device, dataset.truth, len(inspected.non_finite_rows)
    document = {
        "file": str(dataset.path),
        "array": dataset.array_name,
        "arrays": [{"name": a.name, "shape": list(a.shape), "dtype": a.dtype} for a in dataset.arrays],
        "rows": dataset.rows,
        "dims": dataset.dims,
        "dtype": dataset.dtype_name,
        "format": dataset.format,
        "bytes": dataset.bytes,
        "mapped": dataset.mapped,
        "labels": None if table is None else {"file": table.source, "columns": _columns(table)},
        "ground_truth": None
        if truth is None
        else {"queries": len(truth.queries), "k": truth.k, "distance": truth.distance, "metric": truth.metric},
        "notes": list(dataset.notes),
        "non_finite_rows": count,
        "device": device.kind,
        "device_name": device.name,
        "memory_budget_bytes": device.budget_bytes,
        "blas": device.blas,
        "compile_problem": device.compile_problem,
    }
    lines = [
        ("rows", f"{dataset.rows:,}"),
        ("dims", f"{dataset.dims:,}"),
        ("dtype", dataset.dtype_name),
        ("format", dataset.format + (f", array {dataset.array_name}" if dataset.array_name else "")),
        *_other_arrays(dataset),
        ("bytes", f"{dataset.bytes:,}" + (", mapped" if dataset.mapped else ", in memory")),
        ("labels", "none" if table is None else f"{table.source} ({', '.join(f'{c.name}: {c.kind}' for c in table.columns)})"),
    ]
    if truth is not None:
        about = f"{len(truth.queries):,} queries, {truth.k} neighbours by {truth.distance or 'no named distance'}"
        lines.append(("ground truth", about))
    lines += [
        *(("note", note) for note in dataset.notes),
        ("non-finite rows", f"{count:,}"),
        ("device", f"{device.kind}: {device.name}"),
        ("memory budget", f"{device.budget_bytes / 1e9:.1f} GB"),
        ("BLAS", device.blas),
        ("compiling", device.compile_problem or "works"),
    ]
    return document, "\n".join([str(dataset.path), *(f"  {name:<16} {value}" for name, value in lines)])


def _columns(table: Table) -> list[dict[str, str]]:
    return [{"name": column.name, "kind": column.kind} for column in table.columns]


def _other_arrays(dataset: Dataset) -> list[tuple[str, str]]:
    others = [array for array in dataset.arrays if array.name != dataset.array_name]
    return [("other arrays", ", ".join(map(str, others)))] if others else []


def convert(session: Session, options: argparse.Namespace) -> Answer:
    if options.output.suffix.lower() not in SUFFIXES:
        raise UserError(f"{options.output} has the suffix of no format that is written; choose one of {', '.join(SUFFIXES)}.")
    dataset = session.load(options)
    table = session.annotate(dataset, options.metadata)
    result = session.ask(ExportRequest(dataset, None, options.output, "vectors", table))
    assert isinstance(result, ExportResult)
    document: dict[str, Any] = {
        "file": str(dataset.path),
        "array": dataset.array_name,
        "output": [str(path) for path in result.paths],
        "rows": dataset.rows,
        "dims": dataset.dims,
        "columns": [] if table is None or options.output.suffix == ".npy" else [column.name for column in table.columns],
    }
    columns = f", with {', '.join(document['columns'])}" if document["columns"] else ""
    return document, f"{' and '.join(document['output'])}: {dataset.rows:,} x {dataset.dims:,}{columns}"


def recall(session: Session, options: argparse.Namespace) -> Answer:
    if options.k is not None and options.k < 1:
        raise UserError(f"-k {options.k} is not at least 1; ask for more neighbours.")
    dataset = session.load(options)
    result = session.ask(RecallRequest(dataset, options.k, session.mode(options.compile)))
    assert isinstance(result, RecallResult)
    document = {
        "file": str(dataset.path),
        "metric": result.metric,
        "k": result.k,
        "queries": result.queries,
        "recall": result.recall,
        "found": result.found,
        "nearer_than_truth": result.nearer,
        "device": session.device.kind,
    }
    return document, result.sentence
