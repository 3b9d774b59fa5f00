"""A hashable value that is equal for equal settings: what filesystems with the same configuration are shared under."""

from __future__ import annotations

import enum
from typing import Any, Hashable, Mapping

import attrs

__all__ = ["canonical"]

_VALUES = (str, bytes, bool, int, float, complex, type(None), enum.Enum)


class _Itself:
    """An object that equals nothing but itself. It holds the object, so that no other can get its ``id``."""

    __slots__ = ("_thing",)

    def __init__(self, thing: Any) -> None:
        self._thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and self._thing is other._thing

    def __hash__(self) -> int:
        return id(self._thing)


def canonical(value: Any) -> Hashable:
    """``value`` as something hashable.

    Text, numbers, lists, dicts and frozen attrs values are equal if they have the same type and the same content (``1``
    is not ``True``); every other object, such as a filesystem or a logger, is equal to itself alone.
    """
    kind = type(value)
    if isinstance(value, _VALUES):
        return (kind, value)
    if isinstance(value, Mapping):
        return (Mapping, frozenset((canonical(name), canonical(inner)) for name, inner in value.items()))
    if isinstance(value, (list, tuple)):
        return (kind, tuple(canonical(item) for item in value))
    if isinstance(value, (set, frozenset)):
        return (kind, frozenset(canonical(item) for item in value))
    if _is_frozen_attrs(kind):
        return (kind, tuple(canonical(getattr(value, field.name)) for field in attrs.fields(kind) if field.eq))
    return _Itself(value)


def _is_frozen_attrs(kind: type) -> bool:
    return attrs.has(kind) and kind.__hash__ is not None and kind.__hash__ is not object.__hash__
