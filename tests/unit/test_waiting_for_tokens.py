"""Tokens for GCS are asked for in threads; the event loop, which all requests share, waits for none of these."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, Dict

import pytest

from alluxiofs.errors import DeadlineExceededError
from alluxiofs.interfaces import Deadline
from alluxiofs.plugins._fsspec.threads import Threads
from alluxiofs.plugins._gcs import authorising as module
from alluxiofs.plugins._gcs.authorising import Authorising


class Made:
    """What is asked of a filesystem of gcsfs."""

    class credentials:  # noqa: N801 - as gcsfs calls it
        credentials = object()

    def _get_headers(self, _headers: Dict[str, str]) -> Dict[str, str]:
        return {"Authorization": "Bearer token"}


def test_the_loop_goes_on_while_each_thread_hangs() -> None:
    threads, goes_on = Threads(limit=1), threading.Event()
    hung = threads.start(goes_on.wait, Deadline.after(30))
    made: Any = Made()

    async def ask() -> Dict[str, str]:
        asking = asyncio.ensure_future(Authorising(made, threads).headers())
        await asyncio.sleep(0)  # it has begun
        goes_on.set()  # what hangs ends while the loop goes on, and at no other time
        return await asking

    try:
        assert asyncio.run(ask()) == {"Authorization": "Bearer token"}
    finally:
        goes_on.set()
    assert hung.result(30)
    threads.close()


def test_threads_that_do_not_come_back_are_waited_for_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 0.05)
    threads, goes_on = Threads(limit=1), threading.Event()
    threads.start(goes_on.wait, Deadline.after(30))
    made: Any = Made()
    try:
        with pytest.raises(DeadlineExceededError, match="an earlier call to the same client has not come back"):
            asyncio.run(Authorising(made, threads).headers())
    finally:
        goes_on.set()
        threads.close()
