"""What the settings of policies have in common."""

from __future__ import annotations

from typing import Any, Callable

from attrs import Attribute

from alluxiofs.errors import ConfigurationError, SettingTypeError

__all__ = ["at_least_one"]


def at_least_one(policy: str) -> Callable[[Any, Attribute[int], Any], None]:
    """A validator of attrs: a whole number from 1 on, or an error that names the policy and the setting."""

    def check(_: Any, attribute: Attribute[int], value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            raise SettingTypeError(f"{attribute.name}={value!r} of policy {policy!r}: a whole number is needed")
        if value < 1:
            raise ConfigurationError(f"{attribute.name}={value!r} of policy {policy!r}: must be at least 1")

    return check
