"""What a reader reads through: the file itself, with something read ahead, or one of fsspec's caches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Optional

from fsspec.caching import caches

from alluxiofs.errors import ConfigurationError, nearest
from alluxiofs.fileobjects.ahead import KeptAhead, MemoryAhead, Pace
from alluxiofs.fileobjects.buffered import Buffered
from alluxiofs.fileobjects.source import Source
from alluxiofs.settings import Size
from alluxiofs.settings.conversion import convert

if TYPE_CHECKING:
    from alluxiofs.gateway import OpenFile

__all__ = ["CacheSource", "source_for"]


class CacheSource(Source):
    """One of fsspec's own caches, where a user asks for it by ``cache_type``."""

    def __init__(self, opened: OpenFile, cache_type: str, block_size: int, options: Dict[str, Any]) -> None:
        if cache_type not in caches:
            known = [name for name in caches if isinstance(name, str)]
            raise ConfigurationError(
                f"cache_type {cache_type!r} is not one of {', '.join(known)}{nearest(cache_type, known)}"
            )
        self._size = opened.size
        self.cache: Any = caches[cache_type](
            block_size, lambda start, end: opened.read(start, end - start), self._size, **options
        )

    def close(self) -> None:
        """Give back what is held."""
        close = getattr(self.cache, "close", None)
        if callable(close):
            close()

    def random(self, offset: int, size: int) -> bytes:
        """What there is from an offset on, out of the cache or by way of it."""
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

    def random_into(self, offset: int, view: memoryview) -> int:
        """The same, into a buffer."""
        data = self.random(offset, len(view))
        view[: len(data)] = data
        return len(data)

    sequential, sequential_into = random, random_into


def source_for(
    opened: OpenFile,
    block_size: int,
    asked: bool,
    cache_type: Optional[str],
    cache_options: Optional[Dict[str, Any]],
) -> Source:
    """The source that fits a file and what its user asked for; see the arguments of ``open``.

    Parameters
    ----------
    opened:
        The file.
    block_size, asked:
        Bytes, and whether the user said so: how far to read ahead is then not to be found out.
    cache_type, cache_options:
        As ``open`` takes them.
    """
    options = dict(cache_options or {})
    if cache_type is not None:
        return CacheSource(opened, cache_type, block_size, options)
    given = asked or "readahead" in options
    readahead = options.pop("readahead", block_size)
    if options:
        name = next(iter(options))
        raise ConfigurationError(
            f"cache_options has no {name!r}{nearest(name, ['readahead'])}; without cache_type it has 'readahead' alone"
        )
    if readahead is not block_size:
        readahead = convert(readahead, Optional[Size], "cache_options['readahead']")
    if not readahead:
        return Source(opened)
    fixed = int(readahead) if given else None
    if opened.prefetchable:
        return KeptAhead(opened, Pace(fixed))
    return MemoryAhead(opened, Pace(fixed)) if opened.parallel else Buffered(opened, fixed)
