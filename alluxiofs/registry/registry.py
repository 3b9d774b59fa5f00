"""The plugin manager: who gives what, under which name.

Built-ins come first, and their names cannot be taken; then the plugins that were passed in; then installed packages,
which are loaded only when a name is not among these, or when all there is shall be listed.

What somebody passed in must be right. An installed package, which may have come along with anything, is left out with a
warning if it cannot be used, and is an error only where a name is asked for that nobody else gives. Two that give
components of one name can be used but for that name. One that takes a built-in name is an error.
"""

from __future__ import annotations

import functools
import threading
import warnings
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Type

import pluggy
from attrs import define, field

from alluxiofs import forks, hookspecs
from alluxiofs.errors import PluginError, UnknownComponentError, nearest
from alluxiofs.interfaces import Component
from alluxiofs.plugins import builtins
from alluxiofs.registry.checks import check_class
from alluxiofs.registry.explaining import explain
from alluxiofs.registry.points import POINTS, Point
from alluxiofs.registry.sources import InstalledPlugin, Source, installed_plugins, source_of
from alluxiofs.settings.calling import level_of_caller

__all__ = ["BUILT_IN", "NameOfBuiltInError", "Registered", "Registry", "registry_for"]

BUILT_IN = Source("alluxiofs", "alluxiofs")

# Files of fsspec's memory filesystem are in this process, so that no installed package could serve them better; and
# looking for one would make every first use of it slow.
_NEVER_ELSEWHERE = frozenset({"memory"})


@define(eq=False)
class Registered:
    """A component that can be chosen."""

    point: Point
    name: str
    protocols: Tuple[str, ...]
    source: Source
    _given: Any
    installed: bool = False
    _checked: Optional[Type[Component]] = field(default=None, init=False)

    def load(self) -> Type[Component]:
        """The class, imported and checked."""
        if self._checked is None:
            cls = self._given.load() if isinstance(self._given, builtins.BuiltIn) else self._given
            check_class(cls, self.point, self.source)
            self._checked = cls
        return self._checked

    def gives(self, thing: Any) -> bool:
        """Whether this is the registration of ``thing``."""
        return self._given is thing


class NameOfBuiltInError(PluginError):
    """A plugin takes a name that a built-in has."""


def _two(known: Registered, source: Source) -> str:
    return (
        f"two {known.point.words} plugins have the name {known.name!r}: one of {known.source}, one of {source}: rename "
        "one"
    )


