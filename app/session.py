"""The engine for headless commands: asked one thing at a time."""

from __future__ import annotations

import argparse
import queue
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any

from core.dataset import Dataset
from core.engine import Engine
from core.errors import Cancelled, UserError
from core.table import Table
from core.types import (
    AnnotateRequest,
    AnnotateResult,
    Broken,
    Completed,
    ComputeOptions,
    DeviceInfo,
    Event,
    Failed,
    LoadRequest,
    LoadResult,
    Mode,
    Progress,
    Ready,
    Request,
    Result,
    Stopped,
)

Answer = tuple[dict[str, Any], str]  # a document for --json, and the same as text


class Session(AbstractContextManager["Session"]):
    """An engine that is asked one thing at a time."""

    device: DeviceInfo

    def __init__(self, options: ComputeOptions) -> None:
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._engine = Engine(self._events.put, options)

    def __enter__(self) -> Session:
        self._engine.start()
        match self._events.get():
            case Ready(device):
                self.device = device
            case Broken(error):
                raise error
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._engine.close()

    def ask(self, request: Request, progress: Callable[[Progress], None] | None = None) -> Result:
        """The result of `request`; `progress` is told how far it is. Raises what the engine raised."""
        number = self._engine.submit(request)
        while True:
            match self._events.get():
                case Completed(job, _, result) if job == number:
                    return result
                case Failed(job, _, error) if job == number:
                    raise error
                case Stopped(job, _) if job == number:
                    raise Cancelled
                case Progress() as far if progress is not None:
                    progress(far)

    def mode(self, compile_wanted: bool) -> Mode:
        """The mode to run in; tells on standard error where compiling was asked for and cannot work."""
        if compile_wanted and self.device.compile_problem:
            print(f"kinscope: not compiled. {self.device.compile_problem}", file=sys.stderr)
        return "compiled" if compile_wanted and not self.device.compile_problem else "eager"

    def load(self, options: argparse.Namespace) -> Dataset:
        result = self.ask(LoadRequest(options.file, options.array, options.bfloat16))
        assert isinstance(result, LoadResult)
        return result.dataset

    def annotate(self, dataset: Dataset, path: Path | None = None) -> Table | None:
        """The labels of the rows, of `path` if the user named it: a fault of those is raised, of others only told."""
        result = self.ask(AnnotateRequest(dataset, path))
        assert isinstance(result, AnnotateResult)
        if result.problem and path is not None:
            raise UserError(result.problem)
        if result.problem:
            print(f"kinscope: {result.problem}", file=sys.stderr)
        return result.table
