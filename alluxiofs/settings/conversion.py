"""Values converted to the types that settings declare.

The documented set: ``str``, ``int``, ``float``, ``bool``, ``bytes``, :class:`~alluxiofs.settings.types.Size`,
:class:`~alluxiofs.settings.types.Seconds`, ``enum.Enum``, ``tuple``, ``list`` and ``dict`` of these, and ``Optional``
of any. Text (from the environment, a URL, a configuration file) is read as what the type says; anything else must be of
the type already: ``"3"`` is a good ``int`` and ``3.5`` is none.
"""

from __future__ import annotations

import collections.abc
import enum
import json
import operator
import os
import typing
from typing import Any, Callable, Dict, List, Mapping, Tuple, Type, Union

from alluxiofs.errors import ConfigurationError, SettingTypeError, nearest
from alluxiofs.settings.secrets import hidden, shown
from alluxiofs.settings.types import Seconds, Size

__all__ = ["convert", "is_convertible", "is_enum", "shown", "type_text"]

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})
_NOTHING = frozenset({"", "none", "null"})
_MAPPINGS = (dict, collections.abc.Mapping)
_SEQUENCES = (tuple, list, collections.abc.Sequence)
_DICT = 'a dict, or a JSON object as text (\'{"name": "value"}\')'


class _WrongTypeError(TypeError):
    """Of the wrong type; says what would be right."""


class _NotJSONError(ValueError):
    """Says where the text ceases to be JSON, and nothing that is in it."""


def convert(value: Any, kind: Any, where: str, secret: bool = False) -> Any:
    """``value`` as ``kind``.

    Parameters
    ----------
    value:
        What the user gave.
    kind:
        One of the documented types.
    where:
        What the value is for, to begin an error message with: ``"argument 'timeout'"``.
    secret:
        Keep the value out of the message.

    Raises
    ------
    SettingTypeError
        If it is of another type.
    ConfigurationError
        If it is of the type, or text, and cannot be one of its values.
    """
    wrong: Type[ConfigurationError]
    # Text in the place of a dict may be what was to go into the dict: nothing in it can be told from a secret.
    secret = secret or (isinstance(value, str) and typing.get_origin(_optional(kind) or kind) in _MAPPINGS)
    try:
        return _as(value, kind)
    except _WrongTypeError as error:
        message, wrong = f"{where}: {shown(value, secret)} is not {error}", SettingTypeError
    except ValueError as error:
        # Why may repeat the value, or a part of it.
        safe = isinstance(error, _NotJSONError) or not (secret or repr(hidden(value)) != repr(value))
        said = str(error) if safe else ""
        if not said.startswith(f"{value!r} is not "):
            said = f"{shown(value, secret)} is not {_right(kind)}" + (f": {said}" if said else "")
        message, wrong = f"{where}: {said}", ConfigurationError
    # Outside of the handler: the cause of an error about a secret would have the secret in it.
    raise wrong(message)


def is_convertible(kind: Any) -> bool:
    """Whether ``kind`` is one of the documented types."""
    inner = _optional(kind)
    if inner is not None:
        return is_convertible(inner)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in _SEQUENCES or origin in _MAPPINGS:
        return all(argument is Ellipsis or is_convertible(argument) for argument in arguments)
    return kind is Any or kind in _SCALARS or kind in (*_SEQUENCES, *_MAPPINGS) or is_enum(kind)


def type_text(kind: Any) -> str:
    """The type as documentation shows it: ``Size``, ``tuple of str``, ``int or None``."""
    inner = _optional(kind)
    if inner is not None:
        return f"{type_text(inner)} or None"
    if is_enum(kind):
        return " | ".join(repr(member.value) for member in kind)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in _MAPPINGS:
        return f"dict of {type_text(arguments[0])} to {type_text(arguments[1])}"
    if origin in _SEQUENCES:
        return f"{origin.__name__.lower()} of {', '.join(type_text(a) for a in arguments if a is not Ellipsis)}"
    return "any object" if kind is Any else str(getattr(kind, "__name__", kind))


def _optional(kind: Any) -> Any:
    """``X`` for ``Optional[X]``, else ``None``."""
    # X | None is a union of another class than Optional[X] from Python 3.10 on.
    if typing.get_origin(kind) is Union or type(kind).__name__ == "UnionType":
        arguments = typing.get_args(kind)
        members = [member for member in arguments if member is not type(None)]
        if len(members) == 1 and len(arguments) == 2:
            return members[0]
    return None


def is_enum(kind: Any) -> bool:
    """Whether ``kind`` has a closed set of values."""
    return isinstance(kind, type) and issubclass(kind, enum.Enum)


def _right(kind: Any) -> str:
    if typing.get_origin(kind) in _MAPPINGS:
        return _DICT
    return _WORDS.get(kind) or (f"one of {type_text(kind)}" if is_enum(kind) else type_text(kind))


