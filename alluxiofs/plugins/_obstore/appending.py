"""Appending to an object: a new one of the old content and the new, on condition that the old one is what it was."""

from __future__ import annotations

import functools
from typing import Any, Mapping, Optional, Tuple

from alluxiofs.errors import FileChangedError, NotSupportedError
from alluxiofs.interfaces import Deadline, Entry, UnderStore
from alluxiofs.plugins._fsspec.appending import check_unchanged, rewrite
from alluxiofs.plugins._fsspec.spooling import Spool
from alluxiofs.plugins._objects.store import bucket_and_key
from alluxiofs.plugins._obstore.client import ObstoreClient
from alluxiofs.plugins._obstore.reading import version_of
from alluxiofs.plugins._obstore.writer import ObstoreWriter, put

__all__ = ["append", "renew"]


def append(
    store: UnderStore,
    client: ObstoreClient,
    name: str,
    settings: Any,
    old: Optional[Entry],
    spool: Spool,
    timeout: float,
) -> None:
    """Make an object of its old content and of what was collected; no wait takes longer than ``timeout`` seconds.

    What fits in one request is on condition of the ETag (or the generation) that was read, or that there is no object.
    Larger ones, and those in stores that refuse conditions, are looked at again right before they are replaced.

    Raises
    ------
    FileChangedError
        If somebody else has changed the object meanwhile; nothing was appended.
    FileExistsError
        If somebody else has made it.
    """
    if (0 if old is None else old.size or 0) + spool.size <= settings.conditional_size:
        try:
            _replace(client, name, old, spool, timeout)
        except NotSupportedError:
            pass
        else:
            return
    said = None if old is None else _whole(client, old, timeout, head=True)[1]
    check = functools.partial(check_unchanged, store, name, old, timeout)
    writer = ObstoreWriter(
        client,
        name,
        check,
        whole=settings.part_size,
        part_size=settings.part_size,
        in_flight=settings.parts_in_flight,
        timeout=timeout,
        said=said,
    )
    rewrite(store, old, writer, spool, block=settings.part_size, timeout=timeout)


def renew(client: ObstoreClient, entry: Entry, settings: Any) -> None:
    """Give an object a new time, by writing it again: the stores copy none onto itself.

    Raises
    ------
    NotSupportedError
        If it is larger than what one request writes on a condition.
    FileChangedError
        If somebody else has changed it meanwhile.
    """
    if (entry.size or 0) > settings.conditional_size:
        raise NotSupportedError(
            f"{entry.name}: an object of more than {int(settings.conditional_size)} bytes gets no new time here; "
            "conditional_size is the limit"
        )
    data, said, condition = _whole(client, entry, settings.write_timeout)
    put(client, entry.name, data, settings.write_timeout, condition, said)


def _replace(client: ObstoreClient, name: str, old: Optional[Entry], spool: Spool, timeout: float) -> None:
    new = b"".join(spool.blocks())
    if old is None:
        put(client, name, new, timeout, "create")
        return
    try:
        data, said, condition = _whole(client, old, timeout)
    except FileNotFoundError as error:
        raise FileChangedError("removed while it was copied", name) from error
    put(client, name, b"".join((data, new)), timeout, condition, said)


def _whole(
    client: ObstoreClient, entry: Entry, timeout: float, *, head: bool = False
) -> Tuple[bytes, Mapping[str, Any], Mapping[str, Any]]:
    """The content of an object (with ``head`` none of it), what it says of itself, and the condition that stands for
    this very content."""
    bucket, key = bucket_and_key(entry.name)

    def work(found: Any) -> Tuple[Any, bytes]:
        answer = found.library.get(found.store, key, options={"head": True} if head else None)
        return answer, b"" if head else bytes(answer.bytes())

    answer, data = client.call(bucket, work, Deadline.after(timeout), entry.name)
    if entry.version.same_as(version_of(answer.meta)) is False or (not head and len(data) != entry.size):
        raise FileChangedError("changed while it was copied", entry.name)
    meta = answer.meta
    if not meta.get("e_tag"):
        raise NotSupportedError(f"{entry.name}: the store gives no ETag, and so no condition")
    condition = {field: meta[field] for field in ("e_tag", "version") if meta.get(field)}
    return data, answer.attributes, condition
