"""Reads a page of metrics, in the text format of Prometheus.

The format: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

import re
import socket
import time
from typing import Dict, Iterator, List, Mapping, Tuple
from urllib.parse import urlsplit, urlunsplit

from attrs import define

from alluxiofs.errors import BadAnswerError, DeadlineExceededError, InvalidPathError, UnavailableError, hidden_text

__all__ = ["DEFAULT_PORT", "Sample", "Series", "address_of", "fetch", "parse"]

DEFAULT_PORT = "9464"
"""Where a process shows its metrics that was told of no other port."""

_PATIENCE = 5.0  # seconds
_MOST = 64 * 2**20  # bytes: a page of thousands of series has a few hundred thousand
_LINE = re.compile(r"(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})?[ \t]+(?P<value>\S+)(?:[ \t]+-?\d+)?\Z")
_LABEL = re.compile(r'\s*([a-zA-Z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|\Z)')
_ESCAPED = re.compile(r"\\(.)")


@define(frozen=True)
class Series:
    """One line of a page: the labels, and the value."""

    labels: Mapping[str, str]
    value: float


@define(frozen=True)
class Sample:
    """A page as it was at a moment.

    Parameters
    ----------
    at:
        Seconds, by ``time.monotonic()``.
    series:
        By the names of the metrics.
    kinds, helps:
        What the page says of them: ``counter``, ``gauge``, ``histogram`` …, and a line of text.
    """

    at: float
    series: Mapping[str, Tuple[Series, ...]]
    kinds: Mapping[str, str]
    helps: Mapping[str, str]


def address_of(text: str) -> str:
    """The URL of a page, of which the user may leave out everything but the port, or but the host.

    Raises
    ------
    InvalidPathError
        If it cannot be one.
    """
    whole = f"127.0.0.1:{text}" if text.isascii() and text.isdigit() else text
    named = "://" in whole
    url = whole if named else f"http://{whole}"
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError as error:
        if hidden_text(url) != url:  # the error may have a part of a password in it
            raise InvalidPathError(f"{url}: it is no URL") from None
        raise InvalidPathError(f"{text}: {error}") from error
    if parts.scheme not in ("http", "https") or not host or port == 0 or " " in whole or not whole.isprintable():
        raise InvalidPathError(
            f"{text}: this names no page of metrics: say a port, host:port, or a URL of http or https"
        )
    place = parts.netloc if named or port is not None else f"{parts.netloc.rstrip(':')}:{DEFAULT_PORT}"
    return urlunsplit(parts._replace(netloc=place, path=parts.path if parts.path.strip("/") else "/metrics"))


def fetch(url: str) -> Sample:
    """Fetch a page.

    Raises
    ------
    OSError
        If nobody answers in five seconds, or what is answered is no page of metrics.
    """
    import urllib3

    timeout = urllib3.Timeout(total=_PATIENCE)
    try:
        with urllib3.PoolManager() as pool:
            answer = pool.request(
                "GET", url, timeout=timeout, retries=False, headers={"Accept": "text/plain"}, preload_content=False
            )
            body = answer.read(_MOST + 1, decode_content=True)
            answer.release_conn()
    except urllib3.exceptions.LocationValueError as error:
        raise InvalidPathError(f"{url}: it is no URL") from error
    except urllib3.exceptions.NewConnectionError as error:  # which urllib3 takes for a timeout, too
        unknown = isinstance(error.__context__, socket.gaierror)
        said = "no such host is known" if unknown else f"nobody listens there: {_what_makes_a_page(url)}"
        raise UnavailableError(f"{url}: {said}") from error
    except (urllib3.exceptions.TimeoutError, TimeoutError) as error:
        raise DeadlineExceededError(f"{url}: no answer in {_PATIENCE:g} s") from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise UnavailableError(f"{url}: it cannot be read: {error}") from error
    if answer.status != 200:
        why = "the metrics of a process are mostly at /metrics" if answer.status == 404 else answer.reason
        raise BadAnswerError(f"{url}: HTTP {answer.status}: {why}")
    if len(body) > _MOST:
        raise BadAnswerError(f"{url}: more than {_MOST >> 20} MB, which is no page of metrics")
    try:
        return parse(body.decode("utf-8"))
    except ValueError as error:
        raise BadAnswerError(f"{url}: this is no page of metrics: {error}") from error


def _what_makes_a_page(url: str) -> str:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    telemetry = f'telemetry={{"name": "prometheus", "port": {port}}}'
    return f"a program shows a page from the first operation on of a filesystem with {telemetry}"


def parse(text: str) -> Sample:
    """A page's content; ``ValueError`` if it is none."""
    at = time.monotonic()
    series: Dict[str, List[Series]] = {}
    told: Dict[str, Dict[str, str]] = {"TYPE": {}, "HELP": {}}
    for line in filter(None, map(str.strip, text.split("\n"))):
        if line.startswith("#"):
            words = line.split(None, 3)
            if len(words) > 2 and words[1] in told:
                told[words[1]][words[2]] = words[3] if len(words) > 3 else ""
            continue
        found = _LINE.match(line)
        if found is None:
            raise ValueError(repr(line[:80]))
        labels = dict(_labels(found["labels"] or ""))
        series.setdefault(found["name"], []).append(Series(labels, float(found["value"])))
    return Sample(at, {name: tuple(there) for name, there in series.items()}, told["TYPE"], told["HELP"])


def _labels(text: str) -> Iterator[Tuple[str, str]]:
    position = 0
    while position < len(text):
        found = _LABEL.match(text, position)
        if found is None:
            raise ValueError(repr(text[:80]))
        yield found[1], _ESCAPED.sub(lambda escaped: "\n" if escaped[1] == "n" else escaped[1], found[2])
        position = found.end()
