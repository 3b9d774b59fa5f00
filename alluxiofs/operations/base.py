"""What all operations stand on: the gateway behind a filesystem, and paths as fsspec sees them."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any, Callable, Optional, Sequence, Union

import fsspec
from fsspec import AbstractFileSystem
from fsspec.utils import stringify_path

from alluxiofs.errors import ConfigurationError, SettingTypeError
from alluxiofs.operations.arguments import path_text
from alluxiofs.operations.elsewhere import of_attribute
from alluxiofs.operations.tracing import trace_operations

try:
    # From fsspec 2025.10 on `alluxiofs::s3://…` is resolved for classes below this one.
    from fsspec.implementations.chained import ChainedFileSystem

    CHAINING = True
except ImportError:
    ChainedFileSystem = AbstractFileSystem
    CHAINING = False

if TYPE_CHECKING:
    from alluxiofs.gateway import Gateway
    from alluxiofs.interfaces import Location

__all__ = ["CHAINING", "MODULE", "PROTOCOLS", "GatewayFileSystem", "Path", "Paths"]

PROTOCOLS = ("alluxiofs", "alluxio")
MODULE = "module"  # {MODULE: name} is how a plugin module travels: it is imported again where it arrives

Path = Union[str, "os.PathLike[str]"]
Paths = Union[Path, Sequence[Path]]


class PerInstance:
    """A method that is one thing on the class and another on its instances.

    fsspec calls ``_strip_protocol`` and ``_parent`` on classes, where no under store is known, and on instances, where
    one is. Python's ``classmethod`` cannot tell the two apart.

    Parameters
    ----------
    on_class, on_instance:
        What is bound to the one and to the other.
    """

    def __init__(self, on_class: Callable[..., Any], on_instance: Callable[..., Any]) -> None:
        self._on_class = on_class
        self._on_instance = on_instance
        self.__doc__ = on_instance.__doc__

    def __get__(self, instance: Any, owner: Any) -> Any:
        function, subject = (self._on_class, owner) if instance is None else (self._on_instance, instance)
        return function.__get__(subject, owner)


def _take_off_own_protocol(cls: Any, path: Any) -> Any:
    """The path without one ``alluxiofs://`` or ``alluxio://`` before it: more is not known without an instance."""
    if isinstance(path, list):
        return [_take_off_own_protocol(cls, one) for one in path]
    path = stringify_path(path)
    for protocol in PROTOCOLS:
        scheme = f"{protocol}://"
        if path[: len(scheme)].lower() == scheme:
            return path[len(scheme) :]
    return path


def _parent_of_text(cls: Any, path: Any) -> str:
    stripped: str = _take_off_own_protocol(cls, path)
    head, slash, _ = stripped.rstrip("/").rpartition("/")
    return "" if not slash or head.endswith(":/") else head


def _name_in_its_store(self: GatewayFileSystem, path: Any) -> Any:
    """The name that a path in any spelling has here: bare in the default store, a URL in another one."""
    if isinstance(path, (list, tuple)):
        return [_name_in_its_store(self, one) for one in path]
    gateway = self.gateway
    return gateway.path_of(gateway.locate(self._text(path)))


def _parent_in_its_store(self: GatewayFileSystem, path: Any) -> str:
    """The name of the directory that a path is in; a root is its own parent."""
    return self.gateway.parent(self._text(path))


class GatewayFileSystem(ChainedFileSystem):  # type: ignore[misc]  # fsspec has no type hints
    """An fsspec filesystem in front of a gateway.

    The gateway is shared by all filesystems of the process that have equal settings, and looked up anew in a forked
    child.
    """

    protocol = PROTOCOLS
    # `fo` is the path of the chained URL: two paths of one store are still one filesystem.
    _strip_tokenize_options = ("fo",)

    _strip_protocol = PerInstance(_take_off_own_protocol, _name_in_its_store)
    _parent = PerInstance(_parent_of_text, _parent_in_its_store)

    def __init__(self, *others: Any, fo: Optional[str] = None, **arguments: Any) -> None:
        if others:
            raise SettingTypeError(
                f"the arguments of {type(self).__name__} have names: target_protocol=…, worker_hosts=…, etcd_hosts=…; "
                "none is taken by its place, which meant another one in each release of alluxiofs 1"
            )
        if fo and not CHAINING:
            raise ConfigurationError(
                f"'alluxiofs::' before another URL needs fsspec 2025.10 or newer, this is {fsspec.__version__}, which "
                f"would read another path than {fo!r}; use target_protocol instead: "
                f"fsspec.open('alluxiofs://bucket/key', target_protocol='s3', target_options={{…}})"
            )
        super().__init__()
        if "plugins" in arguments:
            arguments["plugins"] = _with_modules(arguments["plugins"])
        # Imported with the first filesystem, and not with the class: fsspec imports the class to look at it.
        from alluxiofs.assembly import gateway_for
        from alluxiofs.settings import Settings

        self._settings = Settings.parse(**arguments)
        self._gateway: Gateway = gateway_for(self._settings)
        self._process = os.getpid()
        self.root_marker = self._gateway.root_marker
        if self._gateway.parts.telemetry.traces:
            trace_operations(self)

    if not TYPE_CHECKING:  # or no name that is wrong would be found any more

        def __getattr__(self, name: str) -> Any:
            hint = of_attribute(name)
            if hint:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}; {hint}")
            return object.__getattribute__(self, name)  # which raises what led here

    @property
    def gateway(self) -> Gateway:
        """The read and write path that this filesystem stands in front of."""
        if self._process != os.getpid():
            from alluxiofs.assembly import gateway_for

            self._gateway = gateway_for(self._settings)
            self._process = os.getpid()
        return self._gateway

    def unstrip_protocol(self, name: Path) -> str:
        """The URL that leads to a file through this filesystem: ``alluxiofs://`` and the file's name here."""
        return f"{PROTOCOLS[0]}://{self._strip_protocol(name)}"

    def invalidate_cache(self, path: Optional[Path] = None) -> None:
        """Believe nothing any more of what was learned of a path, or, without one, of any.

        Parameters
        ----------
        path:
            A file or directory; what lies above it is forgotten as well.
        """
        self.gateway.forget(None if path is None else self._locate(path))
        super().invalidate_cache(path)

    def _locate(self, path: Path) -> Location:
        return self.gateway.locate(self._text(path))

    _text = staticmethod(path_text)


def _with_modules(plugins: Any) -> Any:
    if isinstance(plugins, dict) and list(plugins) == [MODULE]:
        return importlib.import_module(plugins[MODULE])
    return [_with_modules(plugin) for plugin in plugins] if isinstance(plugins, (list, tuple)) else plugins
