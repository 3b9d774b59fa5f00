"""Load jobs for files that were wanted and are not held."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Callable

from alluxiofs.errors import NotSupportedError, hidden_text
from alluxiofs.interfaces import Call, Deadline, Event, Telemetry
from alluxiofs.logs import fields
from alluxiofs.plugins._alluxio.entries import parse_object
from alluxiofs.plugins._alluxio.names import raw_path
from alluxiofs.plugins._alluxio.peer import Peer, Remembered
from alluxiofs.plugins._http.connection import ClosedWithoutAnswerError
from alluxiofs.plugins._http.pool import Pools

if TYPE_CHECKING:
    from alluxiofs.plugins._http.answers import Answer

__all__ = ["LoadOnMiss"]

_LIMIT = 5.0  # seconds: without a master a worker never answers
_NOT_AGAIN = 60.0
_AT_A_TIME = 2


class LoadOnMiss:
    """Asks workers to load files, in the background and once for a file and a minute. Nobody waits for it.

    Parameters
    ----------
    pools:
        Makes connections of its own: reads need theirs.
    logger:
        Told when no job could be started.
    telemetry:
        Told of each job, and of each call.
    """

    def __init__(self, pools: Callable[[], Pools], logger: logging.Logger, telemetry: Telemetry) -> None:
        self._make = pools
        self._logger = logger
        self._telemetry = telemetry
        self._lock = threading.Lock()
        self._free = threading.BoundedSemaphore(_AT_A_TIME)
        self._asked: Remembered[bool] = Remembered()
        self._hung: Remembered[bool] = Remembered()

    def start(self, peer: Peer, url: str) -> None:
        """Have a load job started; returns at once."""
        with self._lock:
            if self._asked.get(url) or self._hung.get("") or not self._free.acquire(blocking=False):
                return
            self._asked.put(url, True, _NOT_AGAIN)
        threading.Thread(target=self._submit, args=(peer, url), name="alluxiofs-load", daemon=True).start()

    def _submit(self, peer: Peer, url: str) -> None:
        pools, began, state, sent = self._make(), time.perf_counter(), "ok", True
        shown = hidden_text(url)
        more = fields(operation="load", path=url, worker=f"{peer.host}:{peer.http_port}", component="alluxio")
        try:
            request = peer.get(f"/v1/load?path={raw_path(url)}&opType=submit")
            answer: Answer = pools.to(peer.host, peer.http_port).ask(request, Deadline.after(_LIMIT))
            self._logger.debug("%s: load of %s: %s", peer.where, shown, answer.body[:200], extra=more)
            if answer.status == 200 and parse_object(answer.body, peer.where).get("success") is True:
                self._telemetry.record_event(Event("load_job", "submitted"))
            else:
                state = "failed"
        except ClosedWithoutAnswerError:
            state = "exists"
            self._logger.debug(
                "%s: a load job of %s is under way, or ended a moment ago", peer.where, shown, extra=more
            )
        except TimeoutError:
            state = "timeout"
            self._hung.put("", True, _NOT_AGAIN)
            self._logger.warning(
                "%s starts no load jobs: it needs a master for that. None are asked for in the next %d s",
                peer.where,
                _NOT_AGAIN,
                extra={**more, **fields(reason="timeout")},
            )
        except (OSError, NotSupportedError) as error:
            state = "unavailable" if isinstance(error, ConnectionError) else "failed"
            sent = not isinstance(error, NotSupportedError)
            self._logger.info("no load job could be started for %s: %s", shown, error, extra=more)
        finally:
            if sent:
                self._telemetry.record_call(Call("worker", "alluxio", "load", state, time.perf_counter() - began))
            pools.close()
            self._free.release()
