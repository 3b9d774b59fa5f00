"""Who is asked, in which order, and what becomes of their failures."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import Any, Callable, Dict, Iterator, Optional, Sequence, Tuple, TypeVar

from attrs import define

from alluxiofs.errors import (
    AlluxioFSError,
    DeadlineExceededError,
    Kind,
    NotHeldError,
    NotSupportedError,
    hidden_text,
    kind_of,
)
from alluxiofs.gateway.breaker import blames, process_breakers
from alluxiofs.gateway.budget import backoff, process_budget
from alluxiofs.gateway.parts import Limits
from alluxiofs.gateway.tracing import is_within, operation
from alluxiofs.interfaces import Call, Deadline, Event, Telemetry, Worker, recorded, state_of
from alluxiofs.interfaces.telemetry import was_sent
from alluxiofs.logs import fields

__all__ = ["Line", "Side", "told"]

T = TypeVar("T")

_tuple = tuple.__new__  # makes a Call without a call of Python's: this is done for each read over the wire

_PLURAL = {"failover": "failovers", "fallback": "fallbacks", "retry": "retries"}
_LONG = 2.0  # seconds: a wait that ends sooner says more of the caller's deadline than of the worker
_TRIAL = 5.0  # seconds


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


@contextlib.contextmanager
def told(telemetry: Telemetry, method: str, component: str, worker: Optional[Worker] = None) -> Iterator[None]:
    """A call that no line makes: have telemetry know of it, once it ended."""
    side = Side(component, worker)
    with operation(telemetry, method), recorded(telemetry, side.target, component, method, _identity(side)):
        yield


class Line:
    """Asks one side after the other until one answers.

    An answer goes to the caller, whoever gives it. A failure passes the question to the next side; after the last one
    it is asked again while retries are left, out of the budget of the process: of the under store, or, where there is
    none, of the workers from the first on. Each attempt gets its share of the time that is left, so that the last in
    line has its turn. A worker that failed again and again is passed over for a while
    (:mod:`alluxiofs.gateway.breaker`), or asked after all others where there is no under store.
    """

    def __init__(self, limits: Limits, telemetry: Telemetry, logger: logging.Logger) -> None:
        self._limits = limits
        self._telemetry = telemetry
        # A call is described only for somebody: in a read of a page nobody keeps, that is a tenth of what is done here.
        self._is_heard = type(telemetry).record_call is not Telemetry.record_call
        self._logger = logger
        self._counted: Dict[Tuple[str, str], int] = {}
        self._counting = threading.RLock()  # re-entrant, for the collector of garbage may close what asks, too

    def ask(
        self,
        method: str,
        sides: Sequence[Side],
        question: Callable[[Side, Deadline], T],
        *,
        about: str = "",
        size: int = 0,
        weigh: Optional[Callable[[T], int]] = None,
        known_to_exist: Optional[Callable[[], bool]] = None,
        repeatable: bool = True,
        deadline: Optional[Deadline] = None,
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
        weigh:
            Tells them from the answer, where they are not known before.
        known_to_exist:
            Tells whether the under store has said that the file is there: a worker's *not found* is then a failure of
            the worker. Called if one says so.
        repeatable:
            Whether asking the last side again does no harm.
        deadline:
            Of the operation, where it began before; without one it begins now.

        Raises
        ------
        OSError
            The answer, or the last side's failure with the earlier ones as its causes.
        """
        limits = self._limits
        if self._telemetry.traces:
            if not is_within():  # what an open file reads: retries and the like are told to a span of it
                with operation(self._telemetry, method):
                    return self.ask(
                        method,
                        sides,
                        question,
                        about=about,
                        size=size,
                        weigh=weigh,
                        known_to_exist=known_to_exist,
                        repeatable=repeatable,
                        deadline=deadline,
                    )
            question = self._traced(method, question)
        if deadline is not None and deadline.at <= time.monotonic():
            raise self._failure(None, f"{method} {about}".strip(), sides[0])
        whole = Deadline.after(limits.deadline, limits.timeout) if deadline is None else deadline
        line, asked = self._asked(sides) if process_breakers.failing else (sides, 0)
        failed: Optional[BaseException] = None
        place = repeated = 0
        while True:
            side, last = line[place], repeated > 0 or place == len(line) - 1
            trial = self._is_trial(side) if process_breakers.failing else False
            if trial is None and not last and place < asked:  # another call is the trial
                line = line if line[-1].worker is None else [*line, side]
                place += 1
                self._passed_over(line[place])
                continue
            share = whole.share(1 if last else len(line) - place)
            if trial is not False and not last:
                _shorten(share)
            try:
                result = self._call(method, side, question, share, size, weigh)
            except Exception as error:  # a plugin may raise anything; it is sorted here, and kept as the cause
                if self._final(error, side, line[-1], known_to_exist):
                    raise
                failed = _after(failed, error)
                if not last:
                    place = _following(line, place, error)
                    self._pass_on(error, side, line[place], method, about)
                    continue
                again = repeatable and repeated < limits.retries and kind_of(error) is Kind.TEMPORARY
                if not again or not self._again(repeated, whole, failed, side, method, about):
                    break
                place = place if side.worker is None else repeated % len(line)
                repeated += 1
            else:
                failed = None  # whose traceback leads here: see below
                process_budget.earn()
                return result
        try:
            raise self._failure(failed, f"{method} {about}".strip(), side)
        finally:
            failed = None

    def tell(self, kind: str, reason: str, side: Optional[Side] = None) -> None:
        """Have a retry, failover or fallback be counted, and telemetry know of it."""
        with self._counting:
            self._counted[kind, reason] = self._counted.get((kind, reason), 0) + 1
        self._telemetry.record_event(Event(kind, reason, None if side is None else _identity(side)))

    def counted(self) -> Dict[str, Dict[str, int]]:
        """How many retries, failovers and fallbacks there were, by their reasons."""
        counted: Dict[str, Dict[str, int]] = {"failovers": {}, "fallbacks": {}, "retries": {}}
        with self._counting:
            for (kind, reason), count in self._counted.items():
                counted[_PLURAL[kind]][reason] = count
        return counted

    def _is_trial(self, side: Side) -> Optional[bool]:
        """Whether a question to this side is the one that shows whether it has recovered; ``None``: another one is."""
        if side.worker is None:
            return False
        breaker = process_breakers.of(side.component, side.worker)
        if breaker.closed:
            return False
        return True if breaker.admit() else None

    @staticmethod
    def _final(error: BaseException, side: Side, last: Side, known_to_exist: Optional[Callable[[], bool]]) -> bool:
        if kind_of(error) is not Kind.ANSWER:
            return False
        if side.worker is None:
            return True
        if isinstance(error, NotSupportedError):
            return last.worker is not None  # what no worker can be asked for the under store can
        return not (isinstance(error, FileNotFoundError) and known_to_exist is not None and known_to_exist())

    def _call(
        self,
        method: str,
        side: Side,
        question: Callable[[Side, Deadline], T],
        deadline: Deadline,
        size: int,
        weigh: Optional[Callable[[T], int]],
    ) -> T:
        began = time.perf_counter()
        try:
            answer = question(side, deadline)
            if weigh is not None:
                size = weigh(answer)
        except BaseException as error:
            if side.worker is None or not isinstance(error, NotSupportedError):  # then nothing was sent
                self._failed(method, side, error, time.perf_counter() - began)
            raise
        if self._is_heard:
            target = "under_store" if side.worker is None else "worker"
            call = _tuple(Call, (target, side.component, method, "ok", time.perf_counter() - began, size))
            self._telemetry.record_call(call)
        if process_breakers.failing and side.worker is not None:  # else a breaker has nothing to learn of it
            self._note(side, side.worker, None, time.perf_counter() - began)
        return answer

    def _failed(self, method: str, side: Side, failure: BaseException, seconds: float) -> None:
        """Have telemetry and the worker's breaker know of a call that failed."""
        if self._is_heard and (side.worker is None or was_sent(failure)):
            self._telemetry.record_call(Call(side.target, side.component, method, state_of(failure), seconds))
        if side.worker is not None:
            self._note(side, side.worker, failure, seconds)

    def _note(self, side: Side, worker: Worker, failure: Optional[BaseException], seconds: float) -> None:
        """Have the worker's breaker know how it went."""
        breaker = process_breakers.of(side.component, worker)
        if failure is None or (isinstance(failure, Exception) and not blames(failure)):
            if breaker.succeeded():
                self._telemetry.record_event(Event("breaker_closed", "answered", _identity(side)))
                self._logger.info("%s answers again", _name(side), extra=_fields(side, seconds=seconds))
            return
        if not isinstance(failure, Exception):
            return  # the caller gave up: nothing is known of the worker
        waited = isinstance(failure, TimeoutError) and seconds >= _LONG
        if breaker.failed(waited):
            self._telemetry.record_event(Event("breaker_opened", state_of(failure), _identity(side)))
            more = _fields(side, failure, seconds=seconds)
            self._logger.warning("%s is passed over for a while: %s", _name(side), failure, extra=more)

    def _traced(self, method: str, question: Callable[[Side, Deadline], T]) -> Callable[[Side, Deadline], T]:
        def traced(side: Side, deadline: Deadline) -> T:
            with self._telemetry.span(method, side.component, _identity(side)):
                return question(side, deadline)

        return traced

    def _again(
        self, attempt: int, whole: Deadline, failed: Optional[BaseException], side: Side, method: str, about: str
    ) -> bool:
        pause = max(backoff(attempt), _wished(failed))
        if pause >= whole.remaining() or not process_budget.spend():
            return False
        self.tell("retry", state_of(failed), side)
        more = _fields(side, failed, operation=method, path=about)
        self._logger.info("asking %s again: %s", _name(side), failed, extra=more)
        time.sleep(pause)
        return True

    def _pass_on(self, error: BaseException, side: Side, following: Side, method: str, about: str) -> None:
        kind = "failover" if following.worker is not None else "fallback"
        self.tell(kind, state_of(error), side)
        more = _fields(side, error, operation=method, path=about)
        self._logger.info("%s from %s to %s: %s", kind, _name(side), _name(following), error, extra=more)

    def _asked(self, sides: Sequence[Side]) -> Tuple[Sequence[Side], int]:
        """Those who are asked, and how many of them may yet be passed over."""
        line = _in_order(sides)
        if line[0] is not sides[0]:
            self._passed_over(line[0])
        if line[-1].worker is None:
            return line, len(line)
        return [*line, *(side for side in sides if side not in line)], len(line)  # there is nobody else, in the end

    def _passed_over(self, following: Side) -> None:
        """Workers were not asked: if it is the under store's turn now, it bears the call in place of them."""
        if following.worker is None:
            self.tell("fallback", "passed_over")

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
        wrapped = OSError(hidden_text(f"{what} failed: {type(error).__name__}: {error}"))
        wrapped.__cause__ = error
        return wrapped


