"""Credentials that a callable gives, renewed before they end and when the store refuses them."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Mapping, Optional

from attrs import define, field

from alluxiofs.errors import denied
from alluxiofs.plugins._fsspec.failures import brief

__all__ = ["Credentials", "RenewedCredentials", "is_sendable"]

_EARLY = timedelta(minutes=5)  # before their end that they are renewed
_ENDED = frozenset({"InvalidAccessKeyId", "InvalidSecurityToken", "SecurityTokenExpired"})
_SOON = timedelta(seconds=10)


@define(frozen=True, eq=False)
class Credentials:
    """One set of them, as oss2 asks for its parts."""

    key: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    ends: Optional[datetime]
    since: datetime = field(factory=lambda: datetime.now(timezone.utc))

    def get_access_key_id(self) -> str:
        return self.key

    def get_access_key_secret(self) -> str:
        return self.secret

    def get_security_token(self) -> str:
        return self.token


class RenewedCredentials:
    """What oss2 takes for a provider of credentials. One renewal serves all threads that wait for it.

    Parameters
    ----------
    ask:
        Gives a mapping with ``access_key_id``, ``secret_access_key``, and for temporary ones ``token`` and
        ``expires_at``, a time in UTC.
    """

    def __init__(self, ask: Callable[[], Mapping[str, Any]]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._kept: Optional[Credentials] = None

    def get_credentials(self) -> Credentials:
        """Those of this moment."""
        kept = self._kept
        if kept is None or self._ends(kept):
            with self._lock:
                kept = self._kept
                if kept is None or self._ends(kept):
                    kept = self._kept = self._asked()
        return kept

    def renewed(self, refused: Credentials, code: str) -> bool:
        """Whether there are newer ones than those that were refused.

        Parameters
        ----------
        refused:
            What the request was signed with.
        code:
            The store's word for it; empty where it had no place for one. Then they may have ended, or may not do what
            was asked for: those that are new are not asked for again.
        """
        if code and code not in _ENDED:
            return False
        with self._lock:
            if self._kept is not refused:
                return True
            if not code and datetime.now(timezone.utc) - refused.since < _SOON:
                return False
            self._kept = self._asked()
            return True

    def _asked(self) -> Credentials:
        try:
            return _read(self._ask())
        except Exception as error:
            message = f"target_options: credential_provider failed: {type(error).__name__}: {brief(str(error))}"
            raise denied("/", message) from error

    @staticmethod
    def _ends(kept: Credentials) -> bool:
        return kept.ends is not None and kept.ends - datetime.now(timezone.utc) < _EARLY


def is_sendable(part: Any) -> bool:
    """Whether a part of credentials can be sent as it is, if there is one: from a file it often has a line break at its
    end, or a space before it. The HTTP client would refuse such a header, and say so with all of it."""
    return not part or (isinstance(part, str) and part.isascii() and part.isprintable() and part == part.strip())


def _read(said: Any) -> Credentials:
    """What a callable gave. What is wrong with it is told without what it gave."""
    if not isinstance(said, Mapping):
        raise TypeError(f"it gives a mapping, not {type(said).__name__}")
    for name in ("access_key_id", "secret_access_key"):
        if not said.get(name) or not isinstance(said[name], str):
            raise ValueError(f"it gives no {name!r} that is text")
    for name in ("access_key_id", "secret_access_key", "token"):
        if not is_sendable(said.get(name)):
            raise ValueError(f"its {name!r} has a line break, or what else no credentials have, in it")
    ends = said.get("expires_at")
    if ends is not None and not isinstance(ends, datetime):
        raise TypeError(f"'expires_at' is a datetime in UTC, not {type(ends).__name__}")
    if ends is not None and ends.tzinfo is None:
        ends = ends.replace(tzinfo=timezone.utc)
    return Credentials(said["access_key_id"], said["secret_access_key"], str(said.get("token") or ""), ends)
