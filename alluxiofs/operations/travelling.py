"""How a filesystem travels to another process, as a pickle or as JSON, and what it shows of itself."""

from __future__ import annotations

import json
import os
from enum import Enum
from types import ModuleType
from typing import Any, Dict, List, Mapping, Tuple

from fsspec import AbstractFileSystem

from alluxiofs.operations.base import MODULE, PROTOCOLS, GatewayFileSystem
from alluxiofs.operations.whereabouts import with_absolute_folders
from alluxiofs.settings.secrets import HiddenDict, without_secrets

__all__ = ["Travelling"]


class Travelling(GatewayFileSystem):
    """Pickles and JSON keep the secrets, and make an equal filesystem of them at the other end."""

    @property
    def storage_options(self) -> Dict[str, Any]:
        """The arguments that this filesystem was made with; their ``repr`` hides the secrets in them. Folders of the
        page store are absolute, for another process may have another working directory."""
        return self._arguments

    @storage_options.setter
    def storage_options(self, arguments: Mapping[str, Any]) -> None:
        kept = {name: arguments[name] for name in arguments if name != "fo"}
        if "page_store" in kept:
            kept["page_store"] = with_absolute_folders(kept["page_store"])
        self._arguments: Dict[str, Any] = _hiding(kept)

    def __reduce__(self) -> Tuple[Any, ...]:
        return _arrived, (type(self), {name: _packed(name, value) for name, value in self.storage_options.items()})

    def to_dict(self, *, include_password: bool = True) -> Dict[str, Any]:
        """What makes this filesystem again, as JSON-able data, for ``AbstractFileSystem.from_dict``.

        Parameters
        ----------
        include_password:
            ``False`` leaves out every secret, at any depth.

        Raises
        ------
        TypeError
            If an argument cannot be written as JSON; the message names it.
        """
        arguments = {
            name: _as_json(name, _modules_by_name(value) if name == "plugins" else value)
            for name, value in self.storage_options.items()
        }
        cls = type(self)
        return {
            "cls": f"{cls.__module__}:{cls.__name__}",
            "protocol": PROTOCOLS[0],
            "args": [],
            **(arguments if include_password else without_secrets(arguments)),
        }

    def to_json(self, *, include_password: bool = True) -> str:
        """What makes this filesystem again, as JSON, for ``AbstractFileSystem.from_json``; see :meth:`to_dict`."""
        return json.dumps(self.to_dict(include_password=include_password))

    def __repr__(self) -> str:
        over = self.storage_options.get("target_protocol", "")
        return f"<{type(self).__name__} {over}{' ' if over else ''}at {id(self):#x}>"

    __str__ = __repr__


def _arrived(cls: Any, arguments: Dict[str, Any]) -> Any:
    return cls(**arguments)


def _packed(name: str, value: Any) -> Any:
    value = _modules_by_name(value) if name == "plugins" else _plain(value)
    if _is_picklable(value):
        return value
    name, value = _unpicklable(name, value)
    # Neither its text nor that of its error, which is not the cause either: there may be a secret in them.
    raise TypeError(
        f"argument {name!r} cannot be pickled, so the filesystem cannot: it is an object "
        f"({type(value).__module__}.{type(value).__qualname__}) that pickle refuses"
    )


def _is_picklable(value: Any) -> bool:
    import pickle

    try:
        pickle.dumps(value)
    except Exception:  # whatever an object's own methods raise
        return False
    return True


def _unpicklable(name: str, value: Any) -> Tuple[str, Any]:
    """The innermost of a value that cannot be pickled, and its name."""
    if type(value) is dict:
        items = [(f"{name}.{key}", inner) for key, inner in value.items()]
    else:
        items = [(name, inner) for inner in value] if type(value) in (list, tuple) else []
    for item in items:
        if not _is_picklable(item[1]):
            return _unpicklable(*item)
    return name, value


def _plain(value: Any) -> Any:
    """The value as it was given, before :func:`_hiding`: fsspec tells instances apart by the text of their arguments,
    and that of a dict that hides is of one process alone."""
    if type(value) in (dict, HiddenDict):
        return {name: _plain(inner) for name, inner in value.items()}
    return type(value)(map(_plain, value)) if type(value) in (list, tuple) else value


def _modules_by_name(plugins: Any) -> Any:
    if isinstance(plugins, ModuleType):
        return {MODULE: plugins.__name__}
    return [_modules_by_name(plugin) for plugin in plugins] if isinstance(plugins, (list, tuple)) else plugins


def _hiding(value: Any) -> Any:
    """The value with every dict in it one whose ``repr`` hides secrets."""
    if type(value) in (dict, HiddenDict):
        return HiddenDict({name: _hiding(inner) for name, inner in value.items()})
    return value


def _as_json(name: str, value: Any) -> Any:
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, Enum):
        return _as_json(name, value.value)
    if isinstance(value, Mapping):
        return {key: _as_json(f"{name}.{key}", inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        items: List[Any] = [_as_json(name, inner) for inner in value]
        return items
    if isinstance(value, AbstractFileSystem) and hasattr(value, "to_dict"):  # fsspec has it since 2024.6
        return value.to_dict()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(
        f"argument {name!r} cannot be written as JSON, so the filesystem cannot: it is an object "
        f"({type(value).__module__}.{type(value).__qualname__}), not text, a number, or a list or dict of these"
    )
