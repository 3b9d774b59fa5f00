"""Hadoop that hangs, that is killed and comes back in mid-read and in mid-write: no wrong byte, and whole files.

Starting it takes its time: one server is stopped, goes on, is killed and revived, and everything is asked of it then.
"""

from __future__ import annotations

import builtins
import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Optional

import fsspec
import pytest
from attrs import define

from alluxiofs.testing._files import content
from alluxiofs.testing.guards import at_once
from tests.servers import HdfsServer, free_port, running_hdfs
from tests.understores.failing import cells
from tests.understores.needed import needed

needed("hdfs_native", "hdfs", since=(3, 9))

HEADING = "When HDFS fails"
MIB = 2**20
DATA = content(MIB) * 24  # more than connections and buffers hold
NEW = bytes(reversed(DATA))
SMALL = DATA[:1000]
DEADLINE = 10.0  # seconds


@define
class Hadoop:
    """A NameNode and a DataNode in one process, which can hang and die."""

    server: HdfsServer
    folder: Path
    process: subprocess.Popen[bytes]
    _running: contextlib.ExitStack

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """It takes connections and says nothing, as a machine that swaps; then it goes on as if nothing had been."""
        os.kill(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """As a machine that loses its power."""
        self.process.kill()
        self.process.wait(60)

    def revive(self) -> None:
        """At the same address, with what it has stored; its DataNode gets another port."""
        self.process = self._running.enter_context(running_hdfs(self.server, self.folder))


@pytest.fixture(scope="module")
def hadoop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hadoop]:
    server, folder = HdfsServer("127.0.0.1", free_port()), tmp_path_factory.mktemp("hadoop")
    with contextlib.ExitStack() as running:
        yield Hadoop(server, folder, running.enter_context(running_hdfs(server, folder)), running)


def filesystem(server: HdfsServer, deadline: float) -> Any:
    return fsspec.filesystem(
        "alluxiofs",
        target_protocol="hdfs",
        target_options=server.options,
        page_store=None,
        metadata_ttl=0,
        deadline=deadline,
        timeout=deadline,
        skip_instance_cache=True,
    )


@pytest.fixture(scope="module")
def fs(hadoop: Hadoop) -> Any:
    """Has a short deadline."""
    return filesystem(hadoop.server, DEADLINE)


@pytest.fixture(scope="module")
def patient(hadoop: Hadoop) -> Any:
    """Sees what is there, however busy the machine is."""
    return filesystem(hadoop.server, 60)


def failure_of(operation: Callable[[], object]) -> Optional[BaseException]:
    try:
        operation()
    except OSError as error:
        return error
    return None


def everything(fs: Any, folder: str) -> Dict[str, Callable[[], object]]:
    """All that can be asked, of files of its own each."""

    def written(mode: str, name: str) -> None:
        with fs.open(f"{folder}/{name}", mode) as file:
            file.write(b"added")

    return {
        "stat": lambda: fs.info(f"{folder}/read", refresh=True),
        "list": lambda: fs.ls(folder, detail=False, refresh=True),
        "open and read": lambda: fs.cat_file(f"{folder}/read", 100, 200),
        "create": lambda: written("wb", "created"),
        "append": lambda: written("ab", "appended"),
        "copy": lambda: fs.cp_file(f"{folder}/read", f"{folder}/copied"),
        "move": lambda: fs.mv(f"{folder}/moved", f"{folder}/moved-on"),
        "remove": lambda: fs.rm_file(f"{folder}/removed"),
        "mkdir": lambda: fs.mkdir(f"{folder}/made"),
    }


FILES = ("read", "appended", "moved", "removed")


def begun(patient: Any, folder: str) -> None:
    for name in FILES:
        patient.pipe_file(f"{folder}/{name}", SMALL)
    patient.pipe_file(f"{folder}/large", DATA)


def hampered(fs: Any, folder: str, hamper: Callable[[], object]) -> Dict[str, Optional[BaseException]]:
    """What a read and a write in mid-way, and all other operations, come to when something happens to the server."""
    path = f"{folder}/large"
    reader = fs.open(path, block_size=MIB, cache_options={"readahead": None})
    writer = fs.open(path, "wb")
    assert reader.read(MIB) == DATA[:MIB]
    writer.write(NEW[: 16 * MIB])

    def read_on() -> None:
        reader.seek(8 * MIB)
        assert reader.read(MIB) == DATA[8 * MIB : 9 * MIB]

    def write_on() -> None:
        with writer:
            writer.write(NEW[16 * MIB :])

    hamper()
    operations = {"read in mid-file": read_on, "written on": write_on, **everything(fs, folder)}
    failures = at_once(*[lambda operation=operation: failure_of(operation) for operation in operations.values()])
    reader.close()
    return dict(zip(operations, failures))


def check(patient: Any, folder: str, failure: str, failures: Dict[str, Optional[BaseException]]) -> None:
    """That each operation was told of the failure as the documents say, that the old files are whole, and nothing else
    shows."""
    said = {cell.operation: cell.outcome for cell in cells(HEADING) if cell.failure == failure}
    assert said.keys() == failures.keys() - {"written on", "mkdir"}
    for operation, error in failures.items():
        outcomes = said.get(operation, said["create"]).split(", ")
        assert isinstance(error, tuple(getattr(builtins, outcome) for outcome in outcomes)), (operation, repr(error))
    assert patient.cat_file(f"{folder}/large") == DATA, "the old file, whole"
    assert {path.rpartition("/")[2] for path in patient.ls(folder, detail=False)} <= {
        *FILES,
        "large",
        "created",
        "copied",
        "moved-on",
        "made",
    }
    for name, whole in (("read", {SMALL}), ("appended", {SMALL, SMALL + b"added"}), ("created", {b"added"})):
        if name == "read" or patient.exists(f"{folder}/{name}"):
            assert patient.cat_file(f"{folder}/{name}") in whole
    assert sum(patient.exists(f"{folder}/{name}") for name in ("moved", "moved-on")) == 1


def goes_on(fs: Any, patient: Any, folder: str) -> None:
    """The same filesystem does everything again."""
    with fs.open(f"{folder}/large") as file:
        file.seek(8 * MIB)
        assert file.read() == DATA[8 * MIB :]
    fs.pipe_file(f"{folder}/large", NEW)
    assert patient.cat_file(f"{folder}/large") == NEW


def test_a_server_that_hangs(hadoop: Hadoop, fs: Any, patient: Any) -> None:
    folder = "/hung"
    begun(patient, folder)
    with contextlib.ExitStack() as hanging:
        failures = hampered(fs, folder, lambda: hanging.enter_context(hadoop.hanging()))
    check(patient, folder, "it hangs", failures)
    goes_on(fs, patient, folder)


def test_a_server_that_is_killed_and_comes_back(hadoop: Hadoop, fs: Any, patient: Any) -> None:
    folder = "/killed"
    begun(patient, folder)
    failures = hampered(fs, folder, hadoop.kill)
    hadoop.revive()
    check(patient, folder, "it is killed", failures)
    goes_on(fs, patient, folder)
