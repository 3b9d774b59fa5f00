"""What calls are given, checked before anything is asked of a store: a wrong one is named."""

from __future__ import annotations

import operator
from typing import Any, Callable, Iterable, Optional

from fsspec.utils import stringify_path

from alluxiofs.errors import ConfigurationError, SettingTypeError, UnknownSettingError
from alluxiofs.operations.elsewhere import of_argument_of_1, of_s3
from alluxiofs.settings.secrets import shown

__all__ = ["check_depth", "count_of", "path_text", "refuse_misspelt", "refuse_others", "whole_number"]


def path_text(path: Any) -> str:
    """A path as text."""
    if type(path) is str:  # in the path of every open
        return path
    text = stringify_path(path)
    if not isinstance(text, str):
        raise SettingTypeError(f"a path is text or a path object, not {type(path).__name__}: {shown(path)}")
    return text


def whole_number(name: str, value: Any) -> Optional[int]:
    """A whole number, or ``None``; text is none, and neither is a truth value."""
    if value is None or type(value) is int:  # in the path of every read of a range
        return value
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:
        pass
    raise SettingTypeError(f"{name}: {shown(value)} is neither a whole number nor None")


def count_of(name: str, value: Any) -> Optional[int]:
    """A whole number that is not negative, or ``None``."""
    count = whole_number(name, value)
    if count is not None and count < 0:
        raise ConfigurationError(f"{name} must not be negative, and is {count}")
    return count


def check_depth(maxdepth: Any) -> None:
    """Check how many levels to go down; ``None`` is all of them."""
    depth = whole_number("maxdepth", maxdepth)
    if depth is not None and depth < 1:
        raise ConfigurationError(f"maxdepth must be at least 1, not {depth}")


# What operations have in common, be it that some of them have no use for it.
_COMMON = ("callback", "detail", "maxdepth", "on_error", "recursive", "refresh", "withdirs")


def refuse_misspelt(method: Callable[..., Any], others: Iterable[str]) -> None:
    """fsspec passes on arguments of its own and of other filesystems, which mean nothing here; only one that is nearly
    one of the method's own, or of those that operations have in common, is refused, and what S3 would have been told
    (who may read an object, how it is encrypted)."""
    from difflib import get_close_matches

    plain: Any = method
    while hasattr(plain, "__wrapped__"):
        plain = plain.__wrapped__
    code = plain.__code__
    names = {*code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount], *_COMMON}
    for name in others:
        elsewhere = of_argument_of_1(name) or of_s3(name)
        if elsewhere:
            raise UnknownSettingError(f"{code.co_name}() has no argument {name!r}; {elsewhere}")
        near = get_close_matches(name, sorted(names), n=1, cutoff=0.75)
        if near and name not in names:
            raise UnknownSettingError(f"{code.co_name}() has no argument {name!r}; did you mean {near[0]!r}?")


def refuse_others(method: Callable[..., Any], others: Iterable[str]) -> None:
    """For what cannot be undone: every argument that is none of the method's own is refused."""
    refuse_misspelt(method, others)
    for name in others:
        raise UnknownSettingError(f"{method.__name__}() has no argument {name!r}")
