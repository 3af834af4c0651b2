"""Vectors on the device, chunk by chunk."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from core.compute import vectors
from core.compute.vectors import ArrayRows, Vectors, scan_rows
from core.errors import UserError
from core.types import DeviceKind, Ids


@pytest.mark.parametrize("layout", ["cpu", "metal"])
def test_every_chunk_lies_in_one_piece(monkeypatch: pytest.MonkeyPatch, layout: DeviceKind) -> None:
    """The last, narrower one too: a product with a part of a wider buffer takes ten times as long."""
    x = np.random.default_rng(0).standard_normal((5000, 16)).astype(np.float32)
    monkeypatch.setitem(vectors.CHUNK_BYTES, layout, 2048 * (6 * 16 + 32))
    source = ArrayRows(x)
    chunks = list(Vectors(source, scan_rows(source), layout, 1 << 40).chunks())
    assert len(chunks) > 1
    assert chunks[-1].ones.shape[0] < chunks[0].ones.shape[0]
    assert sum(chunk.rows for chunk in chunks) == 5000
    for chunk in chunks:
        assert memoryview(chunk.data).c_contiguous  # type: ignore[arg-type]


def test_kept_rows_are_numbered_past_those_left_out() -> None:
    x = np.ones((40, 3), np.float32)
    x[[0, 1, 17, 39]] = np.nan
    source = ArrayRows(x)
    held = Vectors(source, scan_rows(source), "cpu", 1 << 40)
    kept = np.flatnonzero(np.isfinite(x).all(axis=1))
    np.testing.assert_array_equal(held.file_rows(np.arange(len(kept))), kept)
    np.testing.assert_array_equal(held.numbers(kept), np.arange(len(kept)))


@pytest.mark.parametrize("layout", ["cpu", "metal"])
def test_vectors_that_do_not_fit_stream_the_same_chunks(layout: DeviceKind) -> None:
    """Read ahead on another thread, into buffers used in turn: no chunk may change after it was handed over."""
    x = np.random.default_rng(2).standard_normal((9000, 16)).astype(np.float32)
    source = ArrayRows(x)
    scan = scan_rows(source)
    streaming = Vectors(source, scan, layout, 8 * 1024 * (6 * 16 + 32))
    assert not streaming.resident
    told: list[int] = []
    chunks = list(streaming.chunks(report=lambda stage, done, total: told.append(done)))
    assert told == [min(9000, chunk.start + streaming.step) for chunk in chunks]
    for chunk in chunks:
        data = np.array(chunk.data)
        rows = (data[:16].T if layout == "cpu" else data)[: chunk.rows]
        np.testing.assert_allclose(rows, x[chunk.start : chunk.start + chunk.rows] - streaming.shift, atol=1e-6)


def test_a_reader_that_fails_ends_the_pass_with_its_error() -> None:
    class Failing(ArrayRows):
        def read(self, selection: slice | Ids) -> NDArray[np.floating[Any]]:
            if isinstance(selection, slice) and selection.start >= 4096:
                raise UserError("The file has gone.")
            return super().read(selection)

    source = Failing(np.ones((9000, 16), np.float32))
    scan = scan_rows(ArrayRows(source.array))
    with pytest.raises(UserError, match="gone"):
        list(Vectors(source, scan, "cpu", 8 * 1024 * 4 * 22).chunks())
