"""An fsspec client, called with a limit to every wait, whatever kind it is."""

from __future__ import annotations

import functools
import inspect
import re
import threading
from typing import TYPE_CHECKING, Any, Callable, Iterator, List, Optional, Type

import fsspec
from fsspec import AbstractFileSystem
from fsspec.asyn import AsyncFileSystem
from fsspec.implementations.cached import CachingFileSystem
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from alluxiofs.errors import AlluxioFSError, ConfigurationError, InvalidPathError, MissingExtraError, nearest
from alluxiofs.plugins._fsspec.datanodes import let_go_of_parents
from alluxiofs.plugins._fsspec.failures import brief, cause_to_show, translated
from alluxiofs.plugins._fsspec.options import uncached
from alluxiofs.plugins._fsspec.ready import usable
from alluxiofs.plugins._fsspec.threads import Threads
from alluxiofs.plugins._fsspec.waiting import run_coroutine
from alluxiofs.settings.secrets import hidden_text

if TYPE_CHECKING:
    from alluxiofs.interfaces import Deadline, Target

__all__ = ["Client", "check_served", "layers"]

_CALLS = 16
_NO_MARKS = re.compile(r"[^?#]+")
# Whose ``open`` is from one of these cannot write a file that appears whole, though some can send one (HTTP's).
_READ_ONLY = frozenset(
    f"fsspec.implementations.{module}"
    for module in ("data", "gist", "git", "github", "http", "http_sync", "libarchive", "reference", "tar")
)
_ZIP = "fsspec.implementations.zip"  # opened for reading, or for writing
_EXTRAS = {"s3": "s3", "s3a": "s3", "oss": "oss", "gs": "gcs", "gcs": "gcs", "hdfs": "hdfs"}
# It takes each option for a setting of Hadoop, as text, those of all of fsspec's clients as well.
_HDFS_NATIVE = (
    "under_store='fsspec': what fsspec has for 'hdfs' here is hdfs-native, which the under store 'hdfs' is made for: "
    "leave under_store away, and target_options as they are; PyArrow's client, which needs Java, is "
    "target_protocol='arrow_hdfs'"
)
_OF_HDFS_NATIVE = (
    "hdfs-native's client of {!r} takes none of the options that all of fsspec's clients have: make one, and give it "
    "as fs="
)
_NO_JAVA = (
    "PyArrow's client of HDFS needs Java and Hadoop's libraries (JAVA_HOME, HADOOP_HOME, CLASSPATH), and does not find "
    "them; without Java: target_protocol='hdfs' without under_store=, and pip install 'alluxiofs[hdfs]'"
)


class Client:
    """A client made at first use, or a ready one.

    There are three ways to call one. What works in this process (memory, local files) is called as it is. Coroutines
    run on the client's own loop, and are cancelled when the deadline passes. Any other client is called in a thread,
    one call at a time, for many (FTP) have one connection that threads cannot share.

    Parameters
    ----------
    target:
        Protocol and options, or the ready client.
    remembers:
        Whether a client that is made has a memory of listings.
    """

    def __init__(self, target: Target, *, remembers: bool = False) -> None:
        self._target = target
        self._remembers = remembers
        self._lock = threading.Lock()
        self._made: Optional[AbstractFileSystem] = None
        self.type: Type[AbstractFileSystem] = type(target.client) if target.client is not None else _class_of(target)
        own = self.type.protocol
        self.schemes = frozenset({target.protocol, *((own,) if isinstance(own, str) else own)})
        known = self.type if target.client is None else target.client
        if target.client is None and self.type.__module__.startswith("hdfs_native"):
            served = target.protocol == "hdfs"
            raise ConfigurationError(_HDFS_NATIVE if served else _OF_HDFS_NATIVE.format(target.protocol))
        _refuse_caches(known)
        self.in_process = _in_process(known)
        self.shared_by_threads = self.in_process or _has_coroutines(known)
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

    def strip(self, path: str) -> str:
        """What the client calls the file of a path or URL.

        Raises
        ------
        InvalidPathError
            If it takes off a ``?`` or ``#``, and what stands behind it, or puts it elsewhere: that would be another
            file's name.
        """
        name = str(self.names._strip_protocol(path))
        # There may be others before them: a relative path is completed with the current directory.
        if not _NO_MARKS.sub("", name).endswith(_NO_MARKS.sub("", path)):
            shown = hidden_text(path)
            raise InvalidPathError(f"the client of {self._target.protocol!r} would take {shown!r} for {name!r}")
        return name

    def overrides(self, method: str) -> bool:
        """Whether the client's class has a method of its own, not the one that all classes have."""
        general = [getattr(kind, method, None) for kind in (AbstractFileSystem, AsyncFileSystem)]
        return getattr(self.type, method, None) not in (None, *general)

    @property
    def writable(self) -> bool:
        """Whether it can write, as far as that is known before it is made."""
        ready = self._target.client
        if ready is not None:
            return all(_writes(type(layer), getattr(layer, "mode", "r")) for layer in layers(ready))
        return _writes(self.type, self._target.options.get("mode", "r"))

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
            coroutine = getattr(self.raw, f"_{method}", None) if self._coroutines else None
            if coroutine is not None and inspect.iscoroutinefunction(coroutine):
                deadline.wait()
                return run_coroutine(self.raw.loop, coroutine(name, *arguments, **options), deadline)
            return self.run(functools.partial(getattr(self.raw, method), name, *arguments, **options), deadline)
        except Exception as error:
            failure = translated(error, name)
            if failure is error:
                raise
            raise failure from cause_to_show(error)

    def ls(self, name: str, deadline: Deadline) -> Any:
        """The children of a directory, as they are now.

        adlfs hands over containers by way of its memory of listings, and fails without one. Such a listing is asked
        for from a client with a memory that is as new as the listing.
        """
        try:
            return self.call("ls", deadline, name, detail=True)
        except OSError as error:
            absent = isinstance(error, FileNotFoundError)  # which a client may have found by looking into a mapping
            ready = self._target.client is not None
            if absent or ready or self._remembers or not isinstance(error.__cause__, KeyError):
                raise
        once = Client(self._target, remembers=True)
        try:
            return once.ls(name, deadline)
        finally:
            once.close()

    def run(self, call: Callable[[], Any], deadline: Deadline) -> Any:
        """What ``call``, which uses the client, returns."""
        return call() if self.in_process else self._threads.run(call, deadline)

    @property
    def moves(self) -> bool:
        """Whether the client moves a file itself; what all clients have copies it, and removes the first."""
        return all(getattr(type(layer), "mv", None) != AbstractFileSystem.mv for layer in layers(self.raw))

    @functools.cached_property
    def archive(self) -> bool:
        """Whether its files are parts of another file: they tell when they were packed, not when the pack changed."""
        return any(_takes_a_file(type(layer)) for layer in layers(self.raw))

    @functools.cached_property
    def _coroutines(self) -> bool:
        return _has_coroutines(self.raw)

    def forget(self, name: str) -> None:
        """Have the client not remember what it listed: it may be a user's, with a cache."""
        if self._target.client is not None:
            self.raw.invalidate_cache(name)
            for layer in layers(self.raw):
                if getattr(layer, "use_listings_cache", False):  # HTTP's, which forgets nothing by itself
                    _clear_listings(layer)

    def close(self) -> None:
        """Let go of a client that was made here."""
        with self._lock:
            self._made = None
        self._threads.close()

    def _make(self) -> AbstractFileSystem:
        ready = self._target.client
        if ready is not None:
            made = usable(ready)
            if any(type(layer).__module__.startswith("hdfs_native") for layer in layers(made)):
                let_go_of_parents()
            return made
        try:
            made = self.type(**{**uncached(self._target.options), "use_listings_cache": self._remembers})
        except TypeError as error:
            raise ConfigurationError(f"target_options: {self._target.protocol}: {brief(str(error))}") from error
        except AlluxioFSError:
            raise
        except OSError as error:
            if "load lib" in str(error):  # pyarrow; "Unable to load libjvm", or "Prior attempt to load libhdfs failed"
                raise MissingExtraError(_NO_JAVA) from error
            raise
        except ImportError as error:
            raise _missing(self._target.protocol, error) from error
        _refuse_caches(made)
        return made


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


