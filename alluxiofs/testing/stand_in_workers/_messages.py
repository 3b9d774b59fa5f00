"""Requests and answers, as values."""

from __future__ import annotations

import json
from typing import Any, Dict, Mapping, NamedTuple, Optional, Tuple, Union

__all__ = ["NEVER", "REASONS", "Answer", "Body", "Request", "Slice", "json_answer", "parameters_of"]

REASONS = {
    100: "Continue",
    200: "OK",
    206: "Partial Content",
    302: "Found",
    307: "Temporary Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    412: "Precondition Failed",
    413: "Request Entity Too Large",
    416: "Requested Range Not Satisfiable",
    417: "Expectation Failed",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


class Slice(NamedTuple):
    """A piece of an open file: what is sent without being read."""

    descriptor: int
    start: int
    length: int


Body = Union[bytes, Slice]


class Request(NamedTuple):
    """What was asked.

    Parameters
    ----------
    target:
        As it stands in the request line, each byte a character.
    headers:
        By their names in small letters.
    close:
        Whether the connection ends with the answer.
    """

    method: str
    target: str
    version: str
    headers: Mapping[str, str]
    body: bytes = b""
    close: bool = False
    refused: int = 0
    """The status that is due already, because of the body or of what was expected; 0: none."""


class Answer(NamedTuple):
    """What is answered.

    Parameters
    ----------
    whole:
        What would have been sent of the page or file if no range had been asked for, and where the range begins in it:
        for faults that send something else.
    """

    status: int = 200
    content_type: str = "text/plain"
    body: Body = b""
    headers: Tuple[Tuple[str, str], ...] = ()
    whole: Optional[Slice] = None
    chunk: int = 0
    """Send the body in chunks of as many bytes; 0: with its length."""

    @property
    def length(self) -> int:
        return self.body.length if isinstance(self.body, Slice) else len(self.body)


def json_answer(value: Any, content_type: str = "application/json", status: int = 200) -> Answer:
    """JSON as the workers write it: compact, and so that it can stand in a web page."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&='\u2028\u2029":
        if character in text:
            text = text.replace(character, f"\\u{ord(character):04x}")
    return Answer(status, content_type, text.encode("utf-8", "surrogateescape"))


def parameters_of(query: str) -> Optional[Dict[str, str]]:
    """The parameters of a query as dialect ``pages`` understands it, ``None`` where it does not.

    The last of two equal names counts, what follows a second ``=`` is dropped, nothing is decoded.
    """
    found: Dict[str, str] = {}
    for one in query.rstrip("&").split("&"):
        pieces = one.rstrip("=").split("=")
        if len(pieces) < 2:
            return None
        found[pieces[0]] = pieces[1]
    return found


NEVER = Answer(0)
"""In place of an answer: the request is taken, and nothing is ever said about it."""
