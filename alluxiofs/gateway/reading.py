"""Open files: what a reader holds."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Optional, Tuple

from alluxiofs import forks
from alluxiofs.errors import FileChangedError, PageStoreError
from alluxiofs.gateway.first_bytes import Piece, keep_piece
from alluxiofs.gateway.keeping import PART
from alluxiofs.gateway.pages import PinnedFile
from alluxiofs.gateway.room import Room
from alluxiofs.interfaces import Entry, Location, Version
from alluxiofs.interfaces.memory import NewBytes

if TYPE_CHECKING:
    from alluxiofs.gateway.read_path import ReadPath

__all__ = ["OpenFile"]

_NEVER = -1


class OpenFile:
    """A file opened for reading, at one version. Used by any number of threads.

    The version is pinned when the file is opened. That may rest on a stat up to ``metadata_ttl`` old; if the file turns
    out to be another by the first read, when nobody has seen anything of it, it is opened anew. From the first byte (or
    the size, where it is another) on, a change raises :class:`~alluxiofs.errors.FileChangedError`.

    Parameters
    ----------
    gateway, location, entry:
        What was opened, and what the stat said.
    """

    __slots__ = (
        "_generation",
        "_in_parts",
        "_kept_read",
        "_lock",
        "_object_limit",
        "_page_size",
        "_piece",
        "_pinned",
        "_served_in",
        "_size",
        "_told",
    )

    def __init__(self, gateway: ReadPath, location: Location, entry: Entry) -> None:
        self._lock = threading.Lock()
        self._generation = forks.count
        self._told = False
        # In which process something was read: there the version does not change any more, and what the parent of a
        # forked process has open is not touched.
        self._served_in = _NEVER
        self._bind(gateway.pin(location, entry))

    def _bind(self, pinned: PinnedFile) -> None:
        self._pinned = pinned
        self._in_parts = pinned.in_parts
        self._piece: Optional[Piece] = None
        self._size = pinned.size
        self._page_size = pinned.gateway.page_size
        self._object_limit = pinned.gateway.object_limit(pinned.location) if pinned.kept is None else 0
        self._kept_read = pinned.kept.pages.read if pinned.kept is not None else _nothing_kept

    @property
    def location(self) -> Location:
        """Which file."""
        return self._pinned.location

    @property
    def entry(self) -> Entry:
        """What was known of it when it was opened."""
        return self._pinned.entry

    @property
    def version(self) -> Version:
        """The version that is read, whatever happens to the file."""
        return self._pinned.entry.version

    @property
    def size(self) -> int:
        """Bytes. Once told, it does not change any more."""
        self._told = True
        return self._size

    @property
    def length(self) -> int:
        """Bytes, as known so far: unlike :attr:`size` nobody relies on it yet."""
        return self._size

    def settle(self) -> None:
        """From now on no other version is read, even if nothing was read so far."""
        self._served_in = forks.count

    @property
    def prefetchable(self) -> bool:
        """Whether pages are kept: what is read ahead is then not lost when the reader goes elsewhere."""
        return self._pinned.kept is not None

    @property
    def page_size(self) -> int:
        """Bytes a page."""
        return self._page_size

    @property
    def parallel(self) -> bool:
        """Whether several ranges are worth reading at a time."""
        return self._pinned.gateway.parallel(self._pinned.location)

    def patience(self) -> float:
        """Seconds to wait for what another thread reads."""
        return self._pinned.gateway.limits.deadline

    def take(self, piece: Piece) -> None:
        """Bytes that came along with what the file is: they are kept, and had here by who reads them first."""
        self._piece = piece
        kept = self._pinned.kept
        if kept is not None:
            self._pinned.gateway.leads.hold(kept.pages.key, keep_piece(kept, piece))

    def hold(self, holder: object) -> None:
        """Somebody has the file open from now on: counted until :meth:`let_go`."""
        self._pinned.gateway.held.add(id(holder))

    def let_go(self, holder: object) -> None:
        """Somebody has closed it."""
        self._pinned.gateway.held.discard(id(holder))

    def count_ahead(self, used: int, wasted: int) -> None:
        """Count bytes that were fetched ahead of a reader: read by it, or not any more."""
        if self._generation == forks.count:  # else the parent's gateway, whose lock may be held
            self._pinned.gateway.count(readahead_used=used, readahead_wasted=wasted)

    def read(self, offset: int, size: int) -> bytes:
        """Exactly the bytes from ``offset`` on: ``size`` of them, or those up to the end of the file."""
        if self._served_in == forks.count:
            if self._kept_read is _nothing_kept:
                return self._read(offset, size)
            index, start = divmod(offset, self._page_size)
            stop = start + size
            if stop <= self._page_size and offset + size <= self._size:
                in_parts = self._in_parts
                if in_parts and index in in_parts:
                    data = self._read_part(offset, size)
                    if data is not None:
                        return data
                try:
                    data = self._kept_read(index, start, stop)
                except PageStoreError as error:
                    self._pinned.gateway.keeper.failed(error)
                    data = None
                if data is not None:
                    return data
                if index not in in_parts:
                    data = self._read_part(offset, size)
                    if data is not None:
                        in_parts.add(index)
                        return data
            return self._read(offset, size)
        with self._first():
            data = self._read_page(offset, size) if self._piece is None else None
            if data is None:
                data = self._read(offset, size)
            self._served_in = forks.count
            return data

    def read_kept(self, offset: int, size: int) -> Optional[bytes]:
        """The same bytes as :meth:`read` gives, if all of them are kept on this machine, and else ``None``. Fetches
        nothing."""
        if self._served_in == forks.count:
            return self._read_kept(offset, size)
        with self._first():
            data = self._read_kept(offset, size)
            if data:
                self._served_in = forks.count
            return data

    def read_into(self, offset: int, view: memoryview) -> int:
        """Fill ``view`` from ``offset`` on. Returns the bytes filled, fewer than its length only at the end."""
        if self._served_in == forks.count:
            return self._read_into(offset, view)
        with self._first():
            filled = self._read_into(offset, view)
            self._served_in = forks.count
            return filled

    def prefetch(self, offset: int, size: int) -> Tuple[int, int]:
        """Have the missing pages of a range fetched by other threads, and kept. Returns at once: up to where they are
        kept or on their way, and how many bytes were sent for. Does nothing where no pages are kept."""
        return self._current().fetch_ahead(offset, size)

    def _read_page(self, offset: int, size: int) -> Optional[bytes]:
        """The range, or what there is of it, if it lies within one kept page."""
        index, start = divmod(offset, self._page_size)
        stop = start + min(size, self._size - offset)
        if not start < stop <= self._page_size:
            return None
        try:
            return self._kept_read(index, start, stop)
        except PageStoreError as error:
            self._pinned.gateway.keeper.failed(error)
            return None

    def _read_part(self, offset: int, size: int) -> Optional[bytes]:
        """The range, if it lies within one part that is kept of a page."""
        kept = self._pinned.kept
        parts = None if kept is None or self._generation != forks.count else kept.parts()
        index, start = divmod(offset, PART)
        if parts is None or start + size > PART:
            return None
        try:
            return parts.read(index, start, start + size)
        except PageStoreError as error:
            self._pinned.gateway.keeper.failed(error)
            return None

    def _read_kept(self, offset: int, size: int) -> Optional[bytes]:
        wanted = max(0, min(size, self._size - offset))
        holder = NewBytes(wanted)
        with holder.getbuffer() as view:
            if not self._current().fill_kept(offset, view):
                return None
        return holder.getvalue()

    def _read(self, offset: int, size: int) -> bytes:
        wanted = max(0, min(size, self._size - offset))
        if 0 < wanted <= self._object_limit and self._piece is None and self._generation == forks.count:
            pinned = self._pinned
            try:
                return pinned.gateway.fetch_bytes(pinned.location, pinned.entry.version, offset, wanted)
            except FileChangedError:
                pinned.gateway.forget(pinned.location)
                if self._served_in != _NEVER:
                    raise
                # Nobody has seen anything of it yet: what follows meets the change, too, and opens it anew.
        room = Room(offset, wanted)
        if self._fill(offset, room.whole, room):
            return room.data()
        return self._read(offset, size)  # opened anew at another length

    def _read_into(self, offset: int, view: memoryview) -> int:
        wanted = max(0, min(len(view), self._size - offset))
        with view[:wanted] as part:
            if self._fill(offset, part):
                return wanted
        return self._read_into(offset, view)

    def _fill(self, offset: int, view: memoryview, room: Optional[Room] = None) -> bool:
        """Fill the view, or the room whose memory it is; ``False`` if the file was opened anew, and its length is
        another."""
        if not len(view):
            return True
        pinned = self._pinned if self._generation == forks.count else self._current()
        try:
            if self._piece is None:
                pinned.fill(offset, view, room)
                return True
            begin, stop = self._take_from_piece(offset, view)
            if begin == stop:
                return True
            with view[begin:stop] as rest:
                pinned.fill(offset + begin, rest, room)
        except FileChangedError:
            pinned.gateway.forget(pinned.location)
            if self._served_in != _NEVER:
                raise
            return self._open_anew(offset, view, room)
        return True

    def _take_from_piece(self, offset: int, view: memoryview) -> Tuple[int, int]:
        """Fill the beginning or the end of the view from what came along; returns what is left of it to fill. It is
        held until somebody reads on from its end, or elsewhere, or, where it is kept as well, at all."""
        piece = self._piece
        if piece is None:
            return 0, len(view)
        end = piece.start + len(piece.data)
        begin, stop = max(offset, piece.start), min(offset + len(view), end)
        at_an_end = begin < stop and (begin == offset or stop == offset + len(view))
        if self._pinned.kept is not None or not at_an_end or stop == end:
            self._piece = None
        if not at_an_end:
            return 0, len(view)
        with memoryview(piece.data) as whole, whole[begin - piece.start : stop - piece.start] as found:
            view[begin - offset : stop - offset] = found
        return (stop - offset, len(view)) if begin == offset else (0, begin - offset)

    def _open_anew(self, offset: int, view: memoryview, room: Optional[Room]) -> bool:
        old = self._pinned
        gateway = old.gateway
        new = gateway.pin(old.location, gateway.stat(old.location, refresh=True))
        if new.size != old.size and self._told:
            raise FileChangedError("the file has changed since it was opened", gateway.path_of(old.location))
        self._bind(new)
        if new.size != old.size:
            return False
        if room is None:
            new.fill(offset, view)  # a second change is not followed
            return True
        with room.part(offset, offset + len(view)) as part:  # it may be wider by now
            new.fill(offset, part, room)
        return True

    def _first(self) -> threading.Lock:
        # Until something was read the pinned version may still change, so first reads go one by one.
        self._current()
        return self._lock

    def _current(self) -> PinnedFile:
        """What is read, made anew if this process was forked: nothing of the parent's connections is used."""
        if self._generation != forks.count:
            # Two threads of the child may both come here: each binds it anew, and what is bound is whole.
            old = self._pinned
            gateway = old.gateway.current()
            self._bind(
                PinnedFile(gateway, old.location, old.entry, old.size, gateway.kept_pages(old.location, old.entry))
            )
            self._lock = threading.Lock()
            self._generation = forks.count
        return self._pinned


def _nothing_kept(_index: int, _start: int, _stop: int) -> Optional[bytes]:
    return None
