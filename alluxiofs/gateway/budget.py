"""The retry budget of the process: a failing cluster is not made worse by everybody asking again."""

from __future__ import annotations

import random
import threading
import time

from alluxiofs import forks

__all__ = ["RetryBudget", "backoff", "process_budget"]

_ALWAYS = 10.0  # retries a second that are always allowed
_SHARE = 0.1  # retries earned by a call that went well
_MOST = 100.0
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 5.0


class RetryBudget:
    """A bucket of retries: filled at a steady rate, and a little by every success."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew; also in a forked child, where a thread that does not exist may hold the lock."""
        # Re-entrant: the collector of garbage comes while one has it, and may run whatever asks a worker. What that
        # earns or spends may get lost; it is little.
        self._lock = threading.RLock()
        self._tokens = _ALWAYS
        self._at = time.monotonic()

    def earn(self) -> None:
        """A call went well."""
        if self._tokens < _MOST:  # read without the lock: a lost tenth of a retry matters less than the lock
            with self._lock:
                self._tokens = min(_MOST, self._tokens + _SHARE)

    def spend(self) -> bool:
        """Take one retry, if there is one."""
        with self._lock:
            now = time.monotonic()
            # Time fills the bucket to one second's worth; only success fills it further.
            filled = min(_ALWAYS, self._tokens + (now - self._at) * _ALWAYS)
            self._tokens = max(self._tokens, filled)
            self._at = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True


def backoff(attempt: int) -> float:
    """Seconds to pause before retry number ``attempt`` (from 0): full jitter, as in the AWS Architecture Blog's
    "Exponential Backoff And Jitter"."""
    return random.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt))  # noqa: S311 - spreads load, no secret


process_budget = RetryBudget()


forks.in_child(process_budget.reset)
