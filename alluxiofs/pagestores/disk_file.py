"""The kept files of the page store on disk: what is read often is read here."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Sized, TypeVar

from alluxiofs.interfaces import Claim, Deadline, KeptFile
from alluxiofs.pagestores.claiming import check_page
from alluxiofs.pagestores.ondisk.found import Found, read_fully, whole_bytes, whole_into

if TYPE_CHECKING:
    from alluxiofs.pagestores.disk import DiskPageStore

__all__ = ["ATTEMPTS", "DiskFile", "VerifyingFile"]

_Content = TypeVar("_Content", bound=Sized)
ATTEMPTS = 3  # to read what goes, and comes again, meanwhile
_MOST_UNREAD = 256  # pages that were looked up, and may be read next


class DiskFile(KeptFile):
    """The pages of one version of one file.

    Parameters
    ----------
    store:
        Whose pages they are.
    key, length, page_size:
        As for every kept file.
    """

    def __init__(self, store: DiskPageStore, key: bytes, length: int, page_size: int) -> None:
        super().__init__(key, length, page_size, store.misses.tick)
        self._store = store
        self._hits = store.hits
        self._found: Dict[int, Found] = store.seen.of_file(key)
        self._unread: Dict[int, Found] = {}  # found a moment ago, for who is about to read them

    def read(
        self,
        index: int,
        start: int,
        stop: int,
        # Bound here, for this is the hot path: a local name costs less than two global ones. Windows has no pread, and
        # nothing in this store for it to read.
        _read: Callable[[int, int, int], bytes] = getattr(os, "pread", None),  # type: ignore[assignment]
        _now: Callable[[], int] = time.time_ns,
    ) -> Optional[bytes]:
        found = self._found.get(index) or self._seen(index)
        if found is None:
            return self._read_first(index, start, stop)
        size = stop - start
        try:
            data = _read(found.fd, size, found.base + start)
        except OSError as error:
            self._store.failed(self.key, index, found, error)
            return self._read_first(index, start, stop)
        # Whoever gives the cell to another page changes this word first: if it is as it was, so were the bytes.
        if found.words[found.at] != found.word or len(data) != size:
            return self._read_first(index, start, stop)
        now = found.used = _now()
        if now > found.due and not self._store.touch(self.key, index, found):
            return self._read_first(index, start, stop)
        self._hits[size]()
        return data

    def read_into(self, index: int, start: int, view: memoryview) -> bool:
        found = self._found.get(index) or self._seen(index)
        if found is None:
            return self._read_first_into(index, start, view)
        try:
            whole = read_fully(found.fd, found.base + start, view)
        except OSError as error:
            self._store.failed(self.key, index, found, error)
            return self._read_first_into(index, start, view)
        if found.words[found.at] != found.word or not whole:
            return self._read_first_into(index, start, view)
        now = found.used = time.time_ns()
        if now > found.due and not self._store.touch(self.key, index, found):
            return self._read_first_into(index, start, view)
        self._hits[len(view)]()
        return True

    def has(self, index: int) -> bool:
        return bool(self.held(range(index, index + 1)))

    def held(self, pages: range) -> List[int]:
        there, unseen = [], []
        for index in pages:
            found = self._found.get(index)
            if found is not None and found.words[found.at] == found.word:
                there.append(index)
            elif index >= 0 and self.page_length(index) > 0:
                unseen.append(index)
        if unseen:
            found_now = self._store.which_are_kept(self, unseen)
            if len(self._unread) > _MOST_UNREAD:
                self._unread = {}
            self._unread.update(found_now)
            there += found_now
        return there

    def keep(self, index: int, page: memoryview) -> None:
        check_page(self, index, page)
        self._store.pages_of(self.key, index).keeping.keep(self.key, len(page), page, {index: 0})

    def keep_run(self, first: int, pages: memoryview) -> None:
        whole, rest = divmod(len(pages), self.page_size)
        if rest:
            check_page(self, first + whole, pages[whole * self.page_size :])
        if whole:
            for index in (first, first + whole - 1):
                check_page(self, index, pages[: self.page_size])
        self._store.keep_run(self.key, first, self.page_size, pages)

    def claim(self, index: int) -> bool:
        return self._store.claims_of(self.key).claim(self.key, index)

    def release(self, index: int) -> None:
        self._store.claims_of(self.key).release(self.key, index)

    def claim_run(self, pages: range, mine: List[Claim]) -> None:
        self._store.claims_of(self.key).claim_run(self.key, pages, mine)

    def release_run(self, mine: List[Claim]) -> None:
        self._store.claims_of(self.key).release_run(mine)

    def wait(self, index: int, deadline: Deadline) -> None:
        self._store.claims_of(self.key).wait(self.key, index, deadline)

    def _seen(self, index: int) -> Optional[Found]:
        """A page that this process has found, or kept, since this file was asked for."""
        self._found = self._store.seen.of_file(self.key)
        return self._found.get(index)

    def _read_first(self, index: int, start: int, stop: int) -> Optional[bytes]:
        """Read a page that this process has not read before, or that is not where it was."""

        def part(found: Found, content: Optional[bytes]) -> Optional[bytes]:
            if content:
                return content[start:stop]
            data = os.pread(found.fd, stop - start, found.base + start)
            return data if len(data) == stop - start else None

        return self._look_up(index, whole_bytes, part)

    def _read_first_into(self, index: int, start: int, view: memoryview) -> bool:
        """The same, into a view."""
        if start == 0 and len(view) == self.page_length(index):

            def fill(found: Found, filled: Optional[memoryview]) -> Optional[memoryview]:
                return filled or (view if read_fully(found.fd, found.base, view) else None)

            return self._look_up(index, lambda found: whole_into(found, view), fill) is not None
        data = self._read_first(index, start, start + len(view))
        if data is not None:
            view[:] = data
        return data is not None

    def _look_up(
        self,
        index: int,
        read: Callable[[Found], Optional[_Content]],
        use: Callable[[Found, Optional[_Content]], Optional[_Content]],
    ) -> Optional[_Content]:
        """Find a page, ``read`` the whole of it where it is to be verified, and ``use`` it, with what was read."""
        length = self.page_length(index)
        unread = self._unread.pop(index, None)
        for _ in range(ATTEMPTS if index >= 0 and length > 0 else 0):  # it may go, and come again, meanwhile
            found, content = self._store.look_up(self.key, index, length, read, unread)
            unread = None
            if found is None:
                break
            try:
                content = use(found, content)
            except OSError as error:
                self._store.failed(self.key, index, found, error)
                break
            if content is not None and found.words[found.at] == found.word:
                self._found = self._store.seen.of_file(self.key)
                found.used = time.time_ns()
                if found.used > found.due:
                    self._store.touch(self.key, index, found)
                self._hits[len(content)]()
                return content
        self.count_miss()
        return None


class VerifyingFile(DiskFile):
    """Each read verifies the whole page: a range of it is a copy out of it."""

    def read(self, index: int, start: int, stop: int, *_: Any) -> Optional[bytes]:
        return self._read_first(index, start, stop)

    def read_into(self, index: int, start: int, view: memoryview) -> bool:
        return self._read_first_into(index, start, view)
