"""The contract that every component keeps: a name, a description, settings, a life."""

from __future__ import annotations

import json
import re

import attrs
import pytest

from alluxiofs.interfaces import INTERFACE_VERSION, Component
from alluxiofs.interfaces.component import SECRET
from alluxiofs.settings import settings_fields
from alluxiofs.settings.secrets import is_secret_name

__all__ = ["ComponentContract"]

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class ComponentContract:
    """What holds for a component of any extension point. The suites of the points are made of this one.

    Override the fixture ``component``, where a suite does not do so already.
    """

    @pytest.fixture
    def component(self) -> Component:
        """A component of the class under test, new for each test."""
        raise NotImplementedError("override the fixture `component`: it gives an instance of your class")

    def test_it_has_a_name_that_users_can_type(self, component: Component) -> None:
        assert _NAME.fullmatch(type(component).name), f"{type(component).name!r}: lower case, words joined with '-'"

    def test_its_docstring_begins_with_a_description_of_one_line(self, component: Component) -> None:
        lines = (vars(type(component)).get("__doc__") or "").strip().splitlines()
        assert lines, f"{type(component).__name__} has no docstring of its own; listings show its first line"
        assert len(lines) == 1 or not lines[1].strip(), "the description is one line, then comes an empty one"

    def test_it_was_written_for_a_known_version_of_the_interfaces(self, component: Component) -> None:
        assert 1 <= type(component).interface_version <= INTERFACE_VERSION

    def test_its_settings_are_a_frozen_attrs_class(self, component: Component) -> None:
        settings = type(component).Settings
        assert attrs.has(settings), "Settings is an attrs class: `from attrs import define`"
        assert settings.__setattr__ is not object.__setattr__, "Settings is frozen: `@define(frozen=True)`"
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            component.settings.anything = 1

    def test_its_settings_can_be_converted_from_what_users_write(self, component: Component) -> None:
        settings_fields(type(component).Settings)

    def test_settings_that_are_secrets_are_marked_as_such(self, component: Component) -> None:
        for field in attrs.fields(type(component).Settings):
            if is_secret_name(field.name):
                assert field.metadata.get(SECRET), f"{field.name}: use `alluxiofs.interfaces.secret()`"

    def test_its_description_can_be_written_as_json(self, component: Component) -> None:
        assert isinstance(json.loads(json.dumps(component.describe())), dict)

    def test_it_can_be_closed_twice(self, component: Component) -> None:
        component.close()
        component.close()
