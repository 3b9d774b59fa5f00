"""What requests are authorised with, asked and renewed in threads that nobody else waits for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional, TypeVar

from alluxiofs.errors import denied
from alluxiofs.interfaces import Deadline
from alluxiofs.plugins._fsspec.failures import brief
from alluxiofs.plugins._fsspec.threads import Threads, hangs

if TYPE_CHECKING:
    from gcsfs.core import GCSFileSystem

__all__ = ["Authorising"]

T = TypeVar("T")

_KNOWN = frozenset({"gcsfs", "google"})  # whose errors say what they are
_AT_ONCE = 5.0  # seconds that a thread may take to begin
_LOOKS_EVERY = 0.02  # seconds, for one that is free, where none was


class Authorising:
    """The credentials of a gcsfs filesystem. Used on its event loop alone.

    Asking for a token waits for the token service, or for whatever a user has put in its place, which may never answer.
    So it is asked in a thread of its own: not on the loop that all requests share, nor in the few threads of the loop,
    which other filesystems look up names of hosts in. All requests that need a token meanwhile wait for the same one.

    Parameters
    ----------
    made:
        Whose credentials they are.
    threads:
        Where they are asked for.
    """

    def __init__(self, made: GCSFileSystem, threads: Threads) -> None:
        self._made = made
        self._threads = threads
        self._asking: Optional[asyncio.Future[Dict[str, str]]] = None
        self._renewing: Optional[asyncio.Future[bool]] = None

    async def headers(self) -> Dict[str, str]:
        """What a request has to say of who sends it; a token that ends soon is renewed before."""
        if self._made.credentials.credentials is None:
            return {}
        asking = self._asking
        if asking is None or asking.done():
            asking = self._asking = self._in_thread(lambda: self._made._get_headers({}))
        return await asyncio.shield(asking)

    async def renewed(self, refused_with: str) -> bool:
        """Whether there are newer credentials than those that a request was refused with."""
        held = self._made.credentials
        if held.credentials is None:
            return False
        while True:
            renewing = self._renewing
            if renewing is None or renewing.done():
                self._renewing = self._in_thread(lambda: _renew(held, refused_with))
                found = await asyncio.shield(self._renewing)
                self._asking = None  # it may have been begun before, and tell of the old ones
                return found
            if not await asyncio.shield(renewing):
                return False
            if not _is_of(refused_with, held):
                return True

    def _in_thread(self, call: Callable[[], T]) -> asyncio.Future[T]:
        def asked() -> T:
            try:
                return call()
            except Exception as error:
                if isinstance(error, OSError) or type(error).__module__.partition(".")[0] in _KNOWN:
                    raise
                message = f"target_options: token failed: {type(error).__name__}: {brief(str(error))}"
                raise denied("/", message) from error

        started = self._threads.try_start(asked)
        future = asyncio.ensure_future(self._later(asked)) if started is None else asyncio.wrap_future(started)
        future.add_done_callback(_look_at)
        return future

    async def _later(self, call: Callable[[], T]) -> T:
        """The same, once an earlier call has come back. All of them may hang: the loop goes on meanwhile."""
        deadline = Deadline.after(_AT_ONCE)
        while deadline.remaining() > 0:
            await asyncio.sleep(_LOOKS_EVERY)
            started = self._threads.try_start(call)
            if started is not None:
                return await asyncio.wrap_future(started)
        raise hangs()


def _look_at(future: asyncio.Future[Any]) -> None:
    """Whoever asked may have stopped waiting: what is raised then is nobody's, and nothing to complain of."""
    if not future.cancelled():
        future.exception()


def _is_of(header: str, held: Any) -> bool:
    """Whether a request was authorised with the token of now."""
    return header.endswith(f" {held.credentials.token}")


def _renew(held: Any, refused_with: str) -> bool:
    import requests
    from google.auth.exceptions import GoogleAuthError
    from google.auth.transport.requests import Request

    with held.lock:
        if refused_with and not _is_of(refused_with, held):
            return True  # another request has seen to it
        try:
            with requests.Session() as session:
                held.credentials.refresh(Request(session))
        except GoogleAuthError:
            return False  # what the store said of the old ones is the answer
    return True
