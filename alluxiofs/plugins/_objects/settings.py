"""Settings that stores of objects have in common."""

from __future__ import annotations

from attrs import define

from alluxiofs.settings.types import Seconds, Size

__all__ = ["PartsSettings", "UploadSettings"]


@define(frozen=True)
class UploadSettings:
    """How objects are written.

    Parameters
    ----------
    part_size:
        Bytes that are sent at a time; a larger object is uploaded in parts.
    write_timeout:
        Seconds that one request may take while an object is written.
    """

    part_size: Size = Size("8MB")
    write_timeout: Seconds = Seconds(120)


@define(frozen=True)
class PartsSettings(UploadSettings):
    """How objects are written, of which several parts may be on their way.

    Parameters
    ----------
    parts_in_flight:
        Parts of one object on their way at a time. As many and one more are held in memory; an object that is no larger
        than that is sent in one request, if it has no more than 64 MB.
    """

    parts_in_flight: int = 3
