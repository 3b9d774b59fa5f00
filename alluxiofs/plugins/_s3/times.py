"""Times in S3's answers. botocore's parser takes any form there is, and half of the time that a listing takes."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

__all__ = ["parse_time"]

_LISTED = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?Z", re.ASCII)
_HEADER = re.compile(r"[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT", re.ASCII)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NUMBERS = {name: number for number, name in enumerate(_MONTHS, 1)}


def parse_time(value: Any) -> datetime:
    """A time in UTC, out of the two forms that S3 uses: that of listings and that of headers. Anything else is left to
    botocore."""
    if isinstance(value, str):
        listed = _LISTED.fullmatch(value)
        if listed is not None:
            *numbers, fraction = listed.groups("")
            year, month, day, hour, minute, second = map(int, numbers)
            return datetime(year, month, day, hour, minute, second, int(fraction.ljust(6, "0")), timezone.utc)
        header = _HEADER.fullmatch(value)
        if header is not None and header[2] in _NUMBERS:
            day, year, hour, minute, second = map(int, header.group(1, 3, 4, 5, 6))
            return datetime(year, _NUMBERS[header[2]], day, hour, minute, second, 0, timezone.utc)
    from botocore.utils import parse_timestamp

    parsed: datetime = parse_timestamp(value)
    return parsed
