"""Whether a file is closed because a ``with`` block is left by an exception, where nobody says so.

fsspec's ``OpenFile``, pandas and ``contextlib.closing`` close what they hold without passing the exception on, and
closing is what makes a file appear. So the calls that are on their way are looked at: for an ``__exit__`` of one of
these, of an object that holds the file, told of an exception. Nobody else's ``__exit__`` counts: whoever closes a file
there may have written into it what went wrong.
"""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any, Iterator, List

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["left_by_exception"]

_CALLS = 8  # a wrapper's close, that of whoever opened the file, its __exit__ …
_HOLDERS = frozenset({"fsspec", "pandas", "contextlib"})
_WRAPPED = ("buffer", "raw", "fileobj", "_file")
_LAYERS = 4  # text over compression over the file


def left_by_exception(file: Any) -> bool:
    """Whether one of those who close a file without saying why does so because of an exception."""
    frame = sys._getframe(1)
    for _ in range(_CALLS):
        if frame.f_back is None:
            return False
        frame = frame.f_back
        if frame.f_code.co_name == "__exit__" and frame.f_globals.get("__name__", "").partition(".")[0] in _HOLDERS:
            owner, *told = _arguments(frame)
            if _holds(owner, file):
                return any(argument is not None for argument in told)
    return False


def _arguments(frame: FrameType) -> List[Any]:
    """The arguments of a call: its object, then the type, value and traceback that an ``__exit__`` is given."""
    code = frame.f_code
    arguments = [frame.f_locals.get(name) for name in code.co_varnames[: code.co_argcount]]
    if code.co_flags & inspect.CO_VARARGS:
        arguments += frame.f_locals.get(code.co_varnames[code.co_argcount + code.co_kwonlyargcount], ())
    return arguments or [None]


def _holds(owner: Any, file: Any) -> bool:
    """Whether an object has the file among its attributes, in a list of these, or below text or compression there."""
    for value in vars(owner).values() if hasattr(owner, "__dict__") else ():
        for held in value if isinstance(value, (list, tuple)) else (value,):
            if any(layer is file for layer in _layers(held)):
                return True
    return False


def _layers(held: Any) -> Iterator[Any]:
    for _ in range(_LAYERS):
        yield held
        inner = None
        for name in _WRAPPED:
            try:
                inner = getattr(held, name, None)
            except ValueError:  # what was detached has none any more
                return
            if inner is not None:
                break
        if inner is None:
            return
        held = inner
