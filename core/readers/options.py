"""What the user can say about a file when opening it, and the form every reader has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.dataset import Dataset


@dataclass(frozen=True)
class OpenOptions:
    array: str | None = None  # which array of an archive
    bfloat16: bool = False  # read uint16 as the bits of bfloat16


@dataclass(frozen=True)
class Reader:
    name: str
    suffixes: tuple[str, ...]
    sniff: Callable[[bytes], bool]  # given the first 16 bytes
    open: Callable[[Path, OpenOptions], Dataset]
