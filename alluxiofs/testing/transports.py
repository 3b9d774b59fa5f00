"""The contract of transports."""

from __future__ import annotations

import time
from typing import Callable, Optional

import attrs
import pytest

from alluxiofs.errors import BadAnswerError, FileChangedError, Kind, NotSupportedError, kind_of
from alluxiofs.interfaces import Component, Deadline, Entry, Location, Transport, TransportCapabilities, Worker
from alluxiofs.testing.components import ComponentContract
from alluxiofs.testing.guards import at_once, no_io

__all__ = ["TransportContract", "WorkerTransportContract"]

DATA = bytes(range(256)) * 40  # 10240 bytes, no two neighbouring ranges alike
NAMES = ("plain.bin", "a b.bin", "%41.bin", "#?&+=.bin", "ünïcödé 文件.bin")


def within(seconds: float = 30) -> Deadline:
    return Deadline.after(seconds)


class TransportContract(ComponentContract):
    """What the gateway relies on in any transport that can read.

    Override the fixtures ``make``, ``put`` and ``location``, and ``worker`` if it speaks to workers; such a one keeps
    :class:`WorkerTransportContract`.
    """

    @pytest.fixture
    def make(self) -> Callable[[], Transport]:
        """Makes a transport; called once a test or more, each time for the same worker and files."""
        raise NotImplementedError("override the fixture `make`: a function that makes your transport")

    @pytest.fixture
    def transport(self, make: Callable[[], Transport]) -> Transport:
        return make()

    @pytest.fixture
    def component(self, transport: Transport) -> Component:
        return transport

    @pytest.fixture
    def worker(self) -> Optional[Worker]:
        """The worker to ask; ``None`` for a transport without workers."""
        return None

    @pytest.fixture
    def location(self) -> Callable[[str], Location]:
        """Gives the location of a file of this name in one directory, which exists as soon as a file is in it."""
        raise NotImplementedError("override the fixture `location`: `location(name)`, where a file is to be")

    @pytest.fixture
    def put(self) -> Callable[[Transport, Location, bytes], None]:
        """Has a file be what ``transport`` and ``worker`` find at a location, in place of an older one."""
        raise NotImplementedError("override the fixture `put`: `put(transport, location, data)` makes a file")

    @pytest.fixture
    def file(
        self,
        transport: Transport,
        location: Callable[[str], Location],
        put: Callable[[Transport, Location, bytes], None],
    ) -> Location:
        """Where a file is that has ``DATA`` in it."""
        there = location("data.bin")
        put(transport, there, DATA)
        return there

    @pytest.fixture
    def entry(self, transport: Transport, worker: Optional[Worker], file: Location) -> Entry:
        """What a stat of the file says."""
        return transport.stat(worker, file, within())

    # --- life ---------------------------------------------------------------------------------------------------

    def test_nothing_happens_before_it_is_asked(self, make: Callable[[], Transport]) -> None:
        with no_io():
            make().close()

    def test_it_says_what_it_can(self, transport: Transport, worker: Optional[Worker]) -> None:
        assert isinstance(transport.capabilities, TransportCapabilities)
        assert transport.capabilities.workers == (worker is not None)

    # --- stat and list --------------------------------------------------------------------------------------------

    def test_a_stat_has_name_kind_size_and_version(self, entry: Entry, file: Location) -> None:
        assert (entry.name, entry.kind, entry.size) == (file.name, "file", len(DATA))
        assert entry.version.length in (None, len(DATA))
        assert entry.version.same_as(entry.version) is not False

    def test_a_stat_of_nothing_is_an_answer(
        self, transport: Transport, worker: Optional[Worker], location: Callable[[str], Location], file: Location
    ) -> None:
        with pytest.raises(FileNotFoundError) as caught:
            transport.stat(worker, location("missing.bin"), within())
        assert kind_of(caught.value) is Kind.ANSWER

    def test_a_listing_of_a_file_is_the_file(
        self, transport: Transport, worker: Optional[Worker], file: Location
    ) -> None:
        listed = list(transport.list(worker, file, within()))
        assert [(entry.name, entry.kind, entry.size) for entry in listed] == [(file.name, "file", len(DATA))]

    def test_a_listing_of_a_directory_has_each_child_once(
        self,
        transport: Transport,
        worker: Optional[Worker],
        location: Callable[[str], Location],
        put: Callable[[Transport, Location, bytes], None],
    ) -> None:
        for length, name in enumerate(NAMES):
            put(transport, location(name), DATA[:length])
        listed = list(transport.list(worker, _parent(location(NAMES[0])), within()))
        assert sorted((entry.name, entry.kind, entry.size) for entry in listed) == sorted(
            (location(name).name, "file", length) for length, name in enumerate(NAMES)
        )

    def test_a_listing_of_nothing_is_an_answer(
        self, transport: Transport, worker: Optional[Worker], location: Callable[[str], Location], file: Location
    ) -> None:
        with pytest.raises(FileNotFoundError):
            list(transport.list(worker, location("missing"), within()))

    # --- reading ------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("offset", "length"),
        [(0, len(DATA)), (0, 1), (len(DATA) - 1, 1), (1, len(DATA) - 1), (4095, 2), (1000, 4096)],
    )
    def test_a_read_fills_the_view_and_nothing_else(
        self, transport: Transport, worker: Optional[Worker], file: Location, entry: Entry, offset: int, length: int
    ) -> None:
        buffer = bytearray(b"\xaa" * (length + 20))
        view = memoryview(buffer)[10 : 10 + length]
        transport.read_into(worker, file, entry.version, offset, view, within())
        assert bytes(view) == DATA[offset : offset + length]
        assert buffer[:10] == buffer[-10:] == b"\xaa" * 10, "bytes beside the view were written"

    @pytest.mark.parametrize("name", NAMES)
    def test_any_name_can_be_read(
        self,
        transport: Transport,
        worker: Optional[Worker],
        location: Callable[[str], Location],
        put: Callable[[Transport, Location, bytes], None],
        name: str,
    ) -> None:
        there, data = location(name), name.encode()
        put(transport, there, data)
        entry = transport.stat(worker, there, within())
        buffer = bytearray(len(data))
        transport.read_into(worker, there, entry.version, 0, memoryview(buffer), within())
        assert bytes(buffer) == data

    def test_a_read_of_nothing_is_an_answer(
        self,
        transport: Transport,
        worker: Optional[Worker],
        location: Callable[[str], Location],
        entry: Entry,
    ) -> None:
        with pytest.raises(FileNotFoundError) as caught:
            transport.read_into(worker, location("missing.bin"), entry.version, 0, memoryview(bytearray(10)), within())
        assert kind_of(caught.value) is Kind.ANSWER

    def test_a_file_that_became_shorter_is_never_read_as_if_it_were_whole(
        self,
        transport: Transport,
        worker: Optional[Worker],
        file: Location,
        entry: Entry,
        put: Callable[[Transport, Location, bytes], None],
    ) -> None:
        put(transport, file, DATA[::-1][:100])
        with pytest.raises((BadAnswerError, FileChangedError)):
            transport.read_into(worker, file, entry.version, 50, memoryview(bytearray(100)), within())

    def test_a_file_of_another_version_is_not_read_where_versions_tell(
        self,
        transport: Transport,
        worker: Optional[Worker],
        file: Location,
        entry: Entry,
        put: Callable[[Transport, Location, bytes], None],
    ) -> None:
        put(transport, file, DATA[::-1])
        buffer = bytearray(100)
        try:
            transport.read_into(worker, file, entry.version, 0, memoryview(buffer), within())
        except (BadAnswerError, FileChangedError):
            return
        later = transport.stat(worker, file, within())
        assert buffer == DATA[:100] or later.version.same_as(entry.version) is not False, (
            "bytes of a version that was not asked for, though the transport knows versions apart"
        )

    def test_threads_read_their_own_ranges(
        self, transport: Transport, worker: Optional[Worker], file: Location, entry: Entry
    ) -> None:
        buffer = bytearray(len(DATA))
        part = len(DATA) // 16

        def read(index: int) -> Callable[[], None]:
            view = memoryview(buffer)[index * part : (index + 1) * part]
            return lambda: transport.read_into(worker, file, entry.version, index * part, view, within())

        at_once(*[read(index) for index in range(16)])
        assert bytes(buffer) == DATA

    # --- dropping -----------------------------------------------------------------------------------------------

    def test_dropping_works_or_is_said_not_to(
        self, transport: Transport, worker: Optional[Worker], file: Location
    ) -> None:
        if transport.capabilities.drop:
            transport.drop(worker, file, within())
            transport.drop(worker, file, within())
        else:
            with pytest.raises(NotSupportedError):
                transport.drop(worker, file, within())


