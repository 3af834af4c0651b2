"""Vectors on the device, chunk by chunk."""

from __future__ import annotations

import numpy as np
import pytest

from core.compute import vectors
from core.compute.vectors import ArrayRows, Vectors, scan_rows
from core.types import DeviceKind


@pytest.mark.parametrize("layout", ["cpu", "metal"])
def test_every_chunk_lies_in_one_piece(monkeypatch: pytest.MonkeyPatch, layout: DeviceKind) -> None:
    """The last, narrower one too: a product with a part of a wider buffer takes ten times as long."""
    x = np.random.default_rng(0).standard_normal((5000, 16)).astype(np.float32)
    monkeypatch.setitem(vectors.CHUNK_BYTES, layout, 2048 * 6 * 20)
    source = ArrayRows(x)
    chunks = list(Vectors(source, scan_rows(source), layout, 1 << 40).chunks())
    assert len(chunks) > 1
    assert chunks[-1].ones.shape[0] < chunks[0].ones.shape[0]
    assert sum(chunk.rows for chunk in chunks) == 5000
    for chunk in chunks:
        assert memoryview(chunk.data).c_contiguous  # type: ignore[arg-type]
