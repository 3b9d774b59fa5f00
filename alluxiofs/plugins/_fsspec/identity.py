"""What tells one store from another of the same URLs, without a secret in it."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Mapping

__all__ = ["is_secret", "shown", "store_identity", "without_secrets"]

_SECRET = re.compile(r"key|secret|token|password|credential|sas|connection_string", re.IGNORECASE)
_BEFORE_AT = re.compile(r"(?<=://)[^/@\s]+@")
_TUNING = frozenset(
    {
        "asynchronous",
        "auto_mkdir",
        "batch_size",
        "block_size",
        "cache_regions",
        "cache_timeout",
        "config_kwargs",
        "default_block_size",
        "default_cache_type",
        "default_fill_cache",
        "fixed_upload_size",
        "listings_expiry_time",
        "local_expiry_check",
        "loop",
        "max_concurrency",
        "max_paths",
        "retries",
        "session",
        "skip_instance_cache",
        "timeout",
        "use_listings_cache",
    }
)


def is_secret(name: str) -> bool:
    """Whether an option or field of this name is an access key, password or token."""
    return _SECRET.search(name) is not None


def shown(text: str) -> str:
    """A text without what stands before ``@`` in the URLs in it."""
    return _BEFORE_AT.sub("***@", text)


def without_secrets(value: Any) -> Any:
    """A mapping, or anything within one, without what is secret."""
    if isinstance(value, Mapping):
        return {str(name): without_secrets(inner) for name, inner in value.items() if not is_secret(str(name))}
    if isinstance(value, (list, tuple)):
        return [without_secrets(inner) for inner in value]
    return _BEFORE_AT.sub("", value) if isinstance(value, str) else value


def store_identity(scheme: str, options: Mapping[str, Any]) -> str:
    """A short text that is the same for equal stores, in every process.

    Parameters
    ----------
    scheme:
        The canonical one.
    options:
        Of the client. Secrets and what only tunes (timeouts, block sizes, caches) do not count.
    """
    counted = {name: value for name, value in without_secrets(options).items() if name not in _TUNING}
    if not counted:
        return scheme
    # An object among the options is told by its type: its repr may hold an address, or a secret.
    text = json.dumps(counted, sort_keys=True, default=lambda value: f"{type(value).__module__}.{type(value).__name__}")
    return f"{scheme}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"
