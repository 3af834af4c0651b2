"""Libraries that only some formats need: imported when such a file is opened, and named where they are not installed."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from core.errors import UserError


def library(name: str, path: Path, how: str = "pip install 'kinscope[formats]'") -> Any:
    """The module `name`, to read `path` with. Raises UserError telling `how` to install it."""
    try:
        return import_module(name)
    except ImportError:
        raise UserError(f"{path} needs the library {name}, which is not installed here; install it: {how}.") from None
