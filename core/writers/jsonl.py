""".jsonl: an object a line, of the fields and of the vector or coordinates as a list; null for what is no finite number."""

from __future__ import annotations

import json
import math
from datetime import date
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.export import GoOn, write_whole
from core.writers.content import Content


def write(path: Path, content: Content, told: GoOn) -> tuple[Path, ...]:
    def fill(whole: Path) -> None:
        with whole.open("w", encoding="utf-8") as file:
            for part in content.parts(told):
                lists = [] if part.matrix is None else _spelt(part.matrix)
                records = part.fields.to_pylist() or [{} for _ in lists]
                for record, numbers in zip_longest(records, lists):
                    file.write(_line(record, content.matrix.name if content.matrix else "", numbers))

    write_whole(path, fill)
    return (path,)


def _line(record: dict[str, Any], name: str, numbers: str | None) -> str:
    text = json.dumps({key: _plain(value) for key, value in record.items()}, ensure_ascii=False)
    if numbers is None:
        return text + "\n"
    return f"{text[:-1]}{', ' if record else ''}{json.dumps(name)}: [{numbers}]}}\n"


def _spelt(matrix: NDArray[np.floating[Any]]) -> list[str]:
    """The numbers of each row, as short as they can be told apart in their own type."""
    texts = pa.array(np.ascontiguousarray(matrix).reshape(-1)).cast(pa.string()).to_numpy(zero_copy_only=False)
    texts[~np.isfinite(matrix).reshape(-1)] = "null"
    return [", ".join(row) for row in texts.reshape(matrix.shape)]


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.isoformat() if isinstance(value, date) else value
