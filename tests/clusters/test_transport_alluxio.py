"""What the transport to Alluxio's workers makes of what they say, and of what they do not say."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Dict, Optional, Sequence

import pytest

from alluxiofs import AlluxioFileSystem
from alluxiofs.errors import (
    ConfigurationError,
    NotHeldError,
    NotSupportedError,
    OtherVersionError,
    UnavailableError,
)
from alluxiofs.gateway.breaker import process_breakers
from alluxiofs.plugins._alluxio.page_sizes import PageSizeError
from alluxiofs.plugins.transport_alluxio import AlluxioTransport
from alluxiofs.testing.stand_in_workers import faults
from alluxiofs.testing.stand_in_workers._messages import Answer
from alluxiofs.testing.stand_in_workers._wire import Wire
from tests.clusters.transports import (
    DATA,
    PAGE,
    MakeCluster,
    MakeTransport,
    Reader,
    at,
    filesystem,
    make_cluster,
    make_transport,
    soon,
)

__all__ = ["make_cluster", "make_transport"]


class WordlessEnd(faults.Fault):
    """The answer that is due, behind which the connection is closed, though it did not say so."""

    def send(self, wire: Wire, answer: Optional[Answer]) -> None:
        if answer is not None:
            wire.answer(answer)
        wire.close()


# --- dialects -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", ["pages", "rest"])
def test_the_dialect_is_found_out_once(make_cluster: MakeCluster, make_transport: MakeTransport, dialect: str) -> None:
    cluster = make_cluster(dialect, workers=2)
    transport = make_transport()
    assert transport.describe() == {"dialect": None}
    for worker in cluster.members:
        transport.stat(worker, at(cluster, "b.bin"), soon())
    assert transport.describe() == {"dialect": dialect}
    assert transport.capabilities.drop == (dialect == "rest")
    assert cluster.requests["info"] == 2
    assert sum(cluster.requests.values()) <= 4
    assert {seen.method for worker in cluster.workers for seen in worker.seen} == {"GET"}


@pytest.mark.parametrize("dialect", ["pages", "rest"])
@pytest.mark.parametrize(
    "fault", [faults.Status(503), faults.Status(429), faults.Garbage(), faults.Truncate(), faults.Reset()]
)
def test_a_failure_tells_no_dialect(
    make_cluster: MakeCluster, make_transport: MakeTransport, dialect: str, fault: faults.Fault
) -> None:
    cluster, transport = make_cluster(dialect), make_transport()
    cluster.fail("*", fault)
    with pytest.raises(OSError):  # noqa: PT011 - which one is another test's business
        transport.stat(cluster.members[0], at(cluster, "b.bin"), soon())
    assert transport.describe() == {"dialect": None}
    cluster.recover()
    transport.stat(cluster.members[0], at(cluster, "b.bin"), soon())
    assert transport.describe() == {"dialect": dialect}


@pytest.mark.parametrize("fault", [faults.Close(), faults.Status(500)], ids=["closed", "500"])
def test_one_question_that_is_not_answered_does_not_make_it_the_other_dialect(
    make_cluster: MakeCluster, make_transport: MakeTransport, fault: faults.Fault
) -> None:
    cluster, transport = make_cluster("rest"), make_transport()
    cluster.fail("node", fault)
    transport.stat(cluster.members[0], at(cluster, "b.bin"), soon())
    assert transport.describe() == {"dialect": "rest"}


def test_settings_that_cannot_be() -> None:
    wrong: Sequence[Dict[str, Any]] = (
        {"dialect": "soap"},
        {"scheme": "ftp"},
        {"max_connections": 0},
        {"headers": {"a": "b\r\nx: y"}},
        {"headers": {"a b": "c"}},
    )
    for arguments in wrong:
        with pytest.raises(ConfigurationError):
            AlluxioTransport.Settings(**arguments)


def test_secrets_are_not_shown() -> None:
    assert "s3cr3t" not in repr(AlluxioTransport.Settings(headers={"authorization": "s3cr3t"}))


# --- how often is asked -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dialect", "route"), [("pages", "page"), ("rest", "data")])
def test_one_request_for_a_read_and_no_new_connection(
    make_cluster: MakeCluster, make_transport: MakeTransport, dialect: str, route: str
) -> None:
    cluster = make_cluster(dialect)
    reader = Reader(make_transport(dialect=dialect, version_age=60), cluster)
    assert reader.read(PAGE, PAGE) == DATA[PAGE : 2 * PAGE]
    cluster.forget_record()
    for offset in range(0, len(DATA) - PAGE, PAGE):
        assert reader.read(offset, PAGE) == DATA[offset : offset + PAGE]
    assert cluster.requests == {route: 5}
    assert cluster.connections == 0


@pytest.mark.parametrize("dialect", ["pages", "rest"])
def test_any_range_of_several_pages(make_cluster: MakeCluster, make_transport: MakeTransport, dialect: str) -> None:
    reader = Reader(make_transport(), make_cluster(dialect))
    for offset in (0, 1, PAGE - 1, PAGE, 3 * PAGE + 7):
        for size in (1, 2, PAGE, PAGE + 1, 2 * PAGE, len(DATA) - offset):
            size = min(size, len(DATA) - offset)
            assert reader.read(offset, size) == DATA[offset : offset + size]


@pytest.mark.parametrize("dialect", ["pages", "rest"])
def test_connections_to_workers_that_are_gone_are_let_go_of(
    make_cluster: MakeCluster, make_transport: MakeTransport, dialect: str
) -> None:
    cluster, transport = make_cluster(dialect, workers=3), make_transport(dialect=dialect)
    first, second, third = cluster.members
    members = [first, second]
    transport.meet(lambda: tuple(members))
    reader = Reader(transport, cluster)
    for reader.worker in members:
        assert reader.read() == DATA
    assert all(worker.open_connections for worker in cluster.workers[:2])
    members[:] = [second, third]
    for reader.worker in members:
        assert reader.read() == DATA
    deadline = soon()
    while cluster.workers[0].open_connections:
        assert deadline.remaining(), "they are open still"
        time.sleep(0.01)
    assert all(worker.open_connections for worker in cluster.workers[1:])
    reader.worker = first  # which has come back
    for _ in range(3):
        assert reader.read() == DATA
    assert cluster.workers[0].connections <= 4


# --- dialect pages: why a connection was closed -------------------------------------------------------------------


def test_a_page_that_is_not_held_blames_nobody(make_cluster: MakeCluster, make_transport: MakeTransport) -> None:
    cluster = make_cluster(load=False)
    reader = Reader(make_transport(dialect="pages"), cluster)
    with pytest.raises(NotHeldError, match="does not hold page 0"):
        reader.read(0, 100)
    asked = cluster.requests["page"]
    with pytest.raises(NotHeldError):
        reader.read(0, 100)
    assert cluster.requests["page"] == asked, "it is remembered for a moment"


def test_a_file_that_is_missing(make_cluster: MakeCluster, make_transport: MakeTransport) -> None:
    cluster, transport = make_cluster(), make_transport(dialect="pages")
    for name in ("missing.bin", "missing/file"):
        with pytest.raises(FileNotFoundError):
            transport.stat(cluster.members[0], at(cluster, name), soon())
        with pytest.raises(FileNotFoundError):
            list(transport.list(cluster.members[0], at(cluster, name), soon()))


def test_an_empty_directory_is_not_a_missing_one(
    make_cluster: MakeCluster, make_transport: MakeTransport, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    cluster, transport = make_cluster(), make_transport(dialect="pages")
    assert list(transport.list(cluster.members[0], at(cluster, "empty"), soon())) == []


def test_a_worker_that_says_nothing_of_a_file_is_no_word_that_it_is_missing(
    make_cluster: MakeCluster, make_transport: MakeTransport
) -> None:
    cluster, transport = make_cluster(), make_transport(dialect="pages")
    cluster.fail("info", faults.Close())
    with pytest.raises(UnavailableError):  # it lists the file
        transport.stat(cluster.members[0], at(cluster, "b.bin"), soon())
    cluster.fail("files", faults.Close())
    with pytest.raises(NotHeldError, match="is well"):  # but perhaps not the one in charge, which it asks
        transport.stat(cluster.members[0], at(cluster, "b.bin"), soon())
    cluster.fail("health", faults.Close())
    with pytest.raises(UnavailableError):
        transport.stat(cluster.members[0], at(cluster, "b.bin"), soon())


def test_a_question_that_is_closed_on_once_is_asked_again(
    make_cluster: MakeCluster, make_transport: MakeTransport
) -> None:
    cluster = make_cluster()
    reader = Reader(make_transport(dialect="pages", version_age=0), cluster)
    for route, skip in [("info", 0), ("page", 0), ("page", 3)]:
        assert reader.read() == DATA
        cluster.workers[0].fail(route, faults.Close(), times=1, skip=skip)
        assert reader.read() == DATA
    cluster.workers[0].fail("info", faults.Close(), times=1)
    assert reader.transport.stat(reader.worker, reader.location, soon()).size == len(DATA)


@pytest.mark.parametrize("dialect", ["pages", "rest"])
def test_a_server_that_ends_connections_without_a_word_is_no_failure(
    make_cluster: MakeCluster, tmp_path: Path, dialect: str
) -> None:
    cluster = make_cluster(dialect)
    cluster.fail("*", WordlessEnd())
    fs = AlluxioFileSystem(skip_instance_cache=True, page_store=None, retries=0, **cluster.arguments)
    url = cluster.url("b.bin")
    for number in range(50):
        begin = number % 5 * PAGE
        assert fs.cat_file(url, begin, begin + PAGE) == DATA[begin : begin + PAGE]
        assert fs.info(url, refresh=True)["size"] == len(DATA)
    assert not process_breakers.failing


# --- dialect pages: versions and the size of pages ----------------------------------------------------------------


def test_another_version_is_not_read(make_cluster: MakeCluster, make_transport: MakeTransport, tmp_path: Path) -> None:
    for dialect in ("pages", "rest"):
        cluster = make_cluster(dialect)
        reader = Reader(make_transport(dialect=dialect), cluster)
        os.utime(tmp_path / "b.bin", (1, 1))
        cluster.drop()
        cluster.load("b.bin")
        with pytest.raises(OtherVersionError):
            reader.read(0, 100)


def test_a_worker_that_was_started_anew_with_pages_of_another_size(
    make_cluster: MakeCluster, make_transport: MakeTransport, tmp_path: Path
) -> None:
    cluster = make_cluster("pages")
    reader = Reader(make_transport(dialect="pages", version_age=60), cluster)
    assert reader.read(PAGE, PAGE) == DATA[PAGE : 2 * PAGE]
    cluster.stop()
    written = os.stat(tmp_path / "b.bin")
    anew = make_cluster("pages", load=False, page_size=2 * PAGE, first_port=cluster.members[0].http_port)
    os.utime(tmp_path / "b.bin", ns=(written.st_atime_ns, written.st_mtime_ns))
    anew.load("b.bin")
    with pytest.raises(PageSizeError, match=r"alluxio\.worker\.page\.store\.page\.size"):
        reader.read(PAGE, PAGE)


@pytest.mark.parametrize("other", [PAGE // 2, PAGE - 1, PAGE + 1, 2 * PAGE, 4 * PAGE, 16 * PAGE])
@pytest.mark.parametrize(
    ("offset", "size"), [(0, 100), (PAGE - 100, 100), (PAGE, 100), (3 * PAGE, 100), (0, len(DATA))]
)
def test_pages_of_another_size_are_never_taken_for_ours(
    make_cluster: MakeCluster, make_transport: MakeTransport, other: int, offset: int, size: int
) -> None:
    reader = Reader(make_transport(dialect="pages"), make_cluster(page_size=other))
    if offset + size <= min(PAGE, other):
        assert reader.read(offset, size) == DATA[offset : offset + size], "the first pages begin alike"
    else:
        for _ in range(2):
            with pytest.raises(OSError, match=r"alluxio\.worker\.page\.store\.page\.size"):
                reader.read(offset, size)


@pytest.mark.parametrize("dialect", ["pages", "rest"])
def test_a_file_that_is_shorter_by_now_has_no_pages_of_another_size(
    make_cluster: MakeCluster, make_transport: MakeTransport, tmp_path: Path, dialect: str
) -> None:
    cluster = make_cluster(dialect)
    (tmp_path / "other.bin").write_bytes(DATA)
    cluster.workers[0].load("other.bin")
    reader = Reader(make_transport(dialect=dialect, version_age=0), cluster)
    cluster.fail("data", faults.Status(405))  # so that pages are asked for
    (tmp_path / "b.bin").write_bytes(DATA[: PAGE // 2])
    cluster.drop("b.bin")
    cluster.workers[0].load("b.bin")
    with pytest.raises(OtherVersionError):
        reader.read(PAGE, PAGE)
    with pytest.raises(OtherVersionError):
        reader.read()
    reader.location = at(cluster, "other.bin")
    reader.version = reader.transport.stat(reader.worker, reader.location, soon()).version
    assert reader.read() == DATA, "nothing was concluded of the worker's other files"


def test_a_size_is_proved_by_a_page_in_the_middle_if_the_first_is_not_held(
    make_cluster: MakeCluster, make_transport: MakeTransport
) -> None:
    cluster = make_cluster()
    for worker in cluster.workers:
        worker.fail("page", faults.Close(), matching="/page/0?")
    reader = Reader(make_transport(dialect="pages"), cluster)
    assert reader.read(3 * PAGE, 100) == DATA[3 * PAGE : 3 * PAGE + 100]


# --- dialect pages: names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["100%.txt", "pct%20lit.txt", "a+b.txt", "c#d.txt", "k:l.txt", "m;n.txt", "café.txt"])
def test_names_that_can_be_asked_for(
    make_cluster: MakeCluster, make_transport: MakeTransport, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_bytes(name.encode())
    cluster, transport = make_cluster(), make_transport(dialect="pages")
    assert transport.stat(cluster.members[0], at(cluster, name), soon()).size == len(name.encode())


@pytest.mark.parametrize(
    "name",
    ["a b", "pct%2Flit", "日本", "e?f", "g=h", "i&j", "back\\slash", "a//b", "./a", "a/../b", "a\nb", "a" * 4096],
)
def test_names_that_cannot_are_asked_of_nobody(
    make_cluster: MakeCluster, make_transport: MakeTransport, name: str
) -> None:
    cluster, transport = make_cluster(), make_transport(dialect="pages")
    with pytest.raises(NotSupportedError):
        transport.stat(cluster.members[0], at(cluster, name), soon())
    assert cluster.requests == {}


def test_they_are_read_from_the_under_store(make_cluster: MakeCluster, tmp_path: Path) -> None:
    (tmp_path / "a b=c&d.txt").write_bytes(b"odd")
    cluster = make_cluster()
    fs = filesystem(cluster)
    assert fs.cat_file(f"{tmp_path}/a b=c&d.txt") == b"odd"
    assert cluster.requests == {}


# --- the whole way ------------------------------------------------------------------------------------------------


def test_what_a_worker_does_not_hold_comes_from_the_under_store(make_cluster: MakeCluster, tmp_path: Path) -> None:
    cluster = make_cluster(workers=2, load=False)
    fs = filesystem(cluster)
    for _ in range(5):
        assert fs.cat_file(f"{tmp_path}/b.bin") == DATA
    assert {worker["breaker"] for worker in fs.describe()["workers"]} == {"closed"}
    assert fs.describe()["counters"]["bytes_from_workers"] == 0


def test_a_file_that_was_wanted_is_loaded(make_cluster: MakeCluster, tmp_path: Path) -> None:
    cluster = make_cluster(workers=2, load=False)
    fs = filesystem(cluster, load_on_miss=True)
    assert fs.cat_file(f"{tmp_path}/b.bin") == DATA
    deadline = soon()
    while not cluster.in_charge("b.bin").kept_pages("b.bin"):
        assert deadline.remaining(), "the load job did not come"
        time.sleep(0.01)
    assert cluster.requests["load"] == 1


def test_in_a_forked_child_connections_are_its_own(make_cluster: MakeCluster, tmp_path: Path) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    cluster = make_cluster()
    fs = filesystem(cluster)
    assert fs.cat_file(f"{tmp_path}/b.bin") == DATA
    child = os.fork()
    if not child:
        ok = False
        try:
            ok = all(fs.cat_file(f"{tmp_path}/b.bin") == DATA for _ in range(20))
        finally:
            os._exit(0 if ok else 1)
    for _ in range(20):
        assert fs.cat_file(f"{tmp_path}/b.bin") == DATA
    assert os.waitpid(child, 0)[1] == 0
