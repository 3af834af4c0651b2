"""Why a call is a first one: what is new in it beside the most alike of the calls before, in words."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from core.types import Mode

Static = tuple[tuple[str, Hashable], ...]
# Static arguments whose names say little.
WORDS = {"k": "number of neighbours", "wanted": "number of candidates", "dims": "number of dimensions"}


@dataclass(frozen=True)
class Signature:
    """What MLX compiles a function of its own for."""

    mode: Mode
    device: str
    stream: str  # MLX compiles for each stream of a device
    static: Static
    arrays: tuple[tuple[tuple[int, ...], str], ...]  # (shape, dtype) of each

    def differences(self, other: Signature) -> int:
        """In how many things it differs from another of its mode and stream."""
        apart = len(self.arrays) - len(other.arrays)
        changed = sum(
            (shape != before) + (dtype != dtype_before)
            for (shape, dtype), (before, dtype_before) in zip(self.arrays, other.arrays, strict=False)
        )
        return abs(apart) + changed + len(self.changed(other))

    def changed(self, other: Signature) -> list[str]:
        """The names of static arguments that differ, or that only one of both has."""
        return sorted({name for name, _ in set(self.static) ^ set(other.static)})


def why_first(function: Callable[..., Any], now: Signature, met: Sequence[Signature]) -> list[str]:
    """What is new in a call of `function`, one short phrase each; never empty. `met` are the calls before, the latest last."""
    alike = [other for other in met if (other.mode, other.stream) == (now.mode, now.stream)]
    if not alike:
        way = "compiled" if now.mode == "compiled" else "uncompiled"
        devices = {other.device for other in met if other.mode == now.mode}
        where = "" if not devices else " on another core" if now.device in devices else f" on the {now.device}"
        return [f"first {way} call of {_words(function.__name__)}{where}"]
    # Of several as near, the latest: it is what the user has just seen.
    before = min(reversed(alike), key=now.differences)
    if len(now.arrays) != len(before.arrays):
        return [f"another number of arrays: {len(before.arrays)} → {len(now.arrays)}"]
    return [*_of_arrays(function, now, before), *_of_static(now, before)]


def _of_arrays(function: Callable[..., Any], now: Signature, before: Signature) -> list[str]:
    reasons = []
    for place, kind in ((0, "shape"), (1, "data type")):
        changed = [i for i, (new, old) in enumerate(zip(now.arrays, before.arrays, strict=True)) if new[place] != old[place]]
        names = ", ".join(_array_name(function, i) for i in changed)
        if len(changed) == 1:
            value = now.arrays[changed[0]][place]
            reasons.append(f"new {kind} {str(value).removeprefix('mlx.core.')} of {names}")
        elif changed:
            reasons.append(f"new {kind}s of {names}")
    return reasons


def _of_static(now: Signature, before: Signature) -> list[str]:
    old, new = ({name: _figure(value) for name, value in s.static} for s in (before, now))
    return [
        f"new {WORDS.get(name, _words(name))}: {old.get(name, 'left out')} → {new.get(name, 'left out')}"
        for name in now.changed(before)
    ]


def _array_name(function: Callable[..., Any], place: int) -> str:
    names = [p.name for p in inspect.signature(function).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    return _words(names[place]) if place < len(names) else f"array {place + 1}"


def _words(name: str) -> str:
    return name.strip("_").replace("_", " ")


def _figure(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
