"""Text becomes what a setting's type says; what is of another type is refused."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple, Union

import pytest

from alluxiofs.errors import ConfigurationError, SettingTypeError
from alluxiofs.settings import Seconds, Size
from alluxiofs.settings.conversion import convert, is_convertible, type_text


class Dialect(enum.Enum):
    AUTO = "auto"
    PAGES = "pages"


@pytest.mark.parametrize(
    ("value", "kind", "converted"),
    [
        ("x", str, "x"),
        (Path("/a"), str, "/a"),
        ("3", int, 3),
        (3, float, 3.0),
        ("1e3", float, 1000.0),
        ("true", bool, True),
        ("Off", bool, False),
        (True, bool, True),
        ("1", bool, True),
        ("ä", bytes, b"\xc3\xa4"),
        (bytearray(b"a"), bytes, b"a"),
        ("20MB", Size, 20 * 2**20),
        ("2min", Seconds, 120.0),
        ("pages", Dialect, Dialect.PAGES),
        ("PAGES", Dialect, Dialect.PAGES),
        (Dialect.AUTO, Dialect, Dialect.AUTO),
        ("a, b,,c", Tuple[str, ...], ("a", "b", "c")),
        (["1", 2], Tuple[int, ...], (1, 2)),
        ("[1, 2]", List[int], [1, 2]),
        ("1,x", Tuple[int, str], (1, "x")),
        (Path("/a,b"), Tuple[str, ...], ("/a,b",)),
        ('{"a": "1"}', Dict[str, int], {"a": 1}),
        ({"a": "1MB"}, Dict[str, Size], {"a": 2**20}),
        (None, Optional[int], None),
        ("none", Optional[int], None),
        ("none", Optional[str], "none"),
        ("5", Optional[int], 5),
        (object, Any, object),
    ],
)
def test_converted(value: Any, kind: Any, converted: Any) -> None:
    found = convert(value, kind, "setting")
    assert found == converted
    assert type(found) is type(converted) or isinstance(found, (Size, Seconds))


@pytest.mark.parametrize(
    ("value", "kind", "right"),
    [
        (3, str, "text"),
        (b"x", str, "text"),
        (3.5, int, "a whole number"),
        (True, int, "a whole number"),
        (None, int, "a whole number"),
        ([], float, "a number"),
        (1, bool, "true or false"),
        (3, bytes, "bytes or text"),
        (1.5, Size, "a number of bytes"),
        ([], Seconds, "a number of seconds"),
        (3, Dialect, "one of 'auto' | 'pages'"),
        (3, Tuple[str, ...], "a list"),
        ({"a": 1}, Tuple[str, ...], "a list"),
        ([1], Dict[str, int], "a dict"),
    ],
)
def test_another_type_is_refused(value: Any, kind: Any, right: str) -> None:
    with pytest.raises(SettingTypeError) as caught:
        convert(value, kind, "setting 'x'")
    assert isinstance(caught.value, TypeError)
    assert str(caught.value).startswith(f"setting 'x': {value!r} is not {right}")


@pytest.mark.parametrize(
    ("value", "kind"),
    [("x", int), ("x", float), ("maybe", bool), ("x", Size), ("x", Seconds), ("pagse", Dialect)],
)
def test_text_that_cannot_be_read_is_a_bad_value(value: str, kind: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"setting 'x': .*") as caught:
        convert(value, kind, "setting 'x'")
    assert not isinstance(caught.value, TypeError)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("text", ["hunter2", "{hunter2", '{"a": 1, hunter2}', '{"count": "http://u:hunter2@host"}'])
def test_text_in_the_place_of_a_dict_is_not_shown(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"setting: \*\*\* is not a dict") as caught:
        convert(text, Dict[str, int], "setting")
    assert "hunter2" not in str(caught.value)
    assert ("not JSON" in str(caught.value)) == (not text.startswith('{"count'))


def test_the_reason_shows_no_credentials_either() -> None:
    with pytest.raises(ConfigurationError, match=r"'http://\*\*\*@host' is not a size in bytes") as caught:
        convert("http://u:hunter2@host", Size, "setting")
    assert "hunter2" not in str(caught.value)


def test_the_nearest_value_is_named() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'pages'"):
        convert("pagse", Dialect, "setting")


@pytest.mark.parametrize("value", ["hunter2", 17])
def test_a_secret_is_not_in_the_message_nor_behind_it(value: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        convert(value, bool, "setting", secret=True)
    assert str(value) not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("kind", [str, Optional[Size], Tuple[Dialect, ...], Dict[str, Tuple[int, ...]], tuple, Any])
def test_convertible(kind: Any) -> None:
    assert is_convertible(kind)


@pytest.mark.parametrize("kind", [object, Union[int, str], Path, Tuple[object, ...], Optional[Path]])
def test_not_convertible(kind: Any) -> None:
    assert not is_convertible(kind)


def test_types_as_documentation_shows_them() -> None:
    assert type_text(Optional[Size]) == "Size or None"
    assert type_text(Tuple[str, ...]) == "tuple of str"
    assert type_text(Dict[str, int]) == "dict of str to int"
    assert type_text(Dialect) == "'auto' | 'pages'"
