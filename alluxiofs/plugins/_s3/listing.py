"""Listings, page after page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Iterator, Mapping

from alluxiofs.errors import BadAnswerError
from alluxiofs.plugins._s3.client import bucket_and_key, finish

if TYPE_CHECKING:
    from alluxiofs.interfaces import Deadline
    from alluxiofs.plugins._s3.client import S3Client

__all__ = ["listed"]


def listed(client: S3Client, name: str, deadline: Deadline, delimiter: str) -> Iterator[Mapping[str, Any]]:
    """What one listing has, page after page: keys, and with a delimiter common prefixes; the marker of the
    directory itself only without one."""
    bucket, key = bucket_and_key(name)
    prefix = f"{key}/" if key else ""
    parameters: Dict[str, Any] = {"Bucket": bucket, "Prefix": prefix, "Delimiter": delimiter}
    asked = client.start("list_objects_v2", deadline, name, **parameters)
    try:
        while True:
            page = finish(asked, deadline, name)
            token = page.get("NextContinuationToken")
            if page.get("IsTruncated"):
                if not token or token == parameters.get("ContinuationToken"):
                    raise BadAnswerError(f"{name}: a listing that is not at its end says no way to go on")
                deadline.progress()
                # The store makes up the next page while this one is looked at.
                parameters["ContinuationToken"] = token
                asked = client.start("list_objects_v2", deadline, name, **parameters)
            yield from page.get("CommonPrefixes", ())
            yield from page.get("Contents", ())
            if not page.get("IsTruncated"):
                return
    finally:
        asked.cancel()  # of a listing that is not read to its end
