"""An fsspec filesystem that reads and writes remote data through a cache, assembled from plugins.

Everything here is imported when it is first used, so that ``import alluxiofs`` costs nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers know the name; to import `typing` for it would be most of the cost of this module

if TYPE_CHECKING:
    from typing import Any, List

    from alluxiofs import errors
    from alluxiofs.client import AlluxioClient
    from alluxiofs.file import AlluxioFile
    from alluxiofs.filesystem import AlluxioFileSystem
    from alluxiofs.hookspecs import hookimpl
    from alluxiofs.interfaces import (
        Call,
        Claim,
        Claims,
        Component,
        Context,
        Deadline,
        Entry,
        Event,
        Examined,
        KeptFile,
        KeptPage,
        LoadJobs,
        LoadOptions,
        LoadProgress,
        LoadState,
        Location,
        Membership,
        PageStore,
        Snapshot,
        Target,
        Telemetry,
        Transport,
        TransportCapabilities,
        UnderStore,
        UnderStoreCapabilities,
        Version,
        Worker,
        WorkerIdentity,
        WorkerPolicy,
        Writer,
        secret,
    )
    from alluxiofs.logs import LogConfig, setup_logger
    from alluxiofs.registry import make_policy
    from alluxiofs.settings.types import Seconds, Size

    __version__: str

__all__ = [
    "AlluxioClient",
    "AlluxioFile",
    "AlluxioFileSystem",
    "Call",
    "Claim",
    "Claims",
    "Component",
    "Context",
    "Deadline",
    "Entry",
    "Event",
    "Examined",
    "KeptFile",
    "KeptPage",
    "LoadJobs",
    "LoadOptions",
    "LoadProgress",
    "LoadState",
    "Location",
    "LogConfig",
    "Membership",
    "PageStore",
    "Seconds",
    "Size",
    "Snapshot",
    "Target",
    "Telemetry",
    "Transport",
    "TransportCapabilities",
    "UnderStore",
    "UnderStoreCapabilities",
    "Version",
    "Worker",
    "WorkerIdentity",
    "WorkerPolicy",
    "Writer",
    "__version__",
    "errors",
    "hookimpl",
    "make_policy",
    "secret",
    "setup_logger",
]

_ELSEWHERE = {
    "AlluxioClient": "client",
    "AlluxioFile": "file",
    "AlluxioFileSystem": "filesystem",
    "LogConfig": "logs",
    "Seconds": "settings.types",
    "Size": "settings.types",
    "hookimpl": "hookspecs",
    "make_policy": "registry",
    "setup_logger": "logs",
}
"""Where a name comes from that is not of :mod:`alluxiofs.interfaces`."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: Any
    if name == "__version__":
        from importlib.metadata import version

        value = version(__name__)
    else:
        from importlib import import_module

        module = import_module(f"{__name__}.{'errors' if name == 'errors' else _ELSEWHERE.get(name, 'interfaces')}")
        value = module if name == "errors" else getattr(module, name)
    globals()[name] = value  # the next look-up does not come here
    return value


def __dir__() -> List[str]:
    return sorted({*globals(), *__all__})
