"""What stand-in workers do when their under store fails, and when they are stopped amid something.

That a thread ended by an error is a warning, and so a failure of the test in which it did.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from pathlib import Path
from typing import Any, Callable, Iterator, List, Tuple

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from alluxiofs.testing import StandInCluster
from alluxiofs.testing.guards import eventually
from alluxiofs.testing.stand_in_workers import StandInWorker, file_id

DATA = bytes(range(256)) * 40


class OddError(Exception):
    """No ``OSError``, and one that cannot be sent to another process: as those of some clients."""

    def __init__(self, answer: Any, *, operation: str) -> None:
        super().__init__(f"{operation}: {answer}")


class OddStore(MemoryFileSystem):
    """A store of the memory whose client fails in its own way once it is told to."""

    cachable = False
    fails = ""

    def _asked(self, what: str) -> None:
        if what == self.fails:
            raise OddError("SlowDown", operation=what)

    def info(self, path: str, **more: Any) -> Any:
        self._asked("info")
        return super().info(path, **more)

    def ls(self, path: str, detail: bool = True, **more: Any) -> Any:
        self._asked("ls")
        return super().ls(path, detail, **more)

    def _open(self, path: str, *arguments: Any, **more: Any) -> Any:
        self._asked("open")
        return super()._open(path, *arguments, **more)


@pytest.fixture
def odd() -> Iterator[OddStore]:
    store = OddStore()
    store.pipe("/odd/dir/x.bin", DATA)
    yield store
    store.fails = ""
    store.rm("/odd", recursive=True)


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert eventually(lambda: not any(one.name.startswith("stand-in") for one in threading.enumerate()), 60)


def ask(worker: StandInWorker, target: str, method: str = "GET") -> Tuple[int, bytes]:
    connection = http.client.HTTPConnection(worker.worker.host, worker.worker.http_port, timeout=30)
    try:
        connection.request(method, target)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize("what", ["info", "open"])
def test_a_worker_of_the_newer_dialect_answers_500_for_whatever_its_under_store_raises(
    odd: OddStore, what: str
) -> None:
    with StandInCluster(odd, folder="/odd", workers=1, dialect="rest") as cluster:
        odd.fails = what
        url = cluster.url("dir/x.bin")
        status, said = ask(cluster.workers[0], f"/v1/file/{file_id(url)}/page/0?ufsFullPath={url}")
        assert status == 500
        assert json.loads(said)["message"].endswith(f"the under store failed: OddError: {what}: SlowDown")
        odd.fails = ""
        assert ask(cluster.workers[0], f"/v1/file/{file_id(url)}/page/0?ufsFullPath={url}") == (200, DATA)


def test_a_worker_of_the_open_source_dialect_closes_the_connection_for_it(odd: OddStore) -> None:
    with StandInCluster(odd, folder="/odd", workers=1) as cluster:
        odd.fails = "info"
        with pytest.raises(http.client.RemoteDisconnected):
            ask(cluster.workers[0], f"/v1/info?path={cluster.url('dir/x.bin')}")
        assert ask(cluster.workers[0], "/v1/health")[0] == 200


@pytest.mark.parametrize(("what", "failed"), [("ls", 0), ("open", 1)])
def test_a_load_job_whose_under_store_fails_comes_to_its_end(odd: OddStore, what: str, failed: int) -> None:
    with StandInCluster(odd, folder="/odd", workers=1, dialect="rest") as cluster:
        odd.fails = what
        target = f"/v1/load?path={cluster.url('dir')}&opType="
        assert ask(cluster.workers[0], target + "submit")[0] == 200
        cluster.await_jobs()
        said = json.loads(ask(cluster.workers[0], target + "progress")[1])
        assert (said["jobState"], said["filesFailed"]) == ("FAILED", failed)


def test_a_load_job_whose_pattern_is_none_comes_to_its_end(odd: OddStore) -> None:
    with StandInCluster(odd, folder="/odd", workers=1, dialect="rest") as cluster:
        target = f"/v1/load?path={cluster.url('dir')}&opType="
        assert ask(cluster.workers[0], target + "submit&fileFilterRegx=(")[0] == 200
        cluster.await_jobs()
        assert json.loads(ask(cluster.workers[0], target + "progress")[1])["jobState"] == "FAILED"


class _Waiting:
    """A file whose reader waits until it is told to go on."""

    def __init__(self, opened: Any) -> None:
        self._opened = opened
        self.reached, self.go_on = threading.Event(), threading.Event()

    def read(self, size: int) -> Any:
        self.reached.set()
        assert self.go_on.wait(60)
        return self._opened.read(size)

    def __enter__(self) -> _Waiting:
        return self

    def __exit__(self, *exception: object) -> None:
        self._opened.close()


def _submit(cluster: StandInCluster) -> None:
    ask(cluster.workers[0], f"/v1/load?path={cluster.url('dir')}&opType=submit")


def _ask_for_a_page(cluster: StandInCluster) -> None:
    worker, url = cluster.workers[0], cluster.url("dir/x.bin")

    def asks() -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            ask(worker, f"/v1/file/{file_id(url)}/page/0?ufsFullPath={url}")

    threading.Thread(target=asks, name="stand-in: its client").start()


@pytest.mark.parametrize("begin", [_submit, _ask_for_a_page], ids=["a load job", "a read"])
def test_a_cluster_that_is_stopped_while_a_file_is_fetched_ends_in_silence(
    odd: OddStore, monkeypatch: pytest.MonkeyPatch, begin: Callable[[StandInCluster], None]
) -> None:
    waiting: List[_Waiting] = []
    plain = odd._open

    def opened(path: str, *arguments: Any, **more: Any) -> Any:
        waiting.append(_Waiting(plain(path, *arguments, **more)))
        there.set()
        return waiting[0]

    there = threading.Event()
    monkeypatch.setattr(odd, "open", opened)
    with StandInCluster(odd, folder="/odd", workers=1, dialect="rest") as cluster:
        begin(cluster)
        assert there.wait(60)
        assert waiting[0].reached.wait(60)
    waiting[0].go_on.set()


def test_processes_that_are_stopped_amid_a_load_job_end_in_silence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dir").mkdir()
    for number in range(30):
        (tmp_path / "dir" / f"{number}.bin").write_bytes(DATA)
    with StandInCluster(tmp_path, workers=2, processes=True, page_size="4KB") as cluster:
        cluster.hold_jobs()
        _submit(cluster)
        worker = cluster.workers[0]
        cluster.release_jobs()
        assert eventually(lambda: worker.kept_pages() > 0, 60)
    assert capfd.readouterr().err == ""