def _as(value: Any, kind: Any) -> Any:
    inner = _optional(kind)
    if inner is not None:
        is_nothing = value is None or (inner is not str and isinstance(value, str) and value.lower() in _NOTHING)
        return None if is_nothing else _as(value, inner)
    if kind is Any:
        return value
    if kind in _SCALARS:
        return _SCALARS[kind](value)
    if is_enum(kind):
        return _as_enum(value, kind)
    origin, arguments = typing.get_origin(kind) or kind, typing.get_args(kind)
    if origin in _MAPPINGS:
        return _as_dict(value, arguments)
    return _as_sequence(value, list if origin is list else tuple, arguments)


def _as_text(value: Any) -> str:
    if isinstance(value, (str, os.PathLike)):
        path = os.fspath(value)
        if isinstance(path, str):
            return path
    raise _WrongTypeError("text")


def _from_text(value: str, kind: Callable[[str], Any], right: str) -> Any:
    try:
        return kind(value)
    except ValueError:  # which says the same in the interpreter's words
        raise ValueError(f"{value!r} is not {right}") from None


def _as_int(value: Any) -> int:
    if isinstance(value, str):
        return int(_from_text(value, int, "a whole number"))
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise _WrongTypeError("a whole number")
    return operator.index(value)


def _as_float(value: Any) -> float:
    if isinstance(value, bool) or not (isinstance(value, str) or hasattr(value, "__float__")):
        raise _WrongTypeError("a number")
    return float(_from_text(value, float, "a number") if isinstance(value, str) else value)


def _as_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise _WrongTypeError("true or false")
    text = value.strip().lower()
    if text not in _TRUE and text not in _FALSE:
        raise ValueError(f"{', '.join(sorted(_TRUE))} mean true, {', '.join(sorted(_FALSE))} false")
    return text in _TRUE


def _as_bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8")
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise _WrongTypeError("bytes or text")
    return bytes(value)


def _as_size(value: Any) -> Size:
    try:
        return Size(value)
    except TypeError:
        raise _WrongTypeError("a number of bytes, or text such as '20MB'") from None


def _as_seconds(value: Any) -> Seconds:
    try:
        return Seconds(value)
    except TypeError:
        raise _WrongTypeError("a number of seconds, or text such as '30s'") from None


def _as_enum(value: Any, kind: Any) -> Any:
    if isinstance(value, kind):
        return value
    for member in kind:
        if value == member.value and type(value) is type(member.value):
            return member
        if isinstance(value, str) and value.lower() in (str(member.value).lower(), member.name.lower()):
            return member
    if not isinstance(value, str):
        raise _WrongTypeError(f"one of {type_text(kind)}")
    meant = nearest(value, [str(member.value) for member in kind])
    raise ValueError(f"{value!r} is not one of {type_text(kind)}{meant}")


def _as_dict(value: Any, arguments: Tuple[Any, ...]) -> Dict[Any, Any]:
    if isinstance(value, str):
        value = _from_json(value)
    if not isinstance(value, Mapping):
        raise _WrongTypeError(_DICT)
    of_key, of_value = arguments or (Any, Any)
    return {_as(key, of_key): _as(inner, of_value) for key, inner in value.items()}


def _as_sequence(value: Any, make: Callable[[List[Any]], Any], arguments: Tuple[Any, ...]) -> Any:
    if isinstance(value, (str, os.PathLike)):
        text = os.fspath(value)
        if isinstance(value, str) and value.lstrip().startswith("["):
            value = _from_json(value)
        else:
            # A path object is one item whatever it has in it; only text is a list with commas.
            value = [part for part in map(str.strip, text.split(",")) if part] if isinstance(value, str) else [text]
    if isinstance(value, (bytes, Mapping)) or not isinstance(value, collections.abc.Iterable):
        raise _WrongTypeError("a list, or text with commas")
    items = list(value)
    if not arguments:
        return make(items)
    if make is tuple and Ellipsis not in arguments:
        if len(items) != len(arguments):
            raise ValueError(f"it must have {len(arguments)} items, not {len(items)}")
        return tuple(_as(item, kind) for item, kind in zip(items, arguments))
    return make([_as(item, arguments[0]) for item in items])


def _from_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise _NotJSONError(f"not JSON: {error}") from None


_SCALARS: Dict[Any, Callable[[Any], Any]] = {
    str: _as_text,
    int: _as_int,
    float: _as_float,
    bool: _as_bool,
    bytes: _as_bytes,
    Size: _as_size,
    Seconds: _as_seconds,
}

_WORDS: Dict[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    bytes: "bytes",
    Size: "a size in bytes",
    Seconds: "a length of time in seconds",
}
