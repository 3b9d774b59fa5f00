"""Who is asked, in which order, and what becomes of their failures."""

from __future__ import annotations

import logging
import time
from typing import Callable, Optional, Sequence, TypeVar

from attrs import define

from alluxiofs.errors import (
    AlluxioFSError,
    BadAnswerError,
    DeadlineExceededError,
    FileChangedError,
    Kind,
    TemporaryError,
    kind_of,
)
from alluxiofs.gateway.budget import backoff, process_budget
from alluxiofs.gateway.parts import Limits
from alluxiofs.interfaces import Call, Deadline, Event, Telemetry, Worker

__all__ = ["Line", "Side", "state_of"]

T = TypeVar("T")


@define(frozen=True)
class Side:
    """Somebody who can be asked: a worker over the transport, or an under store.

    ``component`` is the transport's or store's name; ``worker`` is ``None`` for an under store.
    """

    component: str
    worker: Optional[Worker] = None

    @property
    def target(self) -> str:
        return "under_store" if self.worker is None else "worker"


def state_of(error: Optional[BaseException]) -> str:
    """The word of the metrics for how a call ended."""
    if error is None:
        return "ok"
    for kind, state in (
        (FileNotFoundError, "not_found"),
        (FileExistsError, "exists"),
        (PermissionError, "denied"),
        (FileChangedError, "changed"),
        (BadAnswerError, "bad_answer"),
        (TimeoutError, "timeout"),
        (ConnectionError, "unavailable"),
        (TemporaryError, "unavailable"),
    ):
        if isinstance(error, kind):
            return state
    return "failed"


class Line:
    """Asks one side after the other until one answers.

    An answer goes to the caller, whoever gives it. A failure passes the question to the next side; after the last one
    it is asked again while retries are left, out of the budget of the process. Each attempt gets its share of the time
    that is left, so that the last in line has its turn.
    """

    def __init__(self, limits: Limits, telemetry: Telemetry, logger: logging.Logger) -> None:
        self._limits = limits
        self._telemetry = telemetry
        self._logger = logger

    def ask(
        self,
        method: str,
        sides: Sequence[Side],
        question: Callable[[Side, Deadline], T],
        *,
        about: str = "",
        size: int = 0,
        known_to_exist: bool = False,
        repeatable: bool = True,
    ) -> T:
        """Put a question to the sides in turn.

        Parameters
        ----------
        method:
            The operation's name, for telemetry.
        sides:
            Best first; at least one.
        question:
            Called with a side and the deadline of the attempt.
        about:
            The URL that is asked about, for messages.
        size:
            Bytes that a success moves.
        known_to_exist:
            The under store has said that the file is there: a worker's *not found* is then a failure of the worker.
        repeatable:
            Whether asking the last side again does no harm.

        Raises
        ------
        OSError
            The answer, or the last side's failure with the earlier ones as its causes.
        """
        limits = self._limits
        whole = Deadline.after(limits.deadline, limits.timeout)
        retries = limits.retries if repeatable else 0
        turns = len(sides) + retries
        failed: Optional[BaseException] = None
        side = sides[-1]
        for turn in range(turns):
            side = sides[min(turn, len(sides) - 1)]
            if turn >= len(sides) and not self._again(turn - len(sides), whole, failed, side):
                break
            deadline = whole.share(max(1, len(sides) - turn))
            try:
                result = self._call(method, side, question, deadline, size)
            except Exception as error:  # a plugin may raise anything; it is sorted here, and kept as the cause
                if self._final(error, side, known_to_exist):
                    raise
                if failed is not None and failed is not error and error.__cause__ is None:
                    error.__cause__ = failed
                failed = error
                if turn < len(sides) - 1:
                    self._pass_on(error, side, sides[turn + 1])
                elif kind_of(error) is not Kind.TEMPORARY:
                    break
            else:
                process_budget.earn()
                return result
        raise self._failure(failed, f"{method} {about}".strip(), side)

    @staticmethod
    def _final(error: BaseException, side: Side, known_to_exist: bool) -> bool:
        if kind_of(error) is not Kind.ANSWER:
            return False
        return not (known_to_exist and side.worker is not None and isinstance(error, FileNotFoundError))

    def _call(
        self, method: str, side: Side, question: Callable[[Side, Deadline], T], deadline: Deadline, size: int
    ) -> T:
        began = time.perf_counter()
        failure: Optional[BaseException] = None
        try:
            return question(side, deadline)
        except BaseException as error:
            failure = error
            raise
        finally:
            seconds = time.perf_counter() - began
            moved = size if failure is None else 0
            self._telemetry.record_call(Call(side.target, side.component, method, state_of(failure), seconds, moved))

    def _again(self, attempt: int, whole: Deadline, failed: Optional[BaseException], side: Side) -> bool:
        pause = backoff(attempt)
        if pause >= whole.remaining() or not process_budget.spend():
            return False
        self._telemetry.record_event(Event("retry", state_of(failed), _identity(side)))
        self._logger.info("asking %s again: %s", _name(side), failed)
        time.sleep(pause)
        return True

    def _pass_on(self, error: BaseException, side: Side, following: Side) -> None:
        kind = "failover" if following.worker is not None else "fallback"
        self._telemetry.record_event(Event(kind, state_of(error), _identity(side)))
        self._logger.info("%s from %s to %s: %s", kind, _name(side), _name(following), error)

    def _failure(self, error: Optional[BaseException], what: str, side: Side) -> BaseException:
        """What the caller gets when nobody could answer."""
        if error is None:
            return DeadlineExceededError(f"{what}: nobody could be asked in time")
        if isinstance(error, DeadlineExceededError):
            # Who waits knows for how long, but not for what.
            late = DeadlineExceededError(f"{what}: {_name(side)} did not answer in time: {error}")
            late.__cause__ = error
            return late
        if isinstance(error, (OSError, AlluxioFSError)):
            return error
        wrapped = OSError(f"{what} failed: {type(error).__name__}: {error}")
        wrapped.__cause__ = error
        return wrapped


def _name(side: Side) -> str:
    return f"under store {side.component}" if side.worker is None else f"worker {side.worker.host}"


def _identity(side: Side) -> Optional[str]:
    return None if side.worker is None else str(side.worker.identity)
