"""The settings of a component: from what the user wrote to an instance of the component's ``Settings`` class."""

from __future__ import annotations

import enum
import functools
import typing
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

import attrs
from attrs import define

from alluxiofs.errors import ConfigurationError, PluginError, SettingTypeError, UnknownSettingError, nearest
from alluxiofs.interfaces.component import SECRET
from alluxiofs.interfaces.values import WorkerIdentity
from alluxiofs.settings.conversion import convert, is_convertible, is_enum, type_text
from alluxiofs.settings.docstrings import described_parameters
from alluxiofs.settings.hints import of_setting
from alluxiofs.settings.secrets import STARS, hidden, is_secret_name, shown
from alluxiofs.settings.types import Size, size_text

__all__ = ["SettingField", "effective_settings", "make_settings", "settings_fields"]


@define(frozen=True)
class SettingField:
    """One field of a ``Settings`` class.

    Parameters
    ----------
    name:
        As users write it.
    kind:
        Its type, resolved.
    default:
        ``attrs.NOTHING`` for a setting that must be given.
    secret:
        Its value is shown nowhere.
    own_converter:
        The class converts it itself.
    description:
        What the docstring of the class says of it.
    """

    name: str
    kind: Any
    default: Any
    secret: bool
    own_converter: bool
    description: str

    @property
    def type_text(self) -> str:
        """The type as documentation shows it."""
        return type_text(self.kind)

    @property
    def default_text(self) -> Optional[str]:
        """The default as documentation shows it; ``None`` for a setting that must be given."""
        if self.default is attrs.NOTHING:
            return None
        if isinstance(self.default, attrs.Factory):  # type: ignore[arg-type]  # attrs types its class as a function
            return repr(self.default.factory()) if not self.default.takes_self else "computed"
        if isinstance(self.default, enum.Enum):
            return repr(self.default.value)
        if isinstance(self.default, Size):
            return size_text(self.default)
        return STARS if self.secret and self.default is not None else repr(self.default)


@functools.lru_cache(maxsize=None)
def settings_fields(cls: Any) -> Tuple[SettingField, ...]:
    """The fields of a ``Settings`` class that users can set.

    Raises
    ------
    PluginError
        If it is no attrs class, or a field has a type that is not in the documented set.
    """
    if not attrs.has(cls):
        raise PluginError(f"{cls.__qualname__} is not an attrs class: decorate it with @attrs.define(frozen=True)")
    kinds, descriptions = _types_of_fields(cls), described_parameters(cls)
    fields = []
    for field in attrs.fields(cls):
        if not field.init:
            continue
        kind = kinds.get(field.name, Any)
        # An enum as the converter of its own field does what is done here, and does not say which choices there are.
        own = field.converter is not None and not (field.converter is kind and is_enum(kind))
        if not own and not is_convertible(kind):
            raise PluginError(
                f"field {field.name!r} of {cls.__qualname__} is of a type that cannot be converted: {type_text(kind)}; "
                "there are str, int, float, bool, bytes, Size, Seconds, Enum, tuple, list and dict of these, and "
                "Optional of any. A field with a converter of its own may be of any type"
            )
        secret = bool(field.metadata.get(SECRET)) or is_secret_name(field.name)
        name = field.alias or field.name
        fields.append(SettingField(name, kind, field.default, secret, own, descriptions.get(name, "")))
    return tuple(fields)


def _types_of_fields(cls: Any) -> Dict[str, Any]:
    kinds = {field.name: field.type for field in attrs.fields(cls) if field.type is not None}
    if not any(isinstance(kind, str) or "ForwardRef" in repr(kind) for kind in kinds.values()):
        return kinds
    try:
        return typing.get_type_hints(cls)
    except Exception as error:
        raise PluginError(
            f"the types of the fields of {cls.__qualname__} cannot be evaluated on this Python ({error!r}): write "
            "Optional[…], Tuple[…], with names that the module has at run time, and have the module in sys.modules"
        ) from error


def make_settings(cls: Any, values: Mapping[str, Any], what: str, where: str) -> Any:
    """An instance of a ``Settings`` class.

    Parameters
    ----------
    cls:
        The attrs class.
    values:
        What the user wrote, by the names of the settings.
    what:
        Whose settings they are, for messages: ``"page store 'disk'"``.
    where:
        What messages begin with: ``"argument 'page_store'"``.

    Raises
    ------
    UnknownSettingError
        For a setting that does not exist; the message has the nearest name and all there are.
    SettingTypeError, ConfigurationError
        For a value that cannot be used, or a setting that is missing.
    """
    fields = {field.name: field for field in settings_fields(cls)}
    for name in values:
        if name not in fields:
            there = f"there are: {', '.join(fields)}" if fields else "it has none"
            hint = of_setting(what, str(name)) or nearest(str(name), fields)
            raise UnknownSettingError(f"{where}: unknown setting {name!r} of {what}{hint} ({there})")
    missing = [name for name, field in fields.items() if field.default is attrs.NOTHING and name not in values]
    if missing:
        raise ConfigurationError(f"{where}: {what} needs the setting {', '.join(map(repr, missing))}")
    converted = {}
    for name, value in values.items():
        field = fields[name]
        setting = f"{where}: setting {name!r} of {what}"
        converted[name] = value if field.own_converter else convert(value, field.kind, setting, field.secret)
    try:
        return cls(**converted)
    except (ValueError, TypeError) as error:
        failure = error
    # Outside of the handler, for a cause could show a secret.
    secrets = [str(value) for name, value in converted.items() if fields[name].secret and value]
    refused = _refused_by_converter(cls, converted)
    setting = f"setting {refused!r}" if refused else "settings"
    raise _explained(failure, f"{where}: {setting} of {what}", secrets) from (None if secrets else failure)


def effective_settings(settings: Any) -> Dict[str, Any]:
    """The values of a ``Settings`` instance by their names, JSON-able, secrets hidden."""
    return {
        field.name: STARS if field.secret and value else _jsonable(hidden(value))
        for field in settings_fields(settings.__class__)
        for value in (getattr(settings, field.name, getattr(settings, f"_{field.name}", None)),)
    }


def _refused_by_converter(cls: Any, values: Mapping[str, Any]) -> Optional[str]:
    """The setting whose value its own converter does not take, if it is that."""
    for field in attrs.fields(cls):
        name: str = field.alias or field.name
        if name in values and callable(field.converter):
            try:
                field.converter(values[name])
            except (ValueError, TypeError):
                return name
    return None


def _explained(failure: Exception, where: str, secrets: Sequence[str]) -> ConfigurationError:
    # attrs' validators carry the attribute and the value along as further arguments; the first one is the message.
    message = str(failure.args[0]) if failure.args else type(failure).__name__
    for secret in secrets:
        message = message.replace(repr(secret), STARS).replace(secret, STARS)
    if isinstance(failure, ConfigurationError):
        return type(failure)(message)
    wrong = SettingTypeError if isinstance(failure, TypeError) else ConfigurationError
    return wrong(f"{where}: {message}")


def _jsonable(value: Any) -> Any:
    if value is None or isinstance(value, (str, bool)):
        return value
    # Not by isinstance: sizes and seconds are numbers, and some JSON writers refuse what is not exactly one.
    if isinstance(value, enum.Enum):
        return _jsonable(value.value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping):
        return {str(name): _jsonable(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_jsonable(inner) for inner in value]
    if isinstance(value, WorkerIdentity):
        return str(value)
    if attrs.has(type(value)):
        return {field.name: _jsonable(getattr(value, field.name)) for field in attrs.fields(type(value))}
    return shown(value)
