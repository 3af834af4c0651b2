"""Headless commands over the engine. Loads no Qt."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from pathlib import Path
from time import monotonic

from app import file_commands
from app.figures import figure
from app.lab_lines import lab_lines
from app.session import Answer, Session
from core.errors import CompileUnavailable, UserError
from core.export import save_npy
from core.lab import LabRun
from core.lab_records import record
from core.labels import row_called
from core.queries import FileQuery, Query, RowQuery, row_of
from core.readers.sidecar import find_sidecar
from core.table import Table
from core.types import (
    METRICS,
    STORAGES,
    BenchRequest,
    BenchResult,
    BenchRow,
    ComputeOptions,
    LabRequest,
    LabTable,
    LabTableRequest,
    Mode,
    NeighboursRequest,
    NeighboursResult,
    OpenQueriesRequest,
    OpenQueriesResult,
    Progress,
    ProjectRequest,
    ProjectResult,
)

DEVICES = ("metal", "cuda", "cpu", "gpu")
# Rounds of a case, and of a workload of the lab, at most.
BENCH_ROUNDS, LAB_ROUNDS = 15, 200
# Seconds that the lab's workloads take in all, about, and each of them at least.
LAB_SECONDS, LEAST_SECONDS = 240.0, 1.0


@dataclass(frozen=True)
class WindowOptions:
    """What the command line asks of the window."""

    file: Path | None
    compute: ComputeOptions
    array: str | None
    bfloat16: bool
    screenshot: Path | None
    select: int | None
    size: tuple[int, int] | None
    theme: str | None


def program_version() -> str:
    try:
        return version("kinscope")
    except PackageNotFoundError:  # run from a checkout
        return "of a checkout"


def parse_window(arguments: Sequence[str]) -> WindowOptions:
    """Parse `kinscope [FILE] [options]`; exits with status 2 on wrong usage."""
    parser = argparse.ArgumentParser(
        prog="kinscope",
        description="Explore embeddings: a map, true nearest neighbours, and what compiling buys.",
        epilog=f"Without a window: kinscope {{{','.join(COMMANDS)}}} --help",
    )
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="a file of vectors; the sample if left out")
    _add_file_options(parser)
    parser.add_argument("--screenshot", type=Path, metavar="OUT.png", help="draw the window, write its picture, and end")
    parser.add_argument("--select", type=int, metavar="N", help="make row N the query")
    parser.add_argument("--size", type=_size, metavar="WxH", help="size of the window, such as 1440x900")
    parser.add_argument("--theme", choices=("dark", "light"), help="instead of the system's")
    parser.add_argument("--version", action="version", version=f"kinscope {program_version()}")
    given = parser.parse_args(arguments)
    return WindowOptions(
        given.file, _compute(given), given.array, given.bfloat16, given.screenshot, given.select, given.size, given.theme
    )


def run(arguments: Sequence[str]) -> int:
    """Run one headless command; return its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command == "knn" and not (options.row or options.label or options.query):
        parser.error("knn: what is asked about is missing: --row N, --label TEXT or --query FILE.npy")
    if options.command == "bench" and options.workload and options.only:
        parser.error("bench: --only names cases beside the peers, --workload workloads of the lab; give one of them")
    try:
        with Session(_compute(options)) as session:
            document, text = COMMANDS[options.command](session, options)
    except UserError as error:
        print(f"kinscope: {error}", file=sys.stderr)
        return 1
    print(json.dumps(document, indent=2) if options.json else text)
    return 0


def _knn(session: Session, options: argparse.Namespace) -> Answer:
    dataset = session.load(options)
    table = session.annotate(dataset)
    mode = session.mode(options.compile)
    queries, lines, fewest = [], [], options.k
    for query in _asked(session, options, table):
        request = NeighboursRequest(dataset, query, options.k, options.metric, mode, use_kernel=options.kernel)
        found, mode = _neighbours(session, request)
        fewest = min(fewest, len(found.ids))
        row = row_of(query)
        labels = None if table is None else [table.label(i) for i in found.ids]
        queries.append(
            {
                "row": row,
                "label": None if table is None or row is None else table.label(row),
                "query": query.name(_row_name),
                "ids": found.ids.tolist(),
                "distances": found.distances.tolist(),
                "labels": labels,
                "time_ms": round(found.timing.ms, 4),
                "mode": found.timing.mode,
                "first_call": found.timing.first,
                "exact": found.exact,
                "way": found.way,
            }
        )
        name = "" if table is None or row is None else f" {table.label(row)}"
        first = ", first call" if found.timing.first else ""
        lines.append(f"{query.name(_row_name)}{name}: {found.timing.ms:.2f} ms {found.timing.mode}{first}, {found.exact}")
        for rank, (i, distance) in enumerate(zip(found.ids, found.distances, strict=True), 1):
            lines.append(f"  {rank:>4}  {distance:<10.6g}  {i:>10}" + ("" if table is None else f"  {table.label(i)}"))
    if fewest < options.k:
        print(f"kinscope: {dataset.name} has {dataset.rows:,} rows; k is cut to {fewest}.", file=sys.stderr)
    document = {
        "file": str(dataset.path),
        "metric": options.metric,
        "k": options.k,
        "device": session.device.kind,
        "queries": queries,
    }
    return document, "\n".join(lines)


