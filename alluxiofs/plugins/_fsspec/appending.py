"""Copying and appending by reading and writing, for stores that cannot do it themselves."""

from __future__ import annotations

import contextlib
import functools
import threading
import weakref
from typing import Any, Callable, Iterator, MutableMapping, Optional

from alluxiofs import forks
from alluxiofs.errors import DeadlineExceededError, FileChangedError, TemporaryError, is_a_directory
from alluxiofs.interfaces import Deadline, Entry, UnderStore, Writer
from alluxiofs.plugins._fsspec.spooling import Spool, SpoolingWriter
from alluxiofs.plugins._fsspec.waiting import Backoff

__all__ = ["RewritingWriter", "check_unchanged", "found_file", "pour", "rewrite", "rewriting"]

_LEAST_ATTEMPTS = 3  # however long one takes
_READS = 3  # of one block
_PAUSE = 0.01
_LONGEST_PAUSE = 1.0


class RewritingWriter(SpoolingWriter):
    """Appends at commit, by writing the whole file anew; again, if somebody else has changed it meanwhile.

    The threads of this process take turns at a file.

    Parameters
    ----------
    store, name:
        Whose file it is; a missing one is made.
    attempt:
        Makes the file of its old content and of what was collected, given the seconds that one wait may take. It raises
        :class:`~alluxiofs.errors.FileChangedError` only if it is certain that it has changed nothing: then it is called
        again.
    timeout:
        Seconds that one wait may take, if :attr:`patience` is no less; and after which the file is not tried again.
        Three attempts are made in any case.
    patience:
        The writer's.
    """

    def __init__(
        self,
        store: UnderStore,
        name: str,
        attempt: Callable[[Spool, float], None],
        timeout: float,
        patience: float = Writer.patience,
    ) -> None:
        # What cannot be appended to is told before anything is written.
        found_file(store, name, min(timeout, patience))
        super().__init__(name)
        self.patience = patience
        self._url = store.url(name)
        self._attempt = attempt
        self._timeout = timeout

    def _finish(self, spool: Spool) -> None:
        timeout = min(self._timeout, self.patience)
        deadline = Deadline.after(timeout)
        backoff, attempts = Backoff(_PAUSE, _LONGEST_PAUSE), 0
        while True:
            try:
                with _turns.of(self._url, self.patience):
                    self._attempt(spool, timeout)
            except FileChangedError as error:
                attempts += 1
                if attempts >= _LEAST_ATTEMPTS and not deadline.remaining():
                    message = f"nothing was appended: others changed the file during each of {attempts} attempts"
                    raise FileChangedError(message, self._name) from error
            else:
                return
            backoff.sleep()


class _Turns:
    """Lets the threads of this process have a file one after the other."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Forget who has a turn: in a forked child they are the parent's threads."""
        self._lock = threading.Lock()
        self._locks: MutableMapping[str, Any] = weakref.WeakValueDictionary()

    @contextlib.contextmanager
    def of(self, url: str, patience: float) -> Iterator[None]:
        """Wait for the turn at a file, so many seconds at most."""
        with self._lock:
            lock = self._locks.get(url)
            if lock is None:
                lock = self._locks[url] = threading.Lock()
        if not lock.acquire(timeout=patience):
            raise DeadlineExceededError(f"{url}: another append to this file has not ended for {patience:g} s")
        try:
            yield
        finally:
            lock.release()


_turns = _Turns()
forks.in_child(_turns.renew)


def rewriting(store: UnderStore, name: str, *, block: int, timeout: float, patience: float) -> Writer:
    """An appender for any store that can create files. What is there is looked at again right before the commit, so
    that only what changes between the two is lost.

    Parameters
    ----------
    store, name:
        Whose file it is; a missing one is made.
    block:
        Bytes that are read at a time.
    timeout:
        Seconds that one read may take, and after which a file that others keep changing is given up.
    patience:
        The writer's.
    """

    def attempt(spool: Spool, wait: float) -> None:
        old = found_file(store, name, wait)
        if old is None or spool.size:
            check = functools.partial(check_unchanged, store, name, old, wait)
            rewrite(store, old, store.create(name, patience=wait), spool, block=block, timeout=wait, check=check)

    return RewritingWriter(store, name, attempt, timeout, patience)


def rewrite(
    store: UnderStore,
    old: Optional[Entry],
    writer: Writer,
    spool: Spool,
    *,
    block: int,
    timeout: float,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Write the old content, then what was collected, and commit.

    Parameters
    ----------
    store, old:
        Where the old content is; ``None`` if there is none.
    writer:
        Of the file.
    spool:
        What was collected.
    block, timeout:
        Bytes that are read at a time, and seconds that one wait may take.
    check:
        That the old content is still what is there, asked right before the commit, where the writer does not.
    """
    writer.patience = timeout
    try:
        if old is not None:
            try:
                pour(store, old, writer, block=block, timeout=timeout)
            except FileNotFoundError as error:
                raise FileChangedError("removed while it was copied", old.name) from error
        for view in spool.blocks():
            writer.write(view)
        check()
        writer.commit()
    except BaseException:
        writer.abort()
        raise


def pour(store: UnderStore, entry: Entry, writer: Writer, *, block: int, timeout: float) -> None:
    """Write what a version of a file has, block after block, each within ``timeout`` seconds."""
    size = entry.size or 0
    for start in range(0, size, block):
        view = memoryview(bytearray(min(block, size - start)))
        _read(store, entry, start, view, Deadline.after(timeout))
        writer.write(view)


def _read(store: UnderStore, entry: Entry, start: int, view: memoryview, deadline: Deadline) -> None:
    """Read a block, and again after a failure that may pass: nobody above does, for a change is asked for once."""
    backoff = Backoff(_PAUSE, _LONGEST_PAUSE)
    for _ in range(_READS - 1):
        try:
            return store.read_into(entry.name, entry.version, start, view, deadline)
        except TemporaryError:
            if not deadline.remaining():
                raise
        backoff.sleep()
    return store.read_into(entry.name, entry.version, start, view, deadline)


def found_file(store: UnderStore, name: str, timeout: float) -> Optional[Entry]:
    """The file of a name, or ``None`` if there is nothing; a directory is an error."""
    try:
        entry = store.stat(name, Deadline.after(timeout))
    except FileNotFoundError:
        return None
    if not entry.is_file:
        raise is_a_directory(name)
    return entry


def check_unchanged(store: UnderStore, name: str, old: Optional[Entry], timeout: float) -> None:
    """That a file is, as far as the store can tell, what it was.

    Raises
    ------
    FileChangedError
        If it is not, or if there is one now, or none any more.
    """
    new = found_file(store, name, timeout)
    if old is None or new is None:
        if old is not new:
            raise FileChangedError("made or removed while it was appended to", name)
    elif old.version.same_as(new.version) is False:
        raise FileChangedError("changed while it was appended to", name)
