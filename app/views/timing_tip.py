"""All that is known of one query's cost, in words."""

from __future__ import annotations

from app.figures import figure, size
from app.models.neighbours import METRIC_NAMES
from app.models.timings import Sample
from app.views.stages_chart import stage_times
from core.types import Timing


def tip(sample: Sample) -> str:
    timing, subject = sample.timing, sample.subject
    mode = "compiled" if timing.mode == "compiled" else "uncompiled"
    lines = [
        f"Query {sample.number:,}: {figure(timing.ms)} ms {mode}",
        f"{METRIC_NAMES[subject.metric]}, k {subject.k}, {subject.dataset.name}",
        *(f"{name}: {figure(ms)} ms" for name, ms in stage_times(timing).items()),
        f"{size(timing.bytes_read)} read, {figure(timing.bytes_read / 1e6 / timing.ms)} GB/s",
        f"memory: {size(timing.memory_bytes)} at the peak",
    ]
    if timing.first:
        lines += [f"first call, {traces(timing.traces)}:", *(f"  {reason}" for reason in timing.reasons)]
    return "\n".join(lines)


def last_words(timing: Timing, all_traces: int) -> str:
    """The same of the last query, in a sentence or two."""
    stages = ", ".join(f"{name} {figure(ms)} ms" for name, ms in timing.stages)
    memory = f"{size(timing.bytes_read)} read, {size(timing.memory_bytes)} held"
    return f"Last: {stages}; {memory}. {traces(all_traces).capitalize()} so far."


def traces(count: int) -> str:
    return f"{count or 'no'} trace{'' if count == 1 else 's'}"
