"""A component's Settings are made of what users write, and say what is wrong with it."""

from __future__ import annotations

import enum
from typing import Any, Optional, Tuple

import attrs
import pytest
from attrs import define

from alluxiofs import Seconds, Size, secret
from alluxiofs.errors import ConfigurationError, PluginError, SettingTypeError, UnknownSettingError
from alluxiofs.settings import effective_settings, make_settings, settings_fields


class Mode(enum.Enum):
    FAST = "fast"
    SAFE = "safe"


@define(frozen=True)
class Settings:
    path: str
    capacity: Size = attrs.field(default=Size("1MB"))
    wait: Optional[Seconds] = None
    mode: Mode = Mode.SAFE
    hosts: Tuple[str, ...] = ()
    pin: Optional[str] = secret(default=None)
    level: int = attrs.field(default=3, validator=attrs.validators.ge(1))


WHAT, WHERE = "page store 'x'", "argument 'page_store'"


def test_text_is_converted_by_the_types_of_the_fields() -> None:
    made = make_settings(
        Settings,
        {"path": "/p", "capacity": "2kB", "wait": "1min", "mode": "fast", "hosts": "a,b", "level": "5"},
        WHAT,
        WHERE,
    )
    assert made == Settings("/p", Size(2048), Seconds(60), Mode.FAST, ("a", "b"), None, 5)


def test_an_unknown_setting_says_the_nearest_and_all() -> None:
    with pytest.raises(
        UnknownSettingError,
        match="argument 'page_store': unknown setting 'capcity' of page store 'x'; did you mean 'capacity'",
    ):
        make_settings(Settings, {"path": "/", "capcity": 1}, WHAT, WHERE)


def test_a_missing_setting() -> None:
    with pytest.raises(ConfigurationError, match="argument 'page_store': page store 'x' needs the setting 'path'"):
        make_settings(Settings, {}, WHAT, WHERE)


def test_a_wrong_type_names_setting_value_and_what_is_right() -> None:
    with pytest.raises(SettingTypeError, match=r"setting 'level' of page store 'x': 1.5 is not a whole number"):
        make_settings(Settings, {"path": "/", "level": 1.5}, WHAT, WHERE)


def test_validators_of_the_class_are_respected() -> None:
    with pytest.raises(ConfigurationError, match="settings of page store 'x': 'level' must be >= 1: 0") as caught:
        make_settings(Settings, {"path": "/", "level": "0"}, WHAT, WHERE)
    assert isinstance(caught.value.__cause__, ValueError)


def test_no_secret_in_the_error_of_a_validator_nor_behind_it() -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_settings(Settings, {"path": "/", "level": 0, "pin": "hunter2"}, WHAT, WHERE)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert "hunter2" not in str(caught.value)


def _in_two(text: str) -> Tuple[str, ...]:
    return tuple(text.split("-"))


def test_a_field_with_its_own_converter_takes_what_that_takes() -> None:
    @define(frozen=True)
    class Own:
        pair: Any = attrs.field(converter=_in_two)

    assert make_settings(Own, {"pair": "a-b"}, WHAT, WHERE).pair == ("a", "b")


def test_effective_settings_are_data_without_secrets() -> None:
    made = make_settings(Settings, {"path": "s3://u:p@h/x", "pin": "hunter2", "wait": 2}, WHAT, WHERE)
    shown = effective_settings(made)
    assert shown == {
        "path": "s3://***@h/x",
        "capacity": 1048576,
        "wait": 2.0,
        "mode": "safe",
        "hosts": [],
        "pin": "***",
        "level": 3,
    }
    assert type(shown["capacity"]) is int
    assert "hunter2" not in repr(made)


def test_what_there_is_to_set() -> None:
    listed = {field.name: (field.type_text, field.default_text, field.secret) for field in settings_fields(Settings)}
    assert listed == {
        "path": ("str", None, False),
        "capacity": ("Size", "1MB", False),
        "wait": ("Seconds or None", "None", False),
        "mode": ("'fast' | 'safe'", "'safe'", False),
        "hosts": ("tuple of str", "()", False),
        "pin": ("str or None", "None", True),
        "level": ("int", "3", False),
    }


def test_docstrings_say_what_settings_mean() -> None:
    @define(frozen=True)
    class Base:
        """Settings.

        Parameters
        ----------
        path : str
            Where it is, as in
            ``/here``.

            Not there.
        low, high:
            Limits.

        Notes
        -----
        other:
            No parameter.
        """

        path: str = ""
        low: Size = Size(0)
        high: Size = Size(1536)
        other: int = 0

    @define(frozen=True)
    class Derived(Base):
        """More.

        Parameters
        ----------
        other:
            Something else.
        """

    def described(cls: Any) -> Any:
        return {field.name: field.description for field in settings_fields(cls)}

    expected = {"path": "Where it is, as in `/here`. Not there.", "low": "Limits.", "high": "Limits.", "other": ""}
    assert described(Base) == expected
    assert described(Derived) == {**expected, "other": "Something else."}
    assert [field.default_text for field in settings_fields(Base)[1:3]] == ["0B", "1536B"]


def test_a_type_outside_of_the_documented_set_is_the_plugins_mistake() -> None:
    @define(frozen=True)
    class Odd:
        thing: object = None

    with pytest.raises(PluginError, match=r"field 'thing' of .*Odd is of a type that cannot be converted: object"):
        settings_fields(Odd)


def test_settings_that_are_no_attrs_class() -> None:
    class Plain:
        x = 1

    with pytest.raises(PluginError, match="is not an attrs class"):
        settings_fields(Plain)
