"""Calls on their way to those who only count them."""

from __future__ import annotations

import threading
import weakref
from typing import Callable, List, Sequence, Tuple

from alluxiofs.interfaces import Call, Telemetry

__all__ = ["TOGETHER", "Gathering"]

TOGETHER = 128
"""How many calls are handed over at once: what is kept of them stays in the fastest of a processor's caches."""


class Gathering:
    """Keeps calls that have ended until there are a hundred or so, or until somebody looks.

    A read over the wire costs one step of a list so, however many count it. Nobody waits here but who looks.

    Attributes
    ----------
    ended:
        Where each call is put as it ends, by any thread. Who sees that there are :data:`TOGETHER` calls :meth:`spill`.

    Parameters
    ----------
    failed:
        A method: what becomes of one who raised, which is to :meth:`drop` it. Its object is held weakly, and is who
        puts calls here: once it has gone none come any more.
    """

    def __init__(self, failed: Callable[[Telemetry, BaseException], object]) -> None:
        self._failed = weakref.WeakMethod(failed)
        # What takes the calls, and whose it is. Weakly: it has this to call, and may belong to a provider that has it.
        self._takers: List[Tuple[weakref.ref[Telemetry], Callable[[Sequence[Call]], object]]] = []
        self.ended: List[Call] = []
        self._lock = threading.Lock()

    def offer(self, member: Telemetry) -> bool:
        """Whether a member takes calls from here."""
        take = member.gather(self.hand_over)
        if take is not None:
            self._takers.append((weakref.ref(member), take))
        return take is not None

    def drop(self, member: Telemetry) -> None:
        """Hand a member nothing any more. Who makes this sees to it that one at a time is offered and dropped."""
        self._takers = [taker for taker in self._takers if taker[0]() is not member]

    def spill(self) -> None:
        """Hand them over, unless another thread does so."""
        if self._lock.acquire(blocking=False):
            try:
                self._hand_over()
            finally:
                self._lock.release()

    def hand_over(self) -> bool:
        """Give them all that they were not given yet. ``False`` if no more will come."""
        more = self._failed() is not None  # before, or what comes in between would be left
        with self._lock:  # who looks while another thread hands over waits until those calls have arrived
            self._hand_over()
        return more

    def _hand_over(self) -> None:
        calls = self.ended[:]
        del self.ended[: len(calls)]  # other threads add to the end meanwhile
        if not calls:
            return
        for member, take in self._takers:
            try:
                take(calls)
            except Exception as error:  # whatever a plugin's raises: no read fails of it
                failed, broken = self._failed(), member()
                if failed is not None and broken is not None:
                    failed(broken, error)
