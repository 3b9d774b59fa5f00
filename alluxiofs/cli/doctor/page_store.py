"""The page store: whether it keeps what it is given."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping

from alluxiofs.cli.doctor.findings import Finding, Grade, failed
from alluxiofs.cli.output import size_text
from alluxiofs.errors import PageStoreError

if TYPE_CHECKING:
    from alluxiofs.gateway import Gateway

__all__ = ["examine_page_store"]

_KEY_BYTES = 16
_PAGE = b"a page that is dropped at once"
_BLOCK = 512  # bytes, whatever the file system's own are
_ADVICE = (
    "until then every read goes to the storage; name another folder with page_store={'name': …, 'path': …}, or here "
    "with -o page_store.path=FOLDER"
)


def examine_page_store(gateway: Gateway) -> Iterator[Finding]:
    """Keep a page of no file, read it back and drop it, for only that shows that it can be done."""
    store = gateway.parts.page_store
    if store is None:
        return
    what = f"page store {store.name}"
    key = os.urandom(_KEY_BYTES)
    try:
        kept = store.file(key, len(_PAGE))
        kept.keep(0, memoryview(_PAGE))
        right = kept.read(0, 0, len(_PAGE)) == _PAGE
        store.forget(key)
        counters = store.counters()
    except PageStoreError as error:
        yield failed(what, error, _ADVICE)
        return
    if not right:
        yield Finding(what, Grade.WRONG, "what was kept a moment ago is not there, or is something else", _ADVICE)
        return
    folders = _folders(store.describe())
    where = f" in {', '.join(folders)}" if folders else ""
    yield Finding(
        what,
        Grade.OK,
        f"keeps pages{where}: {size_text(counters['bytes'])} of {size_text(counters['capacity'])} are in use",
        facts={name: counters[name] for name in ("pages", "bytes", "capacity")},
    )
    room = _room(folders)
    if folders and room < counters["capacity"]:
        yield Finding(
            what,
            Grade.WARNING,
            f"the capacity is {size_text(counters['capacity'])}, and there is room for {size_text(room)} on the disk",
            "nothing more is kept while the disk is full: name a capacity that it has room for, or a folder elsewhere",
            {"capacity": counters["capacity"], "room": room},
        )


def _room(folders: List[str]) -> int:
    """Bytes of disk that folders have taken, and that are free where they are."""
    free: Dict[int, int] = {}
    taken = 0
    for folder in folders:
        there = next(one for one in (Path(folder), *Path(folder).parents) if one.exists())  # made with its first page
        free[there.stat().st_dev] = shutil.disk_usage(there).free
        for above, _, names in os.walk(folder):
            for name in names:
                with contextlib.suppress(OSError):  # removed by another process meanwhile, or of somebody else
                    taken += os.stat(os.path.join(above, name)).st_blocks * _BLOCK
    return taken + sum(free.values())


def _folders(described: Mapping[str, Any]) -> List[str]:
    """Where a page store says that it keeps pages, itself or one that it is made of."""
    found: List[str] = []
    for name, value in described.items():
        if isinstance(value, Mapping):
            found += _folders(value)
        elif name == "path":  # one, or a list of them; a plugin's may be an address, which is no folder
            paths = value if isinstance(value, (list, tuple)) else [value]
            found += [path for path in paths if isinstance(path, str) and os.path.isabs(path)]
    return found