def _after(earlier: Optional[BaseException], error: BaseException) -> BaseException:
    """The error, with an earlier one as its cause unless it has one."""
    if earlier is not None and earlier is not error and error.__cause__ is None:
        error.__cause__ = earlier
    return error


def _wished(error: Optional[BaseException]) -> float:
    """Seconds for which the other side wishes to be left alone. Errors of others may mean anything by the name."""
    seconds = getattr(error, "retry_after", 0.0)
    return seconds if isinstance(seconds, (int, float)) else 0.0


def _in_order(sides: Sequence[Side]) -> Sequence[Side]:
    """Those who are asked: without workers that failed again and again, unless there is nobody else."""
    asked = [
        side for side in sides if side.worker is None or not process_breakers.passed_over(side.component, side.worker)
    ]
    process_breakers.forget_absent()
    return asked or sides


def _following(line: Sequence[Side], place: int, error: BaseException) -> int:
    """Who is next. What a worker that is well does not hold, or cannot be asked for, the under store has for sure: what
    the next worker holds of it was put there when others were in charge, and may be older than its own metadata say."""
    if line[-1].worker is None and isinstance(error, (NotHeldError, NotSupportedError)):
        return len(line) - 1
    return place + 1


def _shorten(deadline: Deadline) -> None:
    """A trial has little time: there are others who can be asked."""
    deadline.at = min(deadline.at, time.monotonic() + _TRIAL)
    deadline.span = min(deadline.span, _TRIAL)


def _name(side: Side) -> str:
    return (
        f"under store {side.component}" if side.worker is None else f"worker {side.worker.host}:{side.worker.http_port}"
    )


def _fields(side: Side, error: Optional[BaseException] = None, **more: Any) -> Dict[str, Any]:
    worker = None if side.worker is None else f"{side.worker.host}:{side.worker.http_port}"
    reason = None if error is None else state_of(error)
    return fields(component=side.component, worker=worker, reason=reason, **more)


def _identity(side: Side) -> Optional[str]:
    return None if side.worker is None else str(side.worker.identity)
