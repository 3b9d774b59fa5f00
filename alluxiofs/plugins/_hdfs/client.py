"""The HDFS client: hdfs-native's own, below its fsspec face, called in threads and with a limit to every wait.

It lets other threads run while it waits, but waits for minutes for a server that is down, and nothing can stop it:
whoever asked stops waiting instead.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import sys
import threading
from typing import TYPE_CHECKING, Any, Callable, Iterator, List, Optional, TypeVar

from alluxiofs import forks
from alluxiofs.errors import ConfigurationError, MissingExtraError
from alluxiofs.plugins._fsspec.failures import brief
from alluxiofs.plugins._fsspec.ready import usable
from alluxiofs.plugins._fsspec.threads import Threads
from alluxiofs.plugins._fsspec.waiting import Destination
from alluxiofs.plugins._hdfs.failures import translated

if TYPE_CHECKING:
    from hdfs_native import Client

    from alluxiofs.interfaces import Deadline, Target

__all__ = ["HdfsClient"]

T = TypeVar("T")

_CALLS = 32
# Each attempt waits twice as long as the one before: half a minute in all, where the client's own number of them makes
# three minutes. Most of a default deadline, so that a NameNode that takes over is found.
_FEWER_ATTEMPTS = {"dfs.client.failover.max.attempts": "6"}


class HdfsClient:
    """hdfs-native, made at first use from options, or a ready one.

    Parameters
    ----------
    target:
        Options of ``hdfs_native.fsspec.HdfsFileSystem``, or such an object.

    Raises
    ------
    MissingExtraError
        If there is no hdfs-native.
    ConfigurationError
        For a ready client of another kind.
    """

    def __init__(self, target: Target) -> None:
        ready = target.client
        if ready is None and importlib.util.find_spec("hdfs_native") is None:
            raise MissingExtraError(
                "the protocol 'hdfs' needs hdfs-native: pip install 'alluxiofs[hdfs]' (Python 3.9 or later; or choose "
                "under_store='fsspec' for PyArrow's client, which needs Java and Hadoop's libraries)"
            )
        if ready is not None and not hasattr(getattr(ready, "client", None), "get_file_info"):
            raise ConfigurationError(
                f"fs: {type(ready).__module__}.{type(ready).__qualname__} is not hdfs-native's filesystem; "
                "under_store='fsspec' takes any"
            )
        self._target = target
        self._lock = threading.Lock()
        self._threads = Threads(limit=_CALLS)
        self._made: Optional[Client] = None

    def run(
        self,
        work: Callable[[Client], T],
        deadline: Deadline,
        name: str,
        destination: Optional[Destination] = None,
    ) -> T:
        """What ``work`` returns, which is given the client and runs in another thread."""
        with _failures(name):
            return self._threads.run(lambda: work(self._client()), deadline, destination)

    @property
    def authority(self) -> str:
        """Host and port, as far as options say so."""
        ready = self._target.client
        host, port = (
            (self._target.options.get("host"), self._target.options.get("port"))
            if ready is None
            else (getattr(ready, "host", None), getattr(ready, "port", None))
        )
        return "" if not host else f"{host}:{port}" if port else str(host)

    def close(self) -> None:
        """Let go of a client that was made here."""
        with self._lock:
            self._made = None
        self._threads.close()

    def _client(self) -> Client:
        made = self._made
        if made is not None:
            return made
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made

    def _make(self) -> Client:
        client: Client
        ready = self._target.client
        if ready is not None:
            client = usable(ready).client
            return client
        from hdfs_native.fsspec import HdfsFileSystem

        options: dict[str, Any] = {**_FEWER_ATTEMPTS, **self._target.options, "skip_instance_cache": True}
        try:
            client = HdfsFileSystem(**options).client
        except (TypeError, ValueError) as error:
            message = f"target_options: {brief(str(error))} (settings of Hadoop are text, whatever they mean)"
            raise ConfigurationError(message) from error
        return client


@contextlib.contextmanager
def _failures(name: str) -> Iterator[None]:
    try:
        yield
    except BaseException as error:  # a panic of the library is no Exception
        failure = translated(error, name)
        if failure is None:
            raise
        raise failure from error


def _threaded() -> List[Any]:
    """What waits for the library's threads when it is dropped last: clients, readers, writers, whoever made them."""
    library = sys.modules.get("hdfs_native")
    if library is None:
        return []
    # Another thread may be importing it just now: of what it has not got yet there are no objects.
    kinds = [vars(library).get(name) for name in ("Client", "FileReader", "FileWriter")]
    return [each for each in gc.get_objects() if type(each) in kinds]


forks.never_drop_in_child(_threaded)
