"""What holds for every test: no stray log records, no left-over threads, nothing of the user's settings touched."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


@pytest.fixture(autouse=True)
def no_stray_records(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail on a warning or worse that the test did not say it expects, with @pytest.mark.logs("part of the message")."""
    yield
    expected = [text for mark in request.node.iter_markers("logs") for text in mark.args]
    records = [r for phase in ("setup", "call") for r in caplog.get_records(phase) if r.levelno >= logging.WARNING]
    stray = [r.getMessage() for r in records if not any(text in r.getMessage() for text in expected)]
    assert not stray, f"unexpected log records: {stray}"
    seen = " ".join(r.getMessage() for r in records)
    assert all(text in seen for text in expected), f"expected log records are missing: {expected}"


@pytest.fixture(autouse=True)
def no_left_over_threads() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 10
    for thread in set(threading.enumerate()) - before:
        thread.join(max(0.0, deadline - time.monotonic()))
        assert not thread.is_alive(), f"the test left thread {thread.name!r} running"
