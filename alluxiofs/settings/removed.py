"""Keyword arguments of alluxiofs 1.0 and 1.1 that are no longer there: a warning says what to use now."""

from __future__ import annotations

import warnings

from alluxiofs.settings.calling import level_of_caller

__all__ = ["REMOVED", "RENAMED", "warn_of_removed", "warn_of_renamed"]

_DISK = "page_store={'name': 'disk', …}"
_MEMORY = "page_store={'name': 'memory', …}"
_PAGE_SIZE = "options={'alluxio.worker.page.store.page.size': '1MB'}"
_READAHEAD = "cache_options={'readahead': bytes} of open()"

REMOVED = {
    "etcd_refresh_workers_interval": "changes of the membership are watched, not asked for from time to time",
    "concurrency": "use max_connections, which bounds the connections to each worker",
    "preload_path": "nothing is loaded ahead; what is read once, by cat_file(path) say, is kept in the page store",
    "skip_alluxio": "name no workers, and the under store is asked alone",
    "test_options": "there is nothing to set instead",
    "local_cache_dir": f"use {_DISK} with 'path'",
    "use_mem_cache": f"use {_MEMORY}",
    "mem_map_capacity": f"use {_MEMORY} with 'capacity'",
    "use_local_disk_cache": f"use {_DISK}",
    "local_disk_cache_dir": f"use {_DISK} with 'path'",
    "mcap_enabled": f"sequential reads are read ahead as they are; see {_READAHEAD}",
    "mcap_prefetch_ahead_blocks": f"use {_READAHEAD}",
    "mcap_prefetch_concurrency": "use max_connections, which bounds the connections to each worker",
    "mcap_max_prefetch_blocks": f"use {_READAHEAD}",
    "mcap_prefetch_policy": f"use {_READAHEAD}",
    "local_cache_size_gb": f"use {_DISK} with 'capacity'",
    "local_cache_block_size_mb": f"use {_PAGE_SIZE}",
    "use_memory_cache": f"use {_MEMORY}",
    "memory_cache_size_mb": f"use {_MEMORY} with 'capacity'",
    "http_max_retries": "use retries",
    "http_timeouts": "use timeout and deadline",
    "read_buffer_size_mb": "use block_size of open()",
}
"""What to use instead of each."""

RENAMED = {
    "page_size": "alluxio.worker.page.store.page.size",
    "hash_node_per_worker": "alluxio.user.worker.selection.policy.consistent.hash.virtual.node.count.per.worker",
}
"""Arguments that must be what the cluster has, and the options that have taken their places. They are understood: to
ignore them would have other workers asked than those that hold the data."""


def warn_of_removed(name: str) -> None:
    """Warn whoever constructs the filesystem; ``FutureWarning``, for it is users who must act, not developers."""
    warnings.warn(
        f"argument {name!r} of alluxiofs 1 is ignored: {REMOVED[name]}", FutureWarning, stacklevel=level_of_caller()
    )


def warn_of_renamed(name: str) -> None:
    """Warn that an argument is an option now; it counts all the same."""
    warnings.warn(
        f"argument {name!r} of alluxiofs 1 is an option now: use options={{{RENAMED[name]!r}: …}}",
        FutureWarning,
        stacklevel=level_of_caller(),
    )
