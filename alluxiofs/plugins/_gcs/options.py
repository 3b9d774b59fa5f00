"""Which client options there are: asked of gcsfs itself, so that a misspelled one is found before anything is sent."""

from __future__ import annotations

import inspect
from typing import FrozenSet, Iterable

from alluxiofs.errors import UnknownSettingError, nearest
from alluxiofs.plugins._fsspec.options import COMMON_OPTIONS

__all__ = ["check_options"]

# These every release has: importing gcsfs, only to check a name, would take longer than all else that is done here.
_FREQUENT = frozenset({"access", "endpoint_url", "project", "requester_pays", "token"})


def check_options(options: Iterable[str]) -> None:
    """Check the names of client options.

    Raises
    ------
    UnknownSettingError
        With the nearest name there is.
    """
    unusual = set(options) - _FREQUENT
    if not unusual:
        return
    known = _known()
    for option in sorted(unusual - known):
        raise UnknownSettingError(f"target_options: gcsfs has no option {option!r}{nearest(option, known)}")


def _known() -> FrozenSet[str]:
    from gcsfs.core import GCSFileSystem

    taken = inspect.signature(GCSFileSystem.__init__).parameters
    named = {name for name, one in taken.items() if one.kind is not one.VAR_KEYWORD}
    return frozenset((named - {"self"}) | COMMON_OPTIONS)
