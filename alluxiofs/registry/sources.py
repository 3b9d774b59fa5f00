"""Where plugins come from, and how installed ones are found."""

from __future__ import annotations

import types
from typing import Any, Iterator, List, Optional

from attrs import define, field

from alluxiofs.hookspecs import PROJECT

__all__ = ["InstalledPlugin", "Source", "installed_plugins", "own_version", "source_of"]


@define(frozen=True)
class Source:
    """Who gives a component.

    Parameters
    ----------
    plugin:
        The name of the plugin: of its entry point, or of its module.
    package:
        The distribution, or the top-level package of a module.
    version:
        Of the distribution, where it is known.
    """

    plugin: str
    package: str
    version: Optional[str] = None

    def __str__(self) -> str:
        version = f" {self.version}" if self.version else ""
        if self.plugin == self.package:
            return f"{self.package}{version}"
        return f"plugin {self.plugin!r} of {self.package}{version}"


@define(frozen=True)
class InstalledPlugin:
    """An entry point in the group of this package, not loaded yet."""

    source: Source
    _entry_point: Any = field(repr=False, eq=False)

    @property
    def name(self) -> str:
        """What it is blocked by."""
        return self.source.plugin

    @property
    def how_to_block(self) -> str:
        """What users can do about it, within parentheses."""
        return f"block it with disable_plugins=[{self.name!r}] or ALLUXIOFS_DISABLE_PLUGINS={self.name}"

    def load(self) -> Any:
        """Import it; raises whatever that raises."""
        return self._entry_point.load()


def source_of(thing: Any) -> Source:
    """Where a module or an object that somebody passed in comes from."""
    if isinstance(thing, types.ModuleType):
        return Source(thing.__name__, thing.__name__.partition(".")[0])
    kind = thing if isinstance(thing, type) else type(thing)
    return Source(f"{kind.__module__}.{kind.__qualname__}", kind.__module__.partition(".")[0])


def installed_plugins() -> Iterator[InstalledPlugin]:
    """The entry points of the group, in the order of ``sys.path``; of two installations of one package the first."""
    # Late: it costs as much as everything else here together, and most never come here.
    from importlib.metadata import distributions

    seen: List[str] = []
    for distribution in distributions():
        entry_points = [point for point in distribution.entry_points if point.group == PROJECT]
        if not entry_points:
            continue
        package = distribution.metadata["Name"]
        if package in seen:
            continue
        seen.append(package)
        for point in entry_points:
            yield InstalledPlugin(Source(point.name, package, distribution.version), point)


def own_version() -> str:
    """The version of this package."""
    from importlib.metadata import version

    return version("alluxiofs")
