"""Sizes and lengths of time, as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluxiofs.settings import Seconds, Size


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("17", 17),
        ("20MB", 20 * 2**20),
        ("20M", 20 * 2**20),
        ("20 MiB", 20 * 2**20),
        ("20mb", 20 * 2**20),
        (" 1kB ", 1024),
        ("1.5GB", 3 * 2**29),
        (".5k", 512),
        ("3TB", 3 * 2**40),
        ("5B", 5),
    ],
)
def test_units_of_sizes_are_1024_based_whatever_they_are_called(text: str, number: int) -> None:
    assert Size(text) == number


@given(st.integers(0, 2**70))
def test_a_whole_number_stays_the_same_as_text(number: int) -> None:
    assert Size(str(number)) == number
    assert Size(f"{number}kB") == number * 1024


@pytest.mark.parametrize("text", ["", "MB", "-1MB", "1 XB", "1e9", "1,5GB", "ten"])
def test_text_that_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size such as '20MB'"):
        Size(text)


def test_a_size_is_an_int() -> None:
    assert Size("1MB") + 1 == 2**20 + 1
    assert f"{Size('1MB')}" == "1048576"


@pytest.mark.parametrize("value", [True, 1.5, None, b"1"])
def test_what_is_no_whole_number_is_no_size(value: object) -> None:
    with pytest.raises(TypeError, match="whole number of bytes"):
        Size(value)  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("30", 30),
        ("30s", 30),
        ("500ms", 0.5),
        ("2min", 120),
        ("2 m", 120),
        ("1.5h", 5400),
        ("7d", 604800),
        ("1 hour", 3600),
    ],
)
def test_lengths_of_time(text: str, number: float) -> None:
    assert Seconds(text) == number


@pytest.mark.parametrize("value", ["", "s", "-1s", "1 parsec", -1, float("inf"), float("nan")])
def test_what_is_no_length_of_time(value: object) -> None:
    with pytest.raises(ValueError, match="length of time"):
        Seconds(value)  # type: ignore[arg-type]  # that is the point
