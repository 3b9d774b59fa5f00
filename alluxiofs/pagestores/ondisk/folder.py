"""One folder of the page store: whether it can be trusted, its making, its lock, its files."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import threading
import uuid
import weakref
from typing import Callable, Dict, Iterator, List, Optional, Tuple

from alluxiofs.errors import PageStoreError
from alluxiofs.pagestores.failures import failure
from alluxiofs.pagestores.ondisk import layout
from alluxiofs.pagestores.ondisk.cells import Cells
from alluxiofs.pagestores.ondisk.control import Control, Record, write_new
from alluxiofs.pagestores.ondisk.found import Found
from alluxiofs.pagestores.ondisk.hints import BUCKET_BYTES, FIRST_BUCKETS, Hints
from alluxiofs.pagestores.ondisk.layout import NOTE, Descriptor
from alluxiofs.pagestores.ondisk.lock import FolderLock
from alluxiofs.pagestores.ondisk.network import network_file_system
from alluxiofs.pagestores.ondisk.owners import Owners
from alluxiofs.pagestores.ondisk.section import Section

__all__ = ["PATIENCE", "Files", "Folder"]

PATIENCE = 10.0
_OWNERS = "owners"
_LOST = frozenset({errno.ENOENT, errno.ESTALE, errno.ENOTDIR})


class Files:
    """The open files of a folder."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.control = Control(f"{path}/control")
        self.hints = Hints(f"{path}/hints", self.control)
        self.lock = FolderLock(f"{path}/lock")
        self.owners = Owners(f"{path}/{_OWNERS}")
        self._cells: Dict[int, Cells] = {}

    def cells(self, size_class: int) -> Optional[Cells]:
        """The cells of a size class; ``None`` if there are none."""
        found = self._cells.get(size_class)
        if found is None and size_class < layout.CLASSES and self.control.record(size_class).cells:
            try:
                found = self._cells[size_class] = Cells(self.path, size_class)
            except FileNotFoundError:
                return None
        return found

    def cells_to_fill(self, section: Section, size_class: int) -> Cells:
        """The cells of a size class, its files made if there are none."""
        found = self.cells(size_class)
        if found is None:
            if any(self.control.record(size_class)):  # somebody has removed the files
                self.control.set_record(size_class, Record())
            self.control.resized(section)
            found = self._cells[size_class] = Cells.create(self.path, size_class)
            self._forget_old(section, found)
        return found

    @staticmethod
    def _forget_old(section: Section, cells: Cells) -> None:
        # The files may be left of a store whose record of them was lost: nothing in them is ever found.
        for cell in range(cells.described):
            if cells.word(cell):
                cells.put_free(section, cell, 0)

    def hash_of(self, size_class: int, cell: int) -> Optional[int]:
        """The hash of the page that is in a cell; ``None`` if there is none."""
        cells = self.cells(size_class)
        found = None if cells is None else cells.descriptor(cell)
        return None if found is None or not found.is_published else layout.page_hash(found.key, found.index)

    def find(self, key: bytes, index: int, length: int) -> Optional[Found]:
        """A page, not verified; ``None`` if it is not kept."""
        size_class = layout.class_of(length)
        for cell in self.hints.find(layout.page_hash(key, index), size_class):
            cells = self.cells(size_class)
            found = None if cells is None else cells.descriptor(cell)
            if (
                cells is not None
                and found is not None
                and found.is_published
                and (found.key, found.index, found.length) == (key, index, length)
            ):
                return Found(cells, cell, found)
        return None

    def notes(self, key: bytes) -> List[Tuple[Cells, int, Descriptor]]:
        """The cells with what is noted under a key, the last one first. There is more than one only while another
        takes its place, or when somebody came to his end then."""
        return self.notes_at(key, self.hints.find_any(layout.page_hash(key, NOTE)))

    def notes_at(self, key: bytes, places: List[Tuple[int, int]]) -> List[Tuple[Cells, int, Descriptor]]:
        """The same, where the hints say that they may be."""
        found = []
        for size_class, cell in places:
            cells = self.cells(size_class)
            descriptor = None if cells is None else cells.descriptor(cell)
            if (
                cells is not None
                and descriptor is not None
                and descriptor.is_published
                and (descriptor.key, descriptor.index) == (key, NOTE)
                and descriptor.length <= cells.size
            ):
                found.append((cells, cell, descriptor))
        return found if len(found) < 2 else sorted(found, key=lambda note: note[2].word, reverse=True)

    def owner(self, section: Section) -> int:
        """This process's number among the owners, which are told apart from the dead."""
        if not self.owners.is_registered():
            self.owners.register(self.control.next_sequence(section))
        return self.owners.mine

    def leave(self) -> None:
        """This process writes here no more."""
        self.owners.leave()

    def abandon(self) -> None:
        """In the child of a fork: lock and owner are the parent's."""
        self.lock.abandon()
        self.owners.abandon()


