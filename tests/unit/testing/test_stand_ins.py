"""The stand-ins keep the contracts that they stand in for, and fail as they are told."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any, Callable, List, Tuple

import pytest

from alluxiofs.errors import BadAnswerError, FileChangedError, UnavailableError
from alluxiofs.interfaces import (
    Deadline,
    Location,
    Membership,
    Snapshot,
    Telemetry,
    Transport,
    Version,
    Worker,
    Workers,
)
from alluxiofs.plugins.telemetry_none import NoTelemetry
from alluxiofs.plugins.worker_hosts import parse_workers
from alluxiofs.testing import (
    ChangingMembershipContract,
    CountingTelemetryContract,
    Failure,
    InProcessTransport,
    RecordingTelemetry,
    ScriptedMembership,
    TelemetryContract,
    WorkerTransportContract,
)

ONE, TWO = parse_workers("w1.example,w2.example")
FILE = Location("", "bucket/file", "s3://bucket/file")


def soon() -> Deadline:
    return Deadline.after(10)


class TestNoTelemetry(TelemetryContract):
    telemetry_class = NoTelemetry


class TestRecordingTelemetry(CountingTelemetryContract):
    telemetry_class = RecordingTelemetry

    @pytest.fixture
    def count(self) -> Callable[[Telemetry, str, str], int]:
        def counted(telemetry: Telemetry, method: str, state: str) -> int:
            assert isinstance(telemetry, RecordingTelemetry)
            return telemetry.count(method, state)

        return counted

    def test_counters_of_one_name_are_added_up(self) -> None:
        telemetry = RecordingTelemetry()
        telemetry.watch("page_store", lambda: {"hits": 1, "misses": 2})
        telemetry.watch("page_store", lambda: {"hits": 3})
        assert telemetry.counters("page_store") == {"hits": 4, "misses": 2}
        assert telemetry.counters("nothing") == {}


class TestScriptedMembership(ChangingMembershipContract):
    @pytest.fixture
    def make(self) -> Callable[[], Membership]:
        return lambda: ScriptedMembership(ScriptedMembership.Settings("h1,h2,h3"))

    @pytest.fixture
    def workers(self) -> Workers:
        return parse_workers("h1,h2,h3")

    @pytest.fixture
    def change(self) -> Callable[[Membership, Workers], None]:
        def push(membership: Membership, workers: Workers) -> None:
            assert isinstance(membership, ScriptedMembership)
            membership.push(workers)

        return push

    def test_before_the_first_push_there_is_no_snapshot(self) -> None:
        membership = ScriptedMembership()
        with pytest.raises(UnavailableError):
            membership.snapshot(soon())
        membership.push("h1")
        assert membership.snapshot(soon()) == Snapshot(parse_workers("h1"), 0)

    def test_all_workers_can_be_gone(self) -> None:
        membership = ScriptedMembership(ScriptedMembership.Settings("h1"))
        told: List[Snapshot] = []
        membership.subscribe(told.append)
        assert membership.push([]) == Snapshot((), 1)
        assert told == [Snapshot((), 1)]


class TestInProcessTransport(WorkerTransportContract):
    @pytest.fixture
    def make(self) -> Callable[[], Transport]:
        return InProcessTransport

    @pytest.fixture
    def worker(self) -> Worker:
        return ONE

    @pytest.fixture
    def location(self) -> Callable[[str], Location]:
        return lambda name: Location("", f"bucket/dir/{name}", f"s3://bucket/dir/{name}")

    @pytest.fixture
    def put(self) -> Callable[[Transport, Location, bytes], None]:
        def hold(transport: Transport, location: Location, data: bytes) -> None:
            assert isinstance(transport, InProcessTransport)
            transport.put(ONE, location, data)

        return hold

    @pytest.fixture
    def fail(self) -> Callable[[Transport, str], None]:
        def break_it(transport: Transport, how: str) -> None:
            assert isinstance(transport, InProcessTransport)
            transport.worker(ONE).failure = Failure(how)

        return break_it


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (Failure.DEAD, UnavailableError),
        (Failure.STALLED, TimeoutError),
        (Failure.SHORT, BadAnswerError),
        (Failure.GARBAGE, BadAnswerError),
        (Failure.WRONG_VERSION, BadAnswerError),
        (Failure.NOT_FOUND, FileNotFoundError),
        (Failure.DENIED, PermissionError),
    ],
)
def test_one_worker_fails_and_the_other_does_not(failure: Failure, kind: type) -> None:
    transport = InProcessTransport()
    version = transport.put(ONE, FILE, b"0123456789", Version("etag:1", 10)).version
    transport.put(TWO, FILE, b"0123456789", version)
    transport.worker(ONE).failure = failure
    view = memoryview(bytearray(4))
    with pytest.raises(kind):
        transport.read_into(ONE, FILE, version, 2, view, Deadline.after(0.05 if kind is TimeoutError else 30))
    transport.read_into(TWO, FILE, version, 2, view, soon())
    assert bytes(view) == b"2345"
    assert transport.worker(ONE).calls == transport.worker(TWO).calls == [("read_into", FILE.url)]
    assert (transport.calls(), transport.calls("read_into"), transport.calls("stat")) == (2, 2, 0)
    transport.worker(ONE).failure = None
    transport.read_into(ONE, FILE, version, 0, view, soon())
    assert bytes(view) == b"0123"


def test_garbage_and_short_bodies_leave_traces_in_the_view() -> None:
    # or a gateway that hands out what a failed read left would go unnoticed
    transport = InProcessTransport()
    version = transport.put(ONE, FILE, b"0123456789").version
    for failure, left in ((Failure.SHORT, b"01\xff\xff"), (Failure.GARBAGE, bytes(4))):
        view = memoryview(bytearray(b"\xff" * 4))
        transport.worker(ONE).failure = failure
        with pytest.raises(BadAnswerError):
            transport.read_into(ONE, FILE, version, 0, view, soon())
        assert bytes(view) == left


def test_a_worker_of_another_version_says_so_in_its_stat() -> None:
    transport = InProcessTransport()
    version = transport.put(ONE, FILE, b"0123456789").version
    transport.worker(ONE).failure = Failure.WRONG_VERSION
    assert transport.stat(ONE, FILE, soon()).version.same_as(version) is False


class Store:
    """An under store of one file, as far as a transport asks one."""

    def __init__(self, data: bytes) -> None:
        self.entry_reads = 0
        self.write(data)

    def write(self, data: bytes) -> None:
        self.data, self.version = data, Version(f"etag:{data!r}", len(data), time.time_ns())

    def stat(self, name: str, deadline: Deadline) -> Any:
        from alluxiofs.interfaces import Entry

        return Entry(name, "file", len(self.data), self.version)

    def read_into(self, name: str, version: Version, offset: int, view: memoryview, deadline: Deadline) -> None:
        self.entry_reads += 1
        view[:] = self.data[offset : offset + len(view)]


def reading_through(data: bytes) -> Tuple[InProcessTransport, Store]:
    store = Store(data)
    return InProcessTransport(store_of=lambda _: store), store  # type: ignore[arg-type,return-value]


def test_a_worker_reads_through_once_and_goes_on_serving_what_it_holds() -> None:
    transport, store = reading_through(b"0123456789")
    version = transport.stat(ONE, FILE, soon()).version
    view = memoryview(bytearray(5))
    transport.read_into(ONE, FILE, version, 5, view, soon())
    transport.read_into(ONE, FILE, version, 0, view, soon())
    assert (bytes(view), store.entry_reads) == (b"01234", 1)
    store.write(b"another")
    assert transport.stat(ONE, FILE, soon()).version == version, "a worker does not look at the under store again"
    with pytest.raises(BadAnswerError):
        transport.read_into(ONE, FILE, store.version, 0, view, soon())
    transport.drop(ONE, FILE, soon())
    assert not transport.worker(ONE).holds(FILE.url)
    transport.read_into(ONE, FILE, store.version, 0, view, soon())
    assert bytes(view) == b"anoth"


def test_a_file_written_since_it_was_opened_has_changed() -> None:
    transport, store = reading_through(b"0123456789")
    version = store.version
    store.write(b"another")
    with pytest.raises(FileChangedError):
        transport.read_into(ONE, FILE, version, 0, memoryview(bytearray(5)), soon())


def test_a_directory_that_a_worker_holds_files_of_is_one() -> None:
    transport = InProcessTransport()
    transport.put(ONE, FILE, b"x")
    transport.put(ONE, Location("", "bucket/dir/deep/file", "s3://bucket/dir/deep/file"), b"xy")
    bucket = Location("", "bucket", "s3://bucket")
    assert transport.stat(ONE, bucket, soon()).kind == "directory"
    listed = {entry.name: entry.kind for entry in transport.list(ONE, bucket, soon())}
    assert listed == {"bucket/file": "file", "bucket/dir": "directory"}


def test_closing_wakes_those_who_wait_for_a_stalled_worker() -> None:
    from alluxiofs.testing.guards import at_once, eventually

    transport = InProcessTransport()
    transport.put(ONE, FILE, b"x")
    transport.worker(ONE).failure = Failure.STALLED

    def close_when_asked() -> None:
        assert eventually(lambda: transport.calls() == 1, 60)
        transport.close()

    def wait() -> None:
        with pytest.raises(UnavailableError):
            transport.stat(ONE, FILE, Deadline.after(60))

    at_once(wait, close_when_asked)


def test_the_stand_ins_need_no_pytest() -> None:
    names = "Failure InProcessTransport InProcessWorkers RecordingTelemetry ScriptedMembership make_context stand_ins"
    program = (
        f"import sys; from alluxiofs.testing import {', '.join(names.split())}; "
        "assert not {'pytest', '_pytest', 'hypothesis'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_all_names_are_there_and_no_others() -> None:
    import alluxiofs.testing

    for name in alluxiofs.testing.__all__:
        assert getattr(alluxiofs.testing, name).__name__ == name
        assert name in dir(alluxiofs.testing)
    with pytest.raises(AttributeError, match="no attribute 'Contract'"):
        alluxiofs.testing.Contract  # noqa: B018 - the access itself is what fails
