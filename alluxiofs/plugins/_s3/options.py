"""Which client options there are: asked of s3fs itself, so that a wrong one is found before anything is sent."""

from __future__ import annotations

import inspect
from typing import Any, FrozenSet, Mapping, Set
from urllib.parse import urlsplit

from alluxiofs.errors import ConfigurationError, UnknownSettingError, nearest
from alluxiofs.plugins._fsspec.options import COMMON_OPTIONS
from alluxiofs.settings.secrets import hidden_text

__all__ = ["check_options"]

# These every release has: importing s3fs, only to check a name, would take longer than all else that is done here.
_FREQUENT = frozenset(
    {"anon", "client_kwargs", "config_kwargs", "endpoint_url", "key", "profile", "secret", "token", "use_ssl"}
)
# s3fs passes what it does not know on to the session, which does not know this one.
_REFUSED = frozenset({"batch_size"})


def check_options(options: Mapping[str, Any]) -> None:
    """Check the names of client options, and the address among them.

    Raises
    ------
    UnknownSettingError
        With the nearest name there is.
    ConfigurationError
        For an address that does not say how to speak to it.
    """
    address = options.get("endpoint_url") or (options.get("client_kwargs") or {}).get("endpoint_url") or "://"
    if "://" not in str(address):
        raise ConfigurationError(
            f"target_options: endpoint_url {hidden_text(str(address))!r} has no scheme: write http:// or https:// "
            "before it"
        )
    try:
        _ = urlsplit(str(address)).port
    except ValueError:  # what is taken for the port may be a part of a password: botocore's error has all of it
        raise ConfigurationError(f"target_options: endpoint_url {hidden_text(str(address))!r} is no URL") from None
    unusual = set(options) - _FREQUENT
    if not unusual:
        return
    known = _known()
    for option in sorted(unusual - known):
        raise UnknownSettingError(f"target_options: s3fs has no option {option!r}{nearest(option, known)}")


def _known() -> FrozenSet[str]:
    from aiobotocore.session import AioSession
    from s3fs import S3FileSystem

    found: Set[str] = set(COMMON_OPTIONS - _REFUSED)
    for taken in (S3FileSystem.__init__, AioSession.__init__):
        kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        found.update(name for name, one in inspect.signature(taken).parameters.items() if one.kind in kinds)
    return frozenset(found - {"self"})