def _asked(session: Session, options: argparse.Namespace, table: Table | None) -> list[Query]:
    """The queries that the command line names: rows, labels, then the vectors of files."""
    queries: list[Query] = [RowQuery(row) for row in options.row]
    for text in options.label:
        if table is None:
            raise UserError(f"{options.file} has no labels beside it, so no row is called {text!r}; name one by --row.")
        queries.append(RowQuery(row_called(table, text)))
    for path in options.query:
        opened = session.ask(OpenQueriesRequest(path))
        assert isinstance(opened, OpenQueriesResult)
        queries += [FileQuery(opened.dataset, row) for row in range(opened.dataset.rows)]
    return queries


def _row_name(row: int) -> str:
    return f"row {row}"


def _neighbours(session: Session, request: NeighboursRequest) -> tuple[NeighboursResult, Mode]:
    """The neighbours, uncompiled if the compiler turns out to fail; and the mode that worked."""
    try:
        result = session.ask(request)
    except CompileUnavailable as problem:
        print(f"kinscope: {problem}", file=sys.stderr)
        request = replace(request, mode="eager")
        result = session.ask(request)
    assert isinstance(result, NeighboursResult)
    return result, request.mode


def _project(session: Session, options: argparse.Namespace) -> Answer:
    dataset = session.load(options)
    if options.components > dataset.dims:
        raise UserError(f"{dataset.name} has {dataset.dims} dimensions; ask for at most as many components.")
    inputs = filter(None, [dataset.path, find_sidecar(dataset.path)])
    if options.output.exists() and any(options.output.samefile(path) for path in inputs):
        raise UserError(f"{options.output} is what is being read; choose another file for the output.")
    axes = tuple(range(options.components))
    centre, unit = not options.no_centre, options.unit_length
    mode = session.mode(options.compile)
    try:
        result = session.ask(ProjectRequest(dataset, axes, centre, unit, mode))
    except CompileUnavailable as problem:
        print(f"kinscope: {problem}", file=sys.stderr)
        result = session.ask(ProjectRequest(dataset, axes, centre, unit, "eager"))
    assert isinstance(result, ProjectResult)
    save_npy(options.output, result.coords)
    explained = result.explained[: options.components].tolist()
    document = {
        "file": str(dataset.path),
        "output": str(options.output),
        "rows": dataset.rows,
        "components": options.components,
        "centred": centre,
        "unit_length": unit,
        "explained_variance": explained,
        "non_finite_rows": len(result.non_finite_rows),
        "method": result.method,
        "time_ms": round(result.timing.ms, 3),
        "stages_ms": {name: round(ms, 3) for name, ms in result.timing.stages},
        "mode": result.timing.mode,
        "device": session.device.kind,
    }
    shares = ", ".join(f"{share:.1%}" for share in explained)
    text = (
        f"{options.output}: {dataset.rows:,} x {options.components} float32\n"
        f"  explained variance {shares}\n  {result.method}\n  {result.timing.ms:.0f} ms {result.timing.mode}"
    )
    return document, text


def _bench(session: Session, options: argparse.Namespace) -> Answer:
    if options.workload:
        return _lab(session, options)
    only = tuple(name.strip() for name in options.only.split(",")) if options.only else ()
    request = BenchRequest(only, options.repeat or BENCH_ROUNDS, options.time_limit)
    result = session.ask(request, _tell_progress if sys.stderr.isatty() else None)
    assert isinstance(result, BenchResult)
    cases = [list(rows) for _, rows in groupby(result.rows, key=lambda row: row.case)]
    corners = [rows for rows in cases if rows[0].case.startswith("corners")]
    lines = [line for rows in cases if rows not in corners for line in _case_lines(rows)]
    lines += _corner_lines(corners) if corners else []
    lines += [f"left out: {text}" for text in result.skipped]
    lines += ["", f"threads: {', '.join(f'{name} {count}' for name, count in result.threads.items()) or 'not known'}"]
    lines.append(
        f"memory {result.bandwidth_gb_s:.0f} GB/s, float32 product {result.product_gflop_s:,.0f} GFLOP/s; {result.device.line}; "
        + ", ".join(f"{name} {text}" for name, text in result.versions.items())
        + f"; {result.seconds:.0f} s in all"
    )
    return asdict(result), "\n".join(lines)


