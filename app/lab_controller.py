"""What the user wants of the lab becomes requests, one run at a time; what the engine answers becomes models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from PySide6.QtCore import QObject

from app.filing import Filing
from app.models.dataset import DatasetModel
from app.models.lab import LabModel
from app.models.lab_history import LabHistory
from app.models.neighbours import NeighboursModel
from app.notices import Notices
from core.export import write_whole
from core.lab import LabRun
from core.lab_records import export_csv, export_json
from core.types import LabRequest, LabTable, LabTableRequest, Request

# That a run takes at most.
SECONDS = 10.0
EXPORTS = {"csv": export_csv, "json": export_json}


class LabController(QObject):
    def __init__(
        self,
        dataset: DatasetModel,
        neighbours: NeighboursModel,
        notices: Notices,
        submit: Callable[[Request], None],
        cancel: Callable[[str], None],
        history: Path | None,
    ) -> None:
        """`history` is the file that runs are kept in; None keeps them for this start only."""
        super().__init__()
        self.model = LabModel()
        self.filing = Filing()
        self.history = LabHistory(history, self.filing)
        self._dataset, self._neighbours, self._notices = dataset, neighbours, notices
        self._submit, self._cancel = submit, cancel
        dataset.opened.connect(self.model.forget_file)

    def start(self) -> None:
        self.history.load()

    def close(self) -> None:
        self.model.close()
        self.history.close()
        self.filing.close()

    # What the user wants

    def ask_table(self) -> None:
        """Ask which workloads can run on this machine and on the open file."""
        self._submit(LabTableRequest(self._dataset.dataset))

    def run(self, names: list[str]) -> None:
        """Run workloads one after the other, each in the size that is chosen for it."""
        self.model.wait(names)
        self._next()

    def stop_one(self, name: str) -> None:
        """Stop or no longer await a workload; the others go on."""
        key = self.model.key_of(name)
        self.model.give_up([key])
        if key == self.model.running:
            self._cancel("lab")

    def stop(self) -> None:
        self.model.give_up(self.model.waiting)
        self._cancel("lab")

    def export(self, path: Path, what: Literal["csv", "json"], runs: list[LabRun]) -> None:
        """Write runs to a file."""
        told = f"{len(runs):,} run{'' if len(runs) == 1 else 's'} written to {path}."
        self.filing.do(lambda: EXPORTS[what](path, runs), lambda _: self._notices.info(told))

    def save_picture(self, path: Path, encode: Callable[[], bytes]) -> None:
        """Write a picture that is drawn already; `encode` runs apart from the window."""

        def write() -> None:
            contents = encode()

            def fill(whole: Path) -> None:
                whole.write_bytes(contents)

            write_whole(path, fill)

        self.filing.do(write, lambda _: self._notices.info(f"The picture is written to {path}."))

    # What the engine answers

    def take(self, result: LabTable | LabRun) -> None:
        if isinstance(result, LabTable):
            self.model.show_table(result)
            return
        self.model.show(result)
        if result.finished:
            self.history.keep(result)
            self.model.end("done")
            self._next()

    def fail(self, problem: str) -> None:
        """The run that runs has failed: its row says why, and the next begins."""
        self.model.end("failed", problem)
        self._next()

    def stopped(self) -> None:
        self.model.end("stopped")
        self._next()

    def _next(self) -> None:
        if self.model.running is None and self.model.waiting:
            workload, size = self.model.begin()
            self._submit(LabRequest(workload, size, self._dataset.dataset, self._neighbours.metric, seconds=SECONDS))
