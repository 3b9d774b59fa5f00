"""``alluxiofs load``: what is shown of a load job, and what its exit code is."""

from __future__ import annotations

import base64
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Iterator, List

import pytest
from attrs import define

from alluxiofs.testing.stand_in_workers import StandInCluster, faults
from tests.cli.conftest import Command
from tests.cli.interrupts import interrupts_are_heard
from tests.clusters.lake import recordings

SIZE = 3 << 20


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[StandInCluster]:
    lake = tmp_path / "lake"
    lake.mkdir()
    for name in ("a.bin", "b.bin"):
        (lake / name).write_bytes(b"x" * SIZE)
    with StandInCluster(lake, job_seconds=0.02, job_rest=0.1) as running:
        yield running


def words(cluster: StandInCluster, *more: str) -> List[str]:
    arguments = {name: json.dumps(value) for name, value in cluster.arguments.items()}
    return ["load", *(word for name in arguments for word in ("-o", f"{name}={arguments[name]}")), *more]


@define
class Running:
    """A command that runs, and all that it has written to its standard error, which is a terminal or a pipe."""

    process: subprocess.Popen[bytes]
    source: Any
    seen: bytearray
    _reader: threading.Thread

    def errors(self) -> str:
        self.process.wait(30)
        self._reader.join(30)
        return bytes(self.seen).decode()


def started(cluster: StandInCluster, *more: str, terminal: bool = False) -> Running:
    """The command in a process of its own."""
    ours, theirs = pty.openpty() if terminal else os.pipe()
    with interrupts_are_heard():
        process = subprocess.Popen(
            [sys.executable, "-m", "alluxiofs", *words(cluster, *more)],
            stdout=subprocess.PIPE,
            stderr=theirs,
            env={**os.environ, "COLUMNS": "120", "TERM": "xterm"},
        )
    os.close(theirs)
    seen, source = bytearray(), io.FileIO(ours)

    def read() -> None:
        with source:
            while True:
                try:
                    piece = source.read(1 << 16)
                except OSError:  # how the end of a terminal shows on Linux
                    return
                if not piece:
                    return
                seen.extend(piece)

    reader = threading.Thread(target=read)
    reader.start()
    return Running(process, source, seen, reader)


def await_questions(cluster: StandInCluster, count: int) -> None:
    """Wait until it has asked so many times about load jobs."""
    until = time.monotonic() + 60
    while cluster.requests.get("load", 0) < count:
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_bar_shows_how_far_it_has_come_on_a_terminal(cluster: StandInCluster) -> None:
    cluster.hold_jobs("loaded")
    running = started(cluster, cluster.url(), terminal=True)
    with running.process:
        await_questions(cluster, 6)
        cluster.release_jobs()
        shown = running.errors()
        assert running.process.returncode == 0
        assert running.process.stdout is not None
        assert running.process.stdout.read().decode() == f"{cluster.url()}: succeeded, 6.0M of 6.0M\n"
    assert re.search(r"load (?:…|file:)\S*/lake ", shown), "of a name that is too long its end"
    assert "━━━━" in shown
    assert "6.0/6.0 MiB" in shown


def test_nothing_is_shown_where_nobody_looks(cluster: StandInCluster) -> None:
    running = started(cluster, cluster.url("a.bin"))
    with running.process:
        assert running.errors() == ""
        assert running.process.returncode == 0


@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])
def test_an_interrupt_ends_the_wait_and_says_that_the_job_goes_on(cluster: StandInCluster, terminal: bool) -> None:
    cluster.hold_jobs()
    url = cluster.url("a.bin")
    running = started(cluster, url, terminal=terminal)
    with running.process:
        await_questions(cluster, 3)
        running.process.send_signal(signal.SIGINT)
        shown = running.errors()
    assert running.process.returncode == 130
    assert shown.rstrip().endswith(f"alluxiofs: the load job of {url} goes on; --stop stops it")
    assert "Traceback" not in shown
    cluster.release_jobs()
    cluster.settle_jobs()
    assert cluster.in_charge("a.bin").kept_pages("a.bin")


def test_a_job_that_somebody_stops_is_no_success(cluster: StandInCluster, command: Command) -> None:
    cluster.hold_jobs()
    url = cluster.url("a.bin")
    running = started(cluster, url, "--json")
    with running.process:
        await_questions(cluster, 3)
        assert command(*words(cluster, url, "--stop")).code == 0
        assert running.errors() == ""
        assert running.process.returncode == 1
        assert running.process.stdout is not None
        assert json.loads(running.process.stdout.read())["state"] == "STOPPED"
    status = command(*words(cluster, url, "--status", "--json"))
    assert (status.code, status.json()["state"]) == (0, "STOPPED"), "that it is told is what was asked for"


