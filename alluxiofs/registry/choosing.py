"""From what a user chose to a class with its settings, or to the object that was given."""

from __future__ import annotations

import inspect
from typing import Any, Iterator, Mapping, Optional, Type

from attrs import define, field

from alluxiofs.errors import SettingTypeError
from alluxiofs.interfaces import WorkerPolicy
from alluxiofs.registry.checks import check_class
from alluxiofs.registry.points import Point
from alluxiofs.registry.registry import Registry
from alluxiofs.registry.sources import Source, source_of
from alluxiofs.settings import Choice, effective_settings, make_settings, settings_fields
from alluxiofs.settings.secrets import declare_secrets

__all__ = ["Chosen", "choose"]


@define(frozen=True)
class Chosen:
    """A component that was chosen, not made yet unless it was given.

    Parameters
    ----------
    point, cls, source:
        What it is, and who gives it.
    settings:
        An instance of ``cls.Settings``; ``None`` for an object that was given and has none.
    given:
        The object that the user passed, if it was one.
    """

    point: Point
    cls: Type[Any]
    source: Source
    settings: Any = field(repr=False)
    given: Any = None

    @property
    def capabilities(self) -> Any:
        """What it says it can do: the object, where one was given, else the class."""
        return (self.given or self.cls).capabilities

    def describe(self) -> dict[str, Any]:
        """Name, class, package and effective settings as data; secrets hidden."""
        return {
            "name": self.cls.name,
            "class": f"{self.cls.__module__}.{self.cls.__qualname__}",
            "package": self.source.package,
            "settings": {} if self.settings is None else effective_settings(self.settings),
        }


def choose(
    registry: Registry,
    point: Point,
    choice: Choice,
    offered: Optional[Mapping[str, Any]] = None,
    where: Optional[str] = None,
) -> Chosen:
    """The component that ``choice`` stands for.

    Parameters
    ----------
    registry:
        What there is.
    point:
        Of which extension point.
    choice:
        A name with settings, or an object.
    offered:
        Arguments of the filesystem that become settings where the class has them and the user's choice does not say
        otherwise.
    where:
        What messages begin with; by default the argument that chooses at this point.

    Raises
    ------
    UnknownComponentError, UnknownSettingError, SettingTypeError, ConfigurationError
        For a choice that cannot be used.
    """
    where = where or f"argument {point.name!r}"
    if choice.name is None:
        return _given(point, choice.given, where)
    registered = registry.find(point, choice.name, where)
    cls = registered.load()
    fields = settings_fields(cls.Settings)
    declare_secrets(choice.name, (field.name for field in fields if field.secret))
    names = {field.name for field in fields}
    filled = {name: value for name, value in (offered or {}).items() if name in names}
    settings = make_settings(cls.Settings, {**filled, **choice.settings}, f"{point.words} {choice.name!r}", where)
    return Chosen(point, cls, registered.source, settings)


def _given(point: Point, thing: Any, where: str) -> Chosen:
    if point.interface is WorkerPolicy:
        return _given_policy(point, thing, where)
    if inspect.isclass(thing) or not isinstance(thing, point.interface):
        raise SettingTypeError(
            f"{where}: {_kind(thing)} is no {point.words}: it is a name, a dict with 'name' and settings, or an "
            f"object of a subclass of alluxiofs.{point.interface.__name__}"
        )
    check_class(type(thing), point, source_of(thing))
    return Chosen(point, type(thing), source_of(thing), getattr(thing, "settings", None), thing)


def _given_policy(point: Point, thing: Any, where: str) -> Chosen:
    """A policy is made anew for each snapshot of workers, so it is its class that is given, or its settings."""
    if isinstance(thing, WorkerPolicy):
        raise SettingTypeError(
            f"{where}: {_kind(thing)} is made for certain workers; give its class or an instance of its Settings"
        )
    if inspect.isclass(thing) and issubclass(thing, WorkerPolicy):
        source = source_of(thing)
        check_class(thing, point, source)
        return Chosen(point, thing, source, make_settings(thing.Settings, {}, f"{point.words} {thing.name!r}", where))
    for cls in _subclasses(WorkerPolicy):
        if cls.__dict__.get("Settings") is type(thing):
            check_class(cls, point, source_of(cls))
            return Chosen(point, cls, source_of(cls), thing)
    raise SettingTypeError(
        f"{where}: {_kind(thing)} is no {point.words}: it is a name, a dict with 'name' and settings, a subclass of "
        "alluxiofs.WorkerPolicy, or an instance of the Settings of one"
    )


def _subclasses(cls: Any) -> Iterator[Any]:
    for subclass in cls.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def _kind(thing: Any) -> str:
    return f"the class {thing.__qualname__}" if inspect.isclass(thing) else f"an object of {type(thing).__qualname__}"