def _lab(session: Session, options: argparse.Namespace) -> Answer:
    """Run the lab's workloads, each in every size that fits unless one is named; those that cannot run are told of."""
    dataset = session.load(options) if options.file else None
    table = session.ask(LabTableRequest(dataset))
    assert isinstance(table, LabTable)
    known = {workload.name: workload for workload in table.workloads}
    names = list(known) if options.workload == "all" else [name.strip() for name in options.workload.split(",")]
    if unknown := [name for name in names if name not in known]:
        raise UserError(f"The lab has no workload {', '.join(unknown)}; there are {', '.join(known)}, or all.")
    wanted = [(known[name], size) for name in names for size in known[name].sizes]
    reasons = [(w, size, w.problem or size.problem) for w, size in wanted]
    left_out = [f"{w.title}, {size.name}: {why}" for w, size, why in reasons if why]
    able = [(w, size) for w, size, why in reasons if not why]
    end = monotonic() + (options.time_limit or LAB_SECONDS)
    runs, lines = [], []
    for number, (workload, size) in enumerate(able):
        _tell_progress(Progress(0, "lab", f"{workload.title}, {size.name}", number, len(able))) if sys.stderr.isatty() else None
        share = max(LEAST_SECONDS, (end - monotonic()) / (len(able) - number))
        run = session.ask(LabRequest(workload.name, size.name, dataset, rounds=options.repeat or LAB_ROUNDS, seconds=share))
        assert isinstance(run, LabRun)
        runs.append(run)
        lines += lab_lines(workload.title, run)
    lines += [f"left out: {text}" for text in left_out]
    if runs:
        known_limits = f"memory {runs[-1].bandwidth_gb_s:.0f} GB/s, float32 product {runs[-1].product_gflop_s:,.0f} GFLOP/s"
        lines.append(f"{known_limits}; {session.device.line}; {', '.join(f'{n} {v}' for n, v in runs[-1].versions.items())}")
    return {"runs": [record(run) | {"verdict": run.verdict} for run in runs], "left_out": left_out}, "\n".join(lines)


def _case_lines(rows: list[BenchRow]) -> list[str]:
    """One case of the bench: a heading, then a line a runner; what the others took is told as times what the first took."""
    lines = [f"{rows[0].case}: {rows[0].about}"]
    heads = f"{'median ms':>10}{'p95':>10}{'first':>10}{'n':>4}{'cores':>7}{'of limit':>10}"
    lines.append(f"  {'':<30}{heads}  {'times ours (95 %)':<24}  answers")
    for row in rows:
        figures = "".join(f"{figure(value):>10}" for value in (row.median_ms, row.p95_ms, row.first_ms))
        cores = "" if row.cores is None else f"{row.cores:.1f}"
        share = f"{row.count:>4}{cores:>7}{row.share_of_limit:>10.0%}"
        lines.append(f"  {row.runner:<30}{figures}{share}  {_times(row, rows[0]):<24}  {_answers(row)}".rstrip())
    return [*lines, ""]


def _corner_lines(corners: list[list[BenchRow]]) -> list[str]:
    """The table of corners: a line a corner, ours beside one peer."""
    peer = next((rows[1].runner for rows in corners if len(rows) > 1), "no peer")
    heads = f"{'ours ms':>10}{'first':>10}{'of limit':>10}{'peer ms':>10}"
    lines = [f"corners: the peer is {peer}", f"  {'':<16}{'':<36}{heads}  {'times ours (95 %)':<24}  answers"]
    for ours, *others in corners:
        figures = f"{figure(ours.median_ms):>10}{figure(ours.first_ms):>10}{ours.share_of_limit:>10.0%}"
        theirs = f"{figure(others[0].median_ms) if others else '-':>10}  {_times(others[0], ours) if others else '':<24}"
        lines.append(f"  {ours.case:<16}{ours.about:<36}{figures}{theirs}  {_answers(ours)}")
    return [*lines, ""]


def _times(row: BenchRow, reference: BenchRow) -> str:
    ratio = row.times_reference
    if ratio is None:
        return "" if row is reference else f"{figure(row.median_ms / reference.median_ms)} (too few)"
    return f"{figure(ratio.value)} ({figure(ratio.low)} to {figure(ratio.high)})"


