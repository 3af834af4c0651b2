"""What pyarrow raises for a damaged file, in a sentence."""

from __future__ import annotations

import csv
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from core.errors import UserError
from core.readers.arrays import one_line

FAULTS = (pa.ArrowException, csv.Error, struct.error, OSError, ValueError, LookupError, TypeError, MemoryError, OverflowError)


@contextmanager
def told_plainly(path: Path, kind: str) -> Iterator[None]:
    """Whatever pyarrow cannot read within becomes a UserError."""
    try:
        yield
    except FAULTS as error:
        raise UserError(f"{path} cannot be read as {kind} ({one_line(error)}); mend it or save it again.") from None
