"""Rows found by their labels, whether letters are large or small: whole labels, then beginnings, then words, then parts."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from core.errors import UserError
from core.table import Table

# Labels that are named where none or several are meant.
FEW = 5


class LabelIndex:
    """The labels as one text in small letters, a line a label: to look through it takes milliseconds for a million."""

    def __init__(self, labels: Iterable[str]) -> None:
        lines = [_folded(label) for label in labels]
        self._text = "\n".join(["", *lines, ""]).encode(errors="surrogatepass")
        self._breaks = np.flatnonzero(np.frombuffer(self._text, np.uint8) == ord("\n"))  # (n + 1,)

    def find(self, text: str, most: int) -> list[int]:
        """At most so many rows whose labels hold `text`, the best matches first."""
        wanted = _folded(text.strip()).encode(errors="surrogatepass")
        found: dict[int, None] = {}
        if wanted:
            for pattern in (b"\n" + wanted + b"\n", b"\n" + wanted, b" " + wanted, wanted):
                self._collect(pattern, most, found)
        return list(found)

    def whole(self, text: str) -> list[int]:
        """All rows whose label is `text`."""
        found: dict[int, None] = {}
        self._collect(b"\n" + _folded(text).encode(errors="surrogatepass") + b"\n", len(self._breaks), found)
        return list(found)

    def _collect(self, pattern: bytes, most: int, found: dict[int, None]) -> None:
        """Add rows in whose line the pattern begins, until there are `most`."""
        at = 0
        while len(found) < most and (at := self._text.find(pattern, at)) >= 0:
            row = int(np.searchsorted(self._breaks, at, side="right")) - 1
            found[row] = None
            at = int(self._breaks[row + 1])


def row_called(table: Table, text: str) -> int:
    """The row of exactly this label, else the only one that differs from it in large and small letters alone.

    Raises UserError where there is none or several, and names a few that may be meant.
    """
    index = LabelIndex(table.label(row) for row in range(table.rows))
    alike = index.whole(text)
    same = [row for row in alike if table.label(row) == text]
    meant = same or alike
    if len(meant) == 1:
        return meant[0]
    if meant:
        rows = ", ".join(f"{row}" for row in meant[:FEW]) + (", …" if len(meant) > FEW else "")
        raise UserError(f"{len(meant):,} rows are called {text!r} ({rows}); name one by --row.")
    near = index.find(text, FEW)
    like = f"; {', '.join(repr(table.label(row)) for row in near)} hold{'s' if len(near) == 1 else ''} it" if near else ""
    raise UserError(f"No row is called {text!r}{like}; name a row by its whole label, or by --row.")


def _folded(label: str) -> str:
    return label.replace("\n", " ").casefold()
