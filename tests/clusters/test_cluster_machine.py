"""Whatever happens to workers and files, a read gives the bytes of one version that was there, or raises.

A state machine overwrites and deletes files, behind the cluster's back or through the filesystem, loads them into
workers, and has workers die, hang, answer garbage and come back, at random, but never all of them. With an under store
behind it every operation must come to its end and be right. So it must without one, where all workers hold what is
there and are told of each change.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

import fsspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from alluxiofs.errors import FileChangedError
from alluxiofs.gateway.breaker import process_breakers
from alluxiofs.testing.stand_in_workers import StandInCluster, faults

PAGE = 4096
NAMES = ("a.bin", "dir/b.bin", "odd #%.bin", "with space.bin")
DEADLINE = 30.0

_TROUBLES: Dict[str, Optional[faults.Fault]] = {
    "close": faults.Close(),
    "reset": faults.Reset(),
    "reset in the body": faults.Reset(after=500),
    "truncate": faults.Truncate(),
    "short": faults.Short(),
    "long": faults.Long(),
    "garbage": faults.Garbage(),
    "stall": faults.Stall(),
    "status": faults.Status(503),
}


class ClusterMachine(RuleBasedStateMachine):
    dialect: str
    count: int
    alone: bool
    """Whether there is no under store."""

    def __init__(self) -> None:
        super().__init__()
        process_breakers.reset()
        self.folder = Path(tempfile.mkdtemp(prefix="cluster-machine-"))
        self.cluster = StandInCluster(self.folder, workers=self.count, dialect=self.dialect, page_size=PAGE)
        self.cluster.start()
        arguments: Dict[str, Any] = dict(self.cluster.arguments)
        arguments["transport"] = {"name": "alluxio", "dialect": "auto", "version_age": 0}
        if self.alone:
            arguments["timeout"] = 1  # nobody else is there if the last one is slow
        else:
            arguments.update(target_protocol="file", timeout=0.2)
        self.fs = fsspec.filesystem(
            "alluxiofs", metadata_ttl=0, deadline=DEADLINE, skip_instance_cache=True, page_store=None, **arguments
        )
        self.model: Dict[str, bytes] = {}
        self.opened: Optional[Tuple[Any, str, bytes]] = None
        self.mtime = 1_600_000_000_000
        self.ailing: Dict[int, str] = {}

    def teardown(self) -> None:
        if self.opened is not None:
            self.opened[0].close()
        self.cluster.recover()
        self.cluster.stop()
        shutil.rmtree(self.folder)

    # --- files ----------------------------------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        for name in NAMES:
            self.overwrite(name, 2 * PAGE + 100, reload=True)

    @rule(
        name=st.sampled_from(NAMES), size=st.sampled_from([0, 1, 100, PAGE, PAGE + 1, 3 * PAGE]), reload=st.booleans()
    )
    def overwrite(self, name: str, size: int, reload: bool) -> None:
        """Somebody else writes the file; workers hear of it or not."""
        self.mtime += 1000
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        data = os.urandom(size)
        fresh = path.with_name(path.name + ".new")
        fresh.write_bytes(data)
        os.utime(fresh, (self.mtime / 1000, self.mtime / 1000))
        fresh.replace(path)
        self.model[name] = data
        if self.alone:
            self.cluster.drop(name)
            for worker in self.cluster.workers:
                worker.load(name)
        elif reload:
            self.cluster.drop(name)
            self.cluster.load(name)

    @precondition(lambda self: not self.alone)
    @rule(name=st.sampled_from(NAMES), size=st.integers(0, 3 * PAGE))
    def write(self, name: str, size: int) -> None:
        """This client writes the file."""
        data = os.urandom(size)
        with self.fs.open(self.cluster.url(name), "wb") as file:
            file.write(data)
        self.model[name] = data
        time.sleep(0.002)  # workers tell times in milliseconds

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name: str) -> None:
        if name in self.model:
            del self.model[name]
            (self.folder / name).unlink()
            if self.alone:
                self.cluster.drop(name)

    @rule(name=st.sampled_from(NAMES))
    def load(self, name: str) -> None:
        if name in self.model:
            self.cluster.load(name)

    # --- workers --------------------------------------------------------------------------------------------------

    @rule(
        number=st.integers(0, 2),
        trouble=st.sampled_from(["kill", "hang", *_TROUBLES]),
        route=st.sampled_from(["*", "page", "data", "info"]),
    )
    def trouble(self, number: int, trouble: str, route: str) -> None:
        """All but one worker may be in trouble."""
        number %= self.count
        if number not in self.ailing and len(self.ailing) == self.count - 1:
            return
        worker = self.cluster.workers[number]
        fault = _TROUBLES.get(trouble)
        if fault is not None:
            worker.fail(route, fault)
        elif trouble == "kill":
            worker.kill()
        else:
            worker.hang()
        self.ailing[number] = trouble

    @rule(number=st.integers(0, 2))
    def revive(self, number: int) -> None:
        number %= self.count
        self.cluster.workers[number].recover()
        self.cluster.workers[number].revive()
        self.ailing.pop(number, None)

    # --- what a user does -----------------------------------------------------------------------------------------

    def cannot_be_asked_for(self, name: str) -> bool:
        return self.alone and self.dialect == "pages" and " " in name

    @rule(name=st.sampled_from(NAMES))
    def read(self, name: str) -> None:
        if self.cannot_be_asked_for(name):
            return
        began = time.monotonic()
        if name in self.model:
            assert self.fs.cat_file(self.cluster.url(name)) == self.model[name]
        else:
            with pytest.raises(FileNotFoundError):
                self.fs.cat_file(self.cluster.url(name))
        assert time.monotonic() - began < DEADLINE + 2

    @rule(name=st.sampled_from(NAMES), offset=st.integers(0, 3 * PAGE), size=st.integers(1, 2 * PAGE))
    def read_range(self, name: str, offset: int, size: int) -> None:
        if name in self.model and not self.cannot_be_asked_for(name):
            got = self.fs.cat_file(self.cluster.url(name), offset, offset + size)
            assert got == self.model[name][offset : offset + size]

    @rule(name=st.sampled_from(NAMES))
    def open(self, name: str) -> None:
        if name in self.model and not self.cannot_be_asked_for(name):
            if self.opened is not None:
                self.opened[0].close()
            file = self.fs.open(self.cluster.url(name), "rb")
            data = self.model[name]
            file.read(1)
            self.opened = (file, name, data)

    @rule(offset=st.integers(0, 3 * PAGE), size=st.integers(1, 2 * PAGE))
    def read_opened(self, offset: int, size: int) -> None:
        """Bytes of the version that was opened, whatever is there now; or that it is gone."""
        if self.opened is None:
            return
        file, name, data = self.opened
        try:
            got = file.pread(offset, size)
        except (FileChangedError, FileNotFoundError):
            assert self.model.get(name) != data
        else:
            assert got == data[offset : offset + size]

    @rule(name=st.sampled_from(NAMES))
    def stat(self, name: str) -> None:
        if self.cannot_be_asked_for(name):
            return
        assert self.fs.exists(self.cluster.url(name)) == (name in self.model)
        if name in self.model:
            assert self.fs.info(self.cluster.url(name))["size"] == len(self.model[name])

    @invariant()
    def somebody_is_well(self) -> None:
        assert len(self.ailing) < self.count


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("dialect", ["pages", "rest"])
@pytest.mark.parametrize("alone", [False, True], ids=["with-an-under-store", "workers-alone"])
def test_no_wrong_byte_and_no_operation_that_fails(dialect: str, count: int, alone: bool) -> None:
    machine = type("Machine", (ClusterMachine,), {"dialect": dialect, "count": count, "alone": alone})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=6 if alone else 12,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
