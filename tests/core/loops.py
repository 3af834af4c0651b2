"""The inner loops in both makes, for tests that hold for either."""

from __future__ import annotations

import importlib
from functools import cache
from types import ModuleType

LOOPS = ["raster_numpy", "raster_kernels"]


@cache
def loops(name: str) -> ModuleType:
    module = importlib.import_module(f"core.{name}")
    if name == "raster_kernels":
        assert module.compile_all(lambda: False)
    return module
