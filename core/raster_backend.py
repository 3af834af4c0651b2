"""Which inner loops are used: NumPy's from the start, the compiled ones once they are there."""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Callable
from types import ModuleType

from core import raster_numpy

log = logging.getLogger(__name__)

_current: ModuleType = raster_numpy
_loading = threading.Lock()
_failed = False


def current() -> ModuleType:
    """The module to draw, pick and select with: core.raster_kernels or core.raster_numpy, which have the same functions."""
    return _current


def load(stop: Callable[[], bool] = lambda: False) -> None:
    """Fetch the compiled loops, which takes seconds: for a thread that nothing waits for. Ends early once `stop` says so.

    Without numba, or if it cannot compile, NumPy goes on drawing.
    """
    global _current, _failed
    with _loading:
        if _failed or _current is not raster_numpy or stop():
            return
        try:
            kernels = importlib.import_module("core.raster_kernels")
            if kernels.compile_all(stop):
                _current = kernels
        except Exception as error:
            # Whatever is wrong with numba on this machine, the map works.
            _failed = True
            log.info("points are drawn by NumPy, since numba cannot compile: %s", error)
