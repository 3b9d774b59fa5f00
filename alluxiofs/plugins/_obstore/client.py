"""obstore's stores, one for each bucket, and calls to them that end in time."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, TypeVar
from urllib.parse import urlsplit, urlunsplit

from alluxiofs import forks
from alluxiofs.errors import ConfigurationError, denied
from alluxiofs.interfaces import Deadline, Target
from alluxiofs.plugins._fsspec.failures import brief
from alluxiofs.plugins._fsspec.threads import Threads
from alluxiofs.plugins._fsspec.waiting import Destination, result
from alluxiofs.plugins._obstore.failures import said, translated
from alluxiofs.plugins._obstore.gcs_options import gcs_configuration
from alluxiofs.plugins._obstore.library import Library, check_installed, library
from alluxiofs.plugins._obstore.s3_options import s3_configuration

__all__ = ["Bucket", "ObstoreClient"]

T = TypeVar("T")

_AT_A_TIME = 256  # calls
_REPEATED = {
    "max_retries": 2,
    "retry_timeout": timedelta(seconds=60),
    "backoff": {"init_backoff": timedelta(milliseconds=200), "max_backoff": timedelta(seconds=5), "base": 2},
}
_ONCE = {"max_retries": 0, "retry_timeout": timedelta(seconds=60)}
_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired")
_REPLACED: List[Any] = []  # what belongs to a parent process: to drop it could wait for threads that are not here


class Bucket:
    """The library and its stores for one bucket.

    Parameters
    ----------
    library:
        Whose functions take the stores.
    make:
        A store that repeats what may be repeated, or none.
    """

    def __init__(self, library: Library, make: Callable[[Dict[str, Any]], Any]) -> None:
        self.library = library
        self.store = make(_REPEATED)
        """A failure that may pass is tried again, three times in all."""
        self.once = make(_ONCE)
        """Nothing is tried again: for what must not happen twice unseen."""


class ObstoreClient:
    """Makes stores at first use, and calls them in threads that it does not wait for beyond a deadline.

    Parameters
    ----------
    target:
        Protocol, and options of that protocol's own client.
    scheme:
        ``s3`` or ``gs``.

    Raises
    ------
    MissingExtraError
        If there is no obstore.
    ConfigurationError
        For a ready client, and for options that cannot be had.
    """

    def __init__(self, target: Target, scheme: str) -> None:
        if target.client is not None:
            raise ConfigurationError(
                "argument 'fs': under_store='obstore' has a client of its own: name target_protocol and target_options "
                "instead, or leave under_store out"
            )
        check_installed()
        self._scheme = scheme
        self.configuration = (s3_configuration if scheme == "s3" else gcs_configuration)(target.options)
        self._lock = threading.Lock()
        self._buckets: Dict[str, Bucket] = {}
        self._threads = Threads(limit=_AT_A_TIME)
        forks.in_child(self.leave)

    def call(self, bucket: str, work: Callable[[Bucket], T], deadline: Deadline, name: str) -> T:
        """What ``work`` returns, which is given the bucket.

        Parameters
        ----------
        bucket, name:
            Where it is done, and what the message of an error is about.
        work, deadline:
            What is done, in another thread, and until when; once more with new credentials where they have expired.
        """
        return self._attempted(bucket, lambda used: self._threads.run(lambda: work(used), deadline), deadline, name)

    def fill(
        self,
        bucket: str,
        work: Callable[[Bucket, Destination], None],
        view: memoryview,
        deadline: Deadline,
        name: str,
    ) -> None:
        """Have ``work`` fill a view; the other parameters are those of :meth:`call`."""

        def attempt(used: Bucket) -> None:
            destination = Destination(view, deadline)
            self._threads.run(lambda: work(used, destination), deadline, destination)

        self._attempted(bucket, attempt, deadline, name)

    def _attempted(self, bucket: str, attempt: Callable[[Bucket], T], deadline: Deadline, name: str) -> T:
        renewed = False
        while True:
            deadline.wait()
            used = self._bucket(bucket)
            try:
                return attempt(used)
            except BaseException as error:  # here and below: a panic of the library is no Exception
                if not renewed and _expired(error) and self._renew(bucket, used):
                    renewed = True
                    continue
                failure = self._failure(error, name)
                if failure is None:
                    raise
                raise failure from self._shown(error)

    def start(self, bucket: str, work: Callable[[Bucket], T], deadline: Deadline) -> Future[T]:
        """Begin, and do not wait; see :meth:`finish`."""
        used = self._bucket(bucket)
        return self._threads.start(lambda: work(used), deadline)

    def finish(self, future: Future[T], deadline: Deadline, name: str) -> T:
        """What was begun returns."""
        with self.failures(name):
            return result(future, deadline)

    @contextmanager
    def failures(self, name: str) -> Iterator[None]:
        """Translate what is raised within."""
        try:
            yield
        except BaseException as error:
            failure = self._failure(error, name)
            if failure is None:
                raise
            raise failure from self._shown(error)

    def close(self) -> None:
        """Let go of stores and threads."""
        with self._lock:
            self._buckets = {}
        self._threads.close()

    def leave(self) -> None:
        """Of a parent process's client, in the child: keep what must not be dropped here."""
        _REPLACED.append(self._buckets)
        self._buckets = {}
        self._lock = threading.Lock()  # a thread that is only the parent's may have it

    def _bucket(self, name: str) -> Bucket:
        found = self._buckets.get(name)
        if found is not None:
            return found
        with self._lock:
            found = self._buckets.get(name)
            if found is None:
                loaded = library()
                with self.failures(name):
                    found = Bucket(loaded, lambda retries: self._store(loaded, name, retries))
                self._buckets[name] = found
            return found

    def _store(self, loaded: Library, bucket: str, retries: Dict[str, Any]) -> Any:
        configuration = self.configuration
        store: Dict[str, Any] = dict(configuration.store)
        if configuration.credentials is not None:
            store["credential_provider"] = configuration.credentials
        # Files are read now: making a component opens none, and certificates are renewed.
        client = {
            option: value.read_bytes() if isinstance(value, Path) else value
            for option, value in configuration.client.items()
        }
        common = {"client_options": client, "retry_config": retries}
        if self._scheme == "gs":
            return loaded.gcs_store(bucket, **common, **store)
        in_host = configuration.in_host and "." not in bucket  # no certificate is good for more than one label
        store["virtual_hosted_style_request"] = in_host
        endpoint = configuration.endpoint
        if endpoint:
            parts = urlsplit(endpoint)
            at_host = urlunsplit(parts._replace(netloc=f"{bucket}.{parts.netloc}"))
            store["endpoint"] = at_host if in_host else endpoint
        return loaded.s3_store(bucket, **common, **store)

    def _renew(self, bucket: str, used: Bucket) -> bool:
        """Whether there may be newer credentials than those that were refused; one who asks for them does for all.

        Those that the library itself has found, in files or the environment, it looks for when a store is made.
        """
        credentials: Any = self.configuration.credentials
        with self._lock:
            if self._buckets.get(bucket) is used:
                if credentials is not None and not credentials.renew():
                    return False
                self._buckets = {}
            return True

    def _failure(self, error: BaseException, name: str) -> Optional[Exception]:
        behind = getattr(self.configuration.credentials, "failure", None)
        failure = translated(error, name, self._scheme, self._secrets())
        if failure is None or behind is None or said(error) is not None:
            return failure
        return denied(name, f"no credentials: {brief(str(behind)) or type(behind).__name__}")

    def _shown(self, error: BaseException) -> Optional[BaseException]:
        """What to raise an error from: nothing where a traceback would print a secret."""
        text = str(error)
        return None if any(secret in text for secret in self._secrets()) else error

    def _secrets(self) -> Tuple[str, ...]:
        """What no message may have in it: credentials that were given as text, and those that were found."""
        return (*self.configuration.secrets, *getattr(self.configuration.credentials, "secrets", ()))


def _expired(error: BaseException) -> bool:
    answer = said(error)
    return answer is not None and (answer.status == 401 or answer.code in _EXPIRED)
