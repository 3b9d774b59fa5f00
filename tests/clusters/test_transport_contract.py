"""The transport to Alluxio's workers keeps the contract of transports, in both dialects, over real sockets."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Iterator, Optional

import pytest

from alluxiofs.errors import NotSupportedError
from alluxiofs.interfaces import Deadline, Location, Transport, Worker
from alluxiofs.plugins.transport_alluxio import AlluxioTransport
from alluxiofs.settings.types import Size
from alluxiofs.testing import WorkerTransportContract, make_context
from alluxiofs.testing.stand_in_workers import StandInCluster, faults
from alluxiofs.testing.transports import NAMES

PAGE = 4096


def no_store(location: Location) -> object:
    raise AssertionError(f"nobody needs the under store of {location.url}")


class _Contract(WorkerTransportContract):
    dialect: str
    patience = 10.0  # on a machine that is busy with other things

    @pytest.fixture
    def cluster(self, tmp_path: Path) -> Iterator[StandInCluster]:
        with StandInCluster(tmp_path, workers=1, dialect=self.dialect, page_size=PAGE) as cluster:
            yield cluster

    @pytest.fixture
    def make(self) -> Iterator[Callable[[], Transport]]:
        made = []

        def make() -> Transport:
            settings = AlluxioTransport.Settings(dialect=self.dialect, page_size=Size(PAGE))
            made.append(AlluxioTransport(settings, make_context(), no_store))  # type: ignore[arg-type]
            return made[-1]

        yield make
        for transport in made:
            transport.close()

    @pytest.fixture
    def worker(self, cluster: StandInCluster) -> Worker:
        return cluster.members[0]

    @pytest.fixture
    def location(self, cluster: StandInCluster) -> Callable[[str], Location]:
        def location(name: str) -> Location:
            url = f"{cluster.url()}/dir/{name}"
            return Location("", url, url)

        return location

    @pytest.fixture
    def put(self, cluster: StandInCluster, tmp_path: Path) -> Callable[[Transport, Location, bytes], None]:
        def put(transport: Transport, location: Location, data: bytes) -> None:
            name = location.url[len(cluster.url()) + 1 :]
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            before = path.stat().st_mtime_ns if path.exists() else 0
            path.write_bytes(data)
            while path.stat().st_mtime_ns // 10**6 == before // 10**6:
                path.touch()  # workers tell times in milliseconds
            cluster.drop(name)
            cluster.drop("dir")
            cluster.load(name)

        return put

    @pytest.fixture
    def fail(self, cluster: StandInCluster) -> Callable[[Transport, str], None]:
        def fail(transport: Transport, how: str) -> None:
            worker = cluster.workers[0]
            if how == "dead":
                worker.kill()
            elif how == "stalled":
                worker.hang()
            elif how == "short":
                worker.fail("*", faults.Truncate())
            else:
                worker.fail("*", faults.Status(403))

        return fail


class TestRest(_Contract):
    dialect = "rest"


class TestPages(_Contract):
    dialect = "pages"

    def test_a_listing_of_a_directory_has_each_child_once(
        self,
        transport: Transport,
        worker: Optional[Worker],
        location: Callable[[str], Location],
        put: Callable[[Transport, Location, bytes], None],
    ) -> None:
        """But those that workers of this dialect leave out themselves."""
        names = [name for name in NAMES if "?" not in name]
        for length, name in enumerate(names):
            put(transport, location(name), b"x" * length)
        above = location(names[0]).url.rpartition("/")[0]
        listed = list(transport.list(worker, Location("", above, above), Deadline.after(10)))
        assert sorted((entry.name, entry.size) for entry in listed) == sorted(
            (location(name).name, length) for length, name in enumerate(names)
        )

    @pytest.mark.parametrize("name", NAMES)
    def test_any_name_can_be_read(
        self,
        transport: Transport,
        worker: Optional[Worker],
        location: Callable[[str], Location],
        put: Callable[[Transport, Location, bytes], None],
        name: str,
    ) -> None:
        """Or is refused before anything is sent: this dialect has no way to ask for most odd names."""
        there, data = location(name), name.encode()
        if any(character in name for character in " ?&=文"):
            with pytest.raises(NotSupportedError):
                transport.stat(worker, there, Deadline.after(10))
            return
        put(transport, there, data)
        entry = transport.stat(worker, there, Deadline.after(10))
        buffer = bytearray(len(data))
        transport.read_into(worker, there, entry.version, 0, memoryview(buffer), Deadline.after(10))
        assert bytes(buffer) == data
