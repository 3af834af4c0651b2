"""One definition, two ways of running it: eager, or compiled by mx.compile.

mx.compile keeps what it made for every new combination of shapes and dtypes, but bakes in Python values. So a pair compiles
one function for each set of static arguments, keeps it (deleting a wrapper erases MLX's cache for it), and counts how often
its body runs under the compiled wrapper, which is how often MLX traced it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import mlx.core as mx

from core.compute.reasons import Signature, Static, why_first
from core.types import Mode


@dataclass(eq=False)
class Observation:
    """What the pairs that ran inside `observe` did."""

    traces: int = 0
    first: bool = False  # some pair met new shapes, dtypes, static arguments or a new device
    reasons: list[str] = field(default_factory=list)  # what of it was new, a phrase each, none twice


_observations: list[Observation] = []


@contextmanager
def observe() -> Iterator[Observation]:
    """Collect traces and first calls of all pairs called in this block. Blocks nest."""
    observation = Observation()
    _observations.append(observation)
    try:
        yield observation
    finally:
        _observations.remove(observation)


@contextmanager
def suspended(observation: Observation) -> Iterator[None]:
    """Let `observation` see nothing of this block, which runs within the one it observes."""
    _observations.remove(observation)
    try:
        yield
    finally:
        _observations.append(observation)


@dataclass(eq=False)
class Pair:
    """A pure function of arrays, with keyword-only static arguments, that runs eagerly or compiled."""

    function: Callable[..., Any]
    traces: int = 0
    _compiled: dict[Static, Callable[..., Any]] = field(default_factory=dict)
    _thread: threading.local = field(default_factory=threading.local)  # MLX keeps compiled functions by thread

    def __call__(self, mode: Mode, *arrays: mx.array, **static: Hashable) -> Any:
        """Run on `arrays`. Outputs are lazy, as MLX makes them: the caller evaluates."""
        key: Static = tuple(sorted(static.items()))
        before = self.traces
        run = self._compiled_for(key) if mode == "compiled" else self._eager_for(key)
        outputs = run(*arrays)
        device = mx.default_device()
        stream = str(mx.default_stream(device))
        signature = Signature(mode, device.type.name, stream, key, tuple((a.shape, str(a.dtype)) for a in arrays))
        # In order of their coming: a dict for want of an ordered set.
        met: dict[Signature, None] = self._thread.__dict__.setdefault("met", {})
        reasons = [] if signature in met else why_first(self.function, signature, list(met))
        met[signature] = None
        for observation in _observations:
            observation.traces += self.traces - before
            observation.first |= bool(reasons)
            observation.reasons += [reason for reason in reasons if reason not in observation.reasons]
        return outputs

    def _eager_for(self, key: Static) -> Callable[..., Any]:
        static = dict(key)
        return lambda *arrays: self.function(*arrays, **static)

    def _compiled_for(self, key: Static) -> Callable[..., Any]:
        if key not in self._compiled:
            eager = self._eager_for(key)

            def traced(*arrays: mx.array) -> Any:
                self.traces += 1
                return eager(*arrays)

            self._compiled[key] = mx.compile(traced)
        return self._compiled[key]


def compiled(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """`function` compiled by itself, with the `options` of mx.compile; each trace counts in what `observe` sees."""

    def traced(*arrays: Any) -> Any:
        for observation in _observations:
            observation.traces += 1
        return function(*arrays)

    return mx.compile(traced, **options)


def pair(function: Callable[..., Any]) -> Pair:
    """Decorator: make the definition of a compute function an eager/compiled pair."""
    return Pair(function)