def _answers(row: BenchRow) -> str:
    """How good the answers were, as far as it means anything."""
    parts = [
        "" if row.error is None else f"error {row.error:.0e}",
        "" if row.recall is None else f"recall {row.recall:.3f}",
        "" if row.proven is None else f"proven {row.proven:.0%}",
    ]
    return ", ".join(filter(None, parts))


def _tell_progress(progress: Progress) -> None:
    """Overwrite one line of a terminal, so that minutes do not pass in silence."""
    text = f"{progress.stage} ({progress.done + 1} of {progress.total})" if progress.done < progress.total else ""
    print(f"\r{text:<60}", end="\r" if not text else "", file=sys.stderr, flush=True)


COMMANDS = {
    "info": file_commands.info,
    "knn": _knn,
    "project": _project,
    "convert": file_commands.convert,
    "recall": file_commands.recall,
    "bench": _bench,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kinscope")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, about in (
        ("info", "tell what a file holds"),
        ("knn", "list the exact nearest neighbours of rows or of other vectors"),
        ("project", "write the leading components of all rows"),
        ("convert", "write the vectors and labels in another format"),
        ("recall", "compare our neighbours with the true ones in the file"),
        ("bench", "measure beside the peers that are installed"),
    ):
        command = commands.add_parser(name, help=about, description=about.capitalize() + ".")
        if name != "bench":
            command.add_argument("file", type=Path, metavar="FILE")
            _add_file_options(command)
        file_commands.add_arguments(name, command)
        command.add_argument("--json", action="store_true", help="print one JSON document")
        if name in ("knn", "project"):
            command.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
        if name == "knn":
            about_row = "ask about this row; it and what follows may be repeated"
            command.add_argument("--row", type=int, action="append", default=[], metavar="N", help=about_row)
            command.add_argument("--label", action="append", default=[], metavar="TEXT", help="ask about the row of this label")
            about_query = "ask about the vector, or each of the vectors, of another file"
            command.add_argument("--query", type=Path, action="append", default=[], metavar="FILE.npy", help=about_query)
            command.add_argument("-k", type=_positive, default=10, metavar="K")
            command.add_argument("--metric", choices=METRICS, default="l2")
            about_kernels = "custom GPU kernels; where they are measured to be faster if left out"
            command.add_argument("--kernel", action=argparse.BooleanOptionalAction, help=about_kernels)
        if name == "bench":
            _add_compute_options(command)
            command.add_argument("--only", metavar="NAME,…", help="cases whose names begin so; 'corners' is a table of costs")
            command.add_argument("--repeat", type=_positive, default=None, metavar="N", help="at most, each case")
            command.add_argument(
                "--workload", metavar="NAME,…", help="the lab's workloads instead, compiled against not; or 'all'"
            )
            command.add_argument("--file", type=Path, metavar="FILE", help="vectors for those workloads that take an open file")
            command.add_argument("--array", metavar="NAME", help="which array of that file")
            command.set_defaults(bfloat16=False)
            command.add_argument("--time-limit", type=_positive, metavar="SECONDS", help="in all; under 5 minutes if left out")
        if name == "project":
            command.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.npy")
            command.add_argument("--components", type=_positive, default=2, metavar="C")
            command.add_argument("--no-centre", action="store_true", help="keep the mean")
            command.add_argument("--unit-length", action="store_true", help="divide each row by its length first")
    return parser


def _add_file_options(parser: argparse.ArgumentParser) -> None:
    _add_compute_options(parser)
    parser.add_argument("--array", metavar="NAME", help="which array or column of a file with several")
    parser.add_argument("--bfloat16", action="store_true", help="read uint16 as the bits of bfloat16")


def _add_compute_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", choices=DEVICES, help="the best one if left out")
    parser.add_argument("--memory", type=_bytes, metavar="SIZE", help="what vectors may take, such as 4GB; a share if left out")
    parser.add_argument("--storage", choices=STORAGES, default="float32", help="round vectors to this; on a GPU it saves memory")


def _compute(given: argparse.Namespace) -> ComputeOptions:
    return ComputeOptions(given.device, given.memory, given.storage)


def _bytes(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?) *([KMGT]?)B?", text.strip().upper())
    if match is None or not (number := int(float(match[1]) * 1000 ** " KMGT".index(match[2] or " "))):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 4GB or 500MB")
    return number


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not at least 1")
    return number


def _size(text: str) -> tuple[int, int]:
    width, separator, height = text.lower().partition("x")
    if not separator or not width.isdigit() or not height.isdigit() or min(int(width), int(height)) < 200:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 1440x900")
    return int(width), int(height)
