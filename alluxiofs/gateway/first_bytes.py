"""What a file is and the bytes that are read first of it, in one request: who has it asked, and what becomes of them.

A cold open asks what a file is, and the first read for bytes: two requests, of which the first brings next to nothing.
Where the store can do both in one, the bytes that come along cost as little as the request they spare, if they are few
and are wanted. So they are asked for only where nothing is known of the file, and somebody is about to read it.
"""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Dict, Iterator, Optional, Tuple

from attrs import frozen

from alluxiofs.gateway.keeping import PART, KeptVersion

if TYPE_CHECKING:
    from alluxiofs.interfaces import Deadline

__all__ = ["FEW", "Few", "Leads", "Opening", "Piece", "few_of", "few_to_open", "keep_piece", "most_of"]

FEW = 2 * PART
"""Bytes that come along: files of up to so many are kept whole anyway, and so long a footer is read at once.
``docs/architecture.md`` has the measurements."""

_PARTED_FROM = 5 * PART  # bytes of a page; smaller ones are kept whole
_FOOTED = (".parquet", ".orc", ".feather", ".arrow")
_PLACES = 1 << 20
_LEADS = 64  # files; each holds less than a part


@frozen
class Few:
    """How many bytes to have of a file while asking what it is, and of which end."""

    length: int
    from_end: bool = False


@frozen
class Piece:
    """Bytes of a file, and where they begin."""

    start: int
    data: bytes


def most_of(page_size: int) -> int:
    """How many bytes to have where pages of this size are kept: some that can be kept, if pages are not too large."""
    return FEW if page_size >= _PARTED_FROM else -(-FEW // page_size) * page_size


def few_to_open(url: str, most: int) -> Few:
    """For who opens a file and has not said yet what to read: its beginning, or the end, where that tells the rest."""
    return Few(most, url.lower().endswith(_FOOTED))


def few_of(start: Optional[int], end: Optional[int], most: int, keeps: bool) -> Optional[Few]:
    """For who reads ``data[start:end]``; ``None`` if that is neither at the beginning nor at the end.

    Parameters
    ----------
    start, end:
        As in a slice.
    most:
        How many bytes to have at the most.
    keeps:
        Whether what comes along is kept for others: without that, nothing more than the slice is wanted.
    """
    if start is not None and start < 0:
        return Few(most if keeps else -start, from_end=True) if -start <= most else None
    if start is not None and start >= most:
        return None
    if keeps or end is None or end < 0:
        return Few(most)
    return Few(min(most, end)) if end > (start or 0) else None


def keep_piece(kept: KeptVersion, piece: Piece) -> Optional[Piece]:
    """Keep what is whole in it of pages and parts. Returns what is left at its beginning: the end of a page or part of
    which the rest is missing, ``None`` if it begins with one."""
    pages, end = kept.pages, piece.start + len(piece.data)
    unit = pages.page_size if kept.parts() is None else PART
    left = min(-piece.start % unit, len(piece.data))
    with memoryview(piece.data) as view:
        first, last = _whole(piece.start, end, pages.page_size, pages.length)
        if first < last:
            with view[first - piece.start : last - piece.start] as whole:
                kept.keep_pages(first // pages.page_size, whole)
        beside = ((piece.start, min(first, end)), (last, end)) if first < last else ((piece.start, end),)
        for begin, stop in beside if kept.parts() is not None else ():
            begin, stop = _whole(begin, stop, PART, pages.length)
            if begin < stop:
                with view[begin - piece.start : stop - piece.start] as parts:
                    kept.keep_parts(begin // PART, parts)
    return Piece(piece.start, piece.data[:left]) if left else None


def _whole(begin: int, end: int, unit: int, length: int) -> Tuple[int, int]:
    """What is whole of a range in units; the last one of the file may be shorter."""
    return -(-begin // unit) * unit, end if end == length else end // unit * unit


class Leads:
    """What came along with the first kept page or part of a file and begins in the middle of the one before: held until
    it is needed, be it by another open file. Used by any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pieces: OrderedDict[bytes, Piece] = OrderedDict()

    def hold(self, key: bytes, piece: Optional[Piece]) -> None:
        """Hold what there is of a version of a file, and the latest of few."""
        if piece is None:
            return
        with self._lock:
            self._pieces.pop(key, None)
            self._pieces[key] = piece
            if len(self._pieces) > _LEADS:
                self._pieces.popitem(last=False)

    def take(self, key: bytes, begin: int, end: int) -> Optional[Piece]:
        """The piece that these bytes of a version of a file end with, if there is one; it is held no more."""
        piece = self._pieces.get(key)
        if piece is None or not begin < piece.start < end == piece.start + len(piece.data):
            return None
        with self._lock:
            return self._pieces.pop(key, None) and piece


class Opening:
    """Which files are being opened for the first time, and which were opened before. Used by any number of threads."""

    def __init__(self) -> None:
        self._under_way: Dict[str, threading.Event] = {}
        # By hash: whoever shares a place with another file costs two requests, and nothing else happens.
        self._opened: Optional[bytearray] = None

    def opened(self, url: str) -> None:
        """This file was opened: what is wanted of it may be kept by now."""
        places = self._opened
        if places is None:
            places = self._opened = bytearray(_PLACES)
        places[hash(url) % _PLACES] = 1

    def was_opened(self, url: str) -> bool:
        """Whether this file, or one of few others, was opened before in this process."""
        return self._opened is not None and bool(self._opened[hash(url) % _PLACES])

    @contextlib.contextmanager
    def turn(self, url: str, deadline: Deadline) -> Iterator[bool]:
        """Whether this thread is the one to ask. For the others the turn begins when that one has its answer."""
        own = threading.Event()
        # No lock, and no step outside of the ``try``: an interrupt (Ctrl-C) leaves nothing that others would wait for.
        try:
            try:
                first = self._under_way.setdefault(url, own)
                if first is not own:
                    first.wait(deadline.remaining())
                yield first is own
            finally:
                self._end(url, own)
        finally:
            self._end(url, own)  # again, if that was interrupted

    def _end(self, url: str, own: threading.Event) -> None:
        if self._under_way.get(url) is own:
            self._under_way.pop(url, None)
        own.set()
