"""Writing a file: under a name of its own, until it is whole; then it takes its place in one step."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Callable, Optional

from alluxiofs.interfaces import Writer
from alluxiofs.plugins._fsspec.names import temporary
from alluxiofs.plugins._fsspec.waiting import GIVING_UP, one_wait

if TYPE_CHECKING:
    from hdfs_native import Client

    from alluxiofs.plugins._hdfs.client import HdfsClient

__all__ = ["HdfsWriter"]

_BLOCK = 4 * 2**20


class HdfsWriter(Writer):
    """Hands blocks to the client, each within a limit of its own.

    Parameters
    ----------
    client, name:
        Whose file it is.
    taken:
        Raises what is wrong with the name, if anything is; asked at commit.
    exclusive:
        The last step itself is refused if there is such a file.
    timeout:
        Seconds that handing over one block may take.
    """

    def __init__(
        self, client: HdfsClient, name: str, taken: Callable[[], None], *, exclusive: bool, timeout: float
    ) -> None:
        self._client = client
        self._name = name
        self._taken = taken
        self._exclusive = exclusive
        self._timeout = timeout
        self._partial = temporary(name.rpartition("/")[0] or "/")
        self._buffer = bytearray()
        self._file: Optional[Any] = None
        self._ended = False

    def write(self, data: memoryview) -> None:
        if self._ended:
            raise ValueError("write to a file that was committed or given up")
        view = data.cast("B") if data.nbytes else data
        while view:
            room = _BLOCK - len(self._buffer)
            self._buffer += view[:room]
            view = view[room:]
            if len(self._buffer) >= _BLOCK:
                try:
                    self._hand_over()
                except BaseException:  # a block may be lost: without it there is no file
                    self.abort()
                    raise

    def commit(self, mode: Optional[int] = None, mtime: Optional[int] = None) -> None:
        """Put the file in its place.

        Parameters
        ----------
        mode, mtime:
            Permission bits and milliseconds since the epoch that it is to have, instead of those of a new file.
        """
        if self._ended:
            raise ValueError("a file can be committed once")

        def finish(client: Client) -> None:
            file.close()
            if mode is not None:
                client.set_permission(self._partial, mode)
            if mtime is not None:
                client.set_times(self._partial, mtime, mtime)

        try:
            self._hand_over()
            file = self._opened()
            self._run(finish)
            self._taken()
            self._run(lambda client: client.rename(self._partial, self._name, not self._exclusive))
        except BaseException:
            self.abort()
            raise
        self._ended = True

    def abort(self) -> None:
        if self._ended:
            return
        self._ended = True
        self._buffer = bytearray()
        if self._file is not None:
            # Removed first: whoever writes to it then cannot make it whole any more.
            self.patience = min(self.patience, GIVING_UP)
            with contextlib.suppress(Exception):
                self._run(lambda client: client.delete(self._partial, False))

    def _hand_over(self) -> None:
        block, self._buffer = self._buffer, bytearray()
        if block:
            file = self._opened()
            self._run(lambda _: file.write(block))

    def _opened(self) -> Any:
        if self._file is None:
            from hdfs_native import WriteOptions

            options = WriteOptions(create_parent=True)
            self._file = self._run(lambda client: client.create(self._partial, options))
        return self._file

    def _run(self, work: Callable[[Client], Any]) -> Any:
        return self._client.run(work, one_wait(self, self._timeout), self._name)
