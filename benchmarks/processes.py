"""Work of contestants in processes of their own, where nothing is left of what ran before."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence

from attrs import define

from benchmarks.contestants import CONTESTANTS, Place
from benchmarks.core import Outcome, Problem
from benchmarks.servers import Meter

__all__ = ["Stage", "Stopwatch", "Task", "run_stages"]

_LIMIT = 180.0  # seconds that the processes of a stage may take
_GRACE = 5.0  # seconds until a process that has told all, or has had its time, is ended
_SETTLE = 0.03  # seconds until the server has noted down what it has answered
_HIGH_WATER = "5"  # what makes the system forget the most memory that a process had

# What is imported is not measured: processes are forked from one that has imported it all, and done nothing else.
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["benchmarks.preloaded"])


class Stopwatch:
    """Measures the phases of a work, in one of the processes that do it together.

    Parameters
    ----------
    meter:
        Of the server.
    together:
        Where the processes wait for each other.
    """

    def __init__(self, meter: Meter, together: Any) -> None:
        self._meter = meter
        self._together = together
        self._aside = 0.0
        self._phase: Optional[str] = None
        self.outcomes: Dict[str, Outcome] = {}

    @contextlib.contextmanager
    def phase(self, name: str, units: int, needed: int = 0) -> Iterator[None]:
        """Measure a block, begun and ended by all processes at the same time.

        Parameters
        ----------
        name:
            Of the phase.
        units:
            Of the work, that all processes do in all.
        needed:
            Bytes that somebody who knew everything would fetch from the server, for all processes, if nothing was kept.
        """
        self._phase = name
        self._aside = 0.0
        self._together.wait()
        memory = _forget_most_memory()
        before = self._meter.read()
        self._together.wait()
        begun = time.perf_counter()
        yield
        took = time.perf_counter() - begun - self._aside
        figures = {"seconds": took / units}
        if memory is not None:
            figures["memory"] = (_memory("VmHWM") or 0) - memory
        self._together.wait()
        time.sleep(_SETTLE)
        after = self._meter.read()
        if before is not None and after is not None:
            if needed:
                figures["fetched"] = (after[0] - before[0]) / needed
            figures["requests"] = (after[1] - before[1]) / units
        self.outcomes[name] = figures

    @contextlib.contextmanager
    def off(self) -> Iterator[None]:
        """What is in this block, within a phase of one thread, does not count."""
        begun = time.perf_counter()
        yield
        self._aside += time.perf_counter() - begun

    def check(self, right: bool, message: str) -> None:
        """Make the last phase ``WRONG`` if what was read is."""
        if not right:
            self.outcomes[self._phase or ""] = Problem("WRONG", message)

    def failed(self, error: BaseException) -> None:
        """Make the phase that was going on ``failed``."""
        at = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(at.filename).name}:{at.lineno}"
        first = (str(error) or "-").splitlines()[0][:200]
        self.outcomes[self._phase or ""] = Problem("failed", f"{type(error).__name__}: {first} ({where})")


#: What a process does: given its filesystem, the root of its paths, a stopwatch, its number among the processes, and
#: the arguments of its task.
Work = Callable[..., None]


@define(frozen=True)
class Task:
    """Work, a function of a module, and its arguments."""

    work: Work
    arguments: Sequence[Any] = ()


@define(frozen=True)
class Stage:
    """A task, done by so many new processes at the same time."""

    task: Task
    processes: int = 1


def run_stages(contestant: str, place: Place, stages: Sequence[Stage]) -> Dict[str, Outcome]:
    """One after the other, over the same folder: the outcomes by phase. After a failure there are no further stages."""
    outcomes: Dict[str, Outcome] = {}
    for stage in stages:
        found = _run(contestant, place, stage)
        outcomes.update(found)
        if any(isinstance(outcome, Problem) and outcome.kind == "failed" for outcome in found.values()):
            break
    return outcomes


def _run(contestant: str, place: Place, stage: Stage) -> Dict[str, Outcome]:
    together = _context.Barrier(stage.processes)
    pipes: List[Connection] = []
    processes = []
    for number in range(stage.processes):
        mine, theirs = _context.Pipe(duplex=False)
        process = _context.Process(target=_child, args=(theirs, together, contestant, place, stage.task, number))
        process.start()
        theirs.close()
        pipes.append(mine)
        processes.append(process)
    deadline = time.monotonic() + _LIMIT
    told: List[Dict[str, Outcome]] = []
    try:
        for pipe in pipes:
            if not pipe.poll(max(0.0, deadline - time.monotonic())):
                return {"": Problem("failed", f"not done after {_LIMIT:g} s")}
            with contextlib.suppress(EOFError):
                told.append(pipe.recv())
    finally:
        for process in processes:
            process.join(_GRACE)
            if process.is_alive():
                process.kill()
                process.join()
        for pipe in pipes:
            pipe.close()
    if len(told) < len(processes):
        codes = [process.exitcode for process in processes]
        told.append({"": Problem("failed", f"processes died: exit codes {codes}")})
    return _together(told)


def _together(told: Sequence[Mapping[str, Outcome]]) -> Dict[str, Outcome]:
    """What the processes told as one: the slowest, the largest, the worst."""
    found: Dict[str, Outcome] = {}
    for outcomes in told:
        for phase, outcome in outcomes.items():
            before = found.get(phase)
            if before is None or (isinstance(outcome, Problem) and not isinstance(before, Problem)):
                found[phase] = outcome
            elif isinstance(before, Mapping) and isinstance(outcome, Mapping):
                found[phase] = {name: max(value, before.get(name, value)) for name, value in outcome.items()}
    return found


def _child(pipe: Connection, together: Any, contestant: str, place: Place, task: Task, number: int) -> None:
    # What clients say when a process ends before its connections do would go into the tables.
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), sys.stderr.fileno())
    stopwatch = Stopwatch(place.storage.meter, together)
    try:
        chosen = CONTESTANTS[contestant]
        task.work(chosen.make(place), chosen.root(place), stopwatch, number, *task.arguments)
    except threading.BrokenBarrierError:  # another process failed, and tells why
        stopwatch.outcomes.clear()
    except Exception as error:
        together.abort()
        stopwatch.failed(error)
    pipe.send(stopwatch.outcomes)
    pipe.close()


def _memory(field: str) -> Optional[int]:
    """Bytes of this process, as Linux tells them."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    line = next(line for line in status.read_text().splitlines() if line.startswith(field + ":"))
    return int(line.split()[1]) * 1024


def _forget_most_memory() -> Optional[int]:
    """Begin anew with the most memory that this process has had; bytes that it has now."""
    try:
        Path("/proc/self/clear_refs").write_text(_HIGH_WATER, encoding="ascii")
    except OSError:
        return None
    return _memory("VmRSS")
