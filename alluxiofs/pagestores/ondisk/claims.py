"""One fetch per missing page among all processes that share a folder.

The claims of the threads of one process are in its memory; what they get there is put into a table in the control
file, a run of neighbouring pages as one entry: the file's key, the pages, and the number of the owner. Who finds an
entry whose owner is dead takes it over.
"""

from __future__ import annotations

import errno
import time
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional

from alluxiofs.errors import PageStoreError
from alluxiofs.interfaces import Claim, Claims, Deadline
from alluxiofs.pagestores.ondisk import layout
from alluxiofs.pagestores.ondisk.files import Files
from alluxiofs.pagestores.ondisk.folder import Folder
from alluxiofs.pagestores.ondisk.section import Section

__all__ = ["SharedClaims"]

_ENTRY, _PLACES = layout.CLAIM, layout.CLAIMS  # an owner of 0: nobody's
_NUMBER_BITS = 20  # of the number of pages; the first one is in the bits above
_MOST_PAGES = (1 << _NUMBER_BITS) - 1
_PATIENCE = 0.5
_ATTEMPTS = 20  # to have a lock that others have in turn
_SULK = 10.0
_FIRST_PAUSE = 0.0005
_LONGEST_PAUSE = 0.02
_SIGN_OF_LIFE = 0.1
_OWNERS = 256


class _Entry(NamedTuple):
    """An entry of the table: which pages, whose, and at which byte of the control file."""

    pages: range
    owner: int
    at: int


