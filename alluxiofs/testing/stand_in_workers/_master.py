"""The master of a stand-in cluster: it runs load jobs."""

from __future__ import annotations

import enum
import re
import threading
import time
import uuid
from typing import TYPE_CHECKING, Callable, Dict, List, Mapping, Optional, Tuple, Union

import attrs
from attrs import define, field

if TYPE_CHECKING:
    from alluxiofs.testing.stand_in_workers._core import Plan
    from alluxiofs.testing.stand_in_workers._under_store import Stored

__all__ = ["JobOptions", "Master", "Refusal", "Report", "Stage"]

_Load = Callable[[str, bool], Optional[Tuple[int, int]]]


class Stage(enum.Enum):
    """How far a job has come."""

    SUBMITTED = "submitted"
    LOADED = "loaded"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def ended(self) -> bool:
        return self in (Stage.SUCCEEDED, Stage.FAILED, Stage.STOPPED)


class Refusal(enum.Enum):
    """Why a job is not begun."""

    BUSY = "busy"
    """One of the path runs, or ended a moment ago."""
    NOT_FOUND = "not-found"


@define(frozen=True)
class JobOptions:
    """What a job was submitted with."""

    bandwidth: Optional[int] = None
    verify: bool = False
    metadata_only: bool = False
    skip_if_exists: bool = False
    partial_listing: bool = False
    pattern: Optional[str] = None

    @classmethod
    def parse(cls, parameters: Mapping[str, str]) -> JobOptions:
        """From the parameters of a request. ``ValueError`` for a bandwidth that is no number."""
        bandwidth = parameters.get("bandwidth")
        flags = {
            name: parameters.get(parameter, "").lower() == "true"
            for name, parameter in (
                ("verify", "verify"),
                ("metadata_only", "loadMetadataOnly"),
                ("skip_if_exists", "skipIfExists"),
                ("partial_listing", "partialListing"),
            )
        }
        return cls(None if bandwidth is None else int(bandwidth), pattern=parameters.get("fileFilterRegx"), **flags)


@define(frozen=True)
class Report:
    """How a job stands.

    Parameters
    ----------
    elapsed:
        Seconds.
    total:
        Bytes of all files; ``None`` where the listing is not complete.
    failed:
        The URLs of the files that could not be loaded, and their bytes.
    """

    path: str
    options: JobOptions
    stage: Stage = Stage.SUBMITTED
    elapsed: float = 0.0
    scanned: int = 0
    processed: int = 0
    total: Optional[int] = 0
    loaded: int = 0
    skipped: int = 0
    failed: Tuple[Tuple[str, int], ...] = ()


@define(eq=False)
class _Job:
    report: Report
    began: float = field(factory=time.monotonic)
    ended: Optional[float] = None
    runs: int = 0
    """How often it was set going: a thread of an earlier time has nothing to say any more."""


