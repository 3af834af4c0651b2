"""Figures as people read them: three significant places, no more."""

from __future__ import annotations

import math

import numpy as np

FEW_DAYS = 4 * 86400.0


def figure(value: float) -> str:
    """Three significant places: 0.0321, 1.21, 48.0, 512; powers of ten only below 0.001 and from a million on."""
    if not math.isfinite(value):
        return str(value)
    size = abs(value)
    if size and not 1e-3 <= size < 1e6:
        return f"{value:.2e}"
    places = 2 if size == 0 else max(0, 2 - math.floor(math.log10(size)))
    return f"{value:,.{places}f}"


def size(count: int) -> str:
    """A number of bytes in the unit that suits it."""
    amount = float(count)
    for unit in ("bytes", "kB", "MB"):
        if amount < 1000:
            return f"{amount:,.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def date(seconds: float, span: float) -> str:
    """The day of a time given in seconds since 1970, or its minute where all there is lies within a `span` of few days."""
    return str(np.datetime64(round(seconds), "s"))[: 10 if span > FEW_DAYS else 16].replace("T", " ")
