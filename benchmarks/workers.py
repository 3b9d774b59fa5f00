"""How work with workers is run: the stand-ins, the other release, and what is measured."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Mapping, Union

from alluxiofs.testing.stand_in_workers import StandInCluster
from benchmarks.core import Outcome, Problem
from benchmarks.release import DATA_PORT, Release, release
from benchmarks.wire import BareSocket, Ours, Straight, Targets, Urllib3

__all__ = [
    "DIALECTS",
    "MIB",
    "OLD",
    "OURS",
    "POOL",
    "RAW",
    "asked",
    "both",
    "clusters",
    "grown",
    "measured",
    "old",
    "readers",
]

RAW, POOL, OURS, OLD = "bare socket", "urllib3", "alluxiofs", "alluxiofs 1.1.17"
MIB = 2**20
DIALECTS = ("pages", "rest")

Done = Callable[[], object]


def measured(work: Done, units: float) -> Dict[str, float]:
    """Seconds and CPU seconds of this process, for a unit of the work."""
    begun, cpu = time.perf_counter(), time.process_time()
    work()
    return {"seconds": (time.perf_counter() - begun) / units, "cpu": (time.process_time() - cpu) / units}


def told(ask: Callable[[], Mapping[str, float]], units: float) -> Outcome:
    """The same of the other release."""
    try:
        return {name: value / units for name, value in ask().items()}
    except RuntimeError as error:
        return Problem("failed", str(error))


@contextlib.contextmanager
def clusters(folder: Path) -> Iterator[Dict[str, StandInCluster]]:
    """A worker of each dialect over the same files, each in a process of its own, holding all of them."""
    with contextlib.ExitStack() as stack:
        found = {}
        for dialect in DIALECTS:
            # The release reads from one port only. If somebody else has it, all others are measured all the same.
            first = DATA_PORT - 1 if dialect == "rest" and _are_free(DATA_PORT - 1, DATA_PORT) else None
            cluster = StandInCluster(folder, workers=1, dialect=dialect, processes=True, first_port=first)
            found[dialect] = stack.enter_context(cluster)
        yield found


def _are_free(*ports: int) -> bool:
    with contextlib.ExitStack() as stack:
        for port in ports:
            probe = stack.enter_context(socket.socket())
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


@contextlib.contextmanager
def old(cluster: StandInCluster) -> Iterator[Any]:
    """The release, or why there is none."""
    (member,) = cluster.members
    with contextlib.ExitStack() as stack:
        running: Any = Problem("cannot", f"it reads from port {DATA_PORT} alone, which is taken")
        if member.data_port != DATA_PORT:
            yield running
            return
        try:
            running = stack.enter_context(release(member.host, member.http_port, "file"))
        except RuntimeError as error:
            running = Problem("cannot", str(error))
        yield running


def asked(running: Any, units: float, what: str, **arguments: Any) -> Outcome:
    """Have the release do something."""
    if isinstance(running, Problem):
        return running
    one: Release = running
    return told(lambda: one.ask(what, **arguments), units)


def both(sample: Callable[[str], Outcome]) -> Callable[[], Mapping[str, Outcome]]:
    """A sample of each dialect."""
    return lambda: {dialect: sample(dialect) for dialect in DIALECTS}


def readers(targets: Mapping[str, Targets], stack: contextlib.ExitStack) -> Dict[str, Dict[str, Union[Straight, Ours]]]:
    """By contestant and dialect: who reads whole files, and looks at what is there."""
    found: Dict[str, Dict[str, Union[Straight, Ours]]] = {RAW: {}, POOL: {}, OURS: {}}
    for dialect, one in targets.items():
        data = stack.enter_context(contextlib.closing(BareSocket(one)))
        about = stack.enter_context(contextlib.closing(BareSocket(one, one.member.http_port)))
        pool = stack.enter_context(contextlib.closing(Urllib3(one)))
        found[RAW][dialect] = Straight(one, data, about)
        found[POOL][dialect] = Straight(one, pool, pool)
        found[OURS][dialect] = Ours(one)
    return found


def _memory(field: str) -> int:
    status = Path("/proc/self/status").read_text("utf-8")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(f"{field}:"))


def grown(work: Done, units: float) -> Dict[str, float]:
    """As :func:`measured`, and by how much the memory of this process grew at the most, where the system tells it."""
    refs = Path("/proc/self/clear_refs")
    if not refs.exists():
        return measured(work, units)
    refs.write_text("5", "ascii")  # begin anew with the most that it had
    before = _memory("VmRSS")
    return {**measured(work, units), "memory": float(max(0, _memory("VmHWM") - before))}