class Folder:
    """A folder of pages.

    Parameters
    ----------
    path:
        It is made, and others above it, when something is first written.
    recount:
        Called when somebody was stopped while he changed something.
    lost:
        Called when the folder was removed or replaced, for what was found in it takes disk as long as it is open.
    """

    def __init__(self, path: str, recount: Callable[[Files], None], lost: Callable[[], None]) -> None:
        self.path = path
        self.layout = f"{path}/{layout.LAYOUT}"
        self._recount = recount
        self._lost = lost
        self._opening = threading.Lock()
        self._files: Optional[Files] = None
        self._trusted = False
        self._made = False
        _folders.add(self)

    # --- trust --------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Refuse a folder that others could put something into. Nothing is made; a missing folder is fine.

        Raises
        ------
        PageStoreError
            If it is not a folder, not the user's own, others may write to it, or it is on another machine.
        """
        if not self._trusted:
            self._trusted = self._is_trusted(self.path, os.stat) and self._is_trusted(self.layout, os.lstat)

    @staticmethod
    def _is_trusted(path: str, look: Callable[[str], os.stat_result]) -> bool:
        try:
            found = look(path)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise PageStoreError(error.errno, f"page store: {error.strerror}", path) from error
        if not stat.S_ISDIR(found.st_mode):
            raise PageStoreError(errno.ENOTDIR, "page store: this is not a folder; remove it or name another", path)
        if found.st_uid != os.geteuid():
            raise PageStoreError(
                errno.EPERM, f"page store: the folder belongs to user {found.st_uid}; name one of your own", path
            )
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise PageStoreError(
                errno.EPERM, "page store: others may write to the folder; chmod go-w it, or name another", path
            )
        shared = network_file_system(found.st_dev)
        if shared is not None:
            raise PageStoreError(
                errno.EINVAL, f"page store: {shared} is shared with other machines; name a folder on a disk", path
            )
        return True

    # --- files --------------------------------------------------------------------------------------------------

    def files(self) -> Optional[Files]:
        """The files, for reading without the lock; ``None`` if there is no store here yet."""
        files = self._files
        if files is not None:
            if files.lock.is_there():
                return files
            self._lose()
        with self._opening:
            if self._files is None:
                try:
                    files = Files(self.layout)
                except FileNotFoundError:
                    if not os.path.lexists(self.layout):
                        return None
                    files = Files(self.layout)  # it may have come between the two looks
                self.check()
                self._files, self._made = files, True
            return self._files

    @contextlib.contextmanager
    def locked(self, create: bool = False, patience: float = PATIENCE) -> Iterator[Optional[tuple[Files, Section]]]:
        """The files and the right to change them, alone among all processes, but not what has to be counted anew when
        it is left half-way; ``None`` if there is no store here and none is to be made.

        Raises
        ------
        PageStoreError
            For whatever fails within, too.
        """
        try:
            files = self._lock(create, patience)
            if files is None:
                yield None
                return
            section = Section()
            try:
                yield files, section
            finally:
                section.close()
                files.control.let_go()
                files.lock.release()
        except PageStoreError:
            raise
        except OSError as error:
            if error.errno in _LOST:
                self._lose()  # the next one looks anew
            raise failure(error, self.path) from error

    @contextlib.contextmanager
    def section(self, create: bool = False) -> Iterator[Optional[tuple[Files, Section]]]:
        """The same, and the right to change anything."""
        with self.locked(create) as opened:
            if opened is not None:
                self._begin(*opened)
            yield opened
            if opened is not None:
                opened[0].control.finish(opened[1])

    def _lock(self, create: bool, patience: float) -> Optional[Files]:
        files = self._files  # the lock sees whether it is still there
        if files is not None:
            try:
                files.lock.acquire(patience)
                return files
            except FileNotFoundError:
                self._lose()
        files = self.files()
        if files is None and create:
            files = self._make()
        if files is not None:
            files.lock.acquire(patience)
        return files

    def close(self) -> None:
        """Hold nothing open."""
        files, self._files = self._files, None
        if files is not None:
            files.leave()

    def abandon(self) -> None:
        """In the child of a fork: what is open is the parent's, and is opened anew when it is used."""
        self._opening = threading.Lock()
        files, self._files = self._files, None
        if files is not None:
            files.abandon()

    def _lose(self) -> None:
        self._files = None
        self._lost()

    def _begin(self, files: Files, section: Section) -> None:
        was_busy = files.control.begin(section)
        if not files.control.is_this_boot():
            files.control.begin_boot(section)
            was_busy = True
        if was_busy:  # what is derived is derived anew; the pages themselves are right at any moment
            self._recount(files)

    def _make(self) -> Optional[Files]:
        if self._made:
            raise FileNotFoundError(errno.ENOENT, "the folder is gone", self.layout)
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
        # Made whole under another name, so that there is never half a store.
        new = f"{self.path}/{layout.LAYOUT}.{uuid.uuid4().hex}"
        os.mkdir(new, 0o700)
        try:
            os.mkdir(f"{new}/{_OWNERS}", 0o700)
            write_new(f"{new}/lock", b"")
            write_new(f"{new}/hints", bytes(FIRST_BUCKETS * BUCKET_BYTES))
            write_new(f"{new}/control", Control.initial(FIRST_BUCKETS))
            try:
                os.rename(new, self.layout)
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
        finally:
            shutil.rmtree(new, ignore_errors=True)
        return self.files()


_folders: weakref.WeakSet[Folder] = weakref.WeakSet()


def _after_fork() -> None:
    for folder in list(_folders):
        folder.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
