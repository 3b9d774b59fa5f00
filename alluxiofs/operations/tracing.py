"""Spans of operations, for filesystems whose telemetry traces."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from alluxiofs.operations.base import GatewayFileSystem

__all__ = ["trace_operations"]

# What users call and what asks somebody; walk, which gives its answers bit by bit, is the sum of its listings.
_OPERATIONS = (
    *("cat", "cat_file", "cat_ranges", "head", "read_block", "read_bytes", "tail"),
    *("created", "du", "exists", "expand_path", "find", "glob", "info", "isdir", "isfile", "ls", "modified"),
    *("cp_file", "copy", "cp", "mkdir", "makedirs", "mv", "pipe", "pipe_file", "rm", "rm_file", "rmdir", "touch"),
    *("download", "get", "get_file", "open", "put", "put_file", "upload", "write_bytes"),
)


def trace_operations(filesystem: GatewayFileSystem) -> None:
    """Make each operation of this instance a span. One that another one calls is a part of that one's.

    Done to the instances that are traced, so that all others pay nothing for it.
    """
    for name in _OPERATIONS:
        setattr(filesystem, name, _traced(filesystem, name, getattr(filesystem, name)))


def _traced(filesystem: GatewayFileSystem, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    # Not with the class, whose import is to be a small one.
    from alluxiofs.gateway.tracing import is_within, operation

    @functools.wraps(call)
    def traced(*args: Any, **kwargs: Any) -> Any:
        if is_within():
            return call(*args, **kwargs)
        with operation(filesystem.gateway.parts.telemetry, name):
            return call(*args, **kwargs)

    return traced
