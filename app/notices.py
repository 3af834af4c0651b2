"""The one way a message reaches the user. Messages sent before there is a window are kept until there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Level = Literal["info", "problem", "bug"]


@dataclass(frozen=True)
class Notice:
    level: Level
    text: str


class Notices:
    """Where messages go in and, once a window shows them, come out."""

    def __init__(self) -> None:
        self._show: Callable[[Notice], None] | None = None
        self._kept: list[Notice] = []

    def attach(self, show: Callable[[Notice], None]) -> None:
        """Let `show` have every message from now on, those kept so far first."""
        self._show = show
        kept, self._kept = self._kept, []
        for notice in kept:
            show(notice)

    def info(self, text: str) -> None:
        self._send(Notice("info", text))

    def problem(self, text: str) -> None:
        """A fault of the user's file or machine, in one sentence that says what to do."""
        self._send(Notice("problem", text))

    def bug(self, text: str) -> None:
        """A fault of ours; the traceback is in the log."""
        self._send(Notice("bug", text))

    def _send(self, notice: Notice) -> None:
        if self._show is None:
            self._kept.append(notice)
        else:
            self._show(notice)
