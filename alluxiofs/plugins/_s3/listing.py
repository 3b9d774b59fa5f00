"""Listings, page after page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Iterator, Union

from alluxiofs.errors import BadAnswerError
from alluxiofs.plugins._s3.client import finish
from alluxiofs.plugins._s3.entries import file_entry

if TYPE_CHECKING:
    from alluxiofs.interfaces import Deadline, Entry
    from alluxiofs.plugins._objects.store import Keys
    from alluxiofs.plugins._s3.client import S3Client

__all__ = ["listed"]


def listed(client: S3Client, keys: Keys, deadline: Deadline) -> Iterator[Union[Entry, str]]:
    """What one listing has, page after page: objects as entries, common prefixes as text."""
    name = f"{keys.bucket}/{keys.prefix}".rstrip("/")
    parameters: Dict[str, Any] = {"Bucket": keys.bucket, "Prefix": keys.prefix, "Delimiter": keys.delimiter}
    if keys.limit is not None:
        parameters["MaxKeys"] = keys.limit
    asked = client.start("list_objects_v2", deadline, name, **parameters)
    try:
        while True:
            page = finish(asked, deadline, name)
            token = page.get("NextContinuationToken")
            enough = keys.limit is not None and (page.get("CommonPrefixes") or page.get("Contents"))
            more = page.get("IsTruncated") and not enough
            if more:
                if not token or token == parameters.get("ContinuationToken"):
                    raise BadAnswerError(f"{name}: a listing that is not at its end says no way to go on")
                deadline.progress()
                # The store makes up the next page while this one is looked at.
                parameters["ContinuationToken"] = token
                parameters.pop("MaxKeys", None)
                asked = client.start("list_objects_v2", deadline, name, **parameters)
            for folder in page.get("CommonPrefixes", ()):
                yield folder["Prefix"]
            for item in page.get("Contents", ()):
                yield file_entry(f"{keys.bucket}/{item['Key']}", item, item.get("Size"))
            if not more:
                return
    finally:
        asked.cancel()  # of a listing that is not read to its end
