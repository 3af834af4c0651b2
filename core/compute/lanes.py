"""Streams side by side on a CPU: what MLX computes on one core, such as selection, it computes on several at once if each part
has a stream of its own. Its products use all cores as they are.
"""

from __future__ import annotations

import os
import threading

import mlx.core as mx

from core.types import DeviceKind

# More than this many streams wait for memory rather than for a core.
MOST = 8

_own = threading.local()  # a stream belongs to the thread that made it


def lanes(kind: DeviceKind) -> list[mx.Stream]:
    """This thread's streams for work side by side, the default one first; on a GPU no other."""
    default: mx.Stream = mx.default_stream(mx.default_device())
    if kind != "cpu":
        return [default]
    if not hasattr(_own, "lanes"):
        others = min(os.cpu_count() or 1, MOST) - 1
        _own.lanes = [default, *(mx.new_stream(mx.cpu) for _ in range(others))]
    made: list[mx.Stream] = _own.lanes
    return made
