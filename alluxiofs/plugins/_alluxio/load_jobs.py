"""Load jobs, as workers of both dialects are asked about them and as they answer."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping, Optional, Union

from alluxiofs.errors import (
    BadAnswerError,
    ConfigurationError,
    DeadlineExceededError,
    UnavailableError,
    not_found,
)
from alluxiofs.interfaces import Deadline, LoadJobs, LoadOptions, LoadProgress, LoadState, Location, Worker
from alluxiofs.interfaces.telemetry import before_the_call
from alluxiofs.plugins._alluxio.entries import parse_object
from alluxiofs.plugins._alluxio.names import quoted, raw_path, raw_value
from alluxiofs.plugins._alluxio.peer import Peer
from alluxiofs.plugins._alluxio.statuses import refused
from alluxiofs.plugins._http.connection import ClosedWithoutAnswerError

if TYPE_CHECKING:
    from alluxiofs.plugins._alluxio.pages import PagesDialect
    from alluxiofs.plugins._alluxio.rest import RestDialect

__all__ = ["AlluxioLoadJobs"]

_Dialect = Union["PagesDialect", "RestDialect"]
_PAUSE = 0.25  # seconds between two attempts to submit a job anew that ended a moment ago


class AlluxioLoadJobs(LoadJobs):
    """Asks workers about load jobs. They belong to the master: without one a worker never answers.

    Parameters
    ----------
    peer_of, dialect_of:
        How a worker is reached, and what it speaks.
    """

    def __init__(self, peer_of: Callable[[Worker], Peer], dialect_of: Callable[[Peer, Deadline], _Dialect]) -> None:
        self._peer_of = peer_of
        self._dialect_of = dialect_of

    def submit(self, worker: Worker, location: Location, options: LoadOptions, deadline: Deadline) -> None:
        """Submit a job. A closed connection can mean that one runs, that one ended a moment ago, or that it was set
        going again after a stop; which of these the job's progress tells."""
        peer = self._peer_of(worker)
        dialect = self._dialect_of(peer, deadline)
        while True:
            began = time.perf_counter()
            try:
                said = self._ask(peer, dialect, "submit", location, _parameters(options), deadline)
            except (ClosedWithoutAnswerError, FileExistsError) as error:
                seconds = time.perf_counter() - began
                if self._runs(peer, worker, location, deadline, error):
                    return
                peer.ended("load", "exists", seconds)
                with before_the_call():  # the next one
                    _pause(
                        deadline, f"{peer.where} takes no new load job of {location.url} yet: one ended a moment ago"
                    )
                continue
            if said.get("success") is True:
                return
            message = _text(said.get("message")) or "no reason is given"
            if "NOT_FOUND" in message:
                raise not_found(location.url)
            raise UnavailableError(f"{peer.where} refused to load {location.url}: {message}")

    def _runs(self, peer: Peer, worker: Worker, location: Location, deadline: Deadline, refusal: OSError) -> bool:
        """Whether a job of the path runs, now that none was taken; ``False``: one ended a moment ago."""
        with peer.besides("load"):
            job = self.progress(worker, location, False, deadline)
        if job is None:
            # A name with "%" that is not there is closed on, too.
            with peer.besides("info"):
                self._dialect_of(peer, deadline).stat(peer, location, deadline)
            raise UnavailableError(f"{peer.where} took no load job of {location.url}: {refusal}") from refusal
        if job.state is LoadState.STOPPED:  # the refusal has set it going again, which the next progress shows
            _pause(deadline, f"the load job of {location.url} was stopped, and did not begin anew in time")
            with peer.besides("load"):
                job = self.progress(worker, location, False, deadline)
        return job is not None and not job.state.ended

    def progress(self, worker: Worker, location: Location, verbose: bool, deadline: Deadline) -> Optional[LoadProgress]:
        """How a job stands. Asked for as JSON: only there are numbers exact, and failures plain."""
        peer = self._peer_of(worker)
        dialect = self._dialect_of(peer, deadline)
        parameters = {"progressFormat": "JSON", "verbose": _flag(verbose)}
        try:
            said = self._ask(peer, dialect, "progress", location, parameters, deadline)
        except FileNotFoundError:
            return None
        return _progress(said, peer.where)

    def stop(self, worker: Worker, location: Location, deadline: Deadline) -> bool:
        """Stop a job."""
        peer = self._peer_of(worker)
        try:
            said = self._ask(peer, self._dialect_of(peer, deadline), "stop", location, {}, deadline)
        except FileNotFoundError:
            return False
        return said.get("success") is True

    def _ask(
        self,
        peer: Peer,
        dialect: _Dialect,
        operation: str,
        location: Location,
        parameters: Mapping[str, str],
        deadline: Deadline,
    ) -> Dict[str, Any]:
        is_raw = dialect.name == "pages"
        path = raw_path(location.url) if is_raw else quoted(location.url)
        target = f"/v1/load?path={path}&opType={operation}"
        for name, value in parameters.items():
            target += f"&{name}={raw_value(value, name) if is_raw else quoted(value)}"
        try:
            # Whoever stops a job twice is told that there is none; to submit one twice is to find that it runs.
            answer = peer.http.ask(peer.get(target), deadline, repeatable=operation != "stop")
        except DeadlineExceededError as error:
            raise DeadlineExceededError(
                f"{peer.where} says nothing of load jobs: does the cluster have a master? Load jobs need one ({error})"
            ) from error
        if not 200 <= answer.status < 300:
            raise refused(answer, location.url, peer.where)
        return parse_object(answer.body, peer.where)


