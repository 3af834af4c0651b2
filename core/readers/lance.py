""".lance, by its library if it is installed: a folder that is read like a Parquet file.

Format: https://lance.org/format
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from core.dataset import Dataset
from core.errors import Cancelled, UserError
from core.readers.arrays import one_line
from core.readers.extras import library
from core.readers.options import OpenOptions, Probe, Reader
from core.readers.tabular import Source, open_columns

SUFFIX = ".lance"
FIRST_ROWS = 16


def _open(path: Path, options: OpenOptions) -> Dataset:
    lance = library("lance", path, "pip install pylance")
    try:
        data = lance.dataset(str(path))
        first = next(iter(data.to_batches(limit=FIRST_ROWS)), None)
        if first is None:
            raise UserError(f"{path} has no rows; there is nothing to show.")
        source = Source(path, "lance", data.schema, data.count_rows(), lambda places, rows: _batches(data, places, rows), first)
        return open_columns(source, options)
    except (UserError, Cancelled):
        raise
    except Exception as error:  # a library of another language has faults of its own
        raise UserError(f"{path} cannot be read as Lance ({one_line(error)}); write it again.") from None


def _batches(data: Any, places: list[int], rows: int) -> Iterator[pa.RecordBatch]:
    names = [data.schema.names[i] for i in places]
    return iter(data.to_batches(columns=names, batch_size=rows, scan_in_order=True))


def _sniff(probe: Probe) -> bool:
    return probe.is_folder and probe.suffix == SUFFIX


READER = Reader("lance", (SUFFIX,), _sniff, _open)
