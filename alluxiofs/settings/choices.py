"""How a component is chosen: by name, by name with settings, or given as an object."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Mapping, Optional, Tuple

import attrs
from attrs import define

from alluxiofs.errors import ConfigurationError, SettingTypeError
from alluxiofs.settings.secrets import HiddenDict, shown

__all__ = ["Choice", "parse_choice", "parse_choices"]

_FORMS = 'a name, a dict such as {"name": …, "setting": …}, or an object'


@define(frozen=True)
class Choice:
    """One component as the user chose it: either a name, with settings, or an object.

    Parameters
    ----------
    name:
        ``None`` for an object.
    settings:
        As the user wrote them; they are converted once the class is known. Shown by their names alone: which of them
        are secrets only the class knows.
    given:
        The object.
    """

    name: Optional[str] = None
    settings: Mapping[str, Any] = attrs.field(factory=HiddenDict, repr=lambda settings: repr(list(settings)))
    given: Any = None


def parse_choice(value: Any, where: str) -> Choice:
    """What ``value`` chooses. Text that begins with ``{`` is the dict as JSON."""
    if isinstance(value, str):
        text = value.strip()
        if not text:
            raise ConfigurationError(f"{where}: an empty text chooses nothing; it is {_FORMS}")
        if not text.startswith("{"):
            return Choice(text)
        value = _from_json(text, where)
    if isinstance(value, Choice):
        return value
    if isinstance(value, Mapping):
        settings = HiddenDict(value)
        name = settings.pop("name", None)
        if not isinstance(name, str) or not name:
            raise ConfigurationError(f"{where}: {shown(value)} has no 'name' that says which component; it is {_FORMS}")
        return Choice(name, settings)
    if value is None or isinstance(value, (bool, int, float, bytes, list, tuple)):
        raise SettingTypeError(f"{where}: {shown(value)} chooses nothing; it is {_FORMS}")
    return Choice(given=value)


def parse_choices(value: Any, where: str) -> Tuple[Choice, ...]:
    """What a list of choices chooses, or a single one. Text is a name, names with commas, or JSON."""
    if isinstance(value, str):
        text = value.strip()
        value = _from_json(text, where) if text.startswith("[") else text
    if isinstance(value, str) and not value.startswith("{"):
        value = [part for part in map(str.strip, value.split(",")) if part]
    items: List[Any] = list(value) if isinstance(value, (list, tuple)) else [value]
    return tuple(parse_choice(item, where) for item in items)


def _from_json(text: str, where: str) -> Any:
    try:
        value: Dict[str, Any] = json.loads(text)
    except ValueError as error:
        # The text is not shown: nothing in it can be told from a secret before it is read.
        raise ConfigurationError(f"{where}: what begins like JSON is none: {error}") from None
    return value
