"""Stats and listings that one process has asked for, and others of the machine find warm: notes in the page store.

Who asks an under store notes the answer, with the moment at which it asked. A process believes a note for as long as
its own time to live says, counted from that moment, and only if nothing speaks against it:

- the process itself has forgotten the path since then: what it has written it reads back at once, whatever others note;
- another process that shares the page store says that it has changed something there since then;
- the moment is not of this start of the machine, lies in the future, or the clocks do not agree about it.

Absence is not noted. Answers of workers are not either: these keep them themselves.
"""

from __future__ import annotations

import hashlib
import time
from typing import Dict, Iterable, List, Optional, Sequence, Set, Tuple

from attrs import frozen

from alluxiofs.errors import PageStoreError
from alluxiofs.gateway.keeping import PAUSE, Keeper
from alluxiofs.gateway.metadata import forgotten_since
from alluxiofs.gateway.notes import Moment, Told, decode, decode_moment, encode, encode_moment
from alluxiofs.gateway.parts import Mount
from alluxiofs.gateway.tenant import tenant_of
from alluxiofs.interfaces import Entry, PageStore

__all__ = ["Noted", "SharedMetadata"]

_MOST_ENTRIES = 30_000  # of a listing; a longer one costs others more to read than they may need of it
_MOST_BYTES = 8 * 2**20
_MOST_TOO_OLD = 4096
_MOST_CHANGE_KEYS = 1024
_MOST_READ_ALONG = 8192
_LOOK_AGAIN = 1.0  # seconds
_DISAGREEMENT = 1.0  # seconds by which two clocks may differ about an age
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_EVERYTHING = "\0everything"  # in the place of a URL: none has a NUL in it


@frozen
class Noted:
    """Entries that a process of this machine has asked for.

    Parameters
    ----------
    entries:
        One for a stat.
    asked:
        When, as ``time.monotonic()``.
    until:
        Until when they are believed, as ``time.monotonic()``.
    """

    entries: Tuple[Entry, ...]
    asked: float
    until: float


