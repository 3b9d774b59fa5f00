"""Without an under store, what a cluster of dialect ``rest`` can change is changed by its workers."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any, Optional

import pytest

from alluxiofs import AlluxioFileSystem
from alluxiofs.errors import BadAnswerError
from alluxiofs.testing.stand_in_workers import StandInCluster, faults
from tests.clusters.transports import DATA, MakeCluster, make_cluster
from tests.faults import listen

__all__ = ["make_cluster"]


def through(cluster: StandInCluster, **arguments: Optional[object]) -> Any:
    """A filesystem that has no way to the files but the workers."""
    return AlluxioFileSystem(skip_instance_cache=True, **{**cluster.arguments, **arguments})


@pytest.mark.parametrize("dialect", ["auto", "rest"])
@pytest.mark.parametrize("size", [0, 1, 10_000, 17 * 2**20 + 3])
def test_a_file_is_written_and_read_back(make_cluster: MakeCluster, tmp_path: Path, dialect: str, size: int) -> None:
    cluster = make_cluster("rest", workers=2, page_size=2**20)
    fs = through(cluster, transport={"name": "alluxio", "dialect": dialect})
    data = os.urandom(size)
    assert fs.pipe_file(cluster.url("new.bin"), data)
    assert (tmp_path / "new.bin").read_bytes() == data
    assert fs.cat_file(cluster.url("new.bin")) == data
    assert fs.info(cluster.url("new.bin"))["size"] == size
    chunks = [seen for worker in cluster.workers for seen in worker.seen if seen.route == "chunk"]
    assert [(seen.method, seen.headers["transfer-encoding"]) for seen in chunks] == [("POST", "chunked")]
    assert "rm" not in cluster.requests, "what the workers hold of it may be nowhere else yet"


def test_one_that_is_there_is_replaced(make_cluster: MakeCluster, tmp_path: Path) -> None:
    cluster = make_cluster("rest", workers=2)
    fs, path = through(cluster), cluster.url("b.bin")
    assert fs.cat_file(path) == DATA
    with fs.open(path, "wb") as file:
        for number in range(5):
            file.write(bytes([number]) * 3000)
    written = b"".join(bytes([number]) * 3000 for number in range(5))
    assert (tmp_path / "b.bin").read_bytes() == fs.cat_file(path) == written
    with pytest.raises(FileExistsError):
        fs.pipe_file(path, b"other", mode="create")
    assert fs.cat_file(path) == written


def test_of_one_that_is_given_up_nothing_is_sent(make_cluster: MakeCluster) -> None:
    cluster = make_cluster("rest")
    fs = through(cluster)
    with pytest.raises(RuntimeError), fs.open(cluster.url("b.bin"), "wb") as file:
        file.write(b"half of it")
        raise RuntimeError
    assert "chunk" not in cluster.requests
    assert fs.cat_file(cluster.url("b.bin")) == DATA


def test_every_change(make_cluster: MakeCluster, tmp_path: Path) -> None:
    cluster = make_cluster("rest", workers=2)
    fs, url = through(cluster), cluster.url
    assert fs.mkdir(url("folder"))
    with pytest.raises(FileExistsError):
        fs.mkdir(url("folder"))
    assert fs.makedirs(url("folder"), exist_ok=True)
    assert fs.touch(url("folder/empty"))
    assert (tmp_path / "folder" / "empty").read_bytes() == b""
    assert fs.cp(url("b.bin"), url("folder/copy.bin"))
    assert (tmp_path / "folder" / "copy.bin").read_bytes() == DATA
    assert fs.mv(url("folder/copy.bin"), url("folder/moved name#1.bin"))
    assert fs.ls(url("folder")) == [url("folder/empty"), url("folder/moved name#1.bin")]
    assert fs.cat_file(url("folder/moved name#1.bin")) == DATA
    assert fs.touch(url("folder/moved name#1.bin")), "it is emptied"
    assert fs.info(url("folder/moved name#1.bin"))["size"] == 0
    with pytest.raises(IsADirectoryError):
        fs.rm_file(url("folder"))
    with pytest.raises(OSError, match="not empty"):
        fs.rmdir(url("folder"))
    assert fs.rm(url("folder/empty"))
    with pytest.raises(FileNotFoundError):
        fs.rm_file(url("folder/empty"))
    assert fs.rm(url("folder"), recursive=True)
    assert not fs.exists(url("folder"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.bin"]
    with pytest.raises(OSError, match="workers cannot append"):
        fs.open(url("b.bin"), "ab")


@pytest.mark.parametrize("fault", [faults.Close(), faults.Reset(), faults.Status(503), faults.Garbage()], ids=repr)
def test_the_next_worker_writes_where_one_fails(make_cluster: MakeCluster, tmp_path: Path, fault: faults.Fault) -> None:
    cluster = make_cluster("rest", workers=3)
    fs, path = through(cluster), cluster.url("b.bin")
    cluster.in_charge("b.bin").fail("*", fault)
    assert fs.pipe_file(path, b"new" * 2**20)
    assert (tmp_path / "b.bin").read_bytes() == b"new" * 2**20
    assert fs.mkdir(cluster.url("folder"))
    assert fs.mv(path, cluster.url("folder/c.bin"))
    assert fs.rm(cluster.url("folder"), recursive=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", ["rm", "mv", "mkdir"])
def test_a_change_that_was_made_before_the_worker_fell_silent_is_made(
    make_cluster: MakeCluster, tmp_path: Path, change: str
) -> None:
    cluster = make_cluster("rest", workers=2)
    fs, path, other = through(cluster), cluster.url("b.bin"), cluster.url("c")
    fs.info(path)
    place = "b.bin" if change != "mkdir" else "c"
    cluster.in_charge(place).fail(change, faults.Truncate(), times=1)
    if change == "rm":
        assert fs.rm_file(path)
    elif change == "mv":
        assert fs.mv(path, other)
    else:
        assert fs.mkdir(other)
    assert (tmp_path / "b.bin").exists() == (change == "mkdir")
    assert (tmp_path / "c").exists() == (change != "rm")


@pytest.mark.parametrize("change", ["chunk", "rm", "mv", "mkdir", "copy", "touch"])
def test_where_a_worker_has_been_told_and_is_silent_nobody_else_is(make_cluster: MakeCluster, change: str) -> None:
    """It may still make the change, when something newer is there."""
    cluster = make_cluster("rest", workers=3)
    fs, path, other = through(cluster, timeout="1s"), cluster.url("b.bin"), cluster.url("c")
    fs.info(path)
    cluster.fail(change, faults.Stall())
    changes = {
        "chunk": lambda: fs.pipe_file(path, b"new"),
        "rm": lambda: fs.rm_file(path),
        "mv": lambda: fs.mv(path, other),
        "mkdir": lambda: fs.mkdir(other),
        "copy": lambda: fs.cp(path, other),
        "touch": lambda: fs.touch(other),
    }
    with pytest.raises(TimeoutError, match="whether it was done is not known"):
        changes[change]()
    assert cluster.requests[change] == 1


def test_one_that_takes_no_connection_is_passed_over(make_cluster: MakeCluster, tmp_path: Path) -> None:
    cluster = make_cluster("rest", workers=2)
    fs, path = through(cluster), cluster.url("b.bin")
    fs.info(path)
    cluster.in_charge("b.bin").kill()
    assert fs.pipe_file(path, b"new")
    assert (tmp_path / "b.bin").read_bytes() == b"new"


def test_what_one_that_took_no_connection_cannot_have_done_is_not_taken_for_done(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    cluster = make_cluster("rest", workers=2)
    fs, path = through(cluster), cluster.url("b.bin")
    fs.info(path)
    fs.pipe_file(cluster.url("kept.bin"), b"kept")
    (tmp_path / "folder").mkdir()
    for name in ("folder", "none"):
        cluster.recover()
        cluster.in_charge(name).kill()
        if name == "folder":
            with pytest.raises(FileExistsError):
                fs.mkdir(cluster.url("folder"))
        else:
            with pytest.raises(FileNotFoundError):
                fs.gateway.move(fs.gateway.locate(cluster.url("none")), fs.gateway.locate(cluster.url("kept.bin")))
    assert (tmp_path / "kept.bin").read_bytes() == b"kept"


def test_one_that_says_that_it_is_written_and_did_not_take_it_has_failed() -> None:
    listener = listen()

    def lie() -> None:
        with listener.accept()[0] as accepted:
            accepted.recv(100)
            accepted.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        # What was sent, and was not taken, resets the connection.

    thread = threading.Thread(target=lie)
    thread.start()
    fs = AlluxioFileSystem(
        skip_instance_cache=True,
        worker_hosts=f"127.0.0.1:{listener.getsockname()[1]}",
        transport={"name": "alluxio", "dialect": "rest"},
    )
    with pytest.raises(BadAnswerError, match="did not take it"):
        fs.pipe_file("file:///b.bin", b"new" * 2**23)
    thread.join()
    listener.close()


def test_who_refuses_is_heard(make_cluster: MakeCluster) -> None:
    cluster = make_cluster("rest", workers=2)
    fs = through(cluster)
    cluster.fail("chunk", faults.Status(403))
    with pytest.raises(PermissionError, match="403"):
        fs.pipe_file(cluster.url("b.bin"), b"new")
    assert cluster.requests["chunk"] == 1, "an answer is not asked for elsewhere"


@pytest.mark.parametrize("dialect", ["auto", "pages"])
def test_workers_of_dialect_pages_change_nothing(make_cluster: MakeCluster, dialect: str) -> None:
    cluster = make_cluster("pages")
    fs = through(cluster, transport={"name": "alluxio", "dialect": dialect})
    path = cluster.url("b.bin")
    for change, arguments in (
        ("open", (path, "wb")),
        ("rm_file", (path,)),
        ("mkdir", (path + "-",)),
        ("mv", (path, path + "-")),
    ):
        with pytest.raises((OSError, ValueError), match="target_protocol"):
            getattr(fs, change)(*arguments)
    assert fs.cat_file(cluster.url("b.bin")) == DATA


def test_only_what_is_cached_is_dropped_where_that_is_asked_for(make_cluster: MakeCluster, tmp_path: Path) -> None:
    cluster = make_cluster("rest", workers=2)
    fs = through(cluster)
    assert fs.rm(cluster.url("b.bin"), remove_alluxio_only=True)
    assert [worker.kept_pages("b.bin") for worker in cluster.workers] == [0, 0]
    assert (tmp_path / "b.bin").read_bytes() == DATA
