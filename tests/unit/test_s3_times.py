"""Times in S3's answers are what botocore's own parser makes of them."""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluxiofs.plugins._s3.times import parse_time

parse_timestamp = pytest.importorskip("botocore.utils").parse_timestamp

times = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(timezone.utc))  # noqa: DTZ001 - hypothesis wants them without


@given(times, st.integers(0, 6))
def test_those_of_listings(time: datetime, digits: int) -> None:
    fraction = f".{time.microsecond:06}"[: digits + 1] if digits else ""
    text = f"{time:%Y-%m-%dT%H:%M:%S}{fraction}Z"
    assert parse_time(text) == parse_timestamp(text)
    assert parse_time(text).utcoffset() is not None


@given(times)
def test_those_of_headers(time: datetime) -> None:
    text = format_datetime(time.replace(microsecond=0), usegmt=True)
    assert parse_time(text) == parse_timestamp(text) == time.replace(microsecond=0)


@pytest.mark.parametrize(
    "value",
    [
        1_600_000_000,
        1_600_000_000.5,
        "1600000000",
        "2020-09-13T12:26:40+02:00",
        "2020-09-13T12:26:40.1234567Z",
        "20200913T122640Z",
        "Sun, 13 Sep 2020 12:26:40 +0200",
        "Sunday, 13-Sep-20 12:26:40 GMT",
    ],
)
def test_any_other_form_is_left_to_botocore(value: object) -> None:
    assert parse_time(value) == parse_timestamp(value)


@pytest.mark.parametrize("value", ["", "yesterday", "2020-13-41T12:26:40Z", "Sun, 13 Nix 2020 12:26:40 GMT", None])
def test_what_is_no_time_is_an_error(value: object) -> None:
    with pytest.raises((ValueError, RuntimeError)):
        parse_time(value)
