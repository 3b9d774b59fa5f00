"""What is in files, whole or in parts, without opening them by hand."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Iterable, List, Optional, Sequence, Tuple, Union

from alluxiofs.errors import ConfigurationError, SettingTypeError
from alluxiofs.operations.arguments import count_of, path_text, refuse_misspelt, whole_number
from alluxiofs.operations.base import Path
from alluxiofs.operations.listing import Listing
from alluxiofs.operations.parallel import attempt_each
from alluxiofs.settings.secrets import shown

if TYPE_CHECKING:
    from alluxiofs.gateway import OpenFile
    from alluxiofs.interfaces import Location

__all__ = ["Content"]

Bounds = Union[int, None, Sequence[Optional[int]]]

_ON_ERROR = ("raise", "omit", "return")


class Content(Listing):
    """Reads files whole or in parts."""

    def cat_file(
        self, path: Path, start: Optional[int] = None, end: Optional[int] = None, refresh: bool = False, **others: Any
    ) -> bytes:
        """The bytes of a file, or a part of them: exactly Python's ``data[start:end]``.

        Parameters
        ----------
        path:
            In any spelling; taken as it is, wildcards and all.
        start, end:
            As in a slice: negative ones count from the end, missing ones stand for the ends of the file.
        refresh:
            See what is there now.
        """
        if others:
            refuse_misspelt(self.cat_file, others)
        first, last = whole_number("start", start), whole_number("end", end)
        return self.gateway.read_range(self._locate(path), first, last, refresh=refresh)

    def cat(self, path: Any, recursive: bool = False, on_error: str = "raise", **kwargs: Any) -> Any:
        """The bytes of one file, or a dict of names and bytes for a list, a pattern or, ``recursive``, a directory.

        Parameters
        ----------
        path, recursive:
            What to read, as :meth:`expand_path` takes it.
        on_error:
            What becomes of a file that cannot be read: ``"raise"``, ``"omit"`` it, or ``"return"`` the error instead.
        """
        if kwargs:
            refuse_misspelt(self.cat, kwargs)
        _one_of("on_error", on_error, _ON_ERROR)
        names = self.expand_path(path, recursive=recursive, refresh=bool(kwargs.get("refresh")))
        if recursive:
            names = [name for name in names if not self.isdir(name)]
        elif len(names) == 1 and not isinstance(path, (list, tuple)) and names[0] == self._strip_protocol(path):
            return self.cat_file(names[0], **kwargs)
        results = attempt_each(
            lambda name: self.cat_file(name, **kwargs),
            names,
            self._threads_to_read([self._locate(name) for name in names[:1]]),
            stop_at_failure=on_error == "raise",
        )
        return {
            name: result
            for name, result in zip(names, results)
            if on_error == "return" or not isinstance(result, Exception)
        }

    def cat_ranges(
        self,
        paths: Sequence[Path],
        starts: Bounds,
        ends: Bounds,
        max_gap: Optional[int] = None,
        on_error: str = "return",
        refresh: bool = False,
        **others: Any,
    ) -> List[Union[bytes, Exception]]:
        """Ranges of files, each exactly Python's ``data[start:end]``, several at a time.

        Parameters
        ----------
        paths:
            One for each range; a file that occurs more than once is opened once, and read at one version.
        starts, ends:
            One for each path, or one for all.
        max_gap:
            Bytes between two ranges of a file that may be fetched along with them, in one request; 64 kB where it is
            not said. What is kept on this machine is not fetched at all.
        on_error:
            ``"return"`` the error in the place of what could not be read, or ``"raise"`` it.
        refresh:
            See what is there now.
        """
        if others:
            refuse_misspelt(self.cat_ranges, others)
        _one_of("on_error", on_error, ("raise", "return"))
        if not isinstance(paths, (list, tuple)):
            raise SettingTypeError(f"paths is a list, one path for each range, not {type(paths).__name__}")
        paths = [path_text(path) for path in paths]
        bounds = zip(_bounds("starts", starts, len(paths)), _bounds("ends", ends, len(paths)))
        names = list(dict.fromkeys(paths))
        from alluxiofs.operations.ranges import GAP, read_ranges

        found = attempt_each(lambda name: self._opened(name, refresh), names)
        opened = dict(zip(names, found))
        return read_ranges(
            [(opened[name], start, end) for name, (start, end) in zip(paths, bounds)],
            GAP if max_gap is None else max_gap,
            self._threads_to_read([file.location for file in found if not isinstance(file, Exception)]),
            stop_at_failure=on_error == "raise",
        )

    def head(
        self, path: Path, num_of_bytes: int = 1024, size: Optional[int] = None, refresh: bool = False, **others: Any
    ) -> bytes:
        """The first bytes of a file, fewer if it has no more.

        Parameters
        ----------
        path:
            In any spelling.
        num_of_bytes, size:
            How many; the latter is fsspec's name for it.
        """
        if others:
            refuse_misspelt(self.head, others)
        return self.cat_file(path, 0, _count(num_of_bytes, size), refresh=refresh)

    def tail(
        self, path: Path, num_of_bytes: int = 1024, size: Optional[int] = None, refresh: bool = False, **others: Any
    ) -> bytes:
        """The last bytes of a file, fewer if it has no more; arguments as for :meth:`head`."""
        if others:
            refuse_misspelt(self.tail, others)
        count = _count(num_of_bytes, size)
        return self.cat_file(path, -count if count else 0, None if count else 0, refresh=refresh)

    def read_bytes(
        self, path: Path, start: Optional[int] = None, end: Optional[int] = None, refresh: bool = False, **others: Any
    ) -> bytes:
        """The same as :meth:`cat_file`."""
        if others:
            refuse_misspelt(self.read_bytes, others)
        return self.cat_file(path, start, end, refresh=refresh, **others)

    def read_block(self, fn: Path, offset: int, length: Optional[int], delimiter: Optional[bytes] = None) -> bytes:
        """A block of a file, by fsspec's rules: with a delimiter it begins and ends behind one.

        Parameters
        ----------
        fn:
            A path in any spelling.
        offset, length:
            Bytes; without a length to the end.
        delimiter:
            Bytes that end a record.
        """
        if delimiter is not None and not isinstance(delimiter, bytes):
            raise SettingTypeError(f"delimiter: {shown(delimiter)} is neither bytes nor None")
        begin = count_of("offset", offset) or 0
        data: bytes = super().read_block(fn, begin, count_of("length", length), delimiter)
        return data

    def ukey(self, path: Path) -> str:
        """Text that is another one when the file's content is another. The under store is asked each time.

        Of a file that was written a moment ago it is told once a further change would show: where times are all that is
        known of a version, that is 0.05 s after the change, or 2 s where they are whole seconds.
        """
        from alluxiofs.gateway.settling import stat_settled  # the gateway is imported when one is made

        location = self._locate(path)
        version = stat_settled(self.gateway, location).version.text()
        return hashlib.sha256(f"{location.url}\0{version}".encode("utf-8", "surrogatepass")).hexdigest()

    def checksum(self, path: Path) -> int:
        """A number that is another one when the file's content is another. The under store is asked each time."""
        return int(self.ukey(path)[:32], 16)

    def _threads_to_read(self, locations: Sequence[Location]) -> Optional[int]:
        """One where reading side by side gains nothing, as on local disks; else as many as usual."""
        return None if any(self.gateway.parallel(location) for location in locations[:1]) else 1

    def _opened(self, path: Path, refresh: bool) -> OpenFile:
        return self.gateway.open(self._locate(path), refresh=refresh)


def _one_of(argument: str, value: str, allowed: Tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigurationError(f"{argument} is one of {', '.join(map(repr, allowed))}, not {value!r}")


def _count(num_of_bytes: int, size: Optional[int]) -> int:
    name, value = ("num_of_bytes", num_of_bytes) if size is None else ("size", size)
    count = count_of(name, value)
    if count is None:
        raise SettingTypeError(f"{name} is a number of bytes, not None")
    return count


def _bounds(argument: str, bounds: Any, count: int) -> List[Optional[int]]:
    if isinstance(bounds, (str, bytes)) or not isinstance(bounds, Iterable):
        return [whole_number(argument, bounds)] * count
    given = [whole_number(argument, bound) for bound in bounds]
    if len(given) != count:
        raise ConfigurationError(f"{argument} has {len(given)} items for {count} paths")
    return given
