"""Reading bytes of an object by way of the client, and what an answer with bytes must be, whoever asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Awaitable, Callable, Dict, Mapping, Optional, Tuple

from alluxiofs.errors import BadAnswerError
from alluxiofs.interfaces import Version
from alluxiofs.plugins._objects.ranges import changed, check_span, end_of, span_of
from alluxiofs.plugins._s3.client import bucket_and_key
from alluxiofs.plugins._s3.entries import version_of

if TYPE_CHECKING:
    from alluxiofs.plugins._fsspec.waiting import Destination

__all__ = ["check_end", "check_range", "condition", "fetch", "fetch_end"]

Send = Callable[..., Awaitable[Dict[str, Any]]]

_CHUNK = 1 << 20


async def fetch(
    send: Send,
    name: str,
    version: Version,
    offset: int,
    destination: Destination,
) -> None:
    """Fill ``destination`` with bytes of a version, from ``offset`` on.

    The store is asked for this very ETag, and what it answers is checked all the same: some ignore conditions, ranges
    or both.
    """
    bucket, key = bucket_and_key(name)
    size = destination.size
    tag = condition(version)
    matching = {} if tag is None else {"IfMatch": tag}
    span = f"bytes={offset}-{offset + size - 1}"
    try:
        answer = await send("get_object", Bucket=bucket, Key=key, Range=span, **matching)
    except Exception as error:
        if _refused(error, version):
            raise changed(name) from error
        raise
    body = answer["Body"]
    try:
        check_range(_answered(answer), answer, name, version, offset, size)
        while destination.missing:
            chunk = await body.read(min(destination.missing, _CHUNK))
            if not chunk:
                raise BadAnswerError(f"{name}: the body ended {destination.missing} bytes short of {size}")
            destination.put(chunk)
        if await body.read(1):
            raise BadAnswerError(f"{name}: the body has more than the {size} bytes that were asked for")
    finally:
        body.close()


async def fetch_end(
    send: Send, name: str, length: int, from_end: bool, moved: Callable[[int], None]
) -> Optional[Tuple[Dict[str, Any], Tuple[int, int, int], bytes]]:
    """The first or the last bytes of whatever is there now.

    Parameters
    ----------
    send:
        Sends a request of a name.
    name:
        Of the object.
    length, from_end:
        How many bytes, and of which end.
    moved:
        Is told of each piece.

    Returns
    -------
    What the store says of the object, what :func:`check_end` makes of it, and the bytes; ``None`` where it has no such
    range, for the object is empty.
    """
    bucket, key = bucket_and_key(name)
    try:
        answer = await send("get_object", Bucket=bucket, Key=key, Range=span_of(length, from_end))
    except Exception as error:
        if _status(error) == 416:
            return None
        raise
    body = answer["Body"]
    try:
        spans = check_end(_answered(answer), answer, name, length, from_end)
        count = spans[1]
        pieces = []
        missing = count
        while missing:
            pieces.append(await body.read(min(missing, _CHUNK)))
            if not pieces[-1]:
                raise BadAnswerError(f"{name}: the body ended {missing} bytes short of {count}")
            missing -= len(pieces[-1])
            moved(len(pieces[-1]))
        if await body.read(1):
            raise BadAnswerError(f"{name}: the body has more than the {count} bytes that it should have")
    finally:
        body.close()
    return answer, spans, b"".join(pieces)


def check_end(
    status: Optional[int], answer: Mapping[str, Any], name: str, length: int, from_end: bool
) -> Tuple[int, int, int]:
    """Where the bytes in an answer begin, how many they are, and how many the object has.

    Raises
    ------
    BadAnswerError
        If they are not those of this end of the object.
    """
    return end_of(name, status, answer.get("ContentRange"), answer.get("ContentLength"), length, from_end)


def _refused(error: Exception, version: Version) -> bool:
    """Whether the store refuses the condition, or a range that the version had."""
    status = _status(error)
    return status == 412 or (status == 416 and version.length is not None)


def _status(error: Exception) -> Optional[int]:
    response = getattr(error, "response", None) or {}  # aiohttp's errors have one too, that may be None
    return _answered(response) if isinstance(response, dict) else None


def _answered(answer: Mapping[str, Any]) -> Optional[int]:
    """The status of an answer."""
    status: Optional[int] = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status


def condition(version: Version) -> Optional[str]:
    """The ETag on whose condition a version is read, if it has one that promises equal bytes."""
    kind, _, tag = (version.tag or "").partition(":")
    if kind != "etag" or tag.startswith("W/"):
        return None
    return tag if tag.startswith('"') else f'"{tag}"'


def check_range(
    status: Optional[int], answer: Mapping[str, Any], name: str, version: Version, offset: int, size: int
) -> None:
    """That the body of an answer is this range of this version.

    Raises
    ------
    FileChangedError
        If it is of another version.
    BadAnswerError
        If it is another range.
    """

    def check_version(total: Optional[int]) -> None:
        if version.same_as(version_of(answer, total)) is False:
            raise changed(name)

    check_span(name, status, answer.get("ContentRange"), answer.get("ContentLength"), offset, size, check_version)
