"""Which workers are left alone for a while, because they failed again and again.

A breaker is closed while its worker answers. Failures in a row open it: the worker is passed over. When its time is
over the next question is a trial, and all others still pass it over; an answer closes it, a failure opens it for longer
("circuit breaker": M. Nygard, Release It!). Breakers belong to the process, for so do the workers.
"""

from __future__ import annotations

import random
import threading
import time
from typing import Dict, Optional, Set, Tuple

from alluxiofs import forks
from alluxiofs.errors import Kind, NotHeldError, NoTurnError, kind_of
from alluxiofs.interfaces import Worker

__all__ = ["Breaker", "Breakers", "blames", "process_breakers"]

_FAILURES = 3  # in a row. One that was waited for until its time was over has cost as much as so many
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0
_FORGOTTEN = 300.0  # seconds; who was in nobody's line for so long has left, or is as good as new
_MOST = 4096
_Address = Tuple[str, str, int]


def blames(error: BaseException) -> bool:
    """Whether an error tells of a worker that fails. Answers never do, nor does a worker that does not hold a page, or
    one that was not asked because all connections to it were in use."""
    return kind_of(error) is Kind.TEMPORARY and not isinstance(error, (NoTurnError, NotHeldError))


class Breaker:
    """The breaker of one worker.

    Parameters
    ----------
    failing:
        Where it is from the first failure to the next answer.
    """

    def __init__(self, failing: Optional[Set[Breaker]] = None) -> None:
        # Re-entrant: the collector of garbage comes while one has it, and may run whatever asks this worker. It comes
        # at calls: after the last of them what belongs together is looked at and changed.
        self._lock = threading.RLock()
        self._failing = set() if failing is None else failing
        self._failures = 0
        self._pause = 0.0  # seconds of the opening that is; 0: closed
        self._until = 0.0
        self._trial = False
        self.lined_up = time.monotonic()
        """When its worker last failed, or was in line to be asked while any had."""

    @property
    def state(self) -> str:
        """``"closed"``, ``"open"`` or ``"half-open"``."""
        if not self._pause:
            return "closed"
        return "half-open" if self._trial or time.monotonic() >= self._until else "open"

    @property
    def passed_over(self) -> bool:
        """Whether the worker is not asked now."""
        return bool(self._pause) and time.monotonic() < self._until

    @property
    def closed(self) -> bool:
        """Whether the worker is asked as ever."""
        return not self._pause

    def admit(self) -> bool:
        """Whether the worker is asked now: if it is closed, or this is the trial."""
        if not self._pause:
            return True
        with self._lock:
            now = time.monotonic()
            if self._pause and now < self._until:
                return False
            # Until the trial has ended nobody else is let through, and if it never does, not for as long again.
            self._trial = True
            self._until = now + self._pause
            return True

    def succeeded(self) -> bool:
        """The worker has answered, whatever it said. Whether the breaker was open till now."""
        if not self._failures and not self._pause:
            return False
        with self._lock:
            was_open = self._pause > 0
            self._failures, self._pause, self._trial = 0, 0.0, False
            self._failing.discard(self)
            return was_open

    def failed(self, waited: bool) -> bool:
        """The worker has failed; ``waited``: until the time was over. Whether the breaker was closed till now."""
        with self._lock:
            # Not all clients of a cluster try at the same moment.
            now, share = time.monotonic(), random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, no secret
            longer = min(_LONGEST_PAUSE, max(_FIRST_PAUSE, self._pause * 2))
            was_closed = not self._pause
            self._failures += _FAILURES if waited else 1
            # Another one was asked before it was opened, or as a last resort.
            opens = self._failures >= _FAILURES and (was_closed or self._trial)
            if opens:
                self._pause, self._until = longer, now + longer * share
                self._trial = False
            self.lined_up = now
            self._failing.add(self)
            return opens and was_closed


class Breakers:
    """The breakers of a process, by the addresses of the workers."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew; also in a forked child, where a thread that does not exist may hold a lock."""
        # Re-entrant: the collector of garbage comes while one has it, and may run whatever asks a worker.
        self._lock = threading.RLock()
        self._breakers: Dict[_Address, Breaker] = {}
        self._look_at = 0.0
        self.failing: Set[Breaker] = set()
        """Those of workers whose last word was a failure. While there are none, which is nearly always, no question
        need look at any breaker."""

    def of(self, component: str, worker: Worker) -> Breaker:
        """The breaker of a worker, as a transport of this name reaches it."""
        key = (component, worker.host, worker.http_port)
        breaker = self._breakers.get(key)
        if breaker is None:
            with self._lock:
                if len(self._breakers) >= _MOST:
                    self.failing.discard(self._breakers.pop(next(iter(self._breakers))))
                breaker = self._breakers.setdefault(key, Breaker(self.failing))
        return breaker

    def passed_over(self, component: str, worker: Worker) -> bool:
        """Whether a worker that stands in line is not asked now."""
        breaker = self.of(component, worker)
        breaker.lined_up = time.monotonic()
        return breaker.passed_over

    def forget_absent(self) -> None:
        """Forget failures of workers that have stood in no line for long: whoever has left the cluster is never asked
        again, and would have every question look at breakers for ever."""
        now = time.monotonic()
        if now < self._look_at:
            return
        with self._lock:
            self._look_at = now + _LONGEST_PAUSE
            absent = {breaker for breaker in self.failing.copy() if now - breaker.lined_up > _FORGOTTEN}
            for key, breaker in self._breakers.copy().items():  # it may get others meanwhile
                if breaker in absent:
                    self._breakers.pop(key, None)
            self.failing.difference_update(absent)

    def state(self, component: str, worker: Worker) -> str:
        """The state of a worker's breaker; one that was never asked is closed."""
        breaker: Optional[Breaker] = self._breakers.get((component, worker.host, worker.http_port))
        return "closed" if breaker is None else breaker.state


process_breakers = Breakers()


forks.in_child(process_breakers.reset)
