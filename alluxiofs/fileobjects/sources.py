"""Where a reader gets its bytes: straight from the open file, or read ahead when it goes from front to back.

A source has two ways in, ``random`` and ``sequential``, and both again as ``…_into`` a buffer. The reader takes the
sequential one when a read begins where the last one ended. All of them take an offset, give exactly the bytes that are
there, fewer only at the end of the file, and may be called from several threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, Optional, Tuple

from fsspec.caching import caches

from alluxiofs.errors import ConfigurationError, nearest
from alluxiofs.settings import Size
from alluxiofs.settings.conversion import convert

if TYPE_CHECKING:
    from alluxiofs.gateway import OpenFile

__all__ = ["CacheSource", "Source", "source_for"]


class Source:
    """Reads what is asked for and no more.

    Its ways in are attributes, so that a reader calls the open file itself and nothing in between.
    """

    def __init__(self, opened: OpenFile) -> None:
        self.random: Callable[[int, int], bytes] = opened.read
        self.sequential: Callable[[int, int], bytes] = opened.read
        self.random_into: Callable[[int, memoryview], int] = opened.read_into
        self.sequential_into: Callable[[int, memoryview], int] = opened.read_into

    def close(self) -> None:
        """Give back what is held."""


class PrefetchingSource(Source):
    """For files whose pages are kept: other threads fetch the next pages while these are read, so what is read ahead
    is never lost and needs no memory here.

    Parameters
    ----------
    window:
        Bytes that are had ready ahead of the reader.
    """

    def __init__(self, opened: OpenFile, window: int) -> None:
        super().__init__(opened)
        self._opened = opened
        self._window = window
        self._ready = 0  # the end of what was asked for ahead
        self.sequential = self._sequential
        self.sequential_into = self._sequential_into

    def _sequential(self, offset: int, size: int) -> bytes:
        end = offset + size
        if not end <= self._ready - self._window // 2 <= end + self._window:
            self._fetch_ahead(end)
        return self._opened.read(offset, size)

    def _sequential_into(self, offset: int, view: memoryview) -> int:
        end = offset + len(view)
        if not end <= self._ready - self._window // 2 <= end + self._window:
            self._fetch_ahead(end)
        return self._opened.read_into(offset, view)

    def _fetch_ahead(self, end: int) -> None:
        ready = end + self._window
        begin = self._ready if end < self._ready <= ready else end
        self._ready = ready
        if begin < self._opened.length:
            self._opened.prefetch(begin, ready - begin)


class BufferedSource(Source):
    """For files of which nothing is kept: a sequential read fetches at least a window, and the next ones are served
    from it.

    Parameters
    ----------
    window:
        Bytes that one fetch has at least, and that are held in memory.
    """

    def __init__(self, opened: OpenFile, window: int) -> None:
        super().__init__(opened)
        self._opened = opened
        self._size = window
        # Where the bytes begin, and the bytes: one value, so that threads never see one of it with another's other.
        self._held: Tuple[int, bytes] = (0, b"")
        self.random = self._random
        self.sequential = self._sequential
        self.random_into = self._random_into
        self.sequential_into = self._sequential_into

    def close(self) -> None:
        """Give back what is held."""
        self._held = (0, b"")

    def _random(self, offset: int, size: int) -> bytes:
        start, data = self._held
        at = offset - start
        if at >= 0 and at + size <= len(data):
            return data[at : at + size]
        return self._opened.read(offset, size)

    def _sequential(self, offset: int, size: int) -> bytes:
        start, data = self._held
        at = offset - start
        if at >= 0 and at + size <= len(data):
            return data[at : at + size]
        head = data[at:] if 0 <= at < len(data) else b""
        missing = size - len(head)
        if missing >= self._size:
            rest = self._opened.read(offset + len(head), missing)
        else:
            fetched = self._opened.read(offset + len(head), self._size)
            self._held = (offset + len(head), fetched)
            rest = fetched[:missing]
        return head + rest if head else rest

    def _random_into(self, offset: int, view: memoryview) -> int:
        start, data = self._held
        at = offset - start
        if at >= 0 and at + len(view) <= len(data):
            view[:] = memoryview(data)[at : at + len(view)]
            return len(view)
        return self._opened.read_into(offset, view)

    def _sequential_into(self, offset: int, view: memoryview) -> int:
        start, data = self._held
        at = offset - start
        held = max(0, min(len(view), len(data) - at)) if at >= 0 else 0
        if len(view) - held >= self._size:
            view[:held] = memoryview(data)[at : at + held]
            return held + self._opened.read_into(offset + held, view[held:])
        got = self._sequential(offset, len(view))
        view[: len(got)] = got
        return len(got)


class CacheSource(Source):
    """One of fsspec's own caches, where a user asks for it by ``cache_type``."""

    def __init__(self, opened: OpenFile, cache_type: str, block_size: int, options: Dict[str, Any]) -> None:
        super().__init__(opened)
        if cache_type not in caches:
            known = [name for name in caches if isinstance(name, str)]
            raise ConfigurationError(
                f"cache_type {cache_type!r} is not one of {', '.join(known)}{nearest(cache_type, known)}"
            )
        self._size = opened.size
        self.cache: Any = caches[cache_type](
            block_size, lambda start, end: opened.read(start, end - start), self._size, **options
        )
        self.random = self.sequential = self._read
        self.random_into = self.sequential_into = self._read_into

    def close(self) -> None:
        """Give back what is held."""
        close = getattr(self.cache, "close", None)
        if callable(close):
            close()

    def _read(self, offset: int, size: int) -> bytes:
        end = min(offset + size, self._size)
        try:
            return bytes(self.cache._fetch(offset, end)) if offset < end else b""
        except ValueError as error:
            if str(error):
                raise
            raise ConfigurationError(
                f"{type(self.cache).__name__} has not the bytes {offset} to {end}: it gives only what "
                "cache_options['data'] has"
            ) from error

    def _read_into(self, offset: int, view: memoryview) -> int:
        data = self._read(offset, len(view))
        view[: len(data)] = data
        return len(data)


def source_for(
    opened: OpenFile, block_size: int, cache_type: Optional[str], cache_options: Optional[Dict[str, Any]]
) -> Source:
    """The source that fits a file and what its user asked for; see the arguments of ``open``."""
    options = dict(cache_options or {})
    if cache_type is not None:
        return CacheSource(opened, cache_type, block_size, options)
    readahead = options.pop("readahead", block_size)
    if options:
        name = next(iter(options))
        raise ConfigurationError(
            f"cache_options has no {name!r}{nearest(name, ['readahead'])}; without cache_type it has 'readahead' alone"
        )
    readahead = convert(readahead, Optional[Size], "cache_options['readahead']")
    if not readahead:
        return Source(opened)
    return PrefetchingSource(opened, readahead) if opened.prefetchable else BufferedSource(opened, readahead)
