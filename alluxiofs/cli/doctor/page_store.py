"""The page store: whether it keeps what it is given."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping

from attrs import define

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
    kept_in = _kept_in(store.describe(), counters["capacity"])
    where = f" in {', '.join(one.folder for one in kept_in)}" if kept_in else ""
    yield Finding(
        what,
        Grade.OK,
        f"keeps pages{where}: {size_text(counters['bytes'])} of {size_text(counters['capacity'])} are in use",
        facts={name: counters[name] for name in ("pages", "bytes", "capacity")},
    )
    yield from _full_disks(what, kept_in)


@define(frozen=True)
class _Kept:
    """A folder of pages, and how many bytes it may take."""

    folder: str
    capacity: int

    @property
    def there(self) -> Path:
        """It, or what it will be made in with its first page."""
        return next(one for one in (Path(self.folder), *Path(self.folder).parents) if one.exists())


def _full_disks(what: str, kept_in: List[_Kept]) -> Iterator[Finding]:
    """The disks that have no room for what the folders on them may take. None has that of another."""
    disks: Dict[int, List[_Kept]] = {}
    for one in kept_in:
        disks.setdefault(one.there.stat().st_dev, []).append(one)
    for folders in disks.values():
        capacity = sum(one.capacity for one in folders)
        room = shutil.disk_usage(folders[0].there).free + sum(_taken(one.folder) for one in folders)
        if room >= capacity:
            continue
        names = [one.folder for one in folders]
        whose = f" of {', '.join(names)}" if len(kept_in) > 1 else ""
        yield Finding(
            what,
            Grade.WARNING,
            f"the capacity{whose} is {size_text(capacity)}, and there is room for {size_text(room)} on the disk",
            "nothing more is kept while the disk is full: name a capacity that it has room for, or a folder elsewhere",
            {"capacity": capacity, "room": room, "folders": names},
        )


def _taken(folder: str) -> int:
    """Bytes of disk that a folder has taken."""
    taken = 0
    for above, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # removed by another process meanwhile, or of somebody else
                taken += os.stat(os.path.join(above, name)).st_blocks * _BLOCK
    return taken


def _kept_in(described: Mapping[str, Any], capacity: int) -> List[_Kept]:
    """Where a page store says that it keeps pages, itself or one that it is made of, and how many bytes in each: where
    it does not say that, equal parts of the whole."""
    found: List[_Kept] = []
    for name, value in described.items():
        if isinstance(value, Mapping):
            found += _kept_in(value, capacity)
        elif name == "path":  # one, or a list of them; a plugin's may be an address, which is no folder
            paths = value if isinstance(value, (list, tuple)) else [value]
            capacities = described.get("capacities") or [capacity // max(1, len(paths))] * len(paths)
            found += [
                _Kept(path, own)
                for path, own in zip(paths, capacities)
                if isinstance(path, str) and os.path.isabs(path)
            ]
    return found
