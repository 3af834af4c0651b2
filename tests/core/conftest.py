"""For the engine's tests: one device for all, and examples that do not depend on chance."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from core.compute.device import select
from core.compute.service import Service
from core.errors import UserError
from core.readers import open_dataset
from core.readers.options import OpenOptions
from core.types import ComputeOptions, DeviceInfo, DeviceKind

settings.register_profile("kinscope", deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile("kinscope")

# Root may read and write everything, so that a lack of permission cannot be tested.
needs_permissions = pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")

Refusal = Callable[..., str]


# The device under test: every machine has a CPU; KINSCOPE_TEST_DEVICE=gpu puts the searches on a GPU.
UNDER_TEST = select(os.environ.get("KINSCOPE_TEST_DEVICE", "cpu"))
# Layouts of vectors to test: on a CPU the one for GPUs is right too.
LAYOUTS: tuple[DeviceKind, ...] = ("cpu", "metal") if UNDER_TEST.kind == "cpu" else (UNDER_TEST.kind,)


@pytest.fixture(scope="session", autouse=True)
def device() -> DeviceInfo:
    """The device under test, selected for the thread that runs the tests."""
    return UNDER_TEST


class Quiet:
    """A job that nobody wants to end; counts how often it gave way."""

    def __init__(self) -> None:
        self.gave_way = 0

    def poll(self) -> None: ...

    def give_way(self) -> None:
        self.gave_way += 1

    def report(self, stage: str, done: int, total: int) -> None: ...

    def tell(self, result: object) -> None: ...


@pytest.fixture
def service(device: DeviceInfo) -> Iterator[Service]:
    service = Service(ComputeOptions(device.kind))
    yield service
    service._forget()


@pytest.fixture
def refusal() -> Refusal:
    """Open a file that is to be refused; return the sentence that says why."""

    def refuse(path: Path, options: OpenOptions | None = None) -> str:
        with pytest.raises(UserError) as raised:
            open_dataset(path, options)
        sentence = str(raised.value)
        assert str(path) in sentence
        assert sentence.endswith(".")
        assert "\n" not in sentence
        return sentence.replace(str(path), "FILE")

    return refuse
