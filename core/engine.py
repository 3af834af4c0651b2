"""The compute thread: one thread owns MLX from the first array to the last.

MLX's streams belong to the thread that made them and its compile cache is kept per thread, so every array and every compiled
function lives on this one. Requests come in through `submit`, events go out through `on_event`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.errors import Cancelled, UserError
from core.types import Broken, Completed, ComputeOptions, Event, Failed, Partial, Progress, Ready, Request, Result, Stopped

if TYPE_CHECKING:
    from core.compute.service import Service

log = logging.getLogger(__name__)

EVERYTHING_LEFT_TO_THE_MACHINE = ComputeOptions()


@dataclass(eq=False)
class _Job:
    number: int
    request: Request
    engine: Engine
    cancelled: threading.Event = field(default_factory=threading.Event)

    def poll(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled

    def give_way(self) -> None:
        self.poll()
        self.engine.run_urgent(self.request.priority)
        self.poll()

    def report(self, stage: str, done: int, total: int) -> None:
        self.engine.emit(Progress(self.number, self.request.key, stage, done, total))

    def tell(self, result: Result) -> None:
        self.engine.emit(Partial(self.number, self.request.key, result))


class Engine:
    """Runs requests one at a time, the most urgent first; a newer request takes the place of an older one of its key.

    Every job ends in exactly one of Completed, Failed, Stopped.
    """

    def __init__(
        self,
        on_event: Callable[[Event], None],
        options: ComputeOptions = EVERYTHING_LEFT_TO_THE_MACHINE,
        make: Callable[[], Service] | None = None,
    ) -> None:
        """`on_event` is called on the compute thread, or on the caller's for a job that never began to run.

        `make` builds the service on the compute thread; tests give their own.
        """
        self._on_event = on_event
        self._options = options
        self._make = make or self._make_service
        self._wake = threading.Condition()
        self._pending: list[_Job] = []
        self._running: list[_Job] = []  # the last runs within the one before it
        self._service: Service | None = None
        self._count = 0
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="kinscope-compute", daemon=True)

    def emit(self, event: Event) -> None:
        """Hand an event out. A listener's fault is ours to log, not a reason for the compute thread to die."""
        try:
            self._on_event(event)
        except Exception:
            log.exception("an event could not be delivered: %s", type(event).__name__)

    def start(self) -> None:
        self._thread.start()

    def submit(self, request: Request) -> int:
        """Queue `request`, overtaking what is pending or running under its key; return the job's number.

        Once the engine is closed, or where it could not start, the job is stopped at once.
        """
        with self._wake:
            self._count += 1
            number = self._count
            job = _Job(number, request, self)
            overtaken = [job] if self._closing else self._take(request.key)
            if not self._closing:
                self._pending.append(job)
            self._wake.notify()
        self._stopped(overtaken)
        return number

    def cancel(self, key: str) -> None:
        """Stop what is pending or running under `key`; a running job ends at its next chunk."""
        with self._wake:
            overtaken = self._take(key)
        self._stopped(overtaken)

    def close(self, timeout: float = 30.0) -> None:
        """Cancel everything, end the thread and wait for it."""
        with self._wake:
            self._closing = True
            pending, self._pending = self._pending, []
            for job in self._running:
                job.cancelled.set()
            self._wake.notify()
        self._stopped(pending)
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _take(self, key: str) -> list[_Job]:
        """Remove pending jobs of `key` and tell a running one to end. Called with the lock held."""
        for job in self._running:
            if job.request.key == key:
                job.cancelled.set()
        taken = [job for job in self._pending if job.request.key == key]
        self._pending = [job for job in self._pending if job.request.key != key]
        return taken

    def _stopped(self, jobs: list[_Job]) -> None:
        for job in jobs:
            self.emit(Stopped(job.number, job.request.key))

    def _make_service(self) -> Service:
        # Here, not at the top: MLX is to be loaded on this thread, and the window need not wait for it.
        from core.compute.service import Service

        return Service(self._options)

    def _run(self) -> None:
        try:
            service = self._service = self._make()
        except Exception as error:
            if not isinstance(error, UserError):
                log.exception("the compute thread could not start")
            self.emit(Broken(error))
            with self._wake:
                self._closing = True
                pending, self._pending = self._pending, []
            self._stopped(pending)
            return
        self.emit(Ready(service.device))
        while (job := self._next()) is not None:
            self._run_job(service, job)
        service.close()

    def run_urgent(self, priority: int) -> None:
        """Run what is pending and more urgent than `priority`, within the job that calls, on the compute thread."""
        while self._service is not None:
            with self._wake:
                job = self._take_most_urgent(priority)
            if job is None:
                return
            self._run_job(self._service, job)

    def _next(self) -> _Job | None:
        """Wait for a job; None when the engine closes."""
        with self._wake:
            while True:
                if self._closing:
                    return None
                if (job := self._take_most_urgent()) is not None:
                    return job
                self._wake.wait()

    def _take_most_urgent(self, below: int | None = None) -> _Job | None:
        """Move the most urgent pending job to the running ones. Called with the lock held."""
        job = min(self._pending, key=lambda job: (job.request.priority, job.number), default=None)
        if job is None or (below is not None and job.request.priority >= below):
            return None
        self._pending.remove(job)
        self._running.append(job)
        return job

    def _run_job(self, service: Service, job: _Job) -> None:
        outcome = self._outcome(service, job)
        with self._wake:
            self._running.remove(job)
        self.emit(outcome)

    def _outcome(self, service: Service, job: _Job) -> Event:
        number, key = job.number, job.request.key
        try:
            job.poll()
            result = service.handle(job.request, job)
            job.poll()
        except Cancelled:
            return Stopped(number, key)
        except UserError as error:
            return Failed(number, key, error)
        except Exception as error:
            log.exception("%s failed", type(job.request).__name__)
            return Failed(number, key, error)
        return Completed(number, key, result)
