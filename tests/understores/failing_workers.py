"""How each failure of workers that the documents name is brought about on stand-in workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, Optional, Sequence

from attrs import define, evolve

from alluxiofs.testing import ScriptedMembership
from alluxiofs.testing._files import content
from alluxiofs.testing.stand_in_workers import StandInCluster, faults

__all__ = ["COLUMNS", "DATA", "FAILURES", "OPERATIONS", "OTHER", "PAGE", "Failure", "change", "fail"]

PAGE = 4096
DATA = content(10 * PAGE + 100)
OTHER = bytes(reversed(DATA))
READS = ("page", "data", "chunk")


@define(frozen=True)
class Failure:
    """What all workers do from now on.

    Parameters
    ----------
    fault:
        What becomes of their answers; ``None``: nobody listens any more.
    of_reads:
        Of the answers alone that have a piece of a file in them.
    act:
        What is done besides, or instead of a fault.
    kills:
        Whether nobody listens any more.
    dialects:
        Of the workers that can fail so.
    page_size:
        Of the workers.
    arguments:
        Of the filesystem.
    others:
        Further faults that go by the same name.
    """

    fault: Optional[faults.Fault] = None
    of_reads: bool = False
    act: Optional[Callable[[StandInCluster, Path], object]] = None
    kills: bool = False
    dialects: Sequence[str] = ("rest", "pages")
    page_size: int = PAGE
    arguments: Callable[[], Dict[str, Any]] = dict
    others: Sequence[faults.Fault] = ()

    @property
    def kinds(self) -> Sequence[Failure]:
        """This one, and a failure for each of the others."""
        return (self, *(evolve(self, fault=fault, others=()) for fault in self.others))


def _overwrite(cluster: StandInCluster, file: Path) -> None:
    file.write_bytes(OTHER)


def _drop(cluster: StandInCluster, file: Path) -> None:
    cluster.drop()


def _nobody() -> Dict[str, Any]:
    membership = ScriptedMembership()
    membership.push([])
    return {"membership": membership, "worker_hosts": None}


REST, PAGES = ["rest"], ["pages"]

FAILURES: Dict[str, Failure] = {
    "connection refused": Failure(kills=True),
    "reset before an answer": Failure(faults.Reset()),
    "reset in mid-body": Failure(faults.Reset(after=2000), of_reads=True, dialects=REST),
    "nothing comes any more": Failure(faults.Stall()),
    "stall in mid-body": Failure(faults.Stall(after=2000), of_reads=True),
    "500, 502, 503, 504": Failure(faults.Status(503), others=[faults.Status(code) for code in (500, 502, 504)]),
    "429": Failure(faults.Status(429)),
    "403": Failure(faults.Status(403)),
    "401": Failure(faults.Status(401)),
    "404": Failure(faults.Status(404), dialects=REST),
    "412": Failure(faults.Status(412)),
    "body too short": Failure(faults.Short(), of_reads=True, dialects=REST),
    "body cut off": Failure(faults.Truncate(), of_reads=True),
    "body too long": Failure(faults.Long(), of_reads=True, dialects=REST),
    "body of another range": Failure(faults.OtherRange(), of_reads=True, dialects=REST),
    "garbage": Failure(faults.Garbage()),
    "its pages have another size": Failure(dialects=PAGES, page_size=2 * PAGE),
    "it does not hold the file": Failure(act=_drop, dialects=PAGES),
    "it holds another version": Failure(act=_overwrite),
    "refused, and the file is another one": Failure(act=_overwrite, kills=True),
    "no worker is known": Failure(arguments=_nobody),
}


def fail(cluster: StandInCluster, failure: Failure, file: Path) -> None:
    """From now on all workers fail."""
    if failure.act is not None:
        failure.act(cluster, file)
    if failure.kills:
        for worker in cluster.workers:
            worker.kill()
    if failure.fault is not None:
        for route in READS if failure.of_reads else ("*",):
            cluster.fail(route, failure.fault)


# --- operations: each calls ``begin`` at the moment from which workers fail, and gives what it got ----------------

Act = Callable[[Any, str, Callable[[], object]], object]


def _stat(fs: Any, path: str, begin: Callable[[], object]) -> object:
    begin()
    return fs.info(path, refresh=True)["size"]


def _list(fs: Any, path: str, begin: Callable[[], object]) -> object:
    begin()
    return [entry["size"] for entry in fs.ls(path.rpartition("/")[0], detail=True, refresh=True)]


def _read(fs: Any, path: str, begin: Callable[[], object]) -> object:
    begin()
    with fs.open(path) as file:
        return file.read()


def _read_on(fs: Any, path: str, begin: Callable[[], object]) -> object:
    with fs.open(path) as file:
        assert file.read(1000) == DATA[:1000]
        begin()
        file.seek(3 * PAGE)
        return file.read(4 * PAGE)


def _cat_ranges(fs: Any, path: str, begin: Callable[[], object]) -> object:
    begin()
    return fs.cat_ranges([path, path], [0, 5 * PAGE], [PAGE, 9 * PAGE], on_error="raise")


@define(frozen=True)
class Operation:
    """What is done, and what it gives of a file of this content."""

    act: Act
    expected: Callable[[bytes], object]


OPERATIONS: Dict[str, Operation] = {
    "stat": Operation(_stat, len),
    "list": Operation(_list, lambda data: [len(data)]),
    "open and read": Operation(_read, lambda data: data),
    "read in mid-file": Operation(_read_on, lambda data: data[3 * PAGE : 7 * PAGE]),
    "`cat_ranges`": Operation(_cat_ranges, lambda data: [data[:PAGE], data[5 * PAGE : 9 * PAGE]]),
}
COLUMNS: Sequence[str] = [*OPERATIONS, "changes", "counted as", "`fallback=False`"]


def change(fs: Any, folder: str) -> None:
    """All that changes something, and what it leaves."""
    made, copied, moved = f"{folder}/made", f"{folder}/copied", f"{folder}/moved"
    fs.pipe_file(made, DATA)
    with fs.open(made, "ab") as file:
        file.write(b"added")
    fs.cp_file(made, copied)
    fs.mv(copied, moved)
    fs.rm_file(made)
    assert fs.cat_file(moved) == DATA + b"added"
    assert not fs.exists(made)
    assert not fs.exists(copied)