class SharedMetadata:
    """Notes what under stores have answered, and finds what others have noted.

    Parameters
    ----------
    keeper:
        Of the page store that takes the notes; one without a place for them shares nothing.
    ttl:
        Seconds for which a stat or a listing is believed; with 0 nothing is noted, and no note is believed.
    capacity:
        Bytes that what is believed may take in this process: notes that would not find room are left where they are.
    """

    def __init__(self, keeper: Keeper, ttl: float, capacity: int) -> None:
        self._keeper = keeper
        self._ttl = ttl
        self._largest = min(_MOST_BYTES, capacity // 8)
        store = keeper.store
        self._store = store if store is not None and type(store).put_note is not PageStore.put_note else None
        self._resume_at = 0.0
        self._tenants: Dict[str, Optional[bytes]] = {}
        self._change_keys: Dict[Tuple[str, str], bytes] = {}
        self._start: Optional[str] = None
        self._read_along: Set[bytes] = set()
        self._too_old: Dict[bytes, float] = {}  # until when notes that were too old are not looked at again

    def now(self) -> Moment:
        """What to tell :meth:`note`, read before the under store is asked."""
        return Moment(self._this_start(), time.monotonic(), time.time())

    def entry(self, mount: Mount, url: str, above: str) -> Optional[Noted]:
        """What somebody has noted of a stat of ``url``, whose directory is ``above``."""
        return self._noted(mount, "stat", url, (above,))

    def listing(self, mount: Mount, key: str, above: Sequence[str]) -> Optional[Noted]:
        """What somebody has noted of a listing. ``above``: the directory itself, and the one that it is in."""
        return self._noted(mount, "list", key, above)

    def heard_of(self, mount: Mount, url: str, above: str) -> bool:
        """Whether some process may have been told what ``url`` is, however long ago: its pages may be kept then."""
        if self._store is None:
            return False  # what is kept is this process's alone
        tenant = self._tenant(mount)
        if tenant is None or not self._usable(mount):
            return True
        key = _key("stat", tenant, url)
        return key in self._too_old or _key("list", tenant, above) in self._too_old or self._get(key) is not None

    def note_entry(self, mount: Mount, url: str, entry: Entry, asked: Moment) -> None:
        """Have others know a stat."""
        self._note(mount, "stat", url, (entry,), asked)

    def note_listing(self, mount: Mount, key: str, listing: Tuple[Entry, ...], asked: Moment) -> None:
        """Have others know a listing, unless it is too long."""
        if len(listing) <= _MOST_ENTRIES:
            self._note(mount, "list", key, listing, asked)

    def drop(self, mount: Mount, urls: Iterable[str]) -> None:
        """What was noted of these is not so any more."""
        if not self._usable(mount):
            return
        tenant = self._tenant(mount)
        if tenant is not None:
            self._drop([_key(kind, tenant, url) for url in urls for kind in _kinds(url)])

    def changed(self, mount: Mount, directory: str, urls: Iterable[str]) -> None:
        """This process has changed something in a directory: nobody believes what was asked before now of what is in
        it, nor a note of that which somebody is about to make. ``urls``: what else may be noted that is not so any
        more."""
        if self._usable(mount):
            self._put(self._change_key(mount, directory), encode_moment(self.now()))
            self.drop(mount, urls)

    def changed_everywhere(self, mount: Mount) -> None:
        """This process has changed what it does not know the names of."""
        self.changed(mount, _EVERYTHING, ())

    # --- notes --------------------------------------------------------------------------------------------------

    def _noted(self, mount: Mount, kind: str, key: str, above: Sequence[str]) -> Optional[Noted]:
        if self._ttl <= 0 or not self._usable(mount):
            return None
        tenant = self._tenant(mount)
        note_key = None if tenant is None else _key(kind, tenant, key)
        if note_key is None or self._too_old.get(note_key, 0.0) > time.monotonic():
            return None
        note = self._get(note_key)
        if note is None or len(note) > self._largest:
            return None
        told = decode(note)
        if told is None or told.about != key:
            return None
        if not self._is_young(told):
            self._pass_over(note_key)
            return None
        return self._believed(told, self._changes(mount, above))

    def beside(self, mount: Mount, url: str, above: str, number: int) -> List[Tuple[str, Noted]]:
        """What somebody has noted of other files in the directory ``above``, soon after the stat of ``url``, which was
        found; by URL. ``number``: of notes that are looked at."""
        tenant = self._tenant(mount)
        if self._store is None or tenant is None:
            return []
        first = _key("stat", tenant, url)
        if first in self._read_along or len(self._read_along) >= _MOST_READ_ALONG:
            self._read_along.clear()  # what was read is believed no more: they may all be other ones by now
        try:
            notes = self._store.notes_after(first, number)
        except PageStoreError as error:
            self._failed(error)
            return []
        directory = url.rpartition("/")[0]
        changes = self._changes(mount, (above,))
        found = []
        for note_key, note in notes:
            if note_key in self._read_along:
                continue
            self._read_along.add(note_key)
            told = decode(note)
            if told is None or told.about.rpartition("/")[0] != directory or not self._is_young(told):
                continue
            if _key("stat", tenant, told.about) != note_key:
                continue  # another tenant's, or another kind of note
            noted = self._believed(told, changes)
            if noted is not None:
                found.append((told.about, noted))
        return found

    def _is_young(self, told: Told) -> bool:
        age = self._age(told.asked)
        return age is not None and age < self._ttl

    def _believed(self, told: Told, changes: Sequence[Optional[Moment]]) -> Optional[Noted]:
        """What a note says, unless something speaks against it."""
        asked = told.asked
        if forgotten_since(told.about, asked.monotonic):
            return None
        for change in changes:
            # One that cannot be read may be of any moment; one of another start of the machine is of an earlier one.
            if change is None or (change.start == asked.start and change.monotonic >= asked.monotonic):
                return None
        entries = told.entries()
        return None if entries is None else Noted(entries, asked.monotonic, asked.monotonic + self._ttl)

    def _pass_over(self, note_key: bytes) -> None:
        """A long listing that is too old would be read for each stat below it; somebody may replace it, though."""
        if len(self._too_old) >= _MOST_TOO_OLD:
            self._too_old.clear()
        self._too_old[note_key] = time.monotonic() + _LOOK_AGAIN

    def _note(self, mount: Mount, kind: str, key: str, entries: Tuple[Entry, ...], asked: Moment) -> None:
        if self._ttl <= 0 or not self._usable(mount) or forgotten_since(key, asked.monotonic):
            return
        tenant = self._tenant(mount)
        note = None if tenant is None else encode(key, asked, entries)
        if tenant is None:
            return
        if note is not None and len(note) <= _MOST_BYTES:
            note_key = _key(kind, tenant, key)
            self._too_old.pop(note_key, None)
            self._put(note_key, note)
        else:
            self._drop([_key(kind, tenant, key)])  # an older answer is none any more

    def _age(self, asked: Moment) -> Optional[float]:
        """Seconds since a moment; ``None`` if that cannot be told."""
        age, by_the_wall = time.monotonic() - asked.monotonic, time.time() - asked.wall
        if self._this_start() != asked.start or age < 0 or abs(age - by_the_wall) > _DISAGREEMENT:
            return None
        return age

    def _changes(self, mount: Mount, directories: Sequence[str]) -> List[Optional[Moment]]:
        """When processes have last changed something in directories, or anywhere, where one has said so; ``None`` for
        what cannot be read."""
        notes = [self._get(self._change_key(mount, url)) for url in (*directories, _EVERYTHING)]
        return [decode_moment(note) for note in notes if note is not None]

    def _this_start(self) -> str:
        start = self._start
        if start is None:
            try:
                with open(_BOOT_ID, encoding="ascii") as file:
                    start = file.read().strip()
            except (OSError, ValueError):  # a system that has none: the two clocks tell starts apart
                start = ""
            self._start = start
        return start

    def _change_key(self, mount: Mount, url: str) -> bytes:
        """Every tenant's changes are everybody's. Remembered, for it is looked for with each stat that is noted: of one
        directory, again and again."""
        about = mount.prefix, url
        key = self._change_keys.get(about)
        if key is None:
            if len(self._change_keys) >= _MOST_CHANGE_KEYS:
                self._change_keys.clear()
            parts = (b"change", _encoded(mount.store.identity()), _encoded(url))
            key = self._change_keys[about] = hashlib.sha256(b"\0".join(parts)).digest()[:16]
        return key

    # --- the page store -----------------------------------------------------------------------------------------

    def _usable(self, mount: Mount) -> bool:
        """Whether answers of an under store are worth sharing, and can be at the moment."""
        if self._store is None or not mount.store.capabilities.remote:
            return False
        return time.monotonic() >= self._resume_at and self._keeper.working

    def _tenant(self, mount: Mount) -> Optional[bytes]:
        try:
            return self._tenants[mount.prefix]
        except KeyError:
            return self._tenants.setdefault(mount.prefix, tenant_of(mount.store))

    def _get(self, key: bytes) -> Optional[bytes]:
        if self._store is None:
            return None
        try:
            return self._store.note(key)
        except PageStoreError as error:
            self._failed(error)
            return None

    def _put(self, key: bytes, note: bytes) -> None:
        if self._store is not None:
            try:
                self._store.put_note(key, note)
            except PageStoreError as error:
                self._failed(error)

    def _drop(self, keys: List[bytes]) -> None:
        if self._store is not None:
            try:
                self._store.drop_notes(keys)
            except PageStoreError as error:
                self._failed(error)

    def _failed(self, error: PageStoreError) -> None:
        """A while without notes. Pages may do all the same: where nothing can be written they can still be read."""
        self._resume_at = time.monotonic() + PAUSE
        self._keeper.tell(error)


def _kinds(key: str) -> Sequence[str]:
    """What may be noted under a key: a listing of all that is below a directory has one of its own."""
    return ("list",) if "\0" in key else ("stat", "list")


def _key(kind: str, tenant: bytes, url: str) -> bytes:
    # A digest that nobody can find another text for, unlike that of pages: tenants must not get at one another's.
    return hashlib.sha256(b"\0".join((b"metadata", kind.encode(), tenant, _encoded(url)))).digest()[:16]


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
