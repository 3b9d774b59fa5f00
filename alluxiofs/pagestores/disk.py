"""Page store on disk: files that all processes of the machine share."""

from __future__ import annotations

import bisect
import enum
import functools
import itertools
import logging
import os
import sys
import time
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple, TypeVar

import xxhash
from attrs import define, field

from alluxiofs.errors import ConfigurationError, PageStoreError
from alluxiofs.interfaces import Context, KeptFile, KeptPage, PageStore
from alluxiofs.logs import fields
from alluxiofs.pagestores.capacity import capacities_of, check_folders
from alluxiofs.pagestores.claiming import check_key, check_page
from alluxiofs.pagestores.disk_file import ATTEMPTS, DiskFile, VerifyingFile
from alluxiofs.pagestores.eviction import POLICIES
from alluxiofs.pagestores.failures import BadBlocks, failure
from alluxiofs.pagestores.folders import folders_of
from alluxiofs.pagestores.hits import Hits
from alluxiofs.pagestores.ondisk.claims import SharedClaims
from alluxiofs.pagestores.ondisk.found import SECOND, Found, notes_behind
from alluxiofs.pagestores.ondisk.layout import NOTE, page_hash
from alluxiofs.pagestores.ondisk.pages import Hooks, Pages
from alluxiofs.pagestores.recency import Tally
from alluxiofs.pagestores.seen import Seen
from alluxiofs.pagestores.shapes import Shapes
from alluxiofs.pagestores.shares import Shares
from alluxiofs.pagestores.telling import Telling
from alluxiofs.pagestores.whereabouts import default_folder
from alluxiofs.settings.types import Seconds, Size

__all__ = ["DiskPageStore", "Verify"]

_TOLD_OF_NOTES = 60 * SECOND  # telling costs as much as reading one, and most are of no use for as long
_HASHES = 1 << 64

_Content = TypeVar("_Content")


class Verify(enum.Enum):
    """When the checksum of a page is looked at."""

    FIRST = "first"
    ALWAYS = "always"
    NEVER = "never"