class WorkerTransportContract(TransportContract):
    """What is expected, besides, of a transport that speaks to workers: that their failures are told apart.

    Override the fixtures ``worker`` and ``fail`` too. ``patience`` is how many seconds a wait may outlive its deadline.
    """

    patience: float = 2.0

    @pytest.fixture
    def worker(self) -> Worker:
        """The worker to ask."""
        raise NotImplementedError("override the fixture `worker`: the worker that has the files")

    @pytest.fixture
    def fail(self) -> Callable[[Transport, str], None]:
        """Has the worker fail from now on: ``"dead"`` (nobody listens), ``"stalled"`` (it takes the call, and sends
        nothing), ``"short"`` (the body ends in the middle), ``"denied"`` (it refuses)."""
        raise NotImplementedError("override the fixture `fail`: `fail(transport, how)` has the worker fail")

    @pytest.mark.parametrize("method", ["stat", "list", "read_into"])
    def test_a_dead_worker_is_a_temporary_failure(
        self,
        transport: Transport,
        worker: Worker,
        file: Location,
        entry: Entry,
        fail: Callable[[Transport, str], None],
        method: str,
    ) -> None:
        fail(transport, "dead")
        with pytest.raises(OSError) as caught:  # noqa: PT011 - which of them it is, is what is tested
            _ask(transport, method, worker, file, entry, within(10))
        assert kind_of(caught.value) is Kind.TEMPORARY
        assert not isinstance(caught.value, TimeoutError), "a refused connection is known at once"

    @pytest.mark.parametrize("method", ["stat", "list", "read_into"])
    def test_a_worker_that_sends_nothing_is_waited_for_until_the_deadline(
        self,
        transport: Transport,
        worker: Worker,
        file: Location,
        entry: Entry,
        fail: Callable[[Transport, str], None],
        method: str,
    ) -> None:
        fail(transport, "stalled")
        began = time.monotonic()
        with pytest.raises(TimeoutError) as caught:
            _ask(transport, method, worker, file, entry, within(0.2))
        assert time.monotonic() - began < 0.2 + self.patience, "the wait outlived its deadline"
        assert kind_of(caught.value) is Kind.TEMPORARY

    def test_the_wait_for_a_byte_has_its_own_limit(
        self,
        transport: Transport,
        worker: Worker,
        file: Location,
        entry: Entry,
        fail: Callable[[Transport, str], None],
    ) -> None:
        fail(transport, "stalled")
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            _ask(transport, "read_into", worker, file, entry, Deadline.after(30, stall=0.2))
        assert time.monotonic() - began < 0.2 + self.patience, "`deadline.wait()` is the limit of one wait"

    def test_nothing_is_sent_when_the_time_is_over(
        self, transport: Transport, worker: Worker, file: Location, entry: Entry
    ) -> None:
        with pytest.raises(TimeoutError):
            _ask(transport, "read_into", worker, file, entry, within(0))

    def test_a_body_that_ends_early_is_a_bad_answer(
        self,
        transport: Transport,
        worker: Worker,
        file: Location,
        entry: Entry,
        fail: Callable[[Transport, str], None],
    ) -> None:
        fail(transport, "short")
        with pytest.raises(OSError) as caught:  # noqa: PT011 - a cut connection is as good an account of it
            _ask(transport, "read_into", worker, file, entry, within(10))
        assert kind_of(caught.value) is Kind.TEMPORARY

    def test_a_refusal_is_an_answer(
        self,
        transport: Transport,
        worker: Worker,
        file: Location,
        entry: Entry,
        fail: Callable[[Transport, str], None],
    ) -> None:
        fail(transport, "denied")
        with pytest.raises(PermissionError) as caught:
            _ask(transport, "read_into", worker, file, entry, within(10))
        assert kind_of(caught.value) is Kind.ANSWER

    def test_nothing_writes_to_the_view_after_a_failure(
        self,
        transport: Transport,
        worker: Worker,
        file: Location,
        entry: Entry,
        fail: Callable[[Transport, str], None],
    ) -> None:
        fail(transport, "stalled")
        buffer = bytearray(100)
        with pytest.raises(TimeoutError):
            transport.read_into(worker, file, entry.version, 0, memoryview(buffer), within(0.1))
        left = bytes(buffer)
        time.sleep(0.2)  # as long as a late writer is given to show itself
        assert bytes(buffer) == left


def _parent(location: Location) -> Location:
    return attrs.evolve(location, name=location.name.rpartition("/")[0], url=location.url.rpartition("/")[0])


def _ask(transport: Transport, method: str, worker: Worker, file: Location, entry: Entry, deadline: Deadline) -> object:
    if method == "stat":
        return transport.stat(worker, file, deadline)
    if method == "list":
        return list(transport.list(worker, file, deadline))
    return transport.read_into(worker, file, entry.version, 0, memoryview(bytearray(len(DATA))), deadline)
