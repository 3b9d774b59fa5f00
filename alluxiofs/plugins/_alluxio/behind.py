"""The storage behind the workers, for whoever has no way to it but them: dialect ``rest`` can change it.

Everything here is asked of the worker in charge of the path, and of the next one if that fails. A file is collected
before it is sent: so nothing is sent of one that is given up, and all of it can be sent to another worker.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Callable, Iterator, List, Optional, Tuple, Type

from alluxiofs.errors import (
    BadAnswerError,
    DeadlineExceededError,
    NotSupportedError,
    UnavailableError,
    exists,
    is_a_directory,
)
from alluxiofs.interfaces import Context, Deadline, Entry, Location, Target, UnderStore, Version, Worker, Writer
from alluxiofs.interfaces.transport import AskWorkers
from alluxiofs.plugins._alluxio.names import file_id, quoted
from alluxiofs.plugins._alluxio.peer import Peer
from alluxiofs.plugins._alluxio.statuses import refused
from alluxiofs.plugins._fsspec.spooling import Spool, SpoolingWriter
from alluxiofs.plugins._http.answers import Answer
from alluxiofs.plugins._http.connection import Connection

if TYPE_CHECKING:
    from alluxiofs.interfaces import Transport

__all__ = ["StorageBehindWorkers"]

_PIECE = 2**20  # bytes that are sent at a time
_RM = "recursiveAlias=false&removeAlluxioOnly=false&deleteMountPoint=false&syncParentNextTime=false"


class StorageBehindWorkers(UnderStore):
    """What workers of dialect ``rest`` can do to the storage behind them. Names are full URLs.

    Parameters
    ----------
    transport:
        Stats and lists.
    peer_of:
        The worker of a membership, as it is asked; ``NotSupportedError`` if it is one that cannot be written.
    tls:
        Makes what connections to workers need.
    ask:
        Puts a question to the workers in charge of a URL.
    """

    name = "alluxio"

    def __init__(
        self,
        transport: Transport,
        peer_of: Callable[[Worker, Deadline], Peer],
        tls: Callable[[], Optional[ssl.SSLContext]],
        ask: AskWorkers,
        context: Context,
    ) -> None:
        super().__init__(Target("alluxio"), self.Settings(), context)
        self._transport = transport
        self._peer_of = peer_of
        self._tls = tls
        self._ask = ask

    # --- names and reading ----------------------------------------------------------------------------------------

    def strip(self, path: str) -> str:
        return path

    def url(self, name: str) -> str:
        return name

    def identity(self) -> str:
        return ""

    def stat(self, name: str, deadline: Deadline) -> Entry:
        location = Location("", name, name)
        return self._ask("info", name, lambda worker, share: self._transport.stat(worker, location, share))

    def list(self, name: str, deadline: Deadline, recursive: bool = False) -> Iterator[Entry]:
        location = Location("", name, name)
        return iter(self._ask("ls", name, lambda worker, share: tuple(self._transport.list(worker, location, share))))

    def read_into(self, name: str, version: Version, offset: int, view: memoryview, deadline: Deadline) -> None:
        location = Location("", name, name)
        self._ask(
            "read",
            name,
            lambda worker, share: self._transport.read_into(worker, location, version, offset, view, share),
        )

    # --- writing --------------------------------------------------------------------------------------------------

    def create(
        self,
        name: str,
        *,
        exclusive: bool = False,
        size_hint: Optional[int] = None,
        patience: float = Writer.patience,
    ) -> Writer:
        if exclusive:
            self.check_free(name, Deadline.after(patience))
        elif self._transport.describe()["dialect"] != "rest":
            self._ask("open", name, self._peer_of)  # a cluster that cannot be written says so before anything is
        return _FileThroughWorkers(self, name, exclusive, patience)

    def append(self, name: str, *, patience: float = Writer.patience) -> Writer:
        raise NotSupportedError(f"workers cannot append to a file; name the under store with target_protocol: {name}")

    def touch(self, name: str, deadline: Deadline, truncate: bool = True) -> None:
        if truncate and self._size(name, deadline):
            self.send(name, Spool())
        else:
            self._change("touch", name, f"/v1/touch/{_named(name)}")

    def make_directory(self, name: str, deadline: Deadline, parents: bool = True, exist_ok: bool = True) -> None:
        try:
            self._change("mkdir", name, f"/v1/mkdir/{_named(name)}", done=(FileExistsError,))
        except FileExistsError:
            if not exist_ok or self.stat(name, deadline).is_file:
                raise

    def remove(self, name: str, deadline: Deadline) -> None:
        if not self.stat(name, deadline).is_file:
            raise is_a_directory(name)
        self._remove(name, recursive=False)

    def remove_directory(self, name: str, deadline: Deadline, recursive: bool = False) -> None:
        self._remove(name, recursive)

    def move(self, source: str, target: str, deadline: Deadline) -> None:
        paths = f"srcPath={quoted(source)}&dstPath={quoted(target)}"
        if self._change("mv", source, f"/v1/mv/{file_id(source)}?{paths}", done=(FileNotFoundError,)):
            self.stat(target, deadline)  # or somebody else has taken the source away

    def copy(self, source: str, target: str, deadline: Deadline, preserve: bool = True) -> None:
        paths = f"srcPath={quoted(source)}&dstPath={quoted(target)}"
        how = f"recursive=false&recursiveAlias=false&force=true&preserve={'true' if preserve else 'false'}"
        self._change("cp", target, f"/v1/copy/{file_id(source)}?{paths}&{how}")

    # --- how it is asked for --------------------------------------------------------------------------------------

    def check_free(self, name: str, deadline: Deadline) -> None:
        """``FileExistsError`` if there is something of a name."""
        try:
            self.stat(name, deadline)
        except FileNotFoundError:
            return
        raise exists(name)

    def send(self, name: str, spool: Spool) -> None:
        """Have a worker write a file anew."""
        self._change("write", name, f"/v1/chunk/{_named(name)}", spool)

    def _remove(self, name: str, recursive: bool) -> None:
        how = f"recursive={'true' if recursive else 'false'}&{_RM}&removeUncheckedOptionChar=false"
        self._change("rm", name, f"/v1/rm/{_named(name)}&{how}", done=(FileNotFoundError,))

    def _change(
        self, method: str, name: str, target: str, body: Optional[Spool] = None, done: Tuple[Type[OSError], ...] = ()
    ) -> bool:
        """Ask for a change. The next worker is asked if one fails, but not once a worker has all of the request and is
        silent: it may still do it, when something newer is there.

        Parameters
        ----------
        method, name, target, body:
            What it is called, of which path, what is asked, and what is sent with it.
        done:
            What a worker answers where the change was made already.

        Returns
        -------
        bool
            Whether that was the answer after another worker had failed, which is taken to have made it.
        """
        asked: List[Peer] = []
        silent: List[TimeoutError] = []

        def question(worker: Worker, deadline: Deadline) -> bool:
            if silent:
                raise NotSupportedError("nobody else is asked")
            peer = self._peer_of(worker, deadline)
            # Of its own: it is closed in the middle if something goes wrong, and kept ones are for reads.
            connection = Connection(peer.http.address, self._tls(), peer.host, deadline)
            asked.append(peer)  # one that took no connection has made no change
            try:
                cut = _send(connection, peer, target, body, deadline)
                try:
                    answer = connection.receive(deadline)
                except TimeoutError as error:
                    silent.append(error)
                    raise
                _check(answer, name, peer)
                if cut is not None:
                    message = f"{peer.where} says that it has all of {name}, and did not take it"
                    raise BadAnswerError(message) from cut
            except done:
                if len(asked) == 1:
                    raise
                return True
            finally:
                connection.close()
                peer.notes.forget(name)  # what was found out about the file before is of another one
            return False

        try:
            return self._ask(method, name, question)
        except NotSupportedError:
            if not silent:
                raise
            message = f"{method} {name}: whether it was done is not known: {silent[0]}"
            raise DeadlineExceededError(message) from silent[0]

    def _size(self, name: str, deadline: Deadline) -> int:
        try:
            return self.stat(name, deadline).size or 0
        except FileNotFoundError:
            return 0


class _FileThroughWorkers(SpoolingWriter):
    """A file that is sent to a worker when all of it is there."""

    def __init__(self, store: StorageBehindWorkers, name: str, exclusive: bool, patience: float) -> None:
        super().__init__(name)
        self.patience = patience
        self._store = store
        self._exclusive = exclusive

    def _finish(self, spool: Spool) -> None:
        if self._exclusive:
            self._store.check_free(self._name, Deadline.after(self.patience))
        self._store.send(self._name, spool)


def _named(name: str) -> str:
    return f"{file_id(name)}?ufsFullPath={quoted(name)}"


def _send(
    connection: Connection, peer: Peer, target: str, body: Optional[Spool], deadline: Deadline
) -> Optional[UnavailableError]:
    """Send a request. Where a worker takes no more of it that is returned, not raised: it may say why."""
    if body is None:
        connection.send(peer.post(target), deadline)
        return None
    try:
        connection.send(peer.post_in_chunks(target), deadline)
        for block in body.blocks():
            for begin in range(0, len(block), _PIECE):
                piece = block[begin : begin + _PIECE]
                connection.send(b"%x\r\n" % len(piece), deadline)
                connection.send(bytes(piece), deadline)
                connection.send(b"\r\n", deadline)
                deadline.moved(len(piece))
        connection.send(b"0\r\n\r\n", deadline)
    except UnavailableError as error:
        return error
    return None


def _check(answer: Answer, name: str, peer: Peer) -> None:
    if not 200 <= answer.status < 300:
        raise refused(answer, name, peer.where)
