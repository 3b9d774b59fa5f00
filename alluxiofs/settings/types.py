"""Types for settings that people write as text: sizes in bytes and lengths of time.

Both are numbers (``Size`` an ``int``, ``Seconds`` a ``float``), so that code computes with them as they are, and both
read text, so that ``Size("20MB")`` is a default as good as any.
"""

from __future__ import annotations

import math
import re
from typing import Union

__all__ = ["Seconds", "Size", "size_text"]

_NUMBER = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-zA-Z]*)\s*")

_SIZE_UNITS = {
    unit + ending: 1 << (10 * power)
    for power, unit in enumerate(("", "k", "m", "g", "t", "p"))
    for ending in (("", "b") if power == 0 else ("", "b", "ib"))
}

_TIME_UNITS = {
    "": 1.0,
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), 0.001),
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
}


class Size(int):
    """A number of bytes.

    Parameters
    ----------
    value:
        Bytes, or text with a unit in any letter case. Units are 1024-based whatever they are called: ``"20MB"``,
        ``"20M"`` and ``"20MiB"`` are all 20 * 2**20.

    Raises
    ------
    TypeError
        For anything that is neither a whole number nor text.
    ValueError
        For a negative number, and for text that is no size.
    """

    def __new__(cls, value: Union[int, str] = 0) -> Size:
        if isinstance(value, str):
            return super().__new__(cls, int(_measure(value, _SIZE_UNITS, "a size such as '20MB'")))
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise TypeError(f"a size is a whole number of bytes or text such as '20MB', not {type(value).__name__}")
        if value < 0:
            raise ValueError(f"{value!r} is not a size: none is negative")
        return super().__new__(cls, value)


class Seconds(float):
    """A length of time in seconds.

    Parameters
    ----------
    value:
        Seconds, or text with a unit: ``"500ms"``, ``"30s"``, ``"2min"``, ``"1h"``, ``"7d"``.

    Raises
    ------
    TypeError
        For anything that is neither a number nor text.
    ValueError
        For a negative number, one that is not finite, and for text that is no length of time.
    """

    def __new__(cls, value: Union[float, str] = 0.0) -> Seconds:
        if isinstance(value, str):
            return super().__new__(cls, _measure(value, _TIME_UNITS, "a length of time such as '30s'"))
        if isinstance(value, bool) or not hasattr(value, "__float__"):
            raise TypeError(f"a length of time is a number or text such as '30s', not {type(value).__name__}")
        seconds = super().__new__(cls, value)
        if not (0 <= seconds < math.inf):
            raise ValueError(f"{value!r} is not a length of time: none is negative or infinite")
        return seconds


def size_text(size: int) -> str:
    """A size in the largest unit that it is a whole number of: text that reads as the same size."""
    units = ["B", "KB", "MB", "GB", "TB", "PB"]
    while size and size % 1024 == 0 and len(units) > 1:
        size, units = size // 1024, units[1:]
    return f"{size}{units[0]}"


def _measure(text: str, units: dict[str, int] | dict[str, float], what: str) -> float:
    found = _NUMBER.fullmatch(text)
    if found is None or found[2].lower() not in units:
        raise ValueError(f"{text!r} is not {what}")
    number, factor = found[1], units[found[2].lower()]
    # Whole numbers stay whole: a float has 53 bits, and a capacity may have more.
    return int(number) * factor if number.isdigit() else float(number) * factor
