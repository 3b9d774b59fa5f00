"""HTTP that goes wrong on purpose, over real sockets: a scripted server, and a proxy in front of a real one.

:class:`FaultServer` serves files and handlers of its own; :class:`FaultProxy` forwards to a server that already
runs. Both take the same :class:`Fault` values, each with a rule that says which requests it meets::

    with FaultServer() as server:
        server.file("/data", b"0123456789")
        rule = server.fault(truncate(4), path="/data", skip=1)     # the second request for /data, once
        ...                                                         # talk to server.url("/data")
        assert rule.applied == 1 and server.count("/data") == 2

Everything listens on the loopback interface, on ports below the ephemeral range. Leaving the ``with`` block ends
every stall, closes every connection and joins every thread.
"""

from __future__ import annotations

from tests.faults.proxy import FaultProxy
from tests.faults.script import (
    End,
    Fault,
    Handler,
    Reply,
    Request,
    Rule,
    close,
    declare_length,
    drip,
    garbage,
    ignore_range,
    redirect,
    reset,
    serve_bytes,
    stall,
    status,
    truncate,
    wrong_range,
)
from tests.faults.server import FaultServer, Server, listen

__all__ = [
    "End",
    "Fault",
    "FaultProxy",
    "FaultServer",
    "Handler",
    "Reply",
    "Request",
    "Rule",
    "Server",
    "close",
    "declare_length",
    "drip",
    "garbage",
    "ignore_range",
    "listen",
    "redirect",
    "reset",
    "serve_bytes",
    "stall",
    "status",
    "truncate",
    "wrong_range",
]
