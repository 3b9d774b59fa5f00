"""Who reads the same objects of the same server: local files, the bare client, other caches, and ourselves."""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional

import fsspec
from attrs import define

from benchmarks.servers import BUCKET, Storage

__all__ = ["CONTESTANTS", "Contestant", "Place"]


@define(frozen=True)
class Place:
    """Where the objects are, and where a contestant may keep something.

    Parameters
    ----------
    storage:
        The server.
    folder:
        Of the contestant alone.
    capacity:
        Bytes that it may keep; ``None`` if that does not matter.
    """

    storage: Storage
    folder: str
    capacity: Optional[int] = None


@define(frozen=True)
class Contestant:
    """A filesystem, and how it calls an object.

    Parameters
    ----------
    name:
        What the tables show.
    make:
        Gives the filesystem, as its documentation says it is made.
    root:
        What stands before the key of an object.
    keeps:
        Whether the second read is another thing than the first.
    shares:
        Whether another process finds what it keeps.
    bounded:
        Whether what it keeps can be limited.
    """

    name: str
    make: Callable[[Place], Any]
    root: Callable[[Place], str]
    keeps: bool = True
    shares: bool = True
    bounded: bool = False


def _local(place: Place) -> Any:
    return fsspec.filesystem("file")


def _s3fs(place: Place) -> Any:
    return fsspec.filesystem("s3", **place.storage.options)


def _cached_by(protocol: str) -> Callable[[Place], Any]:
    def make(place: Place) -> Any:
        return fsspec.filesystem(
            protocol, target_protocol="s3", target_options=place.storage.options, cache_storage=place.folder
        )

    return make


def _alluxiofs(page_store: Callable[[Place], Optional[Dict[str, Any]]]) -> Callable[[Place], Any]:
    def make(place: Place) -> Any:
        return fsspec.filesystem(
            "alluxiofs",
            target_protocol="s3",
            target_options=place.storage.options,
            page_store=page_store(place),
            # The other caches believe for a week what they have seen once.
            metadata_ttl=600,
        )

    return make


def _nothing(place: Place) -> None:
    return None


def _on_disk(place: Place) -> Dict[str, Any]:
    return {"name": "disk", "path": place.folder, "capacity": place.capacity or "4GB"}


def _in_memory(place: Place) -> Dict[str, Any]:
    return {"name": "memory", "capacity": place.capacity or "512MB"}


def _in_both(place: Place) -> Dict[str, Any]:
    disk = {key: value for key, value in _on_disk(place).items() if key != "name"}
    return {"name": "tiered", "memory": "256MB", "disk": disk}


def _arrow(place: Place) -> Any:
    from pyarrow.fs import S3FileSystem

    options = place.storage.options
    return S3FileSystem(
        access_key=options["key"], secret_key=options["secret"], endpoint_override=options["endpoint_url"]
    )


def _bucket(place: Place) -> str:
    return BUCKET


_ALL = (
    Contestant("local files", _local, lambda place: place.storage.data, bounded=True),
    Contestant("s3fs", _s3fs, _bucket, keeps=False),
    Contestant("blockcache", _cached_by("blockcache"), _bucket),
    Contestant("filecache", _cached_by("filecache"), _bucket),
    Contestant("PyArrow's S3", _arrow, _bucket, keeps=False),
    Contestant("alluxiofs, nothing kept", _alluxiofs(_nothing), _bucket, keeps=False),
    Contestant("alluxiofs, disk", _alluxiofs(_on_disk), _bucket, bounded=True),
    Contestant("alluxiofs, memory", _alluxiofs(_in_memory), _bucket, shares=False, bounded=True),
    Contestant("alluxiofs, tiered", _alluxiofs(_in_both), _bucket, bounded=True),
)

#: By name. They are looked up in the processes that they run in.
CONTESTANTS: Dict[str, Contestant] = {each.name: each for each in _ALL}
