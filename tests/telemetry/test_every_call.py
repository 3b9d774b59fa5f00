"""Each request that a worker is sent is one call: what a client has counted is what its workers have."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Callable, Dict, Iterator

import fsspec
import pytest

from alluxiofs import AlluxioClient
from alluxiofs.errors import NoTurnError
from alluxiofs.interfaces import recorded
from alluxiofs.interfaces.telemetry import before_the_call
from alluxiofs.plugins._alluxio import load_jobs
from alluxiofs.testing import RecordingTelemetry
from alluxiofs.testing.stand_in_workers import StandInCluster, faults

METHODS = {"files": "ls", "page": "read", "data": "read"}
"""Routes by the names of the operations; the others have the same name."""
UNKNOWN = {"pages": "node", "rest": "health"}
"""What of the things that are asked to find out the dialect a worker of it does not know."""
PAGE = 1000
CONTENT = bytes(range(256)) * 40  # 10 pages, and a part


class Both:
    """A cluster, a filesystem before it, and what each of them has counted."""

    def __init__(self, folder: Path, dialect: str, **options: Any) -> None:
        self.folder = folder / "under"
        (self.folder / "empty").mkdir(parents=True)
        for name in ("whole", "other", "absent"):
            (self.folder / name).write_bytes(CONTENT)
        self.cluster = StandInCluster(self.folder, workers=2, page_size=PAGE, dialect=dialect, **options)
        self.telemetry = RecordingTelemetry()
        self._unknown = UNKNOWN[dialect]

    def __enter__(self) -> Both:
        self.cluster.__enter__()
        for name in ("whole", "other"):
            self.cluster.load(name)
        return self

    def __exit__(self, *failure: object) -> None:
        self.cluster.__exit__(*failure)

    def filesystem(self, **arguments: Any) -> Any:
        """One that has found out nothing of its cluster yet."""
        given = dict(self.cluster.arguments)
        transport = {**given.pop("transport"), "dialect": "auto", "version_age": 0.0}
        kept = {"page_store": None, "metadata_ttl": 0, "telemetry": self.telemetry, "skip_instance_cache": True}
        return fsspec.filesystem(
            "alluxiofs", target_protocol="file", **{**given, "transport": transport, **kept, **arguments}
        )

    def url(self, name: str) -> str:
        return self.cluster.url(name)

    def check(self) -> None:
        workers: Counter[str] = Counter()
        for route, count in self.cluster.requests.items():
            workers[self._unknown if route == "other" else METHODS.get(route, route)] += count
        assert Counter(call.method for call in self.telemetry.calls if call.target == "worker") == workers


@pytest.fixture(params=["pages", "rest"])
def both(request: Any, tmp_path: Path) -> Iterator[Both]:
    with Both(tmp_path, request.param) as made:
        yield made


WORK: Dict[str, Callable[[Any, Both], object]] = {
    "a file of many pages": lambda fs, both: fs.cat_file(both.url("whole")),
    "a range over two pages": lambda fs, both: fs.cat_file(both.url("whole"), PAGE - 10, PAGE + 10),
    "the last page": lambda fs, both: fs.cat_file(both.url("whole"), 10 * PAGE),
    "one range after the other": lambda fs, both: [fs.cat_file(both.url("whole"), at, at + 5) for at in (0, 2500)],
    "two files": lambda fs, both: fs.cat([both.url("whole"), both.url("other")]),
    "an open file": lambda fs, both: fs.open(both.url("whole")).read(),
    "what a file is": lambda fs, both: fs.info(both.url("whole")),
    "a directory": lambda fs, both: fs.ls(both.url("")),
    "an empty directory": lambda fs, both: fs.ls(both.url("empty")),
}


@pytest.mark.parametrize("metadata", ["worker", "under_store"])
@pytest.mark.parametrize("name", list(WORK))
def test_both_sides_have_counted_the_same(both: Both, name: str, metadata: str) -> None:
    fs = both.filesystem(metadata=metadata)
    for _ in range(2):  # the first time more is asked
        WORK[name](fs, both)
        both.check()


def test_a_file_that_has_changed_behind_the_worker(both: Both) -> None:
    fs = both.filesystem()
    fs.cat_file(both.url("whole"))
    (both.folder / "whole").write_bytes(CONTENT[::-1] + b"more")
    assert fs.cat_file(both.url("whole")) == CONTENT[::-1] + b"more"
    both.check()


@pytest.mark.parametrize("route", ["page", "data", "info", "node", "files"])
def test_workers_that_fail(both: Both, route: str) -> None:
    fs = both.filesystem(metadata="worker")
    for _ in range(2):
        both.cluster.fail(route, faults.Status(503), times=1)
        assert fs.cat_file(both.url("whole"), 3 * PAGE, 4 * PAGE) == CONTENT[3 * PAGE : 4 * PAGE]
        assert len(fs.ls(both.url(""))) == 4
    both.check()


def test_what_is_not_held_is_asked_for_once_a_moment(tmp_path: Path) -> None:
    with Both(tmp_path, "pages") as both:
        fs = both.filesystem(metadata="worker")
        counts = []
        for _ in range(3):
            assert fs.cat_file(both.url("absent"), 10, 20) == CONTENT[10:20]
            states = [call.state for call in both.telemetry.calls if (call.target, call.method) == ("worker", "read")]
            assert set(states) == {"not_held"}
            counts.append(len(states))
        assert counts[0] == counts[-1], "what is not asked is no call"
        assert [event.reason for event in both.telemetry.events] == ["not_held"] * 3


def test_data_that_somebody_else_has(tmp_path: Path) -> None:
    with Both(tmp_path, "rest", redirect_data=True) as both:
        fs = both.filesystem(metadata="worker", policy="round-robin")
        for _ in range(4):
            assert fs.cat_file(both.url("whole")) == CONTENT
        both.check()


def test_a_data_port_that_has_no_ranges(tmp_path: Path) -> None:
    with Both(tmp_path, "rest") as both:
        fs = both.filesystem(metadata="worker")
        both.cluster.fail("data", faults.Status(405))
        assert fs.cat_file(both.url("whole")) == CONTENT
        both.check()
        both.cluster.fail("page", faults.Status(503), times=1)  # the first of those of a read
        assert fs.cat_file(both.url("whole")) == CONTENT
        both.check()


def test_a_load_job_that_cannot_be_begun_anew_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Both(tmp_path, "rest", job_rest=600.0) as both:  # the other dialect says no in a way that is asked for twice
        client = AlluxioClient(**both.cluster.arguments, telemetry=both.telemetry)
        assert client.load(both.url("whole"))
        both.check()
        monkeypatch.setattr(load_jobs, "_PAUSE", 600.0)  # it takes none for a while after one, and is not asked again
        with pytest.raises(TimeoutError, match="takes no new load job"):
            client.submit_load(both.url("whole"))
        both.check()


def busy() -> None:
    raise NoTurnError("all connections are in use")


def test_who_finds_no_free_connection_has_asked_nothing() -> None:
    telemetry = RecordingTelemetry()
    with pytest.raises(NoTurnError), recorded(telemetry, "worker", "alluxio", "read"):
        busy()
    assert telemetry.calls == []
    with pytest.raises(NoTurnError), recorded(telemetry, "worker", "alluxio", "read"):
        with recorded(telemetry, "worker", "alluxio", "info"):  # after the read
            busy()
    assert [(call.method, call.state) for call in telemetry.calls] == [("read", "timeout")]
    with pytest.raises(NoTurnError), recorded(telemetry, "worker", "alluxio", "read"), before_the_call():
        with recorded(telemetry, "worker", "alluxio", "info"):
            busy()
    assert len(telemetry.calls) == 1
