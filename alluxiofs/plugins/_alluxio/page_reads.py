"""Reading from a worker that serves the pages it holds, and nothing else.

It fetches no page, and goes on serving what it holds when the file has changed. So what was read is believed when the
worker's ``info``, asked after it, speaks of the version that was wanted: one request more for a file and a moment, not
for each read. Behind a closed connection a page that is not held, a missing file and a broken worker are told apart.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Callable, List, Optional

from attrs import define

from alluxiofs.errors import BadAnswerError, NotHeldError, OtherVersionError, is_a_directory, not_found
from alluxiofs.interfaces import Deadline, Location, Version
from alluxiofs.interfaces.telemetry import before_the_call
from alluxiofs.plugins._alluxio.loading import LoadOnMiss
from alluxiofs.plugins._alluxio.names import file_id
from alluxiofs.plugins._alluxio.page_sizes import Length, check_page_size, is_proved, wrong_page_size
from alluxiofs.plugins._alluxio.peer import Peer
from alluxiofs.plugins._alluxio.statuses import refused
from alluxiofs.plugins._http.answers import Answer
from alluxiofs.plugins._http.connection import ClosedWithoutAnswerError, OtherLengthError, Target

if TYPE_CHECKING:
    from alluxiofs.plugins._alluxio.pages import PagesDialect

__all__ = ["PageReads"]

_REFUSED = 1.0  # seconds that a page is taken not to be held, or a version to be another
_NOTED = 60.0


@define(eq=False)
class _Note:
    """What was found out about a file at one worker."""

    base: str
    """Of the targets of its pages, up to the index."""
    agreed: Optional[Version] = None
    """The version that the worker was found to have; mostly the very object that is asked for."""
    until: float = 0.0
    """By ``time.monotonic()``: when that is no longer believed."""
    sized: int = -1
    """What ``peer.http.lost`` was when the worker's page size was found to be proved; as old as the version is."""


@define(frozen=True)
class _Read:
    """One call: what is asked of whom."""

    peer: Peer
    location: Location
    version: Version
    note: _Note
    first: int
    last: int
    deadline: Deadline

    @property
    def key(self) -> object:
        return self.location.url, self.version, self.first, self.last


