"""Stand-in workers of dialect ``rest``: what its description promises, and its statuses."""

from __future__ import annotations

import http.client
import json
from typing import Any, Dict, Iterator, NamedTuple, Optional
from urllib.parse import quote, urlencode

import pytest

from alluxiofs.testing import StandInCluster
from alluxiofs.testing.stand_in_workers import StandInWorker, faults, file_id

DATA = bytes(range(256)) * 40
NAMES = ["plain.bin", "a b.bin", "%41.bin", "#?&+=.bin", "ünïcödé 文件.bin", "back\\slash.bin"]


class Said(NamedTuple):
    status: int
    headers: Dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandInCluster]:
    folder = tmp_path_factory.mktemp("store")
    with StandInCluster(folder, dialect="rest", page_size="4KB", redirect_data=True, job_rest=0) as made:
        yield made


@pytest.fixture
def cluster(running: StandInCluster) -> StandInCluster:
    running.recover()
    return running


@pytest.fixture
def worker(cluster: StandInCluster) -> StandInWorker:
    return cluster.workers[0]


def ask(
    worker: StandInWorker,
    target: str,
    method: str = "GET",
    body: Any = None,
    headers: Optional[Dict[str, str]] = None,
    data_port: bool = False,
    **query: Any,
) -> Said:
    port = worker.worker.data_port if data_port else worker.worker.http_port
    connection = http.client.HTTPConnection(worker.worker.host, port, timeout=10)
    try:
        target = f"{target}?{urlencode(query)}" if query else target
        connection.request(method, target, body, headers or {})
        response = connection.getresponse()
        return Said(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
    finally:
        connection.close()


def write(cluster: StandInCluster, name: str, data: bytes = DATA) -> str:
    url = cluster.url(name)
    pieces = iter([data[:100], data[100:]])
    assert ask(cluster.workers[0], f"/v1/chunk/{file_id(url)}", "POST", pieces, ufsFullPath=url).status == 200
    return url


@pytest.mark.parametrize("name", NAMES)
def test_any_name_can_be_written_asked_for_and_read(cluster: StandInCluster, worker: StandInWorker, name: str) -> None:
    url = write(cluster, name)
    (entry,) = ask(worker, "/v1/info", path=url).json
    assert (entry["mType"], entry["mLength"], entry["mUfsPath"]) == ("file", len(DATA), url)
    assert entry in ask(worker, "/v1/files", path=cluster.url()).json
    assert ask(worker, f"/v1/file/{file_id(url)}/page/1", ufsFullPath=url, offset=5, length=7).body == DATA[4101:4108]
    owner = cluster.in_charge(name)
    said = ask(owner, quote(entry["mPath"]), headers={"Range": "bytes=10-19"}, data_port=True)
    assert (said.status, said.headers["content-range"], said.body) == (206, f"bytes 10-19/{len(DATA)}", DATA[10:20])


def test_the_whole_file_comes_in_chunks_and_its_ends_by_themselves(
    cluster: StandInCluster, worker: StandInWorker
) -> None:
    url = write(cluster, "chunked.bin")
    said = ask(worker, f"/v1/chunk/{file_id(url)}", ufsFullPath=url, chunkSize=1000)
    assert (said.headers["transfer-encoding"], said.body) == ("chunked", DATA)
    assert ask(worker, f"/v1/head/{file_id(url)}", ufsFullPath=url, numOfBytes=9).body == DATA[:9]
    assert ask(worker, f"/v1/tail/{file_id(url)}", ufsFullPath=url, numOfBytes=9).body == DATA[-9:]


@pytest.mark.parametrize(
    ("asked", "status", "begin", "end"),
    [
        ("bytes=0-", 206, 0, len(DATA)),
        ("bytes=-5", 206, len(DATA) - 5, len(DATA)),
        (f"bytes=5-{len(DATA) + 100}", 206, 5, len(DATA)),
        ("", 200, 0, len(DATA)),
        (f"bytes={len(DATA)}-", 416, 0, 0),
    ],
)
def test_ranges_of_the_data_port(cluster: StandInCluster, asked: str, status: int, begin: int, end: int) -> None:
    write(cluster, "ranged.bin")
    headers = {"Range": asked} if asked else {}
    said = ask(cluster.in_charge("ranged.bin"), "/mnt/ranged.bin", headers=headers, data_port=True)
    assert (said.status, said.body) == (status, DATA[begin:end])


def test_the_data_port_of_another_worker_sends_to_the_one_in_charge(cluster: StandInCluster) -> None:
    write(cluster, "a b.bin")
    owner = cluster.in_charge("a b.bin")
    other = next(one for one in cluster.workers if one is not owner)
    said = ask(other, "/mnt/a%20b.bin", data_port=True)
    host, port = owner.worker.host, owner.worker.data_port
    assert (said.status, said.headers["location"]) == (307, f"http://{host}:{port}/mnt/a%20b.bin")
    node = ask(other, "/v1/node", path=cluster.url("a b.bin")).json
    assert node == {"Host": host, "HttpServerPort": owner.worker.http_port}


def test_the_mounts_are_told_with_what_nobody_should_repeat(cluster: StandInCluster, worker: StandInWorker) -> None:
    mounts = ask(worker, "/v1/ufsInfo").json
    assert mounts == {cluster.url(): {"alluxio_path": "/mnt", "secret": "not-to-be-shown"}}


def test_changes_reach_the_under_store_and_all_workers_forget(cluster: StandInCluster, worker: StandInWorker) -> None:
    url = write(cluster, "tree/one.bin")
    read = f"/v1/file/{file_id(url)}/page/0"
    assert all(ask(one, read, ufsFullPath=url).body == DATA[:4096] for one in cluster.workers)
    write(cluster, "tree/one.bin", b"new" * 50)
    assert all(ask(one, read, ufsFullPath=url).body == b"new" * 50 for one in cluster.workers)
    moved, copied = cluster.url("tree/two.bin"), cluster.url("tree/three.bin")
    assert ask(worker, f"/v1/mv/{file_id(url)}", "POST", srcPath=url, dstPath=moved).status == 200
    assert ask(worker, f"/v1/copy/{file_id(moved)}", "POST", srcPath=moved, dstPath=copied).status == 200
    assert [ask(worker, "/v1/info", path=one).status for one in (url, moved, copied)] == [404, 200, 200]
    folder = cluster.url("tree")
    assert ask(worker, f"/v1/rm/{file_id(folder)}", "POST", ufsFullPath=folder).status == 412
    assert ask(worker, f"/v1/rm/{file_id(folder)}", "POST", ufsFullPath=folder, recursive="true").status == 200
    assert ask(worker, "/v1/files", path=folder).status == 404


def test_only_what_is_held_can_be_removed(cluster: StandInCluster, worker: StandInWorker) -> None:
    url = write(cluster, "kept.bin")
    ask(worker, f"/v1/file/{file_id(url)}/page/0", ufsFullPath=url)
    assert worker.kept_pages("kept.bin") == 3
    said = ask(worker, f"/v1/rm/{file_id(url)}", "POST", ufsFullPath=url, removeAlluxioOnly="true")
    assert (said.status, worker.kept_pages("kept.bin")) == (200, 0)
    assert ask(worker, "/v1/info", path=url).status == 200


def test_directories_empty_files_and_pages_are_made(cluster: StandInCluster, worker: StandInWorker) -> None:
    folder, empty, paged = cluster.url("made"), cluster.url("made/empty"), cluster.url("made/paged")
    assert ask(worker, f"/v1/mkdir/{file_id(folder)}", "POST", ufsFullPath=folder).status == 200
    assert ask(worker, f"/v1/mkdir/{file_id(folder)}", "POST", ufsFullPath=folder).status == 409
    assert ask(worker, f"/v1/touch/{file_id(empty)}", "POST", ufsFullPath=empty).status == 200
    assert ask(worker, f"/v1/chunk/{file_id(empty)}", ufsFullPath=empty).body == b""
    for index, page in enumerate((DATA[:4096], DATA[4096:5000])):
        assert ask(worker, f"/v1/file/{file_id(paged)}/page/{index}", "POST", page, ufsFullPath=paged).status == 200
    assert ask(worker, f"/v1/chunk/{file_id(paged)}", ufsFullPath=paged).body == DATA[:5000]


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/v1/info?path=file:///elsewhere", 404),
        ("GET", "/v1/info", 400),
        ("GET", "/v1/nosuch", 404),
        ("GET", "/v1/mkdir/abc", 405),
        ("GET", "/v1/file/abc/page/x", 400),
        ("GET", "/v1/file/abc/page/0?ufsFullPath=/mnt/plain.bin", 400),
        ("GET", "/v1/load?path=/mnt&opType=frob", 400),
        ("GET", "/v1/load?path=/mnt&opType=progress", 404),
        ("POST", "/v1/rm/abc?ufsFullPath=/mnt", 400),
    ],
)
def test_what_cannot_be_done_has_its_status_and_a_message(
    worker: StandInWorker, method: str, target: str, status: int
) -> None:
    said = ask(worker, target, method)
    assert said.status == status
    assert said.json["message"]


