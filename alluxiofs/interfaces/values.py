"""The small frozen values that pass between rooms: workers, versions, locations, entries."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any, Mapping, Optional, Tuple

from attrs import define, field

UNSETTLED = "unsettled-"

__all__ = ["Entry", "Location", "Version", "Worker", "WorkerIdentity", "strip_quotes"]


@define(frozen=True, order=False)
class WorkerIdentity:
    """Who a worker is, whatever its address: what Alluxio's placement hashes.

    Parameters
    ----------
    version:
        0: ``identifier`` is a signed 64-bit number, big endian (8 bytes). 1: the 16 bytes of a UUID.
    identifier:
        The bytes themselves.
    """

    version: int
    identifier: bytes

    @classmethod
    def from_host(cls, host: str) -> WorkerIdentity:
        """The identity of a worker that is known by a name only.

        It is the name-based (MD5, no name space) UUID of the host's UTF-8 bytes, as Alluxio's static membership
        makes it: version 3 and the RFC 4122 variant are set in the digest.
        """
        digest = bytearray(hashlib.md5(host.encode("utf-8"), **_NOT_FOR_SECURITY).digest())
        digest[6] = digest[6] & 0x0F | 0x30
        digest[8] = digest[8] & 0x3F | 0x80
        return cls(1, bytes(digest))

    def __str__(self) -> str:
        if self.version == 1 and len(self.identifier) == 16:
            return f"worker-{uuid.UUID(bytes=self.identifier)}"
        return f"worker-{int.from_bytes(self.identifier, 'big', signed=True)}"


def _not_for_security() -> dict[str, bool]:
    # FIPS builds of OpenSSL refuse MD5 unless told that it secures nothing; Python 3.8 does not know the word.
    try:
        hashlib.md5(b"", usedforsecurity=False)
    except TypeError:
        return {}
    return {"usedforsecurity": False}


_NOT_FOR_SECURITY: Any = _not_for_security()


@define(frozen=True)
class Worker:
    """One worker of the cluster.

    Parameters
    ----------
    identity:
        What placement hashes; two workers of one identity are the same worker.
    host, http_port, data_port:
        Where it listens.
    labels:
        What the membership knows about it (``zone``, ``rack`` …), for policies.
    """

    identity: WorkerIdentity
    host: str
    http_port: int = 28080
    data_port: int = 29998
    labels: Mapping[str, str] = field(factory=dict, hash=False)


def strip_quotes(tag: str) -> str:
    """An entity tag without its quotes; the mark of a weak one (``W/``) stays, for it is part of what it says."""
    weak = "W/" if tag.startswith("W/") else ""
    return weak + tag[len(weak) :].strip('"')


@define(frozen=True)
class Version:
    """Which content of a file: each part known or not.

    Parameters
    ----------
    tag:
        The store's content hash, ETag or generation, as ``kind:value`` (``etag:9a03…``, ``generation:17…``).
        Tags are compared only when they are of one kind.
    length:
        Bytes.
    mtime:
        Nanoseconds since the epoch.
    mtime_precision:
        Nanoseconds between two times that the source can tell apart (1_000_000_000 where it says whole seconds).
    """

    tag: Optional[str] = None
    length: Optional[int] = None
    mtime: Optional[int] = None
    mtime_precision: int = 1

    def same_as(self, other: Version) -> Optional[bool]:
        """Whether two versions are one, or ``None`` where they cannot be told apart.

        They are the same if every part that both sides know agrees, times at the coarser precision of the two.
        With nothing but the length in common nothing is known. A tag of kind ``unsettled-…`` (a file that may change
        once more within the same tick of the clock) has the value of the store's own tag, or one that all such have.
        """
        if self.length is not None and other.length is not None and self.length != other.length:
            return False
        known = False
        if self.mtime is not None and other.mtime is not None:
            coarser = max(self.mtime_precision, other.mtime_precision)
            if self.mtime // coarser != other.mtime // coarser:
                return False
            known = True
        if self.tag is not None and other.tag is not None:
            kind, _, value = self.tag.partition(":")
            other_kind, _, other_value = other.tag.partition(":")
            unsettled = kind.startswith(UNSETTLED) or other_kind.startswith(UNSETTLED)
            if kind == other_kind or unsettled:
                if strip_quotes(value) != strip_quotes(other_value):
                    return False
                known = known or not unsettled
        return True if known else None

    @property
    def tells(self) -> bool:
        """Whether this says more than a length: only then can pages be kept under it."""
        return self.tag is not None or self.mtime is not None

    def canonical(self) -> str:
        """The text that stands for this version in page keys and in what users see.

        A tag (but a weak one, which promises no equal bytes) says it all; times are told only without one, at the
        source's precision, so that a listing and a stat of the same file agree.
        """
        kind, _, value = (self.tag or "").partition(":")
        strong = bool(self.tag) and not value.startswith("W/")
        mtime = "-" if strong or self.mtime is None else self.mtime // self.mtime_precision * self.mtime_precision
        tag = f"{kind}:{strip_quotes(value)}" if self.tag else "-"
        return f"{tag}/{'-' if self.length is None else self.length}/{mtime}"

    def text(self) -> str:
        """What users see of it: the same each time that the same content is looked at.

        Unlike :meth:`canonical` it leaves out the kind of the tag: that of a file which changed a moment ago is another
        one at each look, so that nothing kept of it is found again.
        """
        value = strip_quotes((self.tag or "").partition(":")[2]) or "-"
        mtime = "-" if self.mtime is None else self.mtime // self.mtime_precision * self.mtime_precision
        return f"{value}/{'-' if self.length is None else self.length}/{mtime}"


@define(frozen=True)
class Location:
    """What every path becomes at the door.

    Parameters
    ----------
    store:
        Which of the configured under stores owns it: its prefix, and the empty text for the default one.
    name:
        The name as that store's own client spells it (``bucket/key``, ``/dir/file``).
    url:
        The canonical full URL: what is hashed for placement, and what workers are asked for.
    """

    store: str
    name: str
    url: str


@define(frozen=True)
class Entry:
    """What is known of one file or directory.

    Parameters
    ----------
    name:
        As the store's own client spells it.
    kind:
        ``"file"`` or ``"directory"``.
    size:
        Bytes; 0 for a directory; ``None`` where the store does not say.
    version:
        Of a file's content.
    created, modified:
        Seconds since the epoch, UTC.
    owner, group, mode:
        As the store has them; ``mode`` is the permission bits.
    extra:
        Whatever else the source knows, by the source's names.
    """

    name: str
    kind: str
    size: Optional[int] = None
    version: Version = Version()
    created: Optional[float] = None
    modified: Optional[float] = None
    owner: Optional[str] = None
    group: Optional[str] = None
    mode: Optional[int] = None
    extra: Mapping[str, Any] = field(factory=dict, hash=False)

    @property
    def is_file(self) -> bool:
        return self.kind == "file"


Workers = Tuple[Worker, ...]
