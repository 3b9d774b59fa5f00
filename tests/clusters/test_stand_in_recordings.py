"""Stand-in workers of dialect ``pages`` answer as real ones did.

All recorded requests are sent, in their order and byte by byte; status, headers, body and what becomes of the
connection are compared. What cannot be the same is made the same first, by these rules and no others:

- the entries of a listing are put in order: real ones have the order of their file system (``_sorted``);
- ids of load jobs, the times they took, their throughput, and the time in the name of a file with failures are blanked
  (``_BLANKED``); then the length of a body is compared with what its own header says, not with the recorded one.

What happened between the requests (files that changed, the master that was stopped) is in ``EVENTS``.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import select
import socket
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import pytest
from attrs import define

from alluxiofs.interfaces import Worker
from alluxiofs.testing import StandInCluster
from tests.clusters.lake import IDENTITIES, ROOT, WIRE, data_of, files, make_lake, recordings, set_file

_READ_BY_OTHERS = [
    "big.bin", "exact.bin", "a.txt", "dir/b.bin", "empty.txt", "stale.txt", "odd/with space.txt", "odd/100%.txt",
    "odd/pct%20lit.txt", "odd/日本.txt", "odd/a+b.txt", "odd/c#d.txt",
]  # fmt: skip
"""What another client had read before, so that workers held it."""

_BLANKED = [
    (re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), b"ID"),
    (re.compile(rb"Time Elapsed: [0-9:]+"), b"Time Elapsed: T"),
    (re.compile(rb'(Throughput(?:: |":"))[0-9.]+[KMGTP]?B/s'), rb"\1N"),
    (re.compile(rb'(mTimeElapsed|mThroughput)(\\?"):[0-9]+'), rb"\1\2:N"),
    (re.compile(rb"(job_results/load/\w+?)_[0-9]{4}(_[0-9]{2}){5}"), rb"\1_T"),
]
_SAME_CONNECTION = {"keepalive_2", "keepalive_3", "error_closes_2", "idle_2"}
_QUIET = 0.05
"""Seconds in which an open connection shows that it is not being closed: here both ends are in one process."""


@define(frozen=True)
class Said:
    status: int
    reason: str
    version: str
    headers: Tuple[Tuple[str, str], ...]
    body: bytes


class Connection:
    """A connection that sends exactly what it is told."""

    def __init__(self, worker: Worker) -> None:
        self.socket = socket.create_connection((worker.host, worker.http_port), timeout=10)
        self._file = self.socket.makefile("rb")

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def quiet(self) -> bool:
        """Whether nothing comes, neither bytes nor the end."""
        return not select.select([self.socket], [], [], _QUIET)[0]

    def answer(self) -> Optional[Said]:
        """The next answer, or ``None`` if the connection ends without one."""
        try:
            line = self._file.readline()
        except ConnectionResetError:
            return None
        if not line:
            return None
        version, status, reason = line.decode("latin-1").rstrip("\r\n").split(" ", 2)
        headers = []
        for header in iter(self._file.readline, b"\r\n"):
            name, _, value = header.decode("latin-1").rstrip("\r\n").partition(": ")
            headers.append((name, value))
        length = int(dict(headers).get("content-length", 0))
        return Said(int(status), reason, version[5:], tuple(headers), self._file.read(length))


# --- what happened between the requests -------------------------------------------------------------------------------


@define(frozen=True)
class Scene:
    cluster: StandInCluster
    folder: Path


def _after_others_read(scene: Scene) -> None:
    scene.cluster.load(*_READ_BY_OTHERS)


def _stale_changes(scene: Scene) -> None:
    set_file(scene.folder / "stale.txt", b"version two, longer\n", 1704164745000)


def _new_file(scene: Scene) -> None:
    set_file(scene.folder / "dir/new.txt", b"new\n", 1704164845000)


def _workers_start_anew(scene: Scene) -> None:
    (scene.folder / "dir/new.txt").unlink()
    scene.cluster.drop("dir")


def _late_file(scene: Scene) -> None:
    set_file(scene.folder / "dir/late.txt", b"late\n", 1704164945000)


def _absent_names(scene: Scene) -> None:
    for number in range(8):
        with contextlib.closing(Connection(scene.cluster.workers[0].worker)) as connection:
            connection.socket.sendall(f"GET /v1/info?path=/dir/absent{number} HTTP/1.1\r\n\r\n".encode())
            assert connection.answer() is None


def _jobs_end(scene: Scene) -> None:
    scene.cluster.release_jobs()
    scene.cluster.await_jobs()


_Event = Callable[[Scene], Any]
EVENTS: Dict[str, _Event] = {
    "page_big_0": _after_others_read,
    "stale_2_info": _stale_changes,
    "stale_4_info": lambda scene: (scene.folder / "stale.txt").unlink(),
    "stale_6_files_dir": _new_file,
    "nomaster_load_submit": lambda scene: scene.cluster.kill_master(),
    "listcache_1_files_dir": _workers_start_anew,
    "listcache_2_files_dir": _late_file,
    "listcache_5_files_dir": _absent_names,
    "load_no_optype": lambda scene: scene.cluster.revive_master(),
    "load_submit": lambda scene: scene.cluster.hold_jobs("submitted"),
    "load_progress_done": _jobs_end,
    "load_resubmit_done": lambda scene: scene.cluster.settle_jobs(),
    "load_resubmit_soon": _jobs_end,
    "load_resubmit_skip": lambda scene: scene.cluster.settle_jobs(),
    "load_resubmit_skip_progress": _jobs_end,
    "load_progress_enc": _jobs_end,
    "load_progress_meta_only": _jobs_end,
    "load_submit_filter": lambda scene: scene.cluster.settle_jobs(),
    "load_progress_filter": _jobs_end,
    "load_submit_opts": lambda scene: scene.cluster.hold_jobs("loaded"),
    "load_progress_running": lambda scene: scene.cluster.await_jobs("loaded"),
    "load_progress_restarted": lambda scene: scene.cluster.await_jobs("loaded"),
    "load_progress_restarted_later": _jobs_end,
    "load_progress_bad": _jobs_end,
    "load_progress_skip": _jobs_end,
    "load_progress_dir_odd": _jobs_end,
}
"""What is done before the request of this name."""


# --- comparing --------------------------------------------------------------------------------------------------------


def _request(recorded: Dict[str, Any]) -> bytes:
    given = recorded["request"]
    target: bytes = (
        base64.b64decode(given["target_b64"]) if "target_b64" in given else given["target"].encode("latin-1")
    )
    headers = "".join(f"{name}: {value}\r\n" for name, value in given["headers"])
    version = given.get("http_version", "1.1")
    head: bytes = given["method"].encode() + b" " + target + f" HTTP/{version}\r\n{headers}\r\n".encode("latin-1")
    body: bytes = base64.b64decode(given["body_b64"]) if "body_b64" in given else b"z" * given.get("body_len", 0)
    if "never sent" in given.get("body_note", ""):
        return head
    if ["Transfer-Encoding", "chunked"] in given["headers"]:
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    return head + body


def _sorted(body: bytes) -> bytes:
    if not body.startswith(b'[{"mType"'):
        return body
    pieces = re.findall(rb"\{[^{}]*\}", body)
    assert b"[" + b",".join(pieces) + b"]" == body
    return b",".join(sorted(pieces))


def _comparable(body: bytes) -> Tuple[bytes, bool]:
    """A body by the rules above, and whether its length may differ."""
    blanked = body
    for pattern, replacement in _BLANKED:
        blanked = pattern.sub(replacement, blanked)
    return _sorted(blanked), blanked != body


def _compare(said: Optional[Said], recorded: Dict[str, Any]) -> None:
    expected = recorded["response"]
    if expected is None:
        assert said is None
        return
    assert said is not None, "the connection was closed without an answer"
    assert (said.status, said.reason, said.version) == (
        expected["status"], expected["reason"], expected.get("http_version", "1.1"),
    )  # fmt: skip
    headers = [(name, value) for name, value in expected["headers"]]
    if "body_b64" not in expected:
        assert list(said.headers) == headers
        assert hashlib.sha256(said.body).hexdigest() == expected["body_sha256"]
        return
    body, blanked = _comparable(said.body)
    assert body == _comparable(base64.b64decode(expected["body_b64"]))[0]
    if blanked:
        headers = [(name, str(len(said.body)) if name == "content-length" else value) for name, value in headers]
    assert list(said.headers) == headers


def _goes_on(connection: Connection, said: Optional[Said], name: str) -> bool:
    """Whether the connection is of use for another request."""
    if said is None or name == "write_expect_other":  # a body is on its way that was not waited for
        return connection.quiet()
    if said.status == 100:
        final = connection.answer()
        assert final is not None
        assert final.status == 200
    connection.socket.sendall(b"GET /v1/health HTTP/1.1\r\n\r\n")
    healthy = connection.answer()
    return healthy is not None and healthy.body == b"worker is active"


# --- the tests --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[False, True], ids=["threads", "processes"])
def lake(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tuple[Any, Path]]:
    folder = make_lake(tmp_path_factory.mktemp("lake"))
    with StandInCluster(
        folder, root=ROOT, identities=IDENTITIES, virtual_nodes=5, job_seconds=0, job_rest=3600, processes=request.param
    ) as cluster:
        yield cluster, folder


def test_the_files_are_those_of_the_recordings() -> None:
    for file in files():
        data = data_of(file)
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file["length"], file["sha256"]), file["path"]
        assert hashlib.sha256(f"{ROOT}/{file['path']}".encode()).hexdigest() == file["file_id"]


def test_every_recorded_request_gets_the_recorded_answer(lake: Tuple[StandInCluster, Path]) -> None:
    cluster, folder = lake
    connection: Optional[Connection] = None
    wrong: List[str] = []
    for recorded in recordings():
        name = recorded["name"]
        if name in EVENTS:
            EVENTS[name](Scene(cluster, folder))
        if connection is None or name not in _SAME_CONNECTION:
            if connection is not None:
                connection.close()
            connection = Connection(cluster.workers[recorded["worker"] - 1].worker)
        try:
            connection.socket.sendall(_request(recorded))
            if recorded["response"] is None and recorded["connection_after"] == "open":
                assert connection.quiet(), "an answer where there was none"
                continue
            said = connection.answer()
            _compare(said, recorded)
            if recorded["connection_after"] == "open":
                assert _goes_on(connection, said, name), "the connection is closed, and should be open"
            else:
                assert connection.answer() is None, "the connection is open, and should be closed"
        except (AssertionError, OSError) as error:
            wrong.append(f"{name}: {error}")
    if connection is not None:
        connection.close()
    assert not wrong, "\n".join(wrong)


def test_names_are_understood_as_recorded(tmp_path: Path) -> None:
    folder = make_lake(tmp_path / "lake")
    escape = {" ": "%20", "%": "%25", "é": "%C3%A9"}
    with StandInCluster(folder, root=ROOT, workers=1) as cluster:
        for name, ways in json.loads((WIRE / "odd-names.json").read_text("utf-8")):
            written = {"raw": name.encode(), "latin1": name.encode("latin-1", "replace")}
            if name in ("k:l.txt", "with space.txt", "100%.txt", "café.txt"):
                written["pct"] = "".join(escape.get(one, one) for one in name).replace(":", "%3A").encode()
            for way, answered in ways.items():
                if way not in written:
                    continue
                with contextlib.closing(Connection(cluster.workers[0].worker)) as connection:
                    connection.socket.sendall(b"GET /v1/info?path=/odd/" + written[way] + b" HTTP/1.1\r\n\r\n")
                    said = connection.answer()
                assert (said is not None) == (answered == "ok"), (name, way)


def test_requests_behind_each_other_are_answered_unless_a_bad_one_follows(tmp_path: Path) -> None:
    facts = json.loads((WIRE / "pipeline.json").read_text("utf-8"))
    good, bad = b"GET /v1/health HTTP/1.1\r\n\r\n", b"GET /v1/nosuch HTTP/1.1\r\n\r\n"
    with StandInCluster(tmp_path, workers=1) as cluster:
        worker = cluster.workers[0].worker
        with contextlib.closing(Connection(worker)) as connection:
            connection.socket.sendall(good * facts["pipelined_requests"])
            assert all(connection.answer() for _ in range(facts["answers"]))
        with contextlib.closing(Connection(worker)) as connection:
            connection.socket.sendall(good + bad)
            assert connection.answer() is None
            assert facts["good_then_bad_pipelined_answer_bytes"] == 0
