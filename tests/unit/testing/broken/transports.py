"""Transports that are wrong in one way each, and a right one, each with its suite. Run by test_suites_catch.py."""

from __future__ import annotations

import threading
import time

import pytest

from alluxiofs.errors import BadAnswerError
from alluxiofs.interfaces import Deadline, Location, TransportCapabilities
from alluxiofs.plugins.worker_hosts import parse_workers
from alluxiofs.testing import Failure, InProcessTransport, WorkerTransportContract

WORKER = parse_workers("w1")[0]


def suite(transport_class):
    class Suite(WorkerTransportContract):
        patience = 2.0

        @pytest.fixture
        def make(self):
            return transport_class

        @pytest.fixture
        def worker(self):
            return WORKER

        @pytest.fixture
        def location(self):
            return lambda name: Location("", "bucket/" + name, "s3://bucket/" + name)

        @pytest.fixture
        def put(self):
            return lambda transport, location, data: transport.put(WORKER, location, data)

        @pytest.fixture
        def fail(self):
            def fail(transport, how):
                transport.worker(WORKER).failure = Failure(how)

            return fail

    return Suite


class Right(InProcessTransport):
    "Right."


class Short(InProcessTransport):
    "Takes what comes for the whole."

    def read_into(self, *call):
        try:
            super().read_into(*call)
        except BadAnswerError:
            pass


class OffByOne(InProcessTransport):
    "Reads from one byte further on."

    def read_into(self, worker, location, version, offset, view, deadline):
        held = self.worker(WORKER).held.get(location.url)
        if held and offset + 1 + len(view) <= len(held.data):
            offset += 1
        super().read_into(worker, location, version, offset, view, deadline)


class Spills(InProcessTransport):
    "Writes beside the view."

    def read_into(self, worker, location, version, offset, view, deadline):
        super().read_into(worker, location, version, offset, view, deadline)
        if isinstance(view.obj, bytearray):
            view.obj[-1:] = b"x"


class AnyVersion(InProcessTransport):
    "Does not look at versions, though it knows them."

    def read_into(self, worker, location, version, offset, view, deadline):
        held = self.worker(WORKER).held.get(location.url)
        super().read_into(worker, location, held.entry.version if held else version, offset, view, deadline)


class AbsentWhenDead(InProcessTransport):
    "Takes a dead worker for a missing file."

    def _ask(self, method, worker, location, deadline):
        if self.worker(worker).failure is Failure.DEAD:
            raise FileNotFoundError(2, "nothing there", location.url)
        return super()._ask(method, worker, location, deadline)


class FailsWhenAbsent(InProcessTransport):
    "Takes a missing file for a failure."

    def _ask(self, method, worker, location, deadline):
        asked = super()._ask(method, worker, location, deadline)
        if "missing" in location.url:
            raise ConnectionError("404")
        return asked


class Patient(InProcessTransport):
    "Waits on when the deadline is over."

    def _ask(self, method, worker, location, deadline):
        if self.worker(worker).failure is Failure.STALLED:
            time.sleep(2.5)
            raise TimeoutError("at last")
        return super()._ask(method, worker, location, Deadline.after(10))


class KnowsNoStall(InProcessTransport):
    "Minds the deadline, not the wait for a byte."

    def _ask(self, method, worker, location, deadline):
        return super()._ask(method, worker, location, Deadline.after(min(2.5, deadline.remaining())))


class WritesLate(InProcessTransport):
    "A thread of its own writes on."

    def read_into(self, worker, location, version, offset, view, deadline):
        def late():
            time.sleep(0.15)
            view[:1] = b"!"

        if self.worker(worker).failure is Failure.STALLED:
            threading.Thread(target=late).start()
        super().read_into(worker, location, version, offset, view, deadline)


class OneBuffer(InProcessTransport):
    "Threads share a buffer."

    shared = bytearray(65536)

    def read_into(self, worker, location, version, offset, view, deadline):
        super().read_into(worker, location, version, offset, memoryview(self.shared)[: len(view)], deadline)
        time.sleep(0.002)
        view[:] = self.shared[: len(view)]


class ListsItself(InProcessTransport):
    "A directory is among its children."

    def list(self, worker, location, deadline):
        yield from super().list(worker, location, deadline)
        if location.name == "bucket":
            yield self.stat(worker, location, deadline)


class Named(InProcessTransport):
    "Names entries by their URLs."

    def stat(self, worker, location, deadline):
        import attrs

        return attrs.evolve(super().stat(worker, location, deadline), name=location.url)


class SaysItDrops(InProcessTransport):
    "Says that it can drop, and cannot."

    def drop(self, worker, location, deadline):
        raise NotImplementedError("drop")


class NoWorkers(InProcessTransport):
    "Says that it speaks to no workers."

    def __init__(self, *made_of):
        super().__init__(*made_of)
        self.capabilities = TransportCapabilities(workers=False, drop=True)


for transport in (
    Right,
    Short,
    OffByOne,
    Spills,
    AnyVersion,
    AbsentWhenDead,
    FailsWhenAbsent,
    Patient,
    KnowsNoStall,
    WritesLate,
    OneBuffer,
    ListsItself,
    Named,
    SaysItDrops,
    NoWorkers,
):
    globals()["Test" + transport.__name__] = suite(transport)
