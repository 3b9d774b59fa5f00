"""Calls between the processes of a stand-in cluster."""

from __future__ import annotations

import contextlib
import threading
from multiprocessing.connection import Client, Connection, Listener
from typing import TYPE_CHECKING, Any, Callable, List, Optional, Tuple

if TYPE_CHECKING:
    from alluxiofs.testing.stand_in_workers._master import JobOptions, Refusal, Report

__all__ = ["Remote", "RemoteMaster", "Served"]

_Address = Tuple[str, int]


class Remote:
    """Calls methods of an object of another process: ``remote("kill")``. Can be sent to other processes itself."""

    def __init__(self, address: _Address, key: bytes) -> None:
        self._address, self._key = address, key
        self._lock = threading.Lock()
        self._connection: Optional[Connection] = None

    def __call__(self, name: str, *arguments: Any) -> Any:
        with self._lock:
            if self._connection is None:
                self._connection = Client(self._address, authkey=self._key)
            try:
                self._connection.send((name, arguments))
                value, error = self._connection.recv()
            except EOFError as gone:
                raise ConnectionResetError("the process of a stand-in worker has ended") from gone
        if error is not None:
            raise error
        return value

    def __reduce__(self) -> Any:
        return Remote, (self._address, self._key)

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()


class RemoteMaster:
    """The master as workers in processes of their own see it."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def submit(self, path: str, options: JobOptions) -> str | Refusal:
        job: str | Refusal = self._call("submit", path, options)
        return job

    def progress(self, path: str) -> Optional[Report]:
        report: Optional[Report] = self._call("progress", path)
        return report

    def stop(self, path: str) -> bool:
        stopped: bool = self._call("stop", path)
        return stopped


class Served:
    """An object whose methods other processes call, those that know the key."""

    def __init__(self, served: Any, key: bytes) -> None:
        self._served = served
        self._key = key
        self._listener = Listener(("127.0.0.1", 0), authkey=key)
        self._open: List[Connection] = []
        self._closed = False
        threading.Thread(target=self._accept, name="stand-in-control", daemon=True).start()

    @property
    def remote(self) -> Remote:
        """What others call it with."""
        host, port = self._listener.address
        return Remote((str(host), int(port)), self._key)

    def close(self) -> None:
        self._closed = True
        with contextlib.suppress(OSError, EOFError):
            # Nothing but a connection wakes who waits in accept.
            Client(self._listener.address, authkey=self._key).close()
        self._listener.close()
        for connection in self._open:
            connection.close()

    def _accept(self) -> None:
        from multiprocessing import AuthenticationError

        while not self._closed:
            try:
                connection = self._listener.accept()
            except (OSError, EOFError, AuthenticationError):
                continue
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), name="stand-in-control", daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        with contextlib.suppress(OSError, EOFError):
            while True:
                name, arguments = connection.recv()
                connection.send(self._answer(name, arguments))

    def _answer(self, name: str, arguments: Tuple[Any, ...]) -> Tuple[Any, Optional[Exception]]:
        """What the method returns, and what it raises: that is raised where the call came from."""
        try:
            return getattr(self._served, name)(*arguments), None
        except Exception as error:
            return None, error