class Master:
    """Runs load jobs, each in a thread of its own. Jobs are known by the path that they were submitted with.

    Parameters
    ----------
    load:
        Has the worker in charge of a URL hold it (or, if the second argument is true, what is known of it).
    seconds:
        What a job takes at least.
    rest:
        For as many seconds after its end a job cannot be submitted again.
    """

    def __init__(self, plan: Plan, load: _Load, seconds: float, rest: float) -> None:
        self._store, self._root, self._load, self._any_name = plan.store, plan.root, load, plan.any_name
        self._seconds, self._rest = seconds, rest
        self._changed = threading.Condition(threading.RLock())
        self._jobs: Dict[str, _Job] = {}
        self._held_at: Optional[Stage] = None
        self._closed = False

    # --- what workers ask for -------------------------------------------------------------------------------------

    def submit(self, path: str, options: JobOptions) -> Union[str, Refusal]:
        """Begin a job; its id."""
        with self._changed:
            known = self._jobs.get(path)
            if known is not None and known.report.stage is Stage.STOPPED:
                known.report = attrs.evolve(known.report, stage=Stage.SUBMITTED)
                self._begin(known)
                return Refusal.BUSY
            if known is not None and (known.ended is None or time.monotonic() - known.ended < self._rest):
                return Refusal.BUSY
            if "://" not in path or self._found(path) is None:
                return Refusal.NOT_FOUND
            self._jobs[path] = job = _Job(Report(path, options, total=None if options.partial_listing else 0))
            self._begin(job)
        return str(uuid.uuid4())

    def progress(self, path: str) -> Optional[Report]:
        """How a job stands, ``None`` if there is none."""
        with self._changed:
            job = self._jobs.get(path)
            if job is None:
                return None
            until = time.monotonic() if job.ended is None else job.ended
            return attrs.evolve(job.report, elapsed=until - job.began)

    def stop(self, path: str) -> bool:
        """Stop a job; whether there was one to stop."""
        with self._changed:
            job = self._jobs.get(path)
            if job is None or job.report.stage.ended:
                return False
            self._end(job, Stage.STOPPED)
            return True

    # --- what tests ask for ---------------------------------------------------------------------------------------

    def hold(self, stage: Optional[Stage]) -> None:
        """Have jobs wait at a stage; with ``None`` they go on."""
        with self._changed:
            self._held_at = stage
            self._changed.notify_all()

    def await_stage(self, stage: Optional[Stage] = None) -> None:
        """Wait until every job has come to a stage, or to its end.

        Raises
        ------
        TimeoutError
            After half a minute.
        """

        def there() -> bool:
            return all(job.report.stage.ended or job.report.stage is stage for job in self._jobs.values())

        with self._changed:
            if not self._changed.wait_for(there, 30):
                raise TimeoutError("the load jobs of the stand-in cluster do not end: are they held?")

    def forget_ends(self) -> None:
        """Have all jobs that ended be such that can be submitted again."""
        with self._changed:
            for job in self._jobs.values():
                if job.ended is not None:
                    job.began, job.ended = job.began - self._rest, job.ended - self._rest

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    # --- a job ----------------------------------------------------------------------------------------------------

    def _begin(self, job: _Job) -> None:
        job.ended = None
        job.runs += 1
        threading.Thread(target=self._run, args=(job, job.runs), name="stand-in-master", daemon=True).start()

    def _run(self, job: _Job, run: int) -> None:
        options = job.report.options
        if not self._pause(job, run, self._seconds / 4):
            return
        try:
            files, directories = self._scan(job.report.path, options)
        except (OSError, re.error):  # the under store does not list it, or the pattern is none
            self._end(job, Stage.FAILED)
            return
        total = None if options.partial_listing else sum(one.length for one in files)
        inodes = len(files) + (directories if options.partial_listing else 0)
        job.report = Report(job.report.path, options, scanned=inodes, total=total, processed=inodes - len(files))
        for one in files:
            self._load_one(job, one)
            if not self._pause(job, run, self._seconds / 2 / len(files)):
                return
        with self._changed:
            if job.report.stage.ended or job.runs != run:
                return
            job.report = attrs.evolve(job.report, stage=Stage.LOADED)
            self._changed.notify_all()
        if self._pause(job, run, self._seconds / 4):
            self._end(job, Stage.FAILED if job.report.failed else Stage.SUCCEEDED)

    def _load_one(self, job: _Job, one: Stored) -> None:
        options, report = job.report.options, job.report
        url = self._root.url_of(one.name)
        try:
            found = self._load(url, options.metadata_only)
        except OSError:
            found = None
        if found is None:
            report = attrs.evolve(report, failed=(*report.failed, (url, one.length)))
        elif options.skip_if_exists and found[0] == found[1] and found[0]:
            report = attrs.evolve(report, skipped=report.skipped + found[0])
        else:
            loaded = 0 if options.metadata_only else found[0]
            report = attrs.evolve(report, processed=report.processed + 1, loaded=report.loaded + loaded)
        job.report = report

    def _pause(self, job: _Job, run: int, seconds: float) -> bool:
        """Wait for a time, and while jobs are held at this stage; whether this run of the job goes on."""

        def over() -> bool:
            return self._closed or job.report.stage.ended or job.runs != run

        with self._changed:
            self._changed.wait_for(over, seconds)
            self._changed.wait_for(lambda: over() or self._held_at is not job.report.stage)
            return not over()

    def _end(self, job: _Job, stage: Stage) -> None:
        with self._changed:
            if not job.report.stage.ended:
                job.report = attrs.evolve(job.report, stage=stage)
                job.ended = time.monotonic()
                self._changed.notify_all()

    # --- the under store ------------------------------------------------------------------------------------------

    def _found(self, path: str) -> Optional[Stored]:
        name = self._root.name(path if self._any_name else self._root.key(path))
        return None if name is None or ("?" in name and not self._any_name) else self._store.stat(name)

    def _scan(self, path: str, options: JobOptions) -> Tuple[List[Stored], int]:
        """The files below a path, and how many directories there are."""
        found = self._found(path)
        if found is None:
            return [], 0
        files, directories = ([found], 0) if found.is_file else self._below(found.name)
        if options.pattern is not None:
            pattern = re.compile(options.pattern)
            files = [one for one in files if pattern.fullmatch(self._root.url_of(one.name))]
        return files, directories

    def _below(self, name: str) -> Tuple[List[Stored], int]:
        files: List[Stored] = []
        directories = 0
        for child in self._store.list(name):
            if "?" in child.base and not self._any_name:
                continue
            if child.is_file:
                files.append(child)
            else:
                inner, count = self._below(child.name)
                files += inner
                directories += count + 1
        return files, directories