def test_a_load_job_is_submitted_followed_and_stopped(cluster: StandInCluster, worker: StandInWorker) -> None:
    url = write(cluster, "loaded.bin")
    cluster.hold_jobs("loaded")
    assert ask(worker, "/v1/load", path=url, opType="submit", verify="true").json["success"] is True
    assert ask(worker, "/v1/load", path=url, opType="submit").status == 409
    cluster.await_jobs("loaded")
    assert ask(worker, "/v1/load", path=url, opType="progress").json["jobState"] == "VERIFYING"
    assert ask(worker, "/v1/load", path=url, opType="stop").json == {"success": True}
    assert ask(worker, "/v1/load", path=url, opType="progress").json["jobState"] == "STOPPED"
    cluster.release_jobs()
    assert cluster.in_charge("loaded.bin").kept_pages("loaded.bin") == 3


def test_faults_of_the_data_port(cluster: StandInCluster) -> None:
    write(cluster, "faulty.bin")
    owner, asked = cluster.in_charge("faulty.bin"), {"Range": "bytes=10-19"}
    owner.fail("data", faults.RangeIgnored(), times=1)
    owner.fail("data", faults.OtherRange(5), times=1)
    ignored = ask(owner, "/mnt/faulty.bin", headers=asked, data_port=True)
    assert (ignored.status, ignored.body, "content-range" in ignored.headers) == (200, DATA, False)
    other = ask(owner, "/mnt/faulty.bin", headers=asked, data_port=True)
    assert (other.headers["content-range"], other.body) == (f"bytes 15-24/{len(DATA)}", DATA[15:25])