class SharedClaims:
    """The claims of one process in one folder.

    Parameters
    ----------
    folder:
        Which.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._own = Claims()
        self._alive: Dict[int, float] = {}  # owners, and until when they are taken to live
        # Until when the table is left alone: somebody was stopped while he had the lock, and whoever reads would wait
        # for him with each claim.
        self._sulk_until = 0.0

    def claim(self, key: bytes, index: int) -> bool:
        """See :meth:`KeptFile.claim`."""
        mine: List[Claim] = []
        self.claim_run(key, range(index, index + 1), mine)
        return bool(mine)

    def release(self, key: bytes, index: int) -> None:
        """See :meth:`KeptFile.release`."""
        self.release_run(self._own.covering(key, index))

    def claim_run(self, key: bytes, pages: range, mine: List[Claim]) -> None:
        """See :meth:`KeptFile.claim_run`. Where the table cannot be written to, claims are those of the process."""
        begin = len(mine)
        # The lock is for who may get a claim: all the others, who are many, would have him wait for it.
        taken = self._taken_lately(key)
        self._own.claim_run(key, [index for index in pages if not _is_among(index, taken)] if taken else pages, mine)
        claimed = mine[begin:]
        if not claimed or time.monotonic() < self._sulk_until:
            return
        for _ in range(_ATTEMPTS):
            before = self._signs()
            try:
                self._tell(key, claimed, mine)
                return
            except PageStoreError as error:  # whoever keeps the pages is told
                if error.errno != errno.ETIMEDOUT:
                    return
            if self._signs() == before:
                self._sulk_until = time.monotonic() + _SULK
                return

    def release_run(self, mine: List[Claim]) -> None:
        """See :meth:`KeptFile.release_run`."""
        for claim in list(mine):
            self._tell_end(claim)
        self._own.release_run(mine)

    def wait(self, key: bytes, index: int, deadline: Deadline) -> None:
        """See :meth:`KeptFile.wait`."""
        self._own.wait(key, index, deadline)
        pause = _FIRST_PAUSE
        while deadline.remaining() > 0:
            files = self._files()
            if files is None:
                return
            owners = [entry.owner for entry in _entries(files, key) if index in entry.pages]
            if not owners or owners[0] == files.owners.mine or not self._is_alive(files, owners[0]):
                return
            time.sleep(min(pause, deadline.remaining()))
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    # --- the table ----------------------------------------------------------------------------------------------

    def _files(self) -> Optional[Files]:
        try:
            return self._folder.files()
        except OSError:
            return None

    def _signs(self) -> bytes:
        """Something else whenever somebody had the lock and has changed something."""
        files = self._files()
        return b"" if files is None else files.control.file.raw[layout.STATE_AT : layout.CONTROL_BYTES]

    def _taken_lately(self, key: bytes) -> List[range]:
        """The pages of a file that are claimed by others who lived just now."""
        files = self._files()
        now = time.monotonic()
        if files is None or now < self._sulk_until:
            return []
        return [entry.pages for entry in _entries(files, key) if self._alive.get(entry.owner, 0.0) > now]

    def _tell(self, key: bytes, claimed: List[Claim], mine: List[Claim]) -> None:
        """Put claims into the table, without the pages that are in it already."""

        def tell(files: Files, section: Section) -> None:
            owner = files.owner(section)
            others = self._others(files, section, key, owner)
            for claim in claimed:
                taken = [index for index in claim.pages if _is_among(index, others)]
                if taken:
                    self._own.end(claim, taken)
                    claim.pages[:] = [index for index in claim.pages if not _is_among(index, others)]
                for run in _runs(claim.pages):
                    at = self._free_place(files, section, owner)
                    if at is not None:  # else it is the process's own affair
                        entry = _ENTRY.pack(key, run.start << _NUMBER_BITS | len(run), owner)
                        claim.told.append((files, at, entry))
                        section.put(files.control.file, at, entry)
                if not claim.pages:
                    mine.remove(claim)

        self._folder.alone(tell, create=True, patience=_PATIENCE)

    def _others(self, files: Files, section: Section, key: bytes, owner: int) -> List[range]:
        """The pages of a file that are claimed by others who live. The claims of the dead are removed."""
        found = []
        for entry in list(_entries(files, key)):
            if entry.owner != owner and files.owners.is_alive(entry.owner):
                self._lives(entry.owner)
                found.append(entry.pages)
            elif entry.owner != owner:
                section.put(files.control.file, entry.at, bytes(_ENTRY.size))
        return found

    @staticmethod
    def _free_place(files: Files, section: Section, owner: int) -> Optional[int]:
        """Where an entry can be put; if everything is taken, in the place of one whose owner is dead."""
        words, width, base = files.control.words, _ENTRY.size // 8, layout.CLAIMS_AT // 8
        for step in range(_PLACES):
            place = (owner + step) % _PLACES
            if not words[base + place * width + width - 1]:
                return layout.CLAIMS_AT + place * _ENTRY.size
        owners = words[base + width - 1 : base + _PLACES * width : width].tolist()
        dead = {other for other in set(owners) if not files.owners.is_alive(other)}
        places = [place for place, other in enumerate(owners) if other in dead]
        for place in places:
            section.put(files.control.file, layout.CLAIMS_AT + place * _ENTRY.size, bytes(_ENTRY.size))
        return layout.CLAIMS_AT + places[0] * _ENTRY.size if places else None

    @staticmethod
    def _tell_end(claim: Claim) -> None:
        """Take a claim out of the table, if it is there. Without the lock: nobody else changes the entry of an owner
        who lives."""
        for files, at, entry in list(claim.told):
            if files.control.file.raw[at : at + _ENTRY.size] == entry:
                section = Section()
                try:
                    section.put(files.control.file, at, bytes(_ENTRY.size))
                except OSError:
                    pass  # the others wait until their deadlines: nothing here can be written
                finally:
                    section.close()
        claim.told.clear()

    def _lives(self, owner: int) -> None:
        """Take an owner to live, for a while."""
        if len(self._alive) >= _OWNERS:
            self._alive.clear()
        self._alive[owner] = time.monotonic() + _SIGN_OF_LIFE

    def _is_alive(self, files: Files, owner: int) -> bool:
        """Whether an owner lives, as far as one of the threads has seen lately."""
        now = time.monotonic()
        if self._alive.get(owner, 0.0) > now or now < self._sulk_until:
            return True
        self._lives(owner)  # the other threads need not look, too
        try:
            alive = self._folder.alone(lambda *_: files.owners.is_alive(owner), patience=_PATIENCE)
        except PageStoreError:
            return True
        if not alive:
            self._alive.pop(owner, None)
        return bool(alive)


def _is_among(index: int, runs: List[range]) -> bool:
    return any(index in run for run in runs)


def _runs(pages: Iterable[int]) -> List[range]:
    """Ascending numbers as ranges of neighbours."""
    runs: List[range] = []
    for index in pages:
        if runs and runs[-1].stop == index and len(runs[-1]) < _MOST_PAGES:
            runs[-1] = range(runs[-1].start, index + 1)
        else:
            runs.append(range(index, index + 1))
    return runs


def _entries(files: Files, key: bytes) -> Iterator[_Entry]:
    """The entries of a file. Without the lock one that is being written may be missing or wrong."""
    table = files.control.file.raw[layout.CLAIMS_AT : layout.CLAIMS_AT + _PLACES * _ENTRY.size]
    at = table.find(key)
    while at >= 0:
        if at % _ENTRY.size:
            at = table.find(key, at + 1)
            continue
        _, pages, owner = _ENTRY.unpack_from(table, at)
        if owner:
            first = pages >> _NUMBER_BITS
            yield _Entry(range(first, first + (pages & _MOST_PAGES)), owner, layout.CLAIMS_AT + at)
        at = table.find(key, at + _ENTRY.size)