class DiskPageStore(PageStore):
    """Keeps pages in files of this machine, shared by its processes, within a capacity that none of them passes.

    A page is seen when it is whole; its checksum is verified when a process first reads it. A process that is killed
    leaves nothing to repair. ``docs/page-store.md`` says how.
    """

    name = "disk"

    @define(frozen=True)
    class Settings:
        """Settings of the page store on disk.

        Parameters
        ----------
        path:
            One folder or several, one a disk, over which pages are spread by capacity. They are made when the first
            page is kept, for their owner only; one that is there must belong to the user, and nobody else may write
            to it. Without one: ``alluxiofs/pages`` in the user's cache folder.
        capacity:
            Bytes of disk that all folders together may take, or a list: those of each folder. It belongs to the
            folder: the last program to name one sets it for all. Without one: the one that is there, else 10 GB, or a
            tenth of what is free, if that is less.
        eviction:
            Which page goes when there is no room: ``lru`` (the least recently used one), ``sieve`` (the same at large,
            but a scan does not flush it) or ``lfu`` (the least frequently used one).
        max_age:
            How long a page is kept at the most, in seconds. Without one: as long as there is room.
        verify:
            When a page's checksum is compared with its bytes: ``first``, when a process first reads it; ``always``; or
            ``never``, but for pages from before the machine's last start.
        """

        path: Tuple[str, ...] = field(default=(), converter=folders_of)
        capacity: Tuple[Size, ...] = field(default=(), converter=capacities_of)
        eviction: str = "lru"
        max_age: Optional[Seconds] = None
        verify: Verify = field(default=Verify.FIRST, converter=Verify)

    def __init__(self, settings: Any, context: Context, page_size: int) -> None:
        super().__init__(settings, context, page_size)
        if sys.platform == "win32":
            raise ConfigurationError("page store 'disk' needs Linux or macOS; use page_store='memory'")
        if settings.eviction not in POLICIES:
            raise ConfigurationError(
                f"page store 'disk': eviction {settings.eviction!r} is none of {', '.join(POLICIES)}"
            )
        paths = [os.path.abspath(os.path.expanduser(path)) for path in settings.path or (default_folder(),)]
        if len(settings.capacity) > 1 and len(settings.capacity) != len(paths):
            raise ConfigurationError(
                f"page store 'disk': {len(settings.capacity)} capacities for {len(paths)} folders; give one for all, "
                "or one for each"
            )
        self._paths = list(dict.fromkeys(paths))
        check_folders(settings.capacity, len(self._paths), page_size)
        given = dict(zip(paths, settings.capacity)) if len(settings.capacity) > 1 else {}
        self._shares = Shares(self._paths, settings.capacity, given)
        self.hits = Hits()
        self.misses = Tally()
        self._corrupt = 0
        self._bad_blocks = BadBlocks()
        self.seen = Seen()
        self._shapes = Shapes()
        self._uses = Telling(self.pages_of)
        self._max_age = None if settings.max_age is None else int(settings.max_age * SECOND)
        self._file_class = VerifyingFile if settings.verify is Verify.ALWAYS else DiskFile
        self._verifies = settings.verify is not Verify.NEVER

    @functools.cached_property
    def _folders(self) -> List[Pages]:
        hooks = Hooks(self.seen.used, self.seen.clear, self._tell_of)
        policy, default = POLICIES[self.settings.eviction], self._shares.default
        return [
            Pages(path, capacity, default, policy, hooks) for path, capacity in zip(self._paths, self._shares.named())
        ]

    @functools.cached_property
    def _bounds(self) -> List[int]:
        """Up to which hash pages go into which folder."""
        weights = self._shares.weights([pages.named_capacity() for pages in self._folders])
        total = sum(weights)
        return [_HASHES * part // total for part in itertools.accumulate(weights)]

    def _tell_of(self, path: str, words: str) -> None:
        self.context.logger.warning("page store in %s: %s", path, words, extra=fields(path=path, component=self.name))

    def file(self, key: bytes, length: int, page_size: Optional[int] = None) -> KeptFile:
        check_key(key)
        for pages in self._folders:
            pages.folder.check()
            pages.folder.notice()
        self._shapes.remember(key, length, page_size or self.page_size)
        return self._file_class(self, key, length, page_size or self.page_size)

    def forget(self, key: bytes) -> None:
        shape = self._shapes.of(check_key(key))
        for pages in self._checked():
            pages.forget(key, shape)

    def clear(self) -> None:
        for pages in self._checked():
            pages.clear()

    def _checked(self) -> Iterator[Pages]:
        for pages in self._folders:
            pages.folder.check()
            yield pages

    def counters(self) -> Dict[str, int]:
        """As for every page store, and ``corrupt``: pages that this process found broken. Hits, misses and evictions
        are this process's, ``pages`` and ``bytes`` those of all."""
        counts = [pages.counts() for pages in self._folders]
        hits, hit_bytes = self.hits.totals()
        return {
            "hits": hits,
            "hit_bytes": hit_bytes,
            "misses": self.misses.value(),
            "evictions": sum(pages.space.evictions for pages in self._folders),
            "pages": sum(pages for pages, _ in counts),
            "bytes": sum(size for _, size in counts),
            "capacity": sum(pages.capacity() for pages in self._folders),
            "corrupt": self._corrupt,
        }

    # --- notes --------------------------------------------------------------------------------------------------

    def note(self, key: bytes) -> Optional[bytes]:
        """As for every page store. What cannot be read is not there: keeping says what is wrong."""
        found = self.seen.of_file(check_key(key)).get(NOTE)
        for _ in range(ATTEMPTS):  # it may be replaced while it is read
            try:
                if found is None:
                    found = self.pages_of(key, NOTE).find_note(key)
                    if found is None:
                        break
                    found.due += _TOLD_OF_NOTES
                    self.seen.add(key, NOTE, found)
                note = os.pread(found.fd, found.length, found.base)
            except OSError:
                break
            whole = len(note) == found.length and xxhash.xxh3_64_intdigest(note) == found.checksum
            if found.words[found.at] == found.word:
                if not whole:
                    self._tell_broken(self.pages_of(key, NOTE), key, "the note")
                    self._drop(self.pages_of(key, NOTE), found)
                    break
                found.used = time.time_ns()
                if found.used > found.due:
                    found.due = found.used + _TOLD_OF_NOTES
                    self._uses.add(key, NOTE, found)
                return note
            found = None
        return None

    def notes_after(self, key: bytes, number: int) -> List[Tuple[bytes, bytes]]:
        """As for every page store: those in the cells behind that of a note which this process has read."""
        found = self.seen.of_file(check_key(key)).get(NOTE)
        try:
            return [] if found is None else notes_behind(found, number)
        except OSError:
            return []  # who looks for one of them meets the failure

    def put_note(self, key: bytes, note: bytes) -> None:
        if self.note(key) != note:
            pages = self.pages_of(key, NOTE)
            pages.folder.check()
            pages.keeping.put_note(key, note)

    def keep_noted(self, kept: KeptFile, first: int, pages: memoryview, note: bytes) -> None:
        apart = self._number_of(kept.key, first) != self._number_of(kept.key, NOTE)
        if apart or len(pages) > kept.page_size or self.note(kept.key) is not None:
            super().keep_noted(kept, first, pages, note)
            return
        check_page(kept, first, pages)  # the one page of a small file, as most that are kept first
        self.pages_of(kept.key, first).keeping.keep(kept.key, len(pages), pages, {first: 0}, note)

    def drop_notes(self, keys: Iterable[bytes]) -> None:
        by_folder: Dict[int, List[bytes]] = {}
        for key in keys:
            by_folder.setdefault(self._number_of(check_key(key), NOTE), []).append(key)
        for number, noted in by_folder.items():
            self._folders[number].folder.check()
            self._folders[number].drop_notes(noted)

    # --- looking after it ---------------------------------------------------------------------------------------

    def list_pages(self) -> Iterator[KeptPage]:
        for pages in self._checked():
            yield from pages.list_pages()

    def pin(self, key: bytes, pinned: bool) -> int:
        shape = self._shapes.of(check_key(key))
        return sum(pages.pin(key, pinned, shape) for pages in self._checked())

    def verify(self) -> Tuple[int, int]:
        """As for every page store; what is noted is read too, and counts when it is broken."""
        found = [pages.verify() for pages in self._checked()]
        return sum(right for right, _ in found), sum(broken for _, broken in found)

    def describe(self) -> Dict[str, Any]:
        capacities = [pages.capacity() for pages in self._folders]
        return {"path": self._paths, "capacity": sum(capacities), "capacities": capacities}

    def close(self) -> None:
        self._uses.tell()
        self.seen.clear()
        for pages in self._folders:
            pages.folder.close()

    # --- for the kept files -------------------------------------------------------------------------------------

    def pages_of(self, key: bytes, index: int) -> Pages:
        """The folder that a page belongs into."""
        return self._folders[self._number_of(key, index)]

    def claims_of(self, key: bytes) -> SharedClaims:
        """Where the claims to pages of a file are: all of them in one folder, that a run of pages is one claim."""
        return self._folders[self._number_of(key, 0)].claims

    def keep_run(self, key: bytes, first: int, page_size: int, view: memoryview) -> None:
        """Keep neighbouring pages."""
        by_place: Dict[Tuple[int, int], Dict[int, int]] = {}
        for index, start in enumerate(range(0, len(view), page_size), first):
            length = min(page_size, len(view) - start)
            by_place.setdefault((self._number_of(key, index), length), {})[index] = start
        for (number, length), starts in by_place.items():
            self._folders[number].keeping.keep(key, length, view, starts)

    def _number_of(self, key: bytes, index: int) -> int:
        if len(self._paths) == 1:
            return 0
        return min(bisect.bisect_right(self._bounds, page_hash(key, index)), len(self._paths) - 1)

    def look_up(
        self,
        key: bytes,
        index: int,
        length: int,
        read: Callable[[Found], _Content],
        found: Optional[Found] = None,
    ) -> Tuple[Optional[Found], Optional[_Content]]:
        """Find a page and verify it, if that is to be done.

        Parameters
        ----------
        key, index, length:
            Of the page.
        read:
            Reads the whole page, and gives what it read, ``None`` if its bytes are not those that were kept.
        found:
            The page, where it was found a moment ago.

        Returns
        -------
        tuple
            The page, ``None`` if there is none; and what was read, ``None`` if nothing was.
        """
        pages = self.pages_of(key, index)
        for _ in range(ATTEMPTS):  # the page may go, and come again, while it is read
            if found is None:
                found = pages.find(key, index, length)
                if found is None:
                    break
            if self._max_age is not None:
                if self._is_too_old(found):
                    self._drop(pages, found)
                    break
                self._set_due(found, found.due)
            if not self._verifies and pages.is_fresh_since_boot(found):
                self.seen.add(key, index, found)
                return found, None
            try:
                content = read(found)
            except OSError as error:
                self.failed(key, index, found, error)
                break
            if found.words[found.at] == found.word:
                if content is not None:
                    self.seen.add(key, index, found)
                    return found, content
                self._tell_broken(pages, key, f"page {index}")
                self._drop(pages, found)
            found = None
        return None, None

    def failed(self, key: bytes, index: int, found: Found, error: OSError) -> None:
        """A page could not be read: it is dropped.

        Raises
        ------
        PageStoreError
            If it is more than one block of the disk.
        """
        self.seen.remove(key, index)
        if not self._bad_blocks.is_one(error):
            raise failure(error, found.cells.path) from error
        pages = self.pages_of(key, index)
        self._tell_broken(pages, key, f"page {index}, which the disk cannot read,")
        self._drop(pages, found)

    def which_are_kept(self, file: KeptFile, indices: Iterable[int]) -> Dict[int, Found]:
        """Those pages of a file that are there; nothing of them is read."""
        by_folder: Dict[int, List[int]] = {}
        for index in indices:
            by_folder.setdefault(self._number_of(file.key, index), []).append(index)
        kept: Dict[int, Found] = {}
        for number, wanted in by_folder.items():
            try:
                found = self._folders[number].find_all(file.key, [(index, file.page_length(index)) for index in wanted])
            except PageStoreError:
                continue  # reading says what is wrong
            kept.update((index, page) for index, page in found.items() if not self._is_too_old(page))
        return kept

    def touch(self, key: bytes, index: int, found: Found) -> bool:
        """What is due: other processes are told of the use. ``False`` if the page has become too old."""
        if self._is_too_old(found):
            self.seen.remove(key, index)
            return False
        self._set_due(found, found.used + SECOND)
        self._uses.add(key, index, found)
        return True

    def _set_due(self, found: Found, at: int) -> None:
        found.due = at if self._max_age is None else min(at, found.born + self._max_age)

    def _is_too_old(self, found: Found) -> bool:
        return self._max_age is not None and found.born + self._max_age < time.time_ns()

    @staticmethod
    def _drop(pages: Pages, found: Found) -> None:
        try:
            pages.drop(found)
        except PageStoreError:
            pass  # a disk that cannot be written to; the page is not served all the same

    def _tell_broken(self, pages: Pages, key: bytes, what: str) -> None:
        level = logging.DEBUG if self._corrupt else logging.WARNING  # a broken disk has many
        self._corrupt += 1
        more = fields(path=pages.path, component=self.name, reason="broken")
        self.context.logger.log(
            level, "something broken was dropped: %s of %s in %s", what, key.hex(), pages.path, extra=more
        )
