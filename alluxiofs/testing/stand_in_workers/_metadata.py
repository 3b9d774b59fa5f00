"""What a worker knows of files and directories, and goes on believing until it is told to forget it."""

from __future__ import annotations

import threading
from typing import Dict, Optional, Tuple

from alluxiofs.testing.stand_in_workers._paths import Root
from alluxiofs.testing.stand_in_workers._under_store import Stored, UnderStorage

__all__ = ["Metadata"]


class Metadata:
    """The stats and listings of the paths that one worker is in charge of.

    Parameters
    ----------
    any_name:
        Whether there can be files with a ``?`` in their names.
    """

    def __init__(self, store: UnderStorage, root: Root, any_name: bool) -> None:
        self._store = store
        self._any_name = any_name
        self._root = root
        self._lock = threading.Lock()
        self._stats: Dict[str, Stored] = {}
        self._listings: Dict[str, Tuple[Stored, ...]] = {}

    def info(self, key: str) -> Optional[Stored]:
        """What was found when the path was first asked for; that there is none is not remembered.

        To ask for what is not there makes the worker forget the listing of its directory.
        """
        found = self._stats.get(key)
        if found is None:
            found = self.look(key)
            with self._lock:
                if found is None:
                    self._listings.pop(key.rpartition("/")[0], None)
                else:
                    self._stats[key] = found
        return found

    def files(self, key: str) -> Tuple[Stored, ...]:
        """The children of a directory as they were when it was first listed, or the file itself as it is."""
        listed = self._listings.get(key)
        if listed is None:
            found = self.look(key)
            if found is None or found.is_file:
                return () if found is None else (found,)
            listed = tuple(one for one in self._store.list(found.name) if self._any_name or "?" not in one.base)
            with self._lock:
                self._listings[key] = listed
        return listed

    def look(self, key: str) -> Optional[Stored]:
        """What the under store has at a path, now."""
        name = self._root.name(key)
        return None if name is None or ("?" in name and not self._any_name) else self._store.stat(name)

    def forget(self, key: Optional[str] = None) -> None:
        """Know nothing of a path and what is below it any more, nor of the listing that it is in, or nothing at all."""
        with self._lock:
            if key is None:
                self._stats.clear()
                self._listings.clear()
                return
            for known in (self._stats, self._listings):
                for one in [one for one in known if one == key or one.startswith(key + "/")]:
                    del known[one]
            self._listings.pop(key.rpartition("/")[0], None)
