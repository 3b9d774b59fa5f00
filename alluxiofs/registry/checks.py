"""Whether a class that a plugin gives can be used: found out before anybody relies on it."""

from __future__ import annotations

import inspect
import re
from typing import Any

from attrs.exceptions import FrozenInstanceError

from alluxiofs.errors import PluginError
from alluxiofs.interfaces import INTERFACE_VERSION
from alluxiofs.registry.points import Point
from alluxiofs.registry.sources import Source
from alluxiofs.settings import settings_fields

__all__ = ["check_class", "description_of"]

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


def check_class(cls: Any, point: Point, source: Source) -> None:
    """Check what the interface of an extension point asks of a class.

    Raises
    ------
    PluginError
        That names the class, where it comes from, and what is wrong with it.
    """
    if isinstance(cls, point.interface):
        raise PluginError(
            f"{source} gives an object of {type(cls).__qualname__} in {point.hook}: give the class itself, for objects "
            "are made when one is chosen"
        )
    is_one: bool = inspect.isclass(cls) and issubclass(cls, point.interface)
    if not is_one:
        raise PluginError(
            f"{source} gives {cls!r} in {point.hook}: that is not a subclass of alluxiofs.{point.interface.__name__}"
        )
    wrong = _what_is_wrong(cls, point)
    if wrong:
        raise PluginError(f"{point.words} {cls.__qualname__} of {source}: {wrong}")
    try:
        settings_fields(cls.Settings)
    except PluginError as error:
        raise PluginError(f"{point.words} {cls.__qualname__} of {source}: {error}") from error
    if not _is_frozen(cls.Settings):
        raise PluginError(
            f"{point.words} {cls.__qualname__} of {source}: {cls.Settings.__qualname__} can be changed when made; "
            "declare it with @attrs.define(frozen=True)"
        )


def description_of(cls: type) -> str:
    """The first line of the docstring of a class."""
    return (inspect.cleandoc(cls.__doc__ or "").splitlines() or [""])[0]


def _is_frozen(settings: Any) -> bool:
    """Whether no attribute can be set: tried, for releases of attrs before 25.4 do not tell."""
    try:
        settings.__new__(settings).alluxiofs = None
    except FrozenInstanceError:
        return True
    except AttributeError:  # there are slots, and none of this name
        return False
    return False


def _what_is_wrong(cls: Any, point: Point) -> str:
    name = getattr(cls, "name", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return f"its name is {name!r}; it is lower case, with words joined by '-'"
    if cls.interface_version != INTERFACE_VERSION:
        newer = isinstance(cls.interface_version, int) and cls.interface_version > INTERFACE_VERSION
        return (
            f"it is written for version {cls.interface_version!r} of the plugin interface, and this alluxiofs has "
            f"version {INTERFACE_VERSION}: install a newer {'alluxiofs' if newer else 'version of the plugin'}"
        )
    if not description_of(cls):
        return "it has no docstring, whose first line is what users are told about it"
    missing = sorted(getattr(cls, "__abstractmethods__", ()))
    if missing:
        return f"it lacks {', '.join(missing)}"
    if point.name == "under_store":
        protocols = cls.protocols
        if not isinstance(protocols, tuple) or not all(isinstance(protocol, str) for protocol in protocols):
            return f"its protocols are {protocols!r}; they are a tuple of text"
    return ""
