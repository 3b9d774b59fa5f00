"""Writers for any fsspec client: whatever it can do, a file appears whole or not at all."""

from __future__ import annotations

import contextlib
import functools
import threading
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Callable, ContextManager, Optional

from alluxiofs import forks
from alluxiofs.interfaces import Writer
from alluxiofs.plugins._fsspec.failures import cause_to_show, translated
from alluxiofs.plugins._fsspec.names import temporary
from alluxiofs.plugins._fsspec.replacing import replace
from alluxiofs.plugins._fsspec.waiting import GIVING_UP, one_wait

if TYPE_CHECKING:
    from alluxiofs.plugins._fsspec.client import Client

__all__ = ["BufferedWriter", "CollectingWriter", "MovingWriter", "StreamingWriter"]

_BLOCK = 4 * 1024 * 1024


class BufferedWriter(Writer):
    """Hands blocks to the client, each within a limit of its own.

    Parameters
    ----------
    client, name:
        Whose file it is.
    check:
        Raises what speaks against the file taking its place (the name must be free, and is not); asked at commit.
    timeout:
        Seconds that one call to the client may take.
    """

    _one_at_a_time: ContextManager[Any] = contextlib.nullcontext()

    def __init__(self, client: Client, name: str, check: Callable[[], None], timeout: float) -> None:
        self._client = client
        self._name = name
        self._check = check
        self._timeout = timeout
        self._buffer = bytearray()
        self._ended = False

    def write(self, data: memoryview) -> None:
        if self._ended:
            raise ValueError("write to a file that was committed or given up")
        self._buffer += data
        if len(self._buffer) >= _BLOCK:
            try:
                self._hand_over()
            except BaseException:  # a block may be lost: without it there is no file
                self.abort()
                raise

    def commit(self) -> None:
        if self._ended:
            raise ValueError("a file can be committed once")
        try:
            self._hand_over()
            with self._one_at_a_time:
                self._check()
                self._publish()
        except BaseException:
            self.abort()
            raise
        self._ended = True

    def abort(self) -> None:
        if not self._ended:
            self._ended = True
            self._buffer = bytearray()
            self.patience = min(self.patience, GIVING_UP)
            with contextlib.suppress(Exception):
                self._discard()

    def _hand_over(self) -> None:
        buffer, self._buffer = self._buffer, bytearray()
        if buffer:
            self._store(bytes(buffer))

    def _run(self, call: Callable[[], Any]) -> Any:
        try:
            return self._client.run(call, one_wait(self, self._timeout))
        except Exception as error:
            failure = translated(error, self._name)
            if failure is error:
                raise
            raise failure from cause_to_show(error)

    @abstractmethod
    def _store(self, block: bytes) -> None: ...

    @abstractmethod
    def _publish(self) -> None: ...

    @abstractmethod
    def _discard(self) -> None: ...


class StreamingWriter(BufferedWriter):
    """For stores of objects: their clients' files show nothing until they are closed."""

    _file: Optional[Any] = None

    def _open(self) -> Any:
        if self._file is None:
            self._file = self._run(functools.partial(self._client.raw.open, self._name, "wb"))
        return self._file

    def _store(self, block: bytes) -> None:
        self._run(functools.partial(self._open().write, block))

    def _publish(self) -> None:
        self._run(self._open().close)

    def _discard(self) -> None:
        if self._file is not None:
            # Marked as closed first: otherwise the garbage collector closes it, which would commit it.
            self._file.closed = True
            self._run(self._file.discard)


class MovingWriter(BufferedWriter):
    """For stores where a file can be seen while it is written: it is written under another name, then moved."""

    _file: Optional[Any] = None
    _partial = ""

    def _open(self) -> Any:
        if self._file is None:
            self._partial = temporary(self._client.raw._parent(self._name))
            self._file = self._run(functools.partial(self._client.raw.open, self._partial, "wb"))
        return self._file

    def _store(self, block: bytes) -> None:
        self._run(functools.partial(self._open().write, block))

    def _publish(self) -> None:
        self._run(self._open().close)
        replace(self._client, self._partial, self._name, one_wait(self, self._timeout))

    def _discard(self) -> None:
        if self._file is not None:
            with contextlib.suppress(Exception):
                self._run(self._file.close)
            self._client.call("rm_file", one_wait(self, self._timeout), self._partial)


class CollectingWriter(BufferedWriter):
    """For memory: the file is put there in one step, and whether the name is free is asked in the same step."""

    _one_at_a_time = threading.Lock()

    def __init__(self, client: Client, name: str, check: Callable[[], None], timeout: float) -> None:
        super().__init__(client, name, check, timeout)
        self._blocks = bytearray()

    def _store(self, block: bytes) -> None:
        self._blocks += block

    def _publish(self) -> None:
        self._run(functools.partial(self._client.raw.pipe_file, self._name, bytes(self._blocks)))

    def _discard(self) -> None:
        self._blocks = bytearray()


def _after_fork() -> None:
    CollectingWriter._one_at_a_time = threading.Lock()  # a thread that is only the parent's may have it


forks.in_child(_after_fork)
