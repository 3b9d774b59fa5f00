"""gcsfs's options, as obstore has them."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, Mapping, Tuple

from alluxiofs.plugins._obstore.credentials import GoogleCredentials, Kept, Static
from alluxiofs.plugins._obstore.options import Configuration, Options, http_options, trusted

__all__ = ["gcs_configuration"]

_CANNOT = (
    "asynchronous",
    "batch_size",
    "check_connection",
    "consistency",
    "loop",
    "requests_timeout",
    "secure_serialize",
    "version_aware",
)
_INTERACTIVE = ("browser", "cache")
_FOUND = ("cloud", "google_default")
# gcsfs uses these for buckets that it makes, and for lists of them; here is neither.
_OF_BUCKETS = frozenset({"access", "default_location", "project"})


def gcs_configuration(given: Mapping[str, Any]) -> Configuration:
    """How to make stores of Google Cloud Storage.

    Parameters
    ----------
    given:
        Options of ``gcsfs.GCSFileSystem``, and ``credential_provider``: what obstore calls so, a callable that gives
        ``token`` and ``expires_at``.

    Raises
    ------
    ConfigurationError
        For an option or a value that cannot be had here.
    """
    options = Options(given)
    for name in _OF_BUCKETS:
        options.take(name)
    endpoint = str(options.take("endpoint_url") or os.environ.get("STORAGE_EMULATOR_HOST") or "").rstrip("/")
    http = http_options(endpoint)
    # What is stored compressed is sent as it is stored only to those who say that they can read it.
    http["default_headers"] = {"Accept-Encoding": "gzip"}
    payer = options.take("requester_pays")
    if payer:
        if not isinstance(payer, str):
            raise options.refuse("requester_pays", "the name of the project that pays")
        http["default_headers"]["x-goog-user-project"] = payer
    session = options.inner("session_kwargs")
    http.update(trusted(session, "ssl", session.take("ssl")))
    session.end(("connector", "headers", "timeout", "trust_env"), frozenset())
    store: Dict[str, Any] = {"base_url": endpoint} if endpoint else {}
    credentials, secrets, more = _credentials(options)
    store.update(more)
    options.end(_CANNOT)
    return Configuration(store, http, credentials, endpoint, False, secrets)


def _credentials(options: Options) -> Tuple[Any, Tuple[str, ...], Dict[str, Any]]:
    """Who is asked for credentials, which of them were given as text, and what a store is told of them."""
    token, provider = options.take("token"), options.take("credential_provider")
    if provider is not None:
        if not callable(provider):
            raise options.refuse("credential_provider", "a callable that gives a token")
        return Kept(provider), (), {}
    if token is None or token in _FOUND:
        return None, (), {}
    if token == "anon":  # noqa: S105 a word of gcsfs's
        # Reads are not signed; for writes the library asks for a token all the same.
        return Static(token="anonymous"), (), {"skip_signature": True}  # noqa: S106 it is none
    if isinstance(token, str):
        return None, (), {"application_credentials": _file(options, token)}
    if isinstance(token, Mapping):
        return _of_account(options, token)
    if hasattr(token, "refresh"):
        return GoogleCredentials(token), (), {}
    raise options.refuse("token", "'anon', 'cloud', 'google_default', a file, what is in it, or google-auth's own")


def _file(options: Options, token: str) -> str:
    if token in _INTERACTIVE:
        raise options.refuse("token", f"{token!r} is an affair of gcsfs: leave under_store out, and it takes it")
    if not os.path.isfile(token):  # it may be a token itself, and is not shown
        raise options.refuse("token", "neither a word that is known nor a file of credentials")
    return token


def _of_account(options: Options, said: Mapping[str, Any]) -> Tuple[Any, Tuple[str, ...], Dict[str, Any]]:
    kind = said.get("type")
    if kind == "service_account":
        key = str(said.get("private_key") or "")
        return None, (key,) if key else (), {"service_account_key": json.dumps(dict(said))}
    if kind == "authorized_user":
        from google.oauth2.credentials import Credentials

        make: Any = Credentials.from_authorized_user_info
        secrets = tuple(str(said[name]) for name in ("client_secret", "refresh_token") if said.get(name))
        return GoogleCredentials(make(said)), secrets, {}
    raise options.refuse("token", f"credentials of type {kind!r}: name google-auth's own, made of them, as token")
