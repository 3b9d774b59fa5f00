"""What is noted of stats and listings comes back exactly as it was, or not at all."""

from __future__ import annotations

import enum
import json
from datetime import datetime, timedelta, timezone
from typing import Any, Optional, Tuple

import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from alluxiofs.gateway.notes import Moment, decode, decode_moment, encode, encode_moment
from alluxiofs.interfaces import Entry, Version

MARK = encode_moment(Moment("", 0.0, 0.0))[:4]
NOW = Moment("start", 17.5, 1.7e9)

texts = st.text(st.characters(), max_size=20)  # lone surrogates too: names are not always UTF-8
numbers = st.one_of(st.none(), st.integers(-(2**70), 2**70))
times = st.one_of(st.none(), st.integers(0, 2**40), st.floats(allow_nan=False, allow_infinity=False))
zones = st.sampled_from([None, timezone.utc, timezone(timedelta(hours=-5, minutes=-30))])
moments = st.datetimes(timezones=zones).map(lambda moment: moment.replace(fold=0))
values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts, moments
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
versions = st.builds(
    Version,
    st.one_of(st.none(), texts, st.just("unsettled-7f:abc")),
    st.one_of(st.none(), st.integers(0, 2**63)),
    numbers,
    st.sampled_from([1, 1000, 10**9]),
)
entries = st.builds(
    Entry,
    texts,
    st.sampled_from(["file", "directory"]),
    numbers,
    versions,
    times,
    times,
    st.one_of(st.none(), texts),
    st.one_of(st.none(), texts),
    numbers,
    st.dictionaries(st.one_of(texts, st.sampled_from(["ETag", "d", "t"])), values, max_size=3),
)


def exactly(value: Any) -> Any:
    """A value with the types in it, and the signs of zeros: what ``==`` does not compare."""
    if isinstance(value, (list, tuple)):
        return [type(value), *map(exactly, value)]
    if isinstance(value, dict):
        return [type(value), *((exactly(name), exactly(inner)) for name, inner in value.items())]
    return type(value), repr(value)


def fields(entry: Entry) -> Any:
    version = entry.version
    told = [entry.name, entry.kind, entry.size, entry.created, entry.modified, entry.owner, entry.group, entry.mode]
    return exactly([*told, version.tag, version.length, version.mtime, version.mtime_precision, entry.extra])


def entries_of(note: bytes, key: str) -> Optional[Tuple[Entry, ...]]:
    told = decode(note)
    return None if told is None or told.about != key else told.entries()


@settings(deadline=None)
@given(st.lists(entries, max_size=5))
def test_every_value_comes_back_as_it_was(listing: Any) -> None:
    note = encode("s3://b/d", NOW, listing)
    assert note is not None
    told = decode(note)
    assert told is not None
    assert told.asked == NOW
    back = told.entries()
    assert back is not None
    assert back == tuple(listing)
    assert [*map(fields, back)] == [*map(fields, listing)]


def test_what_has_no_zone_of_ours_but_says_utc_comes_back_as_the_same_moment() -> None:
    tz = pytest.importorskip("dateutil.tz")
    entry = Entry("f", "file", 1, extra={"LastModified": datetime(2024, 3, 1, 12, 30, 1, 5, tzinfo=tz.tzutc())})
    note = encode("k", NOW, [entry])
    assert note is not None
    found = entries_of(note, "k")
    assert found is not None
    assert found == (entry,)
    assert str(found[0].extra["LastModified"]) == str(entry.extra["LastModified"])


class Word(str):
    pass


class Colour(enum.IntEnum):
    RED = 1


class Further(Entry):
    """An entry with something of its own."""


@pytest.mark.parametrize(
    "entry",
    [
        Entry("f", "file", extra={"x": object()}),
        Entry("f", "file", extra={"x": (1, 2)}),
        Entry("f", "file", extra={"x": b"bytes"}),
        Entry("f", "file", extra={"x": Word("x")}),
        Entry("f", "file", extra={"x": Colour.RED}),
        Entry("f", "file", extra={"x": float("nan")}),
        Entry("f", "file", extra={"x": {1: "a name that is no text"}}),
        Entry("f", "file", extra={1: "the same"}),  # type: ignore[dict-item]  # whatever a plugin may give
        Entry("f", "file", extra={"x": datetime(2024, 10, 27, 2, 30, tzinfo=timezone.utc, fold=1)}),
        Entry("f", "file", extra={"x": datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=1), "Berlin"))}),
        Entry("f", "file", created=float("inf")),
        Entry("f", "file", size=True),
        Entry(Word("f"), "file"),
        Entry("f", "file", version=Version(tag=Word("etag:x"))),
        Further("f", "file"),
    ],
)
def test_what_would_not_come_back_is_not_noted(entry: Entry) -> None:
    assert encode("k", NOW, [entry]) is None
    assert encode("k", NOW, [Entry("a", "file"), entry]) is None


def test_a_note_says_what_it_is_about() -> None:
    note = encode("s3://one", NOW, [Entry("f", "file")])
    assert note is not None
    told = decode(note)
    assert told is not None
    assert told.about == "s3://one"


@settings(deadline=None, max_examples=300)
@given(st.data(), st.sampled_from([1, 3]))
def test_a_damaged_note_is_none(data: Any, length: int) -> None:
    listing = [Entry(f"d/{number}", "file", number, Version(f"etag:{number}", number)) for number in range(length)]
    note = encode("k", NOW, listing)
    assert note is not None
    at = data.draw(st.integers(0, len(note) - 1))
    bit = data.draw(st.integers(0, 7))
    flipped = bytearray(note)
    flipped[at] ^= 1 << bit
    for damaged in (bytes(flipped), note[:at], note + note[:at] + b"x"):
        assert decode(damaged) is None
    moment = bytearray(encode_moment(NOW))
    moment[at % len(moment)] ^= 1 << bit
    assert decode_moment(bytes(moment)) is None


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=200), st.recursive(st.none() | st.integers() | texts, st.lists, max_leaves=40)))
def test_what_somebody_else_has_noted_is_none(content: Any) -> None:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    for note in (text, MARK + text, MARK + xxhash.xxh3_64_digest(text) + text):
        assert decode(note) is None
        assert decode_moment(note) is None


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=99), st.lists(st.one_of(texts, numbers, times, st.just({}), st.just([])))))
def test_entries_that_are_none_of_ours_are_none(content: Any) -> None:
    line = content if isinstance(content, bytes) else json.dumps(content).encode()
    text = json.dumps(["k", "start", 17.5, 1.7e9]).encode() + b"\n" + line
    assert not entries_of(MARK + xxhash.xxh3_64_digest(text) + text, "k")


def test_a_long_listing_is_small() -> None:
    listing = [
        Entry(f"bucket/folder/{number:08}", "file", 1, Version(f"etag:{number:032}", 1)) for number in range(999)
    ]
    note = encode("k", NOW, listing)
    assert note is not None
    assert len(note) < 999 * 70