@pytest.mark.parametrize("name", ["load_progress_bad", "load_progress_bad_json"])
def test_a_job_that_failed_as_real_workers_tell_it(cluster: StandInCluster, command: Command, name: str) -> None:
    (recorded,) = [one for one in recordings() if one["name"] == name]
    for worker in cluster.workers:
        body = base64.b64decode(recorded["response"]["body_b64"])
        worker.fail("load", faults.OtherBody(body), matching="opType=progress")
    outcome = command(*words(cluster, cluster.url("a.bin")))
    assert (outcome.code, outcome.errors) == (1, "")
    (line,) = outcome.lines
    assert line.startswith(f"{cluster.url('a.bin')}: failed")
    assert line.endswith((": Job partially failed.", ": alluxio.exception.runtime.InternalRuntimeException"))
    assert ("1 file failed" in line) == (name == "load_progress_bad_json")
    assert command(*words(cluster, cluster.url("a.bin"), "--status")).code == 0
    cluster.settle_jobs()  # in truth it goes on


def test_workers_that_are_all_dead(cluster: StandInCluster, command: Command) -> None:
    for worker in cluster.workers:
        worker.kill()
    for more in ([], ["--status"], ["--stop"], ["--no-wait"]):
        outcome = command(*words(cluster, cluster.url("a.bin"), *more))
        assert outcome.code == 1
        (line,) = outcome.error_lines
        assert line.startswith(f"alluxiofs: {cluster.url('a.bin')}: ")
        assert "refused" in line


def test_one_path_that_is_missing_keeps_no_other_from_being_loaded(cluster: StandInCluster, command: Command) -> None:
    outcome = command(*words(cluster, cluster.url("missing"), cluster.url("b.bin"), "--json"))
    assert outcome.code == 3
    assert [json.loads(line)["state"] for line in outcome.lines] == ["SUCCEEDED"]
    assert len(outcome.error_lines) == 1


def test_a_timeout_holds_while_nobody_answers(cluster: StandInCluster, command: Command) -> None:
    """Before it was as long as the deadline, without a pause between two questions."""
    cluster.hold_jobs()
    url = cluster.url("a.bin")
    running = started(cluster, url, "--timeout", "5", "-o", "deadline=50")
    with running.process:
        await_questions(cluster, 3)
        for worker in cluster.workers:
            worker.kill()
        began = time.monotonic()
        shown = running.errors()
        assert running.process.returncode == 1
    assert f"{url}: the load job goes on after 5 s: running" in shown
    assert time.monotonic() - began < 40


# --- the configuration ----------------------------------------------------------------------------------------------


def test_an_argument_that_is_mistyped_is_named(command: Command) -> None:
    outcome = command("load", "s3://bucket/x", "-o", "worker_host=h1")
    assert outcome.code == 2
    assert outcome.error_lines == ["alluxiofs: unknown argument 'worker_host'; did you mean 'worker_hosts'?" + HINT]


HINT = " (options of the under store's client go into target_options)"


def test_an_error_of_the_configuration_says_whence_it_is(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.config import conf

    monkeypatch.setenv("FSSPEC_ALLUXIOFS_REPLICAS", "many")
    monkeypatch.setitem(conf, "alluxiofs", {"replicas": "many"})
    outcome = command("load", "s3://bucket/x", "s3://bucket/y", "-o", "worker_hosts=h1")
    assert outcome.code == 2
    (line,) = outcome.error_lines
    assert line.endswith("(from the environment variable FSSPEC_ALLUXIOFS_REPLICAS)")


def test_options_of_the_store_are_for_the_urls_store_as_elsewhere(cluster: StandInCluster, command: Command) -> None:
    outcome = command(*words(cluster, cluster.url("a.bin"), "-o", "target_options.endpoint_url=http://localhost:1"))
    assert (outcome.code, outcome.errors) == (0, "")
    outcome = command(*words(cluster, cluster.url("b.bin"), "--target-protocol", "memory"))
    assert (outcome.code, outcome.errors) == (0, ""), "a URL of another scheme is in a store of its own"


def test_a_path_without_a_store(cluster: StandInCluster, command: Command) -> None:
    outcome = command(*words(cluster, "folder/x"))
    assert outcome.code == 2
    assert outcome.error_lines == ["alluxiofs: path 'folder/x' is not a full URL, and there is no default under store"]
