"""What tells one store from another of the same URLs, without a secret in it."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Mapping

from alluxiofs.settings.secrets import without_secrets

__all__ = ["store_identity"]

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
