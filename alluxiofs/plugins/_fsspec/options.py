"""Client options that every fsspec filesystem takes."""

from __future__ import annotations

from typing import Any, Mapping

from alluxiofs.errors import ConfigurationError

__all__ = ["COMMON_OPTIONS", "uncached"]

COMMON_OPTIONS = frozenset(
    {
        "asynchronous",
        "batch_size",
        "listings_expiry_time",
        "loop",
        "max_paths",
        "skip_instance_cache",
        "use_listings_cache",
    }
)


def uncached(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options for a client of our own: shared with nobody, and without a memory of listings.

    Raises
    ------
    ConfigurationError
        For ``asynchronous=True``: such a client has no loop that a blocking call could wait for.
    """
    if options.get("asynchronous"):
        raise ConfigurationError("target_options: asynchronous=True leaves no event loop to wait on")
    return {**options, "skip_instance_cache": True, "use_listings_cache": False}
