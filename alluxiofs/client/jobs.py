"""Who is asked about load jobs, and for how long."""

from __future__ import annotations

import time
from typing import Callable, Optional, Sequence, TypeVar

from alluxiofs.errors import Kind, NotSupportedError, UnavailableError, kind_of, not_found
from alluxiofs.gateway import Gateway
from alluxiofs.gateway.breaker import process_breakers
from alluxiofs.gateway.line import told
from alluxiofs.interfaces import Deadline, Event, LoadJobs, LoadOptions, LoadProgress, Location, Worker, state_of
from alluxiofs.logs import fields

__all__ = ["Jobs"]

T = TypeVar("T")

_LIMIT = 10.0  # seconds that a question may take in all: without a master a worker never answers
_LEAST = 3.0  # seconds that it is given however soon its caller gives up: one for each worker that is asked
_ASKED = 3  # workers at most. Jobs are the master's, so that one answer is everybody's

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds between two looks at a job

_Question = Callable[[LoadJobs, Worker, Deadline], T]


class Jobs:
    """Asks the workers of a gateway about load jobs, one after the other until one answers.

    It has a limit of its own. No worker's breaker is told of a question that was not answered: it is not to blame for
    a master that is not there.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def submit(self, location: Location, options: LoadOptions, until: Optional[float] = None) -> None:
        """Have a path loaded."""
        self._ask(location, lambda jobs, worker, deadline: jobs.submit(worker, location, options, deadline), until)
        self._gateway.parts.telemetry.record_event(Event("load_job", "submitted"))

    def progress(
        self, location: Location, verbose: bool = False, until: Optional[float] = None
    ) -> Optional[LoadProgress]:
        """How the job of a path stands; ``None``: the cluster knows of none."""
        return self._ask(
            location, lambda jobs, worker, deadline: jobs.progress(worker, location, verbose, deadline), until
        )

    def stop(self, location: Location) -> bool:
        """Stop the job of a path; whether there was one."""
        return self._ask(location, lambda jobs, worker, deadline: jobs.stop(worker, location, deadline))

    def wait(self, location: Location, until: Optional[float], tell: Callable[[LoadProgress], None]) -> LoadProgress:
        """Wait for the end of the job of a path; the last that was heard of it.

        Parameters
        ----------
        location:
            As it was submitted.
        until:
            By ``time.monotonic()``: when to give up waiting; ``None``: never.
        tell:
            Called with all that is heard.

        Raises
        ------
        FileNotFoundError
            If the cluster does not know of the job any more.
        OSError
            If nothing is heard for as long as a deadline of the gateway, or, until it is given up, at all.
        """
        pause, heard = _FIRST_PAUSE, time.monotonic()
        last: Optional[LoadProgress] = None
        while True:
            try:
                progress = self.progress(location, until=until)
            except OSError as error:
                now = time.monotonic()
                if kind_of(error) is not Kind.TEMPORARY or now - heard > self._gateway.limits.deadline:
                    raise
                if until is not None and now >= until:
                    if last is None:
                        raise
                    return last
            else:
                if progress is None:
                    raise not_found(location.url, "the cluster does not know of the load job any more")
                last, heard = progress, time.monotonic()
                tell(progress)
                if progress.state.ended:
                    self._gateway.parts.telemetry.record_event(Event("load_job", progress.state.value.lower()))
                if progress.state.ended or (until is not None and heard >= until):
                    return progress
            time.sleep(pause if until is None else min(pause, max(0.0, until - time.monotonic())))
            pause = min(_LONGEST_PAUSE, pause * 1.5)

    def _ask(self, location: Location, question: _Question[T], until: Optional[float] = None) -> T:
        parts = self._gateway.parts
        jobs = parts.transport.load_jobs()
        if jobs is None:
            raise NotSupportedError(f"transport {parts.transport.name!r} has no load jobs")
        line = self._line(location)
        limit = _LIMIT if until is None else min(_LIMIT, max(_LEAST, until - time.monotonic()))
        whole = Deadline.after(limit, self._gateway.limits.timeout)
        failed: Optional[BaseException] = None
        for place, worker in enumerate(line):
            try:
                return self._call(jobs, worker, question, whole.share(len(line) - place))
            except OSError as error:
                if kind_of(error) is not Kind.TEMPORARY:
                    raise
                if failed is not None and error.__cause__ is None:
                    error.__cause__ = failed
                failed = error
                where = f"{worker.host}:{worker.http_port}"
                more = fields(operation="load", worker=where, component=parts.transport.name, reason=state_of(error))
                parts.logger.info("worker %s: %s", where, error, extra=more)
        raise failed or UnavailableError("no workers are alive that could be asked about load jobs")

    def _call(self, jobs: LoadJobs, worker: Worker, question: _Question[T], deadline: Deadline) -> T:
        parts = self._gateway.parts
        with told(parts.telemetry, "load", parts.transport.name, worker):
            return question(jobs, worker, deadline)

    def _line(self, location: Location) -> Sequence[Worker]:
        """Those that are passed over elsewhere come last."""
        name = self._gateway.parts.transport.name
        workers = self._gateway.workers_of(location)
        return sorted(workers, key=lambda worker: process_breakers.state(name, worker) == "open")[:_ASKED]
