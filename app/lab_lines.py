"""A run of the lab as lines of text."""

from __future__ import annotations

from app.figures import figure, size
from core.lab import Finding, LabRun, WayFigures

HEADS = ("median ms", "p95", "first", "n", "traces", "peak", "GB/s", "GFLOP/s", "of limit")


def lab_lines(title: str, run: LabRun) -> list[str]:
    """A heading, a line a way or a finding, and what may be said."""
    lines = [f"{title}, {run.size}"]
    if run.ways:
        lines.append(f"  {'':<26}" + "".join(f"{head:>10}" for head in HEADS) + "  times as fast (95 %)")
        lines += [_way_line(run, way) for way in run.ways]
    lines += [_finding_line(finding) for finding in run.findings]
    if run.verdict:
        lines.append(f"  {run.verdict}")
    return [*lines, ""]


def _way_line(run: LabRun, way: WayFigures) -> str:
    share = run.share_of_limit(way)
    figures = (
        *(_or_dash(value) for value in (way.median_ms, way.p95_ms, way.first_ms)),
        str(len(way.ms)),
        str(way.traces),
        size(way.peak_bytes),
        *(_or_dash(value) for value in (run.gb_s(way), run.gflop_s(way))),
        "-" if share is None else f"{share:.0%}",
    )
    ratio, pays = run.ratio(way), run.pays_off_after(way)
    told = "" if ratio is None else f"  {ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"
    told += "" if pays is None else f", pays off after {pays:,} call{'' if pays == 1 else 's'}"
    return f"  {way.name:<26}" + "".join(f"{text:>10}" for text in figures) + told


def _finding_line(finding: Finding) -> str:
    cost = "" if finding.ms is None else f" ({figure(finding.ms)} ms)"
    return f"  {finding.about:<86} {finding.outcome}{cost}"


def _or_dash(value: float | None) -> str:
    return "-" if value is None else figure(value)