def layers(client: AbstractFileSystem) -> Iterator[AbstractFileSystem]:
    """A client, and what it hands its calls to, if it does: of a directory of S3 that directory, and S3."""
    inner: Any = client
    while isinstance(inner, AbstractFileSystem):
        yield inner
        inner = getattr(inner, "sync_fs", None) or getattr(inner, "fs", None)


def _clear_listings(client: Any) -> None:
    """On the client's loop, where to see that a listing is there, and to take it, is one step; what is asked for from
    now on comes after that. A client for browsers has no loop, and no other threads."""
    loop = getattr(client, "loop", None)
    if loop is None:
        client.dircache.clear()
    else:
        loop.call_soon_threadsafe(client.dircache.clear)


def _refuse_caches(client: Any) -> None:
    """fsspec's caches in front of a client do not see that a file changes, not even through themselves."""
    kinds: List[Type[AbstractFileSystem]] = (
        [client] if isinstance(client, type) else [type(layer) for layer in layers(client)]
    )
    for kind in kinds:
        if issubclass(kind, CachingFileSystem):
            declared = kind.protocol
            raise ConfigurationError(
                f"{declared if isinstance(declared, str) else declared[0]!r} keeps files that may have changed since, "
                "so it cannot be an under store; give what is behind it, and keep pages with 'page_store'"
            )


def _writes(kind: Type[AbstractFileSystem], mode: str) -> bool:
    opens = kind._open.__module__
    return opens not in _READ_ONLY and (opens != _ZIP or mode != "r")


def _has_coroutines(client: Any) -> bool:
    """Whether a client's coroutines work: those of a wrapper do if those of what it wraps do.

    Of a class of wrappers that is not known before it has one to wrap.
    """
    if isinstance(client, type):
        return bool(getattr(client, "async_impl", False)) and not issubclass(client, DirFileSystem)
    if not getattr(client, "async_impl", False):
        return False
    return not isinstance(client, DirFileSystem) or _has_coroutines(client.fs)


def _takes_a_file(kind: Type[AbstractFileSystem]) -> bool:
    """Whether a filesystem is what is in a file (zip, tar, reference, git …), which they all call ``fo``."""
    if issubclass(kind, DirFileSystem):  # its ``fo`` is a directory
        return False
    return any("fo" in inspect.signature(vars(base).get("__init__", len)).parameters for base in kind.__mro__)


def _in_process(client: Any) -> bool:
    """Whether a client, or a class of such, never leaves this machine."""
    if isinstance(client, type):
        return issubclass(client, (LocalFileSystem, MemoryFileSystem))
    return any(isinstance(layer, (LocalFileSystem, MemoryFileSystem)) for layer in layers(client))


def check_served(scheme: str) -> None:
    """That the general under store can keep its contract on this client.

    Raises
    ------
    ConfigurationError
        For OSS.
    """
    if scheme == "oss":
        raise ConfigurationError(
            "under_store='fsspec' does not serve 'oss': ossfs takes the end of a range as part of it, and finds no "
            "file without its memory of listings; leave under_store out, for the under store 'oss' does without both"
        )
