"""Everything that can be chosen, as data: what ``alluxiofs plugins`` shows."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

from attrs import define, evolve

from alluxiofs.errors import PluginError
from alluxiofs.registry.checks import description_of
from alluxiofs.registry.points import POINTS, Point
from alluxiofs.registry.registry import BUILT_IN, Registered, Registry
from alluxiofs.registry.sources import installed_plugins, own_version
from alluxiofs.settings import settings_fields

__all__ = ["ListedComponent", "ListedSetting", "Listing", "built_in_names", "list_components", "list_usable"]


@define(frozen=True)
class ListedSetting:
    """One setting of a component.

    Parameters
    ----------
    name, type:
        As users write it, and what values it takes.
    default:
        As text; ``None`` if it must be given.
    secret:
        Its value is shown nowhere.
    description:
        What it means, on one line.
    """

    name: str
    type: str
    default: Optional[str]
    secret: bool
    description: str


@define(frozen=True)
class ListedComponent:
    """One component.

    Parameters
    ----------
    name:
        What it is chosen by.
    cls:
        ``module:class``.
    package, version:
        Who gives it.
    description:
        The first line of its docstring.
    settings:
        What can be set.
    protocols:
        What it serves, if it is an under store.
    """

    name: str
    cls: str
    package: str
    version: Optional[str]
    description: str
    settings: Tuple[ListedSetting, ...]
    protocols: Tuple[str, ...] = ()


@define(frozen=True)
class Listing:
    """All there is.

    Parameters
    ----------
    points:
        The components of each extension point, by its name.
    blocked:
        Installed plugins that are not loaded because somebody said so.
    broken:
        What cannot be loaded, and why.
    """

    points: Mapping[str, Tuple[ListedComponent, ...]]
    blocked: Tuple[str, ...]
    broken: Mapping[str, str]


def list_components(registry: Registry) -> Listing:
    """List what can be chosen; loads installed packages and imports every built-in.

    Raises
    ------
    PluginError
        For an installed package that takes a built-in name.
    """
    points: Dict[str, Tuple[ListedComponent, ...]] = {}
    broken: Dict[str, str] = {}
    for point in POINTS:
        listed = []
        there, disputed = registry.all(point), registry.disputed(point)
        broken.update({f"{point.words} {name!r}": why for name, why in disputed.items()})
        for registered in there.values():
            if registered.name in disputed:
                continue
            try:
                listed.append(_listed(registered))
            except ImportError as error:
                broken[f"{point.words} {registered.name!r} of {registered.source}"] = str(error)
        points[point.name] = tuple(listed)
    broken.update({str(plugin.source): f"{type(error).__name__}: {error}" for plugin, error in registry.broken.items()})
    return Listing(points, tuple(str(plugin.source) for plugin in registry.blocked), broken)


def built_in_names(point: Point) -> Tuple[str, ...]:
    """The names of the built-in components of a point; imports none of them."""
    return tuple(Registry(disabled=[plugin.name for plugin in installed_plugins()]).all(point))


def list_usable(plugins: Sequence[Any] = (), disabled: Sequence[str] = ()) -> Listing:
    """As :func:`list_components`, with an installed package that takes a built-in name among those that are broken.

    Raises
    ------
    PluginError
        If one of ``plugins`` cannot be used.
    """
    registry = Registry(plugins, disabled)
    with suppress(PluginError):
        registry.load_installed()
    listing = list_components(Registry(plugins, [*disabled, *(plugin.name for plugin in registry.greedy)]))
    greedy = {str(plugin.source): f"{type(error).__name__}: {error}" for plugin, error in registry.greedy.items()}
    blocked = tuple(source for source in listing.blocked if source not in greedy)
    return evolve(listing, blocked=blocked, broken={**listing.broken, **greedy})


def _listed(registered: Registered) -> ListedComponent:
    cls, source = registered.load(), registered.source
    return ListedComponent(
        registered.name,
        f"{cls.__module__}:{cls.__qualname__}",
        source.package,
        own_version() if source == BUILT_IN else source.version,
        description_of(cls),
        tuple(
            ListedSetting(field.name, field.type_text, field.default_text, field.secret, field.description)
            for field in settings_fields(cls.Settings)
        ),
        registered.protocols,
    )