class PageReads:
    """Reads pages.

    Parameters
    ----------
    dialect:
        For what is asked about files.
    page_size, version_age, loading:
        See :class:`PagesDialect`.
    """

    def __init__(
        self, dialect: PagesDialect, page_size: int, version_age: float, loading: Optional[LoadOnMiss]
    ) -> None:
        self._dialect = dialect
        self._page_size = page_size
        self._version_age = version_age
        self._loading = loading

    def read_into(
        self, peer: Peer, location: Location, version: Version, offset: int, view: memoryview, deadline: Deadline
    ) -> None:
        """One request for a range within a page, of a file whose version was looked at a moment ago."""
        size = len(view)
        if not size:
            return
        url = location.url
        known = peer.notes.held.get(url)  # however old: what can be old in a note has an age of its own
        note: _Note = self._note_on(peer, url) if known is None else known[1]
        http, page_size = peer.http, self._page_size
        first, begin = divmod(offset, page_size)
        last = first if begin + size <= page_size else (offset + size - 1) // page_size
        sized = not last or note.sized == http.lost
        if peer.refusals.held:
            refusal = peer.refusals.get((url, version, first, last))
            if refusal is not None:
                with before_the_call():
                    raise refusal()
        try:
            if not sized:
                with before_the_call():
                    self._check_size(_Read(peer, location, version, note, first, last, deadline))
            if first == last:
                request = peer.get(f"{note.base}{first}?offset={begin}&length={size}")
                answer = http.fetch(request, view, deadline, repeatable=True)
                if answer is not None:
                    raise _refused(answer, location, peer)
            else:
                self._read_pages(_Read(peer, location, version, note, first, last, deadline), offset, view)
            if (note.agreed is not version and note.agreed != version) or note.until <= time.monotonic():
                self._agree(_Read(peer, location, version, note, first, last, deadline))
            if last and note.sized != http.lost:
                # A new connection may lead to a worker that was started anew, with pages of another size.
                self._check_size(_Read(peer, location, version, note, first, last, deadline))
        except ClosedWithoutAnswerError as error:
            read = _Read(peer, location, version, note, first, last, deadline)
            raise self._remembered(read, self._why_closed(read, error)) from error
        except OtherLengthError as error:
            read = _Read(peer, location, version, note, first, last, deadline)
            raise self._why_other_length(read, error) from error
        except (NotHeldError, FileNotFoundError) as error:
            read = _Read(peer, location, version, note, first, last, deadline)
            raise self._remembered(read, error) from error.__cause__

    def _note_on(self, peer: Peer, url: str) -> _Note:
        self._dialect.path_of(url)  # of a name that cannot be asked for, no version can be made sure of
        note = _Note(f"/v1/file/{file_id(url)}/page/")
        peer.notes.put(url, note, _NOTED)
        return note

    # --- pages ----------------------------------------------------------------------------------------------------

    def _read_pages(self, read: _Read, offset: int, view: memoryview) -> None:
        """A range over several pages: one question each, over one connection, and no waiting between them."""
        requests: List[bytes] = []
        targets: List[Target] = []
        end = offset + len(view)
        for index in range(read.first, read.last + 1):
            start = max(offset, index * self._page_size)
            stop = min(end, (index + 1) * self._page_size)
            begin = start - index * self._page_size
            requests.append(read.peer.get(f"{read.note.base}{index}?offset={begin}&length={stop - start}"))
            targets.append(Target(view[start - offset : stop - offset]))
        began, peer = time.perf_counter(), read.peer
        answer = peer.http.ask_all(
            requests,
            targets,
            read.deadline,
            lambda: peer.ended("read", "ok", time.perf_counter() - began),
            repeatable=True,
        )
        if answer.status != 200:
            raise _refused(answer, read.location, read.peer)

    def _length_of(self, read: _Read, index: int, expected: int) -> Length:
        """How long a page is: a byte is asked for at the expected end, and one behind it."""
        try:
            got = len(_body(read, f"{read.note.base}{index}?offset={expected - 1}&length=2"))
        except NotHeldError:
            try:
                _body(read, f"{read.note.base}{index}?offset=0&length=0")
            except NotHeldError:
                return Length.ABSENT
            return Length.SHORTER
        return (Length.SHORTER, Length.EXACT, Length.LONGER)[min(got, 2)]

    def _check_size(self, read: _Read) -> None:
        """Before pages other than the first are believed."""
        note, lost = read.note, read.peer.http.lost
        if is_proved(read.peer, self._page_size):
            note.sized = lost
            return
        held = self._agree(read)  # or what is of another length by now would be taken for pages of another size
        try:
            check_page_size(
                read.peer,
                self._page_size,
                held.length or 0,
                max(1, read.first),
                lambda index, expected: self._length_of(read, index, expected),
            )
        except NotHeldError as error:
            raise self._not_held(read) from error

    # --- versions -------------------------------------------------------------------------------------------------

    def _held_version(self, read: _Read) -> Version:
        with read.peer.besides("info"):
            entry = self._dialect.stat(read.peer, read.location, read.deadline)
        if not entry.is_file:
            raise is_a_directory(read.location.url)
        return entry.version

    def _agree(self, read: _Read) -> Version:
        """Make sure that the worker has the version that is wanted, and no other that cannot be told from it."""
        asked = time.monotonic()
        held = self._held_version(read)
        if held.same_as(read.version) is not True:
            raise OtherVersionError(f"{read.peer.where} holds another version of {read.location.url}")
        read.note.agreed, read.note.until, read.note.sized = read.version, asked + self._version_age, -1
        return held

    # --- what went wrong ------------------------------------------------------------------------------------------

    def _why_closed(self, read: _Read, cause: Exception) -> Exception:
        try:
            held = self._agree(read)
            if not read.last and not is_proved(read.peer, self._page_size):
                # A page of another size may end before what was asked for.
                expected = min(self._page_size, held.length or 0)
                if expected and self._length_of(read, 0, expected) is Length.SHORTER:
                    return wrong_page_size(read.peer, self._page_size)
        except ClosedWithoutAnswerError:
            raise
        except Exception as error:  # whatever the answer to this question is, it is the answer to the first one too
            return error
        return self._not_held(read)

    def _not_held(self, read: _Read) -> NotHeldError:
        if self._loading is not None:
            self._loading.start(read.peer, read.location.url)
        pages = f"page {read.first}" if read.first == read.last else f"pages {read.first} to {read.last}"
        return NotHeldError(f"{read.peer.where} does not hold {pages} of {read.location.url}")

    def _why_other_length(self, read: _Read, cause: Exception) -> Exception:
        """A page that is shorter than it should be: of another version, or of another size."""
        held = self._agree(read)
        if not is_proved(read.peer, self._page_size):
            expected = min(self._page_size, held.length or 0)
            if expected and self._length_of(read, 0, expected) is Length.SHORTER:
                return wrong_page_size(read.peer, self._page_size)
        return cause

    @staticmethod
    def _remembered(read: _Read, error: Exception) -> Exception:
        """Have what was refused not be asked for again for a moment."""
        again: Optional[Callable[[], Exception]] = None
        if isinstance(error, NotHeldError):
            kind, message = type(error), str(error)
            again = lambda: kind(message)  # noqa: E731 - a function of what is known here
        elif isinstance(error, FileNotFoundError):
            again = lambda: not_found(read.location.url)  # noqa: E731
        if again is not None:
            read.peer.refusals.put(read.key, again, _REFUSED)
        return error


def _refused(answer: Answer, location: Location, peer: Peer) -> OSError:
    error = refused(answer, location.url, peer.where)
    # No worker of this dialect says 404: what something else says is no word about the file.
    return BadAnswerError(str(error)) if isinstance(error, FileNotFoundError) else error


def _body(read: _Read, target: str) -> bytes:
    with read.peer.besides("read"):
        try:
            answer = read.peer.http.ask(read.peer.get(target), read.deadline, repeatable=True)
        except ClosedWithoutAnswerError as error:
            raise NotHeldError(f"{read.peer.where} does not hold {target}") from error
        if answer.status != 200:
            raise _refused(answer, read.location, read.peer)
    return answer.body
