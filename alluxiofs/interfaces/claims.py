"""One fetch per missing page among the threads of a process."""

from __future__ import annotations

import threading
from typing import Any, Dict, Iterable, List, Tuple

from alluxiofs.interfaces.component import Deadline

__all__ = ["Claim", "Claims"]


class Claim:
    """The right to fetch pages of a file, until it is ended.

    Parameters
    ----------
    key:
        Of the file version.
    pages:
        Their numbers, ascending.

    Attributes
    ----------
    waiting:
        Held locks of those who wait for the end.
    told:
        Where a page store has told other processes of it.
    """

    __slots__ = ("key", "pages", "told", "waiting")

    def __init__(self, key: bytes, pages: List[int]) -> None:
        self.key = key
        self.pages = pages
        self.waiting: List[threading.Lock] = []
        self.told: List[Any] = []


class Claims:
    """The claims of the threads of one process, for page stores that have nothing of their own.

    There is no lock that an interrupt (Ctrl-C) could leave locked: who has a page is settled by ``dict.setdefault``,
    which is one step, and a claim can be ended again and again.
    """

    def __init__(self) -> None:
        self._claims: Dict[Tuple[bytes, int], Claim] = {}

    def claim(self, key: bytes, index: int) -> bool:
        """See :meth:`KeptFile.claim`."""
        mine: List[Claim] = []
        self.claim_run(key, range(index, index + 1), mine)
        return bool(mine)

    def release(self, key: bytes, index: int) -> None:
        """See :meth:`KeptFile.release`."""
        self.release_run(self.covering(key, index))

    def claim_run(self, key: bytes, pages: Iterable[int], mine: List[Claim]) -> None:
        """See :meth:`KeptFile.claim_run`."""
        claim = Claim(key, [])
        mine.append(claim)  # first: whatever comes in between, who has it in his list can end it
        for index in pages:
            claim.pages.append(index)
            if self._claims.setdefault((key, index), claim) is not claim:
                claim.pages.pop()
        if not claim.pages:
            mine.remove(claim)

    def release_run(self, mine: List[Claim]) -> None:
        """See :meth:`KeptFile.release_run`."""
        for claim in list(mine):
            self.end(claim, claim.pages)
        mine.clear()

    def end(self, claim: Claim, pages: Iterable[int]) -> None:
        """End a claim to pages, and wake those who wait, for whatever page of the claim; nothing if it has ended."""
        for index in pages:
            if self._claims.get((claim.key, index)) is claim:
                self._claims.pop((claim.key, index), None)
        for woken in list(claim.waiting):
            try:
                woken.release()
            except RuntimeError:
                pass  # it was before

    def wait(self, key: bytes, index: int, deadline: Deadline) -> None:
        """See :meth:`KeptFile.wait`."""
        claim = self._claims.get((key, index))
        if claim is None:
            return
        # A lock of its own for each who waits: an end wakes those of this claim alone, and all of them at once.
        woken = threading.Lock()
        woken.acquire()
        claim.waiting.append(woken)
        if self._claims.get((key, index)) is claim:  # else it ended just now, and may not have seen who waits
            woken.acquire(timeout=min(deadline.remaining(), threading.TIMEOUT_MAX))

    def covering(self, key: bytes, index: int) -> List[Claim]:
        """The claim that a page belongs to, if there is one."""
        claim = self._claims.get((key, index))
        return [] if claim is None else [claim]
