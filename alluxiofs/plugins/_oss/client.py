"""The OSS client: ossfs's credentials and endpoint, the requests of the library below it (oss2).

Of ossfs's own file methods none is used: they take the end of a range as part of it, append where they should write
anew (so that a file of several blocks fails), remember listings, and give no other limit than a minute for each wait.
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import os
import random
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator, Optional, TypeVar

from alluxiofs.errors import ConfigurationError, MissingExtraError, UnknownSettingError, nearest
from alluxiofs.plugins._fsspec.failures import brief, cause_to_show
from alluxiofs.plugins._fsspec.options import COMMON_OPTIONS, uncached
from alluxiofs.plugins._fsspec.threads import Threads
from alluxiofs.plugins._fsspec.waiting import Destination, result
from alluxiofs.plugins._oss.credentials import RenewedCredentials, is_sendable
from alluxiofs.plugins._oss.failures import AGAIN, translated

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ossfs import OSSFileSystem

    from alluxiofs.interfaces import Deadline, Target

__all__ = ["OssClient"]

T = TypeVar("T")

_CALLS = 64
_ATTEMPTS = 3
_FIRST_PAUSE = 0.2  # seconds, doubled each time
_PROVIDER = "credential_provider"
_FREQUENT = frozenset({"endpoint", "key", "secret", "token", _PROVIDER})


class OssClient:
    """ossfs, made at first use from options, or a ready one.

    oss2 waits for each answer: requests run in threads, so that whoever asked can stop waiting.

    Parameters
    ----------
    target:
        Options of ``OSSFileSystem``, and ``credential_provider``; or such an object.

    Raises
    ------
    MissingExtraError
        If there is no ossfs.
    ConfigurationError
        If nobody says where the store is.
    UnknownSettingError
        For an option that ossfs does not have.
    """

    def __init__(self, target: Target) -> None:
        if target.client is None and importlib.util.find_spec("ossfs") is None:
            raise MissingExtraError("the protocol 'oss' needs ossfs: pip install 'alluxiofs[oss]'")
        _check_options(target.options)
        self._target = target
        if not self.endpoint:
            raise ConfigurationError(
                "target_options: OSS needs an 'endpoint' (https://oss-cn-hangzhou.aliyuncs.com), or OSS_ENDPOINT"
            )
        for option in ("key", "secret", "token"):
            if not is_sendable(target.options.get(option)):
                raise ConfigurationError(
                    f"target_options: {option!r} has a line break, or what else no credentials have, in it"
                )
        ask = target.options.get(_PROVIDER)
        if ask is not None and not callable(ask):
            raise ConfigurationError(f"target_options: {_PROVIDER} is no callable that gives credentials")
        self._provider = None if ask is None else RenewedCredentials(ask)
        self._lock = threading.Lock()
        self._threads = Threads(limit=_CALLS)
        self._made: Optional[OSSFileSystem] = None
        self._session: Any = None

    def call(
        self,
        method: str,
        deadline: Deadline,
        name: str,
        bucket: str,
        *arguments: Any,
        again: bool = True,
        **options: Any,
    ) -> Any:
        """What a method of ``oss2.Bucket`` returns (``head_object``).

        Parameters
        ----------
        method, arguments, options:
            ``method(*arguments, **options)``.
        deadline:
            Ends the wait, further attempts included.
        name:
            For the message of an error.
        bucket:
            Which one; empty: of the service itself.
        again:
            It may be sent once more after a failure that may pass.
        """
        return self.run(
            lambda: self.ask(method, deadline, bucket, *arguments, again=again, **options),
            deadline,
            name,
            bodiless=method.startswith("head"),
        )

    def ask(
        self, method: str, deadline: Deadline, bucket: str, *arguments: Any, again: bool = True, **options: Any
    ) -> Any:
        """The same, within a call that :meth:`run` or :meth:`start` runs."""
        from oss2.exceptions import OssError

        if self._provider is not None:
            used = self._provider.get_credentials()
            try:
                return self._asked(method, deadline, bucket, *arguments, again=again, **options)
            except OssError as error:
                if error.status not in (401, 403) or not self._provider.renewed(used, str(error.code or "")):
                    raise
        return self._asked(method, deadline, bucket, *arguments, again=again, **options)

    def _asked(self, method: str, deadline: Deadline, bucket: str, *arguments: Any, again: bool, **options: Any) -> Any:
        from oss2.exceptions import OssError

        for attempt in range(1, _ATTEMPTS):
            try:
                return getattr(self._opened(bucket, deadline), method)(*arguments, **options)
            except OssError as error:
                passing = getattr(error, "exception", None) is not None or error.status in AGAIN
                if not passing or not again:
                    raise
            pause = _FIRST_PAUSE * 2 ** (attempt - 1) * random.uniform(0.5, 1.0)  # noqa: S311 no secret
            time.sleep(min(pause, deadline.wait()))
        return getattr(self._opened(bucket, deadline), method)(*arguments, **options)

    def run(
        self,
        work: Callable[[], T],
        deadline: Deadline,
        name: str,
        destination: Optional[Destination] = None,
        *,
        bodiless: bool = False,
    ) -> T:
        """What ``work``, which asks, returns."""
        with _failures(name, bodiless):
            return self._threads.run(work, deadline, destination)

    def start(self, work: Callable[[], T], deadline: Deadline, name: str) -> Future[T]:
        """Begin, and do not wait; see :meth:`finish`."""
        with _failures(name):
            return self._threads.start(work, deadline)

    @staticmethod
    def finish(future: Future[T], deadline: Deadline, name: str) -> T:
        """What was begun returns."""
        with _failures(name):
            return result(future, deadline)

    @property
    def endpoint(self) -> str:
        """Where requests go, as options or environment say; no credentials."""
        ready = self._target.client
        if ready is not None:
            return str(getattr(ready, "_endpoint", None) or "").rstrip("/")
        return str(self._target.options.get("endpoint") or os.environ.get("OSS_ENDPOINT") or "").rstrip("/")

    def forget(self, name: str) -> None:
        """Have a user's client not remember what it listed."""
        if self._target.client is not None:
            self._target.client.invalidate_cache(name)

    def close(self) -> None:
        """Let go of the connections."""
        with self._lock:
            session, self._session, self._made = self._session, None, None
        if session is not None:
            session.session.close()
        self._threads.close()

    def _opened(self, bucket: str, deadline: Deadline) -> Any:
        """What sends requests: an object without state, with a limit for each wait for the network."""
        import oss2

        with self._lock:
            if self._made is None:
                # Connections are our own, also with a ready client: a forked child must not use its parent's.
                self._made = self._target.client if self._target.client is not None else self._make()
                self._session = oss2.Session(pool_size=_CALLS)
            made, session = self._made, self._session
        auth = made._auth if self._provider is None else oss2.ProviderAuth(self._provider)
        limit = deadline.wait()
        if not bucket:
            return oss2.Service(auth, made._endpoint, session=session, connect_timeout=limit, app_name="alluxiofs")
        # Its checksum is computed in Python; parts are sent with one that the store checks.
        return oss2.Bucket(
            auth,
            made._endpoint,
            bucket,
            session=session,
            connect_timeout=limit,
            app_name="alluxiofs",
            enable_crc=False,
        )

    def _make(self) -> OSSFileSystem:
        from ossfs import OSSFileSystem

        options = {name: value for name, value in self._target.options.items() if name != _PROVIDER}
        try:
            return OSSFileSystem(**uncached(options))
        except (TypeError, ValueError, AttributeError) as error:
            raise ConfigurationError(f"target_options: {brief(str(error))}") from error


def _check_options(options: Iterable[str]) -> None:
    unusual = set(options) - _FREQUENT
    if not unusual:
        return
    from fsspec import AbstractFileSystem
    from ossfs import OSSFileSystem

    known = set(COMMON_OPTIONS)
    for kind in OSSFileSystem.__mro__[: OSSFileSystem.__mro__.index(AbstractFileSystem)]:
        known.update(inspect.signature(vars(kind).get("__init__", len)).parameters)
    known.add(_PROVIDER)
    known -= {"self", "kwargs", "obj"}
    for option in sorted(unusual - known):
        raise UnknownSettingError(f"target_options: ossfs has no option {option!r}{nearest(option, known)}")


@contextlib.contextmanager
def _failures(name: str, bodiless: bool = False) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        failure = translated(error, name, bodiless)
        if failure is None:
            raise
        raise failure from cause_to_show(error)
