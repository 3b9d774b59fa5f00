"""One fetch per missing page among all processes that share a folder.

The claims of the threads of one process are in its memory; the first of them puts the process's own into a table in
the control file. An entry is the hash of the page and the number of the owner: who waits for one whose owner is dead
takes it over. Two pages of one hash wait for each other, which costs time and nothing else.
"""

from __future__ import annotations

import time
from typing import Dict, Optional

from alluxiofs.errors import PageStoreError
from alluxiofs.interfaces import Claims, Deadline
from alluxiofs.pagestores.ondisk import layout
from alluxiofs.pagestores.ondisk.folder import Files, Folder
from alluxiofs.pagestores.ondisk.section import Section

__all__ = ["SharedClaims"]

_WINDOW = 16  # entries where a claim may be; when all are taken it is the process's own affair
_PATIENCE = 0.5
_FIRST_PAUSE = 0.0005
_LONGEST_PAUSE = 0.02
_SIGN_OF_LIFE = 0.1
_OWNERS = 256


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
        self._entries: Dict[int, tuple[Files, int]] = {}
        self._alive: Dict[int, float] = {}  # owners, and until when they are taken to live

    def claim(self, key: bytes, index: int) -> bool:
        """See :meth:`KeptFile.claim`. Where the folder cannot be written to, claims are those of the process."""
        if not self._own.claim(key, index):
            return False
        try:
            page_hash = layout.page_hash(key, index)
            # The lock is for who may get the claim: all the others, who are many, would have him wait for it.
            if not self._is_claimed(page_hash) and self._claim_shared(page_hash):
                return True
        except PageStoreError:
            return True  # whoever keeps the page is told
        except BaseException:
            self._own.release(key, index)
            raise
        self._own.release(key, index)
        return False

    def release(self, key: bytes, index: int) -> None:
        """See :meth:`KeptFile.release`."""
        try:
            page_hash = layout.page_hash(key, index)
            files, place = self._entries.pop(page_hash, (None, 0))
            if files is not None:
                self._release_shared(page_hash, files, place)
        finally:
            self._own.release(key, index)

    def wait(self, key: bytes, index: int, deadline: Deadline) -> None:
        """See :meth:`KeptFile.wait`."""
        self._own.wait(key, index, deadline)
        page_hash = layout.page_hash(key, index)
        pause = _FIRST_PAUSE
        while deadline.remaining() > 0:
            files = self._files()
            place = None if files is None else self._find(files, page_hash)
            if files is None or place is None or page_hash in self._entries:
                return
            if not self._is_alive(files, place):
                return
            time.sleep(min(pause, deadline.remaining()))
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    # --- the table ----------------------------------------------------------------------------------------------

    def _files(self) -> Optional[Files]:
        try:
            return self._folder.files()
        except OSError:
            return None

    def _claim_shared(self, page_hash: int) -> bool:
        with self._folder.locked(create=True, patience=_PATIENCE) as opened:
            if opened is None:
                return True
            files, section = opened
            words = files.control.words
            empty = -1
            for place in _places(page_hash):
                claimed, owner = words[place : place + 2].tolist()
                if owner and (claimed == page_hash or empty < 0) and not files.owners.is_alive(owner):
                    owner = 0
                if owner and claimed == page_hash:
                    self._lives(owner)
                    return False
                if not owner and empty < 0:
                    empty = place
            if empty >= 0:
                mine = files.owner(section)
                entry = page_hash.to_bytes(8, "little") + mine.to_bytes(8, "little")
                section.put(files.control.file, empty * 8, entry)
                self._entries[page_hash] = files, empty
            return True

    @staticmethod
    def _release_shared(page_hash: int, files: Files, place: int) -> None:
        """Without the lock: nobody else changes the entry of an owner who lives."""
        if files.control.words[place : place + 2].tolist() != [page_hash, files.owners.mine]:
            return
        section = Section()
        try:
            section.put(files.control.file, place * 8, bytes(layout.CLAIM_BYTES))
        except OSError:
            pass  # the others wait until their deadlines: nothing here can be written
        finally:
            section.close()

    def _is_claimed(self, page_hash: int) -> bool:
        """Whether somebody who lived just now has the claim."""
        files = self._files()
        place = None if files is None else self._find(files, page_hash)
        if files is None or place is None:
            return False
        return self._alive.get(files.control.words[place + 1], 0.0) > time.monotonic()

    def _lives(self, owner: int) -> None:
        """Take an owner to live, for a while."""
        if len(self._alive) >= _OWNERS:
            self._alive.clear()
        self._alive[owner] = time.monotonic() + _SIGN_OF_LIFE

    @staticmethod
    def _find(files: Files, page_hash: int) -> Optional[int]:
        words = files.control.words
        for place in _places(page_hash):
            claimed, owner = words[place : place + 2].tolist()
            if claimed == page_hash and owner:
                return place
        return None

    def _is_alive(self, files: Files, place: int) -> bool:
        """Whether the owner of an entry lives, as far as one of the threads has seen lately."""
        owner = files.control.words[place + 1]
        if not owner:
            return False  # released just now
        if self._alive.get(owner, 0.0) > time.monotonic():
            return True
        self._lives(owner)  # the other threads need not look, too
        try:
            with self._folder.locked(patience=_PATIENCE) as opened:
                alive = opened is not None and files.owners.is_alive(owner)
        except PageStoreError:
            return True
        if not alive:
            self._alive.pop(owner, None)
        return alive


def _places(page_hash: int) -> list[int]:
    """Words of the control file where a claim may begin."""
    first = (page_hash >> 16) % layout.CLAIMS
    base = layout.CLAIMS_AT // 8
    return [base + (first + step) % layout.CLAIMS * 2 for step in range(_WINDOW)]
