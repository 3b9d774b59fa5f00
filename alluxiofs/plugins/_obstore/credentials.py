"""Credentials: given, found by botocore or google-auth, or asked of a callable; one renewal serves all."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

__all__ = ["BotocoreCredentials", "GoogleCredentials", "Kept", "Static"]

_EARLY = timedelta(minutes=5)  # before their end that credentials are renewed
_LOOK = timedelta(minutes=1)  # how often botocore, which renews its own in time, is asked
_SECRET = ("secret_access_key", "token")


class Static:
    """Credentials that were given as text, by the names that obstore has for them."""

    def __init__(self, **given: Optional[str]) -> None:
        self._said = {**given, "expires_at": None}

    def __call__(self) -> Mapping[str, Any]:
        return self._said

    def renew(self) -> bool:
        """Whether others can be had."""
        return False


class Kept:
    """What a callable gave, until it ends or is refused: one renewal serves all buckets and threads.

    Parameters
    ----------
    ask:
        Gives a mapping; ``expires_at`` in it is a time in UTC, or ``None`` or nothing where they have no end.
    """

    def __init__(self, ask: Callable[[], Mapping[str, Any]]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._kept: Optional[Mapping[str, Any]] = None
        self.failure: Optional[Exception] = None
        """Why there are none, of the last time that they were asked for."""
        self.secrets: Tuple[str, ...] = ()
        """What no message may have in it of those that were given last, and before them: a store may repeat them when
        it refuses them (S3 does so with tokens), and that may be after there are newer ones."""

    def __call__(self) -> Mapping[str, Any]:
        with self._lock:
            kept = self._kept
            if kept is None or self._ends(kept):
                self.failure = None
                try:
                    kept = self._kept = _complete(self._ask())
                except Exception as error:
                    self.failure = error
                    raise
                given = [str(kept[name]) for name in _SECRET if kept.get(name)]
                self.secrets = tuple(dict.fromkeys((*given, *self.secrets)))[: 2 * len(_SECRET)]
            return kept

    def renew(self) -> bool:
        """Have them asked for again. Not under the lock: who has it may be asking, and never get an answer."""
        self._kept = None
        return True

    @staticmethod
    def _ends(kept: Mapping[str, Any]) -> bool:
        end = kept.get("expires_at")
        return end is not None and end - datetime.now(timezone.utc) < _EARLY


def _complete(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    end = asked.get("expires_at")
    if end is not None and end.tzinfo is None:
        end = end.replace(tzinfo=timezone.utc)
    return {**asked, "expires_at": end}


class BotocoreCredentials(Kept):
    """What botocore finds: environment, profiles, single sign-on, roles of containers and instances.

    Parameters
    ----------
    profile:
        Of the configuration; the default one if it is not given.
    """

    def __init__(self, profile: Optional[str]) -> None:
        super().__init__(self._found)
        self._profile = profile
        self._credentials: Any = None

    def _found(self) -> Mapping[str, Any]:
        found = self._credentials
        if found is None:
            from botocore.session import Session

            found = self._credentials = Session(profile=self._profile).get_credentials()
            if found is None:
                raise PermissionError("Unable to locate credentials")
        frozen = found.get_frozen_credentials()
        temporary = hasattr(found, "refresh_needed")
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(timezone.utc) + _EARLY + _LOOK if temporary else None,
        }

    def renew(self) -> bool:
        self._credentials = None
        return super().renew()


class GoogleCredentials(Kept):
    """Credentials of google-auth.

    Parameters
    ----------
    credentials:
        Refreshed when their token has ended.
    """

    def __init__(self, credentials: Any) -> None:
        super().__init__(self._token)
        self._credentials = credentials
        self._refused = False

    def _token(self) -> Mapping[str, Any]:
        if self._refused or not self._credentials.valid:
            import requests
            from google.auth.transport.requests import Request

            with requests.Session() as session:
                self._credentials.refresh(Request(session))
            self._refused = False
        expiry = self._credentials.expiry
        said: Dict[str, Any] = {"token": self._credentials.token}
        said["expires_at"] = None if expiry is None else expiry.replace(tzinfo=timezone.utc)
        return said

    def renew(self) -> bool:
        self._refused = True
        return super().renew()
