"""The first view of a mapped file costs what its sample takes, however large the file is."""

from __future__ import annotations

import gc
import queue
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

from core.engine import Engine
from core.types import Completed, ComputeOptions, Event, LoadRequest, LoadResult, Progress, Ready

DIMS = 128
# What the sample and its projection take, with room to spare, and far less than the file.
BOUND = 160e6


@pytest.fixture
def load() -> Iterator[Callable[[Path], LoadResult]]:
    """Opens a file on a compute thread, as the window does."""
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    engine = Engine(events.put, ComputeOptions("cpu", 1 << 30))
    engine.start()
    assert isinstance(events.get(), Ready)

    def load(path: Path) -> LoadResult:
        engine.submit(LoadRequest(path))
        while not isinstance(event := events.get(), Completed):
            assert isinstance(event, Progress), event
        assert isinstance(event.result, LoadResult)
        return event.result

    yield load
    engine.close()


def unique_bytes() -> int:
    return int(psutil.Process().memory_full_info().uss)


@contextmanager
def watched() -> Iterator[list[int]]:
    """The unique set size of this process, again and again while something runs."""
    seen, over = [unique_bytes()], threading.Event()

    def watch() -> None:
        while not over.wait(0.005):
            seen.append(unique_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()
        seen.append(unique_bytes())


def npy(rows: int) -> bytes:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {DIMS}), }}"
    text += " " * (-(len(text) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def fbin(rows: int) -> bytes:
    return struct.pack("<II", rows, DIMS)


@pytest.mark.parametrize(("name", "header"), [("big.npy", npy), ("big.fbin", fbin)])
def test_a_file_of_a_gigabyte_takes_no_more_than_its_sample(
    tmp_path: Path, load: Callable[[Path], LoadResult], name: str, header: Callable[[int], bytes]
) -> None:
    rows = 1 << 21
    path = tmp_path / name
    with path.open("wb") as file:
        file.write(header(rows))
        file.truncate(file.tell() + rows * DIMS * 4)
    gc.collect()
    with watched() as seen:
        result = load(path)
    assert result.dataset.bytes > 1e9
    assert max(seen) - seen[0] < BOUND
    assert np.isfinite(result.preview.coords).all()
