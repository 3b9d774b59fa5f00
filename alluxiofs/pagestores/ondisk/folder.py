"""One folder of the page store: whether there is a store, and the right to change it."""

from __future__ import annotations

import errno
import os
from typing import Callable, Dict, Optional, TypeVar

from alluxiofs import forks
from alluxiofs.pagestores.failures import failures
from alluxiofs.pagestores.ondisk import layout
from alluxiofs.pagestores.ondisk.files import Files
from alluxiofs.pagestores.ondisk.making import make_store, replace_store
from alluxiofs.pagestores.ondisk.section import Section
from alluxiofs.pagestores.ondisk.trust import is_trusted

__all__ = ["PATIENCE", "Folder"]

PATIENCE = 10.0
_LOST = frozenset({errno.ENOENT, errno.ESTALE, errno.ENOTDIR})
_LOOKS = 2

_Result = TypeVar("_Result")


class Folder:
    """A folder of pages.

    Parameters
    ----------
    path:
        It is made, and others above it, when something is first written.
    recount:
        ``recount(files, section, whole)``: called when somebody was stopped while he changed something, or with
        ``whole`` false when what the control file says is broken.
    lost:
        Called when the folder was removed or replaced, for what was found in it takes disk as long as it is open.
    """

    def __init__(self, path: str, recount: Callable[[Files, Section, bool], None], lost: Callable[[], None]) -> None:
        self.path = path
        self.layout = f"{path}/{layout.LAYOUT}"
        self._recount = recount
        self._lost = lost
        self._open: Dict[str, Files] = {}  # one or none; a dict for it knows who was first without a lock
        self._trusted = False
        self._made = False
        forks.in_child(self.abandon)

    def check(self) -> None:
        """Refuse a folder that others could put something into. Nothing is made; a missing folder is fine.

        Raises
        ------
        PageStoreError
            If it is not a folder, not the user's own, others may write to it, or it is on another machine.
        """
        if not self._trusted:
            self._trusted = is_trusted(self.path, os.stat) and is_trusted(self.layout, os.lstat)

    def notice(self) -> None:
        """Let go of a folder that was removed or replaced: what is open of it takes disk, and would be served."""
        files = self._open.get(self.layout)
        if files is not None and not files.lock.is_there():
            self._lose()

    # --- files --------------------------------------------------------------------------------------------------

    def opened(self) -> Optional[Files]:
        """The files if they were opened before, without a look whether they still are there: for finding something.
        What is in a file that was removed is right; who finds nothing looks again in :meth:`files`."""
        return self._open.get(self.layout)

    def files(self) -> Optional[Files]:
        """The files, for reading without the lock; ``None`` if there is no store here yet."""
        files = self._open.get(self.layout)
        if files is not None:
            if files.lock.is_there():
                return files
            self._lose()
        try:
            files = Files(self.layout)
        except FileNotFoundError:
            if not os.path.lexists(self.layout):
                return None
            files = Files(self.layout)  # it may have come between the two looks
        self.check()
        self._made = True
        return self._open.setdefault(self.layout, files)

    def alone(
        self, work: Callable[[Files, Section], _Result], create: bool = False, patience: float = PATIENCE
    ) -> Optional[_Result]:
        """Call ``work(files, section)`` alone among all processes; it changes nothing that has to be counted anew when
        it is left half-way. ``None`` if there is no store here and none is to be made.

        It is called, not entered by a ``with``: ``KeyboardInterrupt`` may come before and after any step, so between
        having the lock and entering a block, too. Here the block is entered first.

        Raises
        ------
        PageStoreError
            For whatever fails within, too.
        """
        with failures(self.path):
            try:
                for _ in range(_LOOKS):
                    # The lock sees whether the files are still there.
                    files = self._open.get(self.layout) or self.files() or (self._make() if create else None)
                    if files is None:
                        return None
                    section = Section()
                    try:
                        try:
                            if files.lock.acquire(section, patience):
                                return work(files, section)
                        finally:
                            _leave(files, section)
                    finally:
                        _leave(files, section)  # again, if that was interrupted
                    self._lose()
                raise FileNotFoundError(errno.ENOENT, "the lock was removed", self.layout)
            except OSError as error:
                if error.errno in _LOST:
                    self._lose()  # the next one looks anew
                raise

    def change(self, work: Callable[[Files, Section], _Result], create: bool = False) -> Optional[_Result]:
        """The same, and ``work`` may change anything."""

        def begun(files: Files, section: Section) -> _Result:
            self._begin(files, section)
            result = work(files, section)
            files.control.finish(section)
            return result

        return self.alone(begun, create)

    def replace(self) -> None:
        """Have an empty store in the place of a broken one; see :func:`~.making.replace_store`."""
        with failures(self.path):
            self.check()
            replace_store(self.layout)
            self._lose()

    def close(self) -> None:
        """Hold nothing open."""
        files = self._open.pop(self.layout, None)
        if files is not None:
            files.leave()

    def abandon(self) -> None:
        """In the child of a fork: what is open is the parent's, and is opened anew when it is used."""
        files = self._open.pop(self.layout, None)
        if files is not None:
            files.abandon()

    def _lose(self) -> None:
        self._open.clear()
        self._lost()

    def _begin(self, files: Files, section: Section) -> None:
        control = files.control
        whole, was_busy = control.is_whole(), control.is_busy
        control.begin(section)
        other_boot = control.is_other_boot()
        if was_busy or other_boot or not whole:
            # What is derived is derived anew; the pages themselves are right at any moment.
            self._recount(files, section, whole)
        if other_boot:
            control.begin_boot(section)

    def _make(self) -> Optional[Files]:
        if self._made:
            found = self.files()  # another thread may have made it since this one looked
            if found is None:
                raise FileNotFoundError(errno.ENOENT, "the folder is gone", self.layout)
            return found
        missing, path = [], self.path
        while not os.path.isdir(path):
            missing.append(path)
            path = os.path.dirname(path)
        for path in reversed(missing):
            try:
                os.mkdir(path, 0o700)
            except FileExistsError:
                pass
        self.check()
        make_store(self.layout)
        return self.files()


def _leave(files: Files, section: Section) -> None:
    """End a use of the lock, whether it was had or not, and how far this came before."""
    try:
        if files.lock.is_held_by(section):
            files.control.let_go()
    finally:
        section.close()
        files.lock.release(section)