class Registry:
    """What can be chosen in one configuration.

    Parameters
    ----------
    plugins:
        Modules or objects with hooks, besides the built-in and the installed ones.
    disabled:
        Names of entry points that are not loaded.

    Raises
    ------
    PluginError
        If one of ``plugins`` cannot be used.
    """

    def __init__(self, plugins: Sequence[Any] = (), disabled: Sequence[str] = ()) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._components: Dict[str, Dict[str, Registered]] = {point.name: {} for point in POINTS}
        self._disabled = frozenset(disabled)
        self._lock = threading.RLock()
        self._loaded = False
        self.blocked: List[InstalledPlugin] = []
        self.broken: Dict[InstalledPlugin, Exception] = {}
        self.greedy: Dict[InstalledPlugin, PluginError] = {}
        self._disputed: Dict[Tuple[str, str], str] = {}
        self._register(builtins, BUILT_IN)
        for plugin in plugins:
            source = source_of(plugin)
            if not self._register(plugin, source):
                raise PluginError(
                    f"{source}, passed in 'plugins', has no hooks: functions such as {POINTS[0].hook}, marked with "
                    "@alluxiofs.hookimpl"
                )

    # --- looking up -------------------------------------------------------------------------------------------

    def find(self, point: Point, name: str, where: str) -> Registered:
        """The component of this name; ``where`` begins the message if there is none.

        Raises
        ------
        UnknownComponentError
            If there is none; the message has all there are, and the nearest.
        PluginError
            If two installed packages give one of this name, or one had to be loaded that takes a built-in name.
        """
        found = self._components[point.name].get(name)
        if found is None or found.installed:
            self.load_installed()
            found = self._components[point.name].get(name)
        if (point.name, name) in self._disputed:
            raise PluginError(f"{where}: {self._disputed[point.name, name]}")
        if found is None:
            raise self._unknown(point, name, where) from self._cause(name)
        return found

    def serving(self, point: Point, protocol: str) -> Optional[Registered]:
        """The under store that says it serves ``protocol``; else the one that serves what no other does.

        A built-in goes before a plugin that was passed in, and that before an installed one: another one for a protocol
        is chosen by its name.
        """
        found = self._claiming(point, protocol)
        if found is None and protocol not in _NEVER_ELSEWHERE:
            self.load_installed()
            found = self._claiming(point, protocol)
        return found or self._claiming(point, "*")

    def all(self, point: Point) -> Mapping[str, Registered]:
        """Everything there is at a point, installed packages included, by name."""
        self.load_installed()
        return dict(self._components[point.name])

    def disputed(self, point: Point) -> Mapping[str, str]:
        """The names at a point that two installed packages have given something, and what to say of it."""
        return {name: why for (of, name), why in self._disputed.items() if of == point.name}

    def _claiming(self, point: Point, protocol: str) -> Optional[Registered]:
        claiming = [one for one in self._components[point.name].values() if protocol in one.protocols]
        if len(claiming) > 1 and claiming[0].source != BUILT_IN:
            both = " and ".join(f"{one.name!r} of {one.source}" for one in claiming)
            raise PluginError(f"protocol {protocol!r} is served by {both}: choose one with the argument 'under_store'")
        return claiming[0] if claiming else None

    # --- registering ------------------------------------------------------------------------------------------

    def load_installed(self) -> None:
        """Load the installed packages, once; warn of those that cannot be used, and leave them out.

        Raises
        ------
        PluginError
            If one takes a built-in name; each time.
        """
        with self._lock:
            if not self._loaded:
                self._loaded = True
                for plugin in installed_plugins():
                    self._load(plugin)
                self._warn()
        for error in self.greedy.values():
            # A new one each time: whoever catches an error may change it.
            raise PluginError(str(error)) from error.__cause__

    def _load(self, plugin: InstalledPlugin) -> None:
        if plugin.name in self._disabled:
            self.blocked.append(plugin)
            return
        try:
            loaded = plugin.load()
            has_hooks = self._register(loaded, plugin.source, installed=True)
        except NameOfBuiltInError as error:
            self.greedy[plugin] = PluginError(f"{error} ({plugin.how_to_block})")
        except Exception as error:
            self.broken[plugin] = error
        else:
            if not has_hooks:
                self.broken[plugin] = PluginError(f"it has no hooks marked with @alluxiofs.hookimpl: {loaded!r}")

    def _warn(self) -> None:
        """Tell of what was left out, once all that can be loaded is: a warning may be an error to whoever runs this."""
        for plugin, error in self.broken.items():
            why = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
            named = f"{plugin.source}: "
            warnings.warn(
                f"{plugin.source} cannot be loaded: {why[len(named) :] if why.startswith(named) else why} "
                f"({plugin.how_to_block})",
                stacklevel=level_of_caller(),
            )

    def _register(self, plugin: Any, source: Source, installed: bool = False) -> bool:
        """Take what a plugin gives, all of it or, if something is wrong with it, nothing; whether it has any hook."""
        if self._manager.is_registered(plugin):
            return True
        others = self._manager.get_plugins()
        name = str(source)
        if self._manager.has_plugin(name):
            name = f"{name} ({len(others)})"  # two objects of one class, or modules of one name
        try:
            self._manager.register(plugin, name)
            self._manager.check_pending()
            hooks = {caller.name for caller in self._manager.get_hookcallers(plugin) or ()}
            points = [point for point in POINTS if point.hook in hooks]
            given = [(point, one) for point in points for one in self._call(point, source, others)]
            for point, one in given:
                self._check(point, one, source)
        except Exception as error:
            why = explain(self._manager, plugin, error) if isinstance(error, pluggy.PluginValidationError) else ""
            if self._manager.is_registered(plugin):
                self._manager.unregister(plugin)  # else what is wrong with it is found with each one that follows
            if why:
                raise PluginError(f"{source}: {why}") from error
            raise
        for point, one in given:
            self._add(point, one, source, installed)
        return bool(hooks)

    def _call(self, point: Point, source: Source, others: Any) -> List[Any]:
        """What one plugin gives at one point."""
        try:
            results = self._manager.subset_hook_caller(point.hook, others)()
            itself = next((result.__qualname__ for result in results if isinstance(result, type)), None)
            given = [] if itself else [one for result in results for one in result]
        except Exception as error:
            raise PluginError(f"{source}: hook {point.hook} gives no list of classes: {error!r}") from error
        if itself:
            raise PluginError(f"{source}: hook {point.hook} gives no list of classes but {itself}: return [{itself}]")
        if not results:  # pluggy leaves None out
            raise PluginError(
                f"{source}: hook {point.hook} gives no list of classes but None: is its 'return' missing? (who has "
                "nothing to give returns an empty list)"
            )
        return given

    def _check(self, point: Point, given: Any, source: Source) -> None:
        if not isinstance(given, builtins.BuiltIn):
            check_class(given, point, source)
        known = self._components[point.name].get(given.name)
        if known is not None and known.source == BUILT_IN and not known.gives(given):
            raise NameOfBuiltInError(_two(known, source))

    def _add(self, point: Point, given: Any, source: Source, installed: bool) -> None:
        there = self._components[point.name]
        known = there.get(given.name)
        if known is None:
            protocols = getattr(given, "protocols", ())
            there[given.name] = Registered(point, given.name, protocols, source, given, installed)
        elif known.gives(given):
            pass
        elif not installed:
            raise PluginError(_two(known, source))
        elif known.installed:
            why = f"{_two(known, source)}, or block one with disable_plugins=[{source.plugin!r}]"
            self._disputed.setdefault((point.name, given.name), why)
        # Else it was passed in, and goes before: so is another version of what is installed tried out.

    # --- explaining -------------------------------------------------------------------------------------------

    def _unknown(self, point: Point, name: str, where: str) -> UnknownComponentError:
        there = self._components[point.name]
        notes = []
        if "." in name or ":" in name:
            notes.append("a component is chosen by its name, and never by an import path")
        if self.broken:
            broken = ", ".join(f"{plugin.source} ({error})" for plugin, error in self.broken.items())
            notes.append(f"not looked at, for it cannot be loaded: {broken}")
        if self.blocked:
            notes.append(
                f"not looked at, for it is blocked: {', '.join(str(plugin.source) for plugin in self.blocked)}"
            )
        return UnknownComponentError(
            f"{where}: there is no {point.words} {name!r}{nearest(name, there)} (there are: {', '.join(there)})"
            + "".join(f"; {note}" for note in notes)
        )

    def _cause(self, name: str) -> Optional[Exception]:
        """What kept the one that was asked for from being loaded, as far as names tell."""
        named = [error for plugin, error in self.broken.items() if name in (plugin.name, plugin.source.package)]
        return next(iter(named or self.broken.values()), None)


# --- one registry a configuration -------------------------------------------------------------------------------


class _Same:
    """A plugin as part of a key: itself and nothing else, hashable or not."""

    def __init__(self, plugin: Any) -> None:
        self.plugin = plugin

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.plugin is other.plugin

    def __hash__(self) -> int:
        return id(self.plugin)


@functools.lru_cache(maxsize=32)
def _registry(plugins: Tuple[_Same, ...], disabled: Tuple[str, ...]) -> Registry:
    return Registry([same.plugin for same in plugins], disabled)


def registry_for(plugins: Sequence[Any] = (), disabled: Sequence[str] = ()) -> Registry:
    """The registry of a configuration: the same one for the same plugins, so that they are asked once."""
    return _registry(tuple(map(_Same, plugins)), tuple(sorted(set(disabled))))


# Another thread may hold the lock of a registry at the moment of a fork, and it would never be released.
forks.in_child(_registry.cache_clear)
