"""What the user can say about a file when opening it, what a file shows of itself, and the form every reader has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.dataset import Dataset


def go_on(done: int, total: int) -> None: ...


@dataclass(frozen=True)
class OpenOptions:
    array: str | None = None  # which array of a file with several
    bfloat16: bool = False  # read uint16 as the bits of bfloat16
    told: Callable[[int, int], None] = go_on  # how much of a file that cannot be mapped is read; raises to give up


@dataclass(frozen=True)
class Probe:
    """What a file shows before it is opened."""

    path: Path
    head: bytes  # its first bytes, up to HEAD_BYTES of core.readers
    size: int  # bytes
    is_folder: bool = False

    @property
    def suffix(self) -> str:
        return self.path.suffix.lower()


@dataclass(frozen=True)
class Reader:
    name: str
    suffixes: tuple[str, ...]
    sniff: Callable[[Probe], bool]
    open: Callable[[Path, OpenOptions], Dataset]