def _pause(deadline: Deadline, late: str) -> None:
    if deadline.remaining() < 2 * _PAUSE:
        raise DeadlineExceededError(late)
    time.sleep(_PAUSE)


def _parameters(options: LoadOptions) -> Dict[str, str]:
    if options.bandwidth is not None and options.bandwidth < 1:
        raise ConfigurationError(f"bandwidth={options.bandwidth}: it is at least one byte a second")
    flags = {
        "verbose": options.verbose,
        "partialListing": options.partial_listing,
        "verify": options.verify,
        "loadMetadataOnly": options.metadata_only,
        "skipIfExists": options.skip_if_exists,
    }
    parameters = {name: "true" for name, flag in flags.items() if flag}
    if options.bandwidth is not None:
        parameters["bandwidth"] = str(options.bandwidth)
    if options.pattern is not None:
        parameters["fileFilterRegx"] = options.pattern
    return parameters


def _progress(said: Mapping[str, Any], where: str) -> Optional[LoadProgress]:
    message = _text(said.get("message"))
    told, details = said.get("jobState"), _inside(message)
    if told is None and "mJobState" in details:
        told = details["mJobState"]
    state = _state(told, where)
    if state is LoadState.FAILED and said.get("respProperties") == {} and not details:
        return None  # the same word stands for a job that nobody knows; one that failed has properties
    failure = details.get("mFailureReason")
    reason = failure.get("detailMessage") if isinstance(failure, dict) else None
    if reason is None and state is LoadState.FAILED:
        reason = _text(told).partition("(")[2].rstrip(")") or None
    return LoadProgress(
        state,
        message.partition("\n")[0] if details else message,
        _number(details, "mLoadedByteCount"),
        _number(details, "mTotalByteCount"),
        _number(details, "mProcessedInodesCount"),
        _number(details, "mFailedFileCount"),
        reason,
        details or dict(said),
    )


def _state(told: Any, where: str) -> LoadState:
    # A failed job's state goes on with the name of an exception, up to its first colon.
    word = _text(told).partition(" ")[0].upper()
    try:
        return LoadState(word)
    except ValueError:
        raise BadAnswerError(f"{where}: {told!r} is no state of a load job that is known here") from None


def _inside(message: str) -> Dict[str, Any]:
    """The JSON object in a message, behind its first line; empty if there is none."""
    _, _, rest = message.partition("\n")
    if not rest.lstrip().startswith("{"):
        return {}
    try:
        found = json.loads(rest)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _number(details: Mapping[str, Any], name: str) -> Optional[int]:
    value = details.get(name)
    return value if type(value) is int else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _flag(flag: bool) -> str:
    return "true" if flag else "false"
