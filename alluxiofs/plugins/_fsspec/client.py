"""An fsspec client, called with a limit to every wait, whatever kind it is."""

from __future__ import annotations

import functools
import inspect
import os
import threading
from typing import TYPE_CHECKING, Any, Callable, Optional, Type

import fsspec
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from alluxiofs.errors import AlluxioFSError, ConfigurationError, MissingExtraError, nearest
from alluxiofs.plugins._fsspec.failures import brief, cause_to_show, translated
from alluxiofs.plugins._fsspec.options import uncached
from alluxiofs.plugins._fsspec.waiting import Threads, run_coroutine

if TYPE_CHECKING:
    from alluxiofs.interfaces import Deadline, Target

__all__ = ["Client"]

_CALLS = 16
_EXTRAS = {"s3": "s3", "s3a": "s3", "oss": "oss", "gs": "gcs", "gcs": "gcs", "hdfs": "hdfs"}


class Client:
    """A client made at first use, or a ready one.

    There are three ways to call one. What works in this process (memory, local files) is called as it is. Coroutines
    run on the client's own loop, and are cancelled when the deadline passes. Any other client is called in a thread,
    one call at a time, for many (FTP) have one connection that threads cannot share.

    Parameters
    ----------
    target:
        Protocol and options, or the ready client.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._made: Optional[AbstractFileSystem] = None
        self.type: Type[AbstractFileSystem] = type(target.client) if target.client is not None else _class_of(target)
        own = self.type.protocol
        self.schemes = frozenset({target.protocol, *((own,) if isinstance(own, str) else own)})
        self.in_process = _in_process(target.client if target.client is not None else self.type)
        self.shared_by_threads = self.in_process or bool(getattr(self.type, "async_impl", False))
        self._threads = Threads(limit=_CALLS if self.shared_by_threads else 1)

    @property
    def raw(self) -> AbstractFileSystem:
        """The client itself."""
        made = self._made
        if made is not None:
            return made
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made

    @property
    def names(self) -> Any:
        """What knows its names: the class, or a ready client, which may have a prefix of its own."""
        return self._target.client if self._target.client is not None else self.type

    def overrides(self, method: str) -> bool:
        """Whether the client's class has a method of its own, not the one that all classes have."""
        return getattr(self.type, method, None) not in (None, getattr(AbstractFileSystem, method, None))

    def call(self, method: str, deadline: Deadline, name: str, *arguments: Any, **options: Any) -> Any:
        """What a method of the client returns for a name.

        Parameters
        ----------
        method:
            Its synchronous name (``info``).
        deadline, name, arguments, options:
            ``method(name, *arguments, **options)`` ends with the deadline.
        """
        try:
            coroutine = getattr(self.raw, f"_{method}", None) if getattr(self.raw, "async_impl", False) else None
            if coroutine is not None and inspect.iscoroutinefunction(coroutine):
                deadline.wait()
                return run_coroutine(self.raw.loop, coroutine(name, *arguments, **options), deadline)
            return self.run(functools.partial(getattr(self.raw, method), name, *arguments, **options), deadline)
        except Exception as error:
            failure = translated(error, name)
            if failure is error:
                raise
            raise failure from cause_to_show(error)

    def run(self, call: Callable[[], Any], deadline: Deadline) -> Any:
        """What ``call``, which uses the client, returns."""
        return call() if self.in_process else self._threads.run(call, deadline)

    def replace(self, source: str, target: str, deadline: Deadline) -> None:
        """Move a file over another, in one step where the client has such a step."""
        if not self.overrides("mv"):
            self.call("cp_file", deadline, source, target)
            self.call("rm_file", deadline, source)
            return
        try:
            self.call("mv", deadline, source, target)
        except FileExistsError:  # its rename does not replace: the new file is whole by now, so the old one goes first
            self.call("rm_file", deadline, target)
            self.call("mv", deadline, source, target)

    def forget(self, name: str) -> None:
        """Have the client not remember what it listed: it may be a user's, with a cache."""
        if self._target.client is not None:
            self.raw.invalidate_cache(name)

    def close(self) -> None:
        """Let go of a client that was made here."""
        with self._lock:
            self._made = None

    def _make(self) -> AbstractFileSystem:
        ready = self._target.client
        if ready is not None:
            if not getattr(ready, "async_impl", False) or getattr(ready, "_pid", None) == os.getpid():
                return ready
            # An asynchronous client does not survive a fork; one of the same arguments does its work in the child.
            return type(ready)(*ready.storage_args, **{**ready.storage_options, "skip_instance_cache": True})
        try:
            return self.type(**uncached(self._target.options))
        except TypeError as error:
            raise ConfigurationError(f"target_options: {self._target.protocol}: {brief(str(error))}") from error
        except (AlluxioFSError, OSError):
            raise
        except ImportError as error:
            raise _missing(self._target.protocol, error) from error


def _class_of(target: Target) -> Type[AbstractFileSystem]:
    try:
        found: Type[AbstractFileSystem] = fsspec.get_filesystem_class(target.protocol)
    except ImportError as error:
        raise _missing(target.protocol, error) from error
    except ValueError as error:
        known = fsspec.available_protocols()
        raise ConfigurationError(
            f"target_protocol: fsspec knows no protocol {target.protocol!r}{nearest(target.protocol, known)}"
        ) from error
    return found


def _missing(protocol: str, error: ImportError) -> MissingExtraError:
    extra = _EXTRAS.get(protocol)
    how = f"pip install 'alluxiofs[{extra}]'" if extra else brief(str(error))
    return MissingExtraError(f"the protocol {protocol!r} needs a package that is not installed: {how}")


def _in_process(client: Any) -> bool:
    """Whether a client, or a class of such, never leaves this machine."""
    if isinstance(client, type):
        return issubclass(client, (LocalFileSystem, MemoryFileSystem))
    inner = getattr(client, "fs", None)
    return isinstance(client, (LocalFileSystem, MemoryFileSystem)) or (
        isinstance(inner, AbstractFileSystem) and _in_process(inner)
    )
