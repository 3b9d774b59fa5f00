"""What can go wrong with an answer: scripted with :meth:`StandInWorker.fail`.

Each fault is a small frozen value, which works in workers of this process and in workers of their own processes. To
make one of your own, subclass :class:`Fault` in a module that can be imported.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Optional, Tuple

from attrs import define

from alluxiofs.testing.stand_in_workers._messages import Answer, Slice

if TYPE_CHECKING:
    from alluxiofs.testing.stand_in_workers._wire import Wire

__all__ = [
    "Close",
    "Fault",
    "Garbage",
    "Long",
    "OtherBody",
    "OtherRange",
    "RangeIgnored",
    "Redirect",
    "Reset",
    "Short",
    "Slow",
    "Stall",
    "Status",
    "Truncate",
]


class Fault(ABC):
    """Something that goes wrong with one answer."""

    @abstractmethod
    def send(self, wire: Wire, answer: Optional[Answer]) -> None:
        """Send something in place of the answer that is due.

        Parameters
        ----------
        wire:
            The connection: ``send`` for bytes or a piece of a file, ``answer`` for a whole answer, ``head`` for the
            bytes before a body, ``wait`` for a time, ``close`` and ``reset`` for its end.
        answer:
            What a worker without faults would send; ``None`` if it would close the connection.
        """


class _Altered(Fault):
    """Another answer, framed as it should be."""

    def send(self, wire: Wire, answer: Optional[Answer]) -> None:
        if answer is None:
            wire.close()
        else:
            wire.answer(self.altered(wire, answer))

    def altered(self, wire: Wire, answer: Answer) -> Answer:
        raise NotImplementedError


@define(frozen=True)
class Status(Fault):
    """Answer with this status, and what a proxy would say."""

    status: int
    body: bytes = b'{"message":"this is a scripted fault"}'
    headers: Tuple[Tuple[str, str], ...] = ()

    def send(self, wire: Wire, answer: Optional[Answer]) -> None:
        wire.answer(Answer(self.status, "application/json", self.body, self.headers))


@define(frozen=True)
class Redirect(Fault):
    """Send the client elsewhere."""

    location: str
    status: int = 307

    def send(self, wire: Wire, answer: Optional[Answer]) -> None:
        wire.answer(Answer(self.status, "", b"", (("location", self.location),)))


@define(frozen=True)
class Close(Fault):
    """Close the connection without an answer: what a worker of dialect ``pages`` does whenever it says no."""

    def send(self, wire: Wire, answer: Optional[Answer]) -> None:
        wire.close()


@define(frozen=True)
class Reset(Fault):
    """Reset the connection, after so many bytes of the answer."""

    after: int = 0

    def send(self, wire: Wire, answer: Optional[Answer]) -> None:
        if answer is not None and self.after:
            wire.send((wire.head(answer) + wire.read(answer.body))[: self.after])
        wire.reset()


@define(frozen=True)
class Truncate(Fault):
    """Announce the whole body, send so many bytes of it (without a number: half of it), and close."""

    at: Optional[int] = None

    def send(self, wire: Wire, answer: Optional[Answer]) -> None:
        if answer is not None:
            cut = answer.length // 2 if self.at is None else min(self.at, answer.length)
            wire.send(wire.head(answer))
            wire.send(_first(answer, cut))
        wire.close()


@define(frozen=True)
class Short(_Altered):
    """A body that is shorter than it should be, and says so."""

    by: int = 1

    def altered(self, wire: Wire, answer: Answer) -> Answer:
        return answer._replace(body=_first(answer, max(0, answer.length - self.by)))


@define(frozen=True)
class Long(_Altered):
    """A body that is longer than it should be, and says so."""

    by: int = 1

    def altered(self, wire: Wire, answer: Answer) -> Answer:
        return answer._replace(body=wire.read(answer.body) + b"\xee" * self.by)


@define(frozen=True)
class OtherBody(_Altered):
    """This in place of the body: JSON that is none, a page of a proxy …"""

    body: bytes

    def altered(self, wire: Wire, answer: Answer) -> Answer:
        return answer._replace(body=self.body)


@define(frozen=True)
class Garbage(Fault):
    """Bytes that are no HTTP, and the end of the connection."""

    body: bytes = b"\x16\x03\x01\x02\x00\x01\xff\x00 this is no answer\r\n\r\n"

    def send(self, wire: Wire, answer: Optional[Answer]) -> None:
        wire.send(self.body)
        wire.close()


@define(frozen=True)
class RangeIgnored(_Altered):
    """The whole page or file, as if no range had been asked for."""

    def altered(self, wire: Wire, answer: Answer) -> Answer:
        if answer.whole is None:
            return answer
        return answer._replace(status=200, headers=(), body=answer.whole)


@define(frozen=True)
class OtherRange(_Altered):
    """As many bytes from another place of the page or file, so many bytes on; on the data port it says which."""

    shift: int = 1

    def altered(self, wire: Wire, answer: Answer) -> Answer:
        if answer.whole is None or not isinstance(answer.body, Slice):
            return answer
        whole = answer.whole
        begin = min(max(0, answer.body.start - whole.start + self.shift), whole.length)
        length = min(answer.body.length, whole.length - begin)
        headers = tuple(
            (name, f"bytes {begin}-{begin + length - 1}/{whole.length}" if name == "content-range" else value)
            for name, value in answer.headers
        )
        return answer._replace(headers=headers, body=Slice(whole.descriptor, whole.start + begin, length))


@define(frozen=True)
class Stall(Fault):
    """Send nothing for so many seconds, then the answer; without a number, nothing more at all.

    Parameters
    ----------
    after:
        Bytes of the body that are sent before; ``None``: nothing is, not even the status.
    """

    seconds: Optional[float] = None
    after: Optional[int] = None

    def send(self, wire: Wire, answer: Optional[Answer]) -> None:
        if answer is None or self.after is None:
            wire.wait(self.seconds)
            if answer is None:
                wire.close()
            wire.answer(answer)
            return
        wire.send(wire.head(answer))
        wire.send(_first(answer, min(self.after, answer.length)))
        wire.wait(self.seconds)
        wire.send(_rest(answer, min(self.after, answer.length)))


@define(frozen=True)
class Slow(Fault):
    """Send the body at so many bytes a second."""

    rate: float
    _step: float = 0.02

    def send(self, wire: Wire, answer: Optional[Answer]) -> None:
        if answer is None:
            wire.close()
        wire.send(wire.head(answer))
        piece = max(1, int(self.rate * self._step))
        for sent in range(0, answer.length, piece):
            wire.wait(piece / self.rate)
            wire.send(_first(answer._replace(body=_rest(answer, sent)), piece))


def _first(answer: Answer, length: int) -> Slice | bytes:
    body = answer.body
    if isinstance(body, Slice):
        return Slice(body.descriptor, body.start, min(length, body.length))
    return body[:length]


def _rest(answer: Answer, begin: int) -> Slice | bytes:
    body = answer.body
    if isinstance(body, Slice):
        return Slice(body.descriptor, body.start + begin, body.length - begin)
    return body[begin:]
