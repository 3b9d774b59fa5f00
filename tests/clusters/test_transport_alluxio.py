"""What the transport to Alluxio's workers makes of what they say, and of what they do not say."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Optional, Sequence

import fsspec
import pytest

from alluxiofs.errors import (
    BadAnswerError,
    ConfigurationError,
    NotHeldError,
    NotSupportedError,
    OtherVersionError,
    UnavailableError,
)
from alluxiofs.interfaces import Deadline, Location, Worker
from alluxiofs.plugins.transport_alluxio import AlluxioTransport
from alluxiofs.settings.types import Size
from alluxiofs.testing import make_context
from alluxiofs.testing.stand_in_workers import StandInCluster, faults

PAGE = 4096
DATA = os.urandom(5 * PAGE + 100)

MakeCluster = Callable[..., StandInCluster]
MakeTransport = Callable[..., AlluxioTransport]


@pytest.fixture
def make_cluster(tmp_path: Path) -> Iterator[MakeCluster]:
    """A cluster with one file, ``b.bin``, held by all workers."""
    made = []

    def make(dialect: str = "pages", load: bool = True, **arguments: Any) -> StandInCluster:
        (tmp_path / "b.bin").write_bytes(DATA)
        cluster = StandInCluster(tmp_path, **{"workers": 1, "dialect": dialect, "page_size": PAGE, **arguments})
        made.append(cluster.start())
        for worker in cluster.workers if load else ():
            worker.load("b.bin")
        return cluster

    yield make
    for cluster in made:
        cluster.stop()


@pytest.fixture
def make_transport() -> Iterator[MakeTransport]:
    made = []

    def make(members: Sequence[Worker] = (), **arguments: Any) -> AlluxioTransport:
        settings = AlluxioTransport.Settings(**{"page_size": Size(PAGE), **arguments})
        made.append(AlluxioTransport(settings, make_context(), no_store))  # type: ignore[arg-type]
        made[-1].meet(lambda: tuple(members))
        return made[-1]

    yield make
    for transport in made:
        transport.close()


def no_store(location: Location) -> object:
    raise AssertionError(f"nobody needs the under store of {location.url}")


def at(cluster: StandInCluster, name: str) -> Location:
    url = f"{cluster.url()}/{name}"
    return Location("", url, url)


def soon() -> Deadline:
    return Deadline.after(10)


class Reader:
    """Reads a file from one worker, at the version that it had in the beginning."""

    def __init__(self, transport: AlluxioTransport, cluster: StandInCluster, number: int = 0) -> None:
        self.transport, self.worker = transport, cluster.members[number]
        self.location = at(cluster, "b.bin")
        self.version = transport.stat(self.worker, self.location, soon()).version

    def read(self, offset: int = 0, size: int = len(DATA)) -> bytes:
        buffer = bytearray(size)
        self.transport.read_into(self.worker, self.location, self.version, offset, memoryview(buffer), soon())
        return bytes(buffer)


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


def test_one_question_that_is_not_answered_does_not_make_it_the_other_dialect(
    make_cluster: MakeCluster, make_transport: MakeTransport
) -> None:
    cluster, transport = make_cluster("rest"), make_transport()
    cluster.fail("node", faults.Close())
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


# --- dialect rest -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, OSError),
        (401, PermissionError),
        (403, PermissionError),
        (404, FileNotFoundError),
        (409, FileExistsError),
        (429, UnavailableError),
        (500, UnavailableError),
        (503, UnavailableError),
        (302, BadAnswerError),
    ],
)
def test_statuses_are_errors_with_what_the_worker_says(
    make_cluster: MakeCluster, make_transport: MakeTransport, status: int, error: type
) -> None:
    cluster, transport = make_cluster("rest"), make_transport(dialect="rest")
    cluster.fail("info", faults.Status(status, b'{"message": "so it is"}'))
    with pytest.raises(error, match="so it is"):
        transport.stat(cluster.members[0], at(cluster, "b.bin"), soon())


@pytest.mark.parametrize(
    "fault", [faults.RangeIgnored(), faults.OtherRange(1), faults.Short(), faults.Long(), faults.Truncate()]
)
def test_another_range_is_not_taken(
    make_cluster: MakeCluster, make_transport: MakeTransport, fault: faults.Fault
) -> None:
    cluster = make_cluster("rest")
    reader = Reader(make_transport(dialect="rest"), cluster)
    cluster.fail("data", fault)
    with pytest.raises(BadAnswerError):
        reader.read(100, 1000)


def test_a_redirect_is_followed_to_a_member(make_cluster: MakeCluster, make_transport: MakeTransport) -> None:
    cluster = make_cluster("rest", workers=2, load=False, redirect_data=True)
    transport = make_transport(cluster.members, dialect="rest", headers={"authorization": "t"})
    for number in (0, 1):
        assert Reader(transport, cluster, number).read() == DATA
    assert cluster.requests["data"] == 3


def test_a_redirect_to_anybody_else_is_not(make_cluster: MakeCluster, make_transport: MakeTransport) -> None:
    cluster = make_cluster("rest", workers=2)
    reader = Reader(make_transport(cluster.members[:1], dialect="rest"), cluster)
    other = cluster.members[1]
    for location in (
        f"http://127.0.0.1:{other.data_port}/mnt/b.bin",
        f"https://127.0.0.1:{cluster.members[0].data_port}/mnt/b.bin",
        "/mnt/b.bin",
        "http://[::1/",
    ):
        cluster.workers[0].fail("data", faults.Redirect(location), times=1)
        with pytest.raises(BadAnswerError, match="none of the workers"):
            reader.read()
    assert cluster.workers[1].requests == {}


def test_redirects_in_a_circle_end(make_cluster: MakeCluster, make_transport: MakeTransport) -> None:
    cluster = make_cluster("rest")
    reader = Reader(make_transport(cluster.members, dialect="rest"), cluster)
    cluster.fail("data", faults.Redirect(f"http://127.0.0.1:{cluster.members[0].data_port}/mnt/b.bin"))
    with pytest.raises(BadAnswerError, match="again and again"):
        reader.read()


def test_without_a_data_port_pages_are_read(make_cluster: MakeCluster, make_transport: MakeTransport) -> None:
    cluster = make_cluster("rest")
    reader = Reader(make_transport(dialect="rest"), cluster)
    cluster.fail("data", faults.Status(405))
    assert reader.read() == DATA
    assert cluster.requests["page"] >= 6


def test_behind_a_balancer_the_owner_is_asked_for_once_a_file(
    make_cluster: MakeCluster, make_transport: MakeTransport
) -> None:
    cluster = make_cluster("rest", workers=2, load=False)
    balancer = Worker(
        cluster.members[0].identity,
        "127.0.0.1",
        cluster.members[0].http_port,
        cluster.in_charge("b.bin").worker.data_port,
        {"domain": "127.0.0.1"},
    )
    transport = make_transport([balancer], dialect="rest")
    location = at(cluster, "b.bin")
    version = transport.stat(balancer, location, soon()).version
    for _ in range(5):
        buffer = bytearray(100)
        transport.read_into(balancer, location, version, 0, memoryview(buffer), soon())
        assert buffer == DATA[:100]
    assert cluster.requests["node"] == 1
    assert cluster.in_charge("b.bin").requests["data"] == 5


def test_a_change_drops_what_the_cluster_holds_and_nothing_else(make_cluster: MakeCluster, tmp_path: Path) -> None:
    cluster = make_cluster("rest", workers=2)
    fs = filesystem(cluster)
    assert fs.cat_file(f"{tmp_path}/b.bin") == DATA
    fs.pipe_file(f"{tmp_path}/b.bin", b"new")
    assert [worker.kept_pages("b.bin") for worker in cluster.workers] == [0, 0]
    assert (tmp_path / "b.bin").read_bytes() == b"new"
    assert fs.cat_file(f"{tmp_path}/b.bin") == b"new"


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


def filesystem(cluster: StandInCluster, **arguments: Optional[object]) -> Any:
    return fsspec.filesystem(
        "alluxiofs", target_protocol="file", skip_instance_cache=True, **{**cluster.arguments, **arguments}
    )
