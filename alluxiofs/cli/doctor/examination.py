"""Everything in its order: the configuration, the workers, the under store, the page store, and what fits together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterator, List, Optional

from alluxiofs.cli.doctor.findings import Finding, Grade
from alluxiofs.cli.doctor.page_store import examine_page_store
from alluxiofs.cli.doctor.placement import examine_placement
from alluxiofs.cli.doctor.stores import Files, examine_at_workers, examine_stores
from alluxiofs.cli.doctor.workers import Answered, examine_workers, find_workers

if TYPE_CHECKING:
    from alluxiofs.filesystem import AlluxioFileSystem
    from alluxiofs.interfaces import Worker

__all__ = ["examine"]


def examine(fs: AlluxioFileSystem, path: Optional[str]) -> Iterator[Finding]:
    """What is found, as it is found.

    Parameters
    ----------
    fs:
        As configured.
    path:
        A file or folder that there is; ``None``: the root of the under store is looked at.
    """
    gateway = fs.gateway
    yield from _configured(fs.describe())
    workers: List[Worker] = []
    answered: Answered = []
    files: Files = []
    yield from find_workers(gateway, workers)
    yield from examine_workers(gateway, workers, answered)
    yield from examine_stores(gateway, path, files)
    if path is not None and answered and not gateway.parts.mounts:
        yield examine_at_workers(gateway, path, files)
    yield from examine_page_store(gateway)
    if workers:
        yield from examine_placement(gateway, workers, answered, files)


def _configured(described: Any) -> Iterator[Finding]:
    for what in ("under_store", "membership", "transport", "policy", "page_store"):
        one = described.get(what)
        if one is None:
            continue
        settings = ", ".join(
            f"{name}={_shown(value)}" for name, value in one["settings"].items() if value not in (None, {}, [])
        )
        protocol = f" for {one['protocol']}" if "protocol" in one else ""
        text = f"{what.replace('_', ' ')} {one['name']}{protocol}"
        yield Finding("configuration", Grade.TOLD, f"{text}: {settings}" if settings else text)
    yield Finding("configuration", Grade.TOLD, f"page size {described['page_size']} bytes")


def _shown(value: Any) -> str:
    """A setting in a line: of workers only where they are, for who they are is told with each of them."""
    if isinstance(value, list) and all(isinstance(one, dict) and "http_port" in one for one in value):
        return ",".join(f"{one['host']}:{one['http_port']}" for one in value)
    return str(value)
