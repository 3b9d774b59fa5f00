"""A stand-in worker in a process of its own: started by the cluster, ends with it."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
from typing import IO, TYPE_CHECKING, Any, List

from alluxiofs.testing.stand_in_workers._core import Core
from alluxiofs.testing.stand_in_workers._remote import Remote, Served

if TYPE_CHECKING:
    from alluxiofs.testing.stand_in_workers._core import Plan

__all__ = ["WorkerProcess", "main", "start_processes"]

_END = 5.0
"""Seconds that a process is given to end by itself."""


class WorkerProcess:
    """The process of one worker, as the cluster sees it."""

    def __init__(self, plan: Plan, number: int, key: bytes) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(one for one in sys.path if one)}
        self._running = subprocess.Popen(  # noqa: S603 - this very interpreter, with this very package
            [sys.executable, "-c", f"import {__name__} as it; it.main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        self._send((plan, number, key))

    def call(self) -> Remote:
        """What the worker is called with, once it is there.

        Raises
        ------
        RuntimeError
            If the process has ended; its standard error says why.
        """
        assert self._running.stdout is not None
        try:
            remote: Remote = pickle.load(self._running.stdout)  # noqa: S301 - from a process that this one started
        except EOFError as error:
            raise RuntimeError("the process of a stand-in worker ended before it could be used") from error
        return remote

    @property
    def life(self) -> IO[bytes]:
        """What is at its end when the process is; nothing comes out of it once the process can be called."""
        assert self._running.stdout is not None
        return self._running.stdout

    def code(self) -> int:
        """The exit code of a process that is at its end, less than 0 for the signal that ended it."""
        return self._running.wait(_END)

    def stop(self) -> None:
        """Have it end."""
        for pipe in (self._running.stdin, self._running.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            self._running.wait(_END)
        except subprocess.TimeoutExpired:
            self._running.kill()
            self._running.wait()

    def _send(self, value: Any) -> None:
        assert self._running.stdin is not None
        pickle.dump(value, self._running.stdin)
        self._running.stdin.flush()


def start_processes(plan: Plan, count: int, key: bytes) -> List[WorkerProcess]:
    """Start the processes of all workers, at the same time."""
    return [WorkerProcess(plan, number, key) for number in range(count)]


def main() -> None:
    """What the process does, from beginning to end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the cluster ends it, whoever presses what in its terminal
    plan, number, key = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the process that started this one
    core = Core(plan, number)
    pickle.dump(Served(core, key).remote, sys.stdout.buffer)
    sys.stdout.buffer.flush()
    sys.stdin.buffer.read()  # until the cluster closes its end, or is no more
    os._exit(0)  # its threads wait in the system, and have nothing to finish
