"""What a server answers, as bytes: the head of an HTTP/1.1 response, and how long its body is."""

from __future__ import annotations

from typing import Optional, Tuple

from attrs import define

from alluxiofs.errors import BadAnswerError

__all__ = ["Answer", "Head", "parse_head"]

_CHUNKED = b"chunked"


@define(frozen=True)
class Head:
    """The status line and headers of an answer.

    Parameters
    ----------
    status:
        The number.
    raw:
        All of it as it came, without the empty line at its end.
    length:
        Bytes of the body; ``None`` if it is chunked, or ends with the connection.
    chunked:
        Whether it is chunked.
    keeps_open:
        Whether the connection can be used again once the body was read.
    """

    status: int
    raw: bytes
    length: Optional[int]
    chunked: bool
    keeps_open: bool

    def with_raw(self, raw: bytes) -> Head:
        """One that came as these bytes, and says the same of itself."""
        return Head(self.status, raw, self.length, self.chunked, self.keeps_open)

    def get(self, name: bytes) -> Optional[str]:
        """The value of a header, by its name in lower case."""
        return _value(self.raw, self.raw.lower(), name)


@define(frozen=True)
class Answer:
    """An answer whose body was read.

    Parameters
    ----------
    head:
        Status and headers.
    body:
        Its bytes; empty where they went into the caller's buffer.
    """

    head: Head
    body: bytes = b""

    @property
    def status(self) -> int:
        """The number of the status."""
        return self.head.status


def parse_head(raw: bytes) -> Head:
    """The head of an answer, which is everything before the first empty line.

    Raises
    ------
    BadAnswerError
        If it is not HTTP/1.0 or 1.1, or says two things of its length.
    """
    line, _, _ = raw.partition(b"\r\n")
    if not line.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")) or not line[9:12].isdigit() or line[12:13] not in (b"", b" "):
        raise BadAnswerError(f"the answer is not HTTP: {line[:80]!r}")
    status = int(line[9:12])
    lower = raw.lower()
    length, chunked = _length(raw, lower, status)
    options = [option.strip() for option in (_value(raw, lower, b"connection") or "").lower().split(",")]
    stays = "close" not in options and (line.startswith(b"HTTP/1.1") or "keep-alive" in options)
    return Head(status, raw, length, chunked, stays and (chunked or length is not None))


def _length(raw: bytes, lower: bytes, status: int) -> Tuple[Optional[int], bool]:
    if status < 200 or status in (204, 304):
        return 0, False
    coding = _value(raw, lower, b"transfer-encoding")
    told = _value(raw, lower, b"content-length")
    if coding is not None:
        # Whoever sends both may mean either; RFC 9112, section 6.3, has this treated as an error.
        if coding.lower() != _CHUNKED.decode() or told is not None:
            raise BadAnswerError(f"the answer's length cannot be told: {coding!r} and {told!r}")
        return None, True
    if told is None:
        return None, False
    if not (told.isascii() and told.isdigit() and len(told) < 20) or lower.count(b"\r\ncontent-length:") != 1:
        raise BadAnswerError(f"the answer's length cannot be told: {told!r}")
    return int(told), False


def _value(raw: bytes, lower: bytes, name: bytes) -> Optional[str]:
    at = lower.find(b"\r\n" + name + b":")
    if at < 0:
        return None
    begin = at + len(name) + 3
    end = raw.find(b"\r\n", begin)
    return raw[begin : len(raw) if end < 0 else end].strip(b" \t").decode("latin-1")
