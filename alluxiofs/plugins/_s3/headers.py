"""What the heads of answers say of an object, by the names that botocore gives it."""

from __future__ import annotations

import html
import re
from typing import Any, Dict, Tuple

from alluxiofs.errors import BadAnswerError
from alluxiofs.plugins._s3.times import parse_time

__all__ = ["complaint", "said"]

_TEXTS = {
    "cache-control": "CacheControl",
    "content-disposition": "ContentDisposition",
    "content-encoding": "ContentEncoding",
    "content-language": "ContentLanguage",
    "content-range": "ContentRange",
    "content-type": "ContentType",
    "etag": "ETag",
    "x-amz-server-side-encryption": "ServerSideEncryption",
    "x-amz-server-side-encryption-aws-kms-key-id": "SSEKMSKeyId",
    "x-amz-storage-class": "StorageClass",
    "x-amz-version-id": "VersionId",
    "x-amz-website-redirect-location": "WebsiteRedirectLocation",
}
_METADATA = "x-amz-meta-"
_ELEMENT = r"<{0}>([^<]*)</{0}>"
_CODE, _MESSAGE = re.compile(_ELEMENT.format("Code")), re.compile(_ELEMENT.format("Message"))


def said(raw: bytes) -> Dict[str, Any]:
    """What a head says.

    Parameters
    ----------
    raw:
        The head as it came, the line of the status included.

    Raises
    ------
    BadAnswerError
        If a length or a time is none.
    """
    found: Dict[str, Any] = {}
    metadata: Dict[str, str] = {}
    for line in raw.decode("utf-8", "replace").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip(" \t")
        field = _TEXTS.get(name)
        if field is not None:
            found[field] = value
        elif name == "content-length":
            if not (value.isascii() and value.isdigit()):
                raise BadAnswerError(f"{value!r} is no length")
            found["ContentLength"] = int(value)
        elif name == "last-modified":
            found["LastModified"] = _time(value)
        elif name.startswith(_METADATA):
            metadata[name[len(_METADATA) :]] = value
        elif name == "x-amz-server-side-encryption-bucket-key-enabled":
            found["BucketKeyEnabled"] = value.lower() == "true"
        elif name == "expires":
            try:
                found["Expires"] = _time(value)
            except BadAnswerError:  # anybody may write anything there
                found.pop("Expires", None)
    if metadata:
        found["Metadata"] = metadata
    return found


def complaint(body: bytes) -> Tuple[str, str]:
    """The store's own word for what is wrong, and its message; empty where it has none. What it sends is searched for
    the two, and not read as XML: a body that declares entities has nothing to expand here."""
    text = body.decode("utf-8", "replace")
    code, message = _CODE.search(text), _MESSAGE.search(text)
    return html.unescape(code[1]) if code else "", html.unescape(message[1]) if message else ""


def _time(value: str) -> Any:
    try:
        return parse_time(value)
    except (ValueError, RuntimeError) as error:
        raise BadAnswerError(f"{value!r} is no time") from error
