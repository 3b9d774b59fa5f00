"""A pool of connections that is closed while others use it."""

from __future__ import annotations

import sys
import threading
from types import FrameType
from typing import Any, List

from alluxiofs.interfaces import Deadline
from alluxiofs.plugins._http.pool import Pool
from tests.faults import FaultServer

DATA = b"0123456789"
GET = b"GET /page HTTP/1.1\r\nhost: worker\r\n\r\n"


def test_who_asks_while_a_pool_is_closed_need_not_wait_for_anybody() -> None:
    """The place of a connection that is just being closed is nobody's: who finds none then is told when it is back."""
    got: List[object] = []
    with FaultServer() as server:
        server.file("/page", DATA)
        pool = Pool((server.host, server.port), None, 1)

        def ask() -> None:
            try:
                got.append(pool.ask(GET, Deadline.after(5)).body)
            except OSError as error:
                got.append(error)

        ask()
        asking = threading.Thread(target=ask)

        def called(_frame: FrameType, event: str, function: Any) -> None:
            if event == "c_return" and function.__name__ == "pop" and not asking.ident:
                asking.start()
                while asking.is_alive() and not pool._waiting:
                    pass

        sys.setprofile(called)
        try:
            pool.close()
        finally:
            sys.setprofile(None)
        assert asking.ident
        asking.join()
        pool.close()
    assert got == [DATA, DATA]
