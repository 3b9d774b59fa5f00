"""What the documents say of workers that fail holds, cell by cell, on stand-in workers of both dialects."""

from __future__ import annotations

import builtins
import contextlib
import itertools
from pathlib import Path
from typing import Any, Iterator, Type

import fsspec
import pytest

from alluxiofs import errors
from alluxiofs.gateway.breaker import process_breakers
from alluxiofs.gateway.budget import process_budget
from alluxiofs.interfaces import Target
from alluxiofs.interfaces.values import UNSETTLED
from alluxiofs.plugins.under_store_local import LocalUnderStore
from alluxiofs.testing import RecordingTelemetry, make_context
from alluxiofs.testing._files import soon
from alluxiofs.testing.guards import at_once, eventually
from alluxiofs.testing.stand_in_workers import StandInCluster
from tests.understores.failing import Cell, cells, tables
from tests.understores.failing_workers import (
    COLUMNS,
    DATA,
    FAILURES,
    OPERATIONS,
    OTHER,
    PAGE,
    Failure,
    change,
    fail,
)

HEADING = "When a worker fails"
CELLS = list(cells(HEADING))
OF_OPERATIONS = [cell for cell in CELLS if cell.operation in OPERATIONS]
REASONS = [cell for cell in CELLS if cell.operation == "counted as"]
ERRORS = [cell for cell in CELLS if cell.operation == "`fallback=False`"]
CHANGES = [cell for cell in CELLS if cell.operation == "changes"]


class Site:
    """Workers that hold a file, and a filesystem that asks them."""

    def __init__(self, folder: Path, dialect: str, failure: Failure, **arguments: Any) -> None:
        (folder / "dir").mkdir()
        self.failure, self.file, self.telemetry = failure, folder / "dir" / "file", RecordingTelemetry()
        self.file.write_bytes(DATA)
        self.cluster = StandInCluster(folder, workers=2, dialect=dialect, page_size=failure.page_size, master=False)
        self.cluster.start()
        for worker in self.cluster.workers:
            worker.load("dir/file")
        options = {"alluxio.worker.page.store.page.size": str(PAGE)}
        given = {**self.cluster.arguments, "options": options, **failure.arguments(), **arguments}
        stalls = failure is FAILURES["nothing comes any more"] or failure is FAILURES["stall in mid-body"]
        self.fs = fsspec.filesystem(
            "alluxiofs",
            target_protocol="file",
            skip_instance_cache=True,
            telemetry=self.telemetry,
            metadata_ttl=0,
            timeout=0.3 if stalls else 30,
            retries=0,
            **{"page_store": None, **given},
        )

    def begin(self) -> None:
        """From now on all workers fail."""
        fail(self.cluster, self.failure, self.file)

    def reasons(self) -> set[str]:
        """What was counted of going to the under store."""
        return {str(event.reason) for event in self.telemetry.events if event.kind == "fallback"}


@contextlib.contextmanager
def site(folder: Path, dialect: str, failure: Failure, **arguments: Any) -> Iterator[Site]:
    process_breakers.reset()
    process_budget.reset()
    found = Site(folder, dialect, failure, **arguments)
    try:
        yield found
    finally:
        found.cluster.stop()


def named(outcome: str) -> Type[BaseException]:
    """The class of an error by its name."""
    found: Type[BaseException] = getattr(errors, outcome, None) or getattr(builtins, outcome)
    return found


def ids(cell: Cell) -> str:
    return f"{cell.failure}: {cell.operation}"


BOTH = [(cell, dialect) for cell in OF_OPERATIONS for dialect in FAILURES[cell.failure].dialects]


@pytest.mark.parametrize(("cell", "dialect"), BOTH, ids=[f"{ids(cell)} ({dialect})" for cell, dialect in BOTH])
def test_an_operation(tmp_path: Path, cell: Cell, dialect: str) -> None:
    operation, metadata = OPERATIONS[cell.operation], "worker" if cell.operation in ("stat", "list") else "under_store"
    reason = next((one.outcome for one in REASONS if one.failure == cell.failure), None)
    with site(tmp_path, dialect, FAILURES[cell.failure], metadata=metadata) as found:
        if cell.outcome != "right":
            with pytest.raises(named(cell.outcome)):
                operation.act(found.fs, str(found.file), found.begin)
            if issubclass(named(cell.outcome), (PermissionError, FileNotFoundError)):
                assert not found.telemetry.events, "an answer goes to the caller"
            return
        got = operation.act(found.fs, str(found.file), found.begin)
        content = found.file.read_bytes()
        assert got == operation.expected(content) or (cell.operation == "read in mid-file" and content == OTHER)
        assert got in (operation.expected(DATA), operation.expected(OTHER))
        if cell.operation == "read in mid-file" and content == OTHER:
            return  # workers that hold the version go on with it
        assert found.reasons() == {reason}, "the workers were asked, and failed"


@pytest.mark.parametrize("cell", REASONS, ids=ids)
def test_why_the_under_store_was_asked_is_counted(tmp_path: Path, cell: Cell) -> None:
    kinds = FAILURES[cell.failure].kinds
    for number, (failure, dialect) in enumerate(itertools.product(kinds, kinds[0].dialects)):
        folder = tmp_path / str(number)
        folder.mkdir()
        with site(folder, dialect, failure, metadata="under_store") as found:
            found.begin()
            assert found.fs.cat_file(str(found.file)) == found.file.read_bytes()
            assert found.reasons() == {cell.outcome}


@pytest.mark.parametrize("cell", ERRORS, ids=ids)
def test_fallback_can_be_switched_off(tmp_path: Path, cell: Cell) -> None:
    dialect = FAILURES[cell.failure].dialects[0]
    with site(tmp_path, dialect, FAILURES[cell.failure], metadata="under_store", fallback=False) as found:
        found.begin()
        with pytest.raises(named(cell.outcome)):
            found.fs.cat_file(str(found.file))
        assert not found.reasons()


@pytest.mark.parametrize("cell", CHANGES, ids=ids)
def test_changes_do_not_depend_on_workers(tmp_path: Path, cell: Cell) -> None:
    assert cell.outcome == "right"
    with site(tmp_path, FAILURES[cell.failure].dialects[-1], FAILURES[cell.failure], metadata="under_store") as found:
        found.begin()
        if cell.failure in ("403", "401", "412"):  # reading what was written is another thing
            found.cluster.recover()
        change(found.fs, str(found.file.parent))


def test_all_failures_and_operations_are_told_of() -> None:
    columns, rows = tables(HEADING)
    assert columns == list(COLUMNS)
    assert list(rows) == list(FAILURES)


@pytest.mark.parametrize("dialect", ["rest", "pages"])
def test_no_stampede(tmp_path: Path, dialect: str) -> None:
    """Many threads want the same pages of workers that fail: the under store is asked for each page once (of a file
    that changed a moment ago nothing is kept)."""
    store = {"name": "memory", "capacity": "64MB"}
    with site(tmp_path, dialect, FAILURES["500, 502, 503, 504"], metadata="under_store", page_store=store) as found:
        found.begin()
        fs, path = found.fs, str(found.file)
        look = LocalUnderStore(Target("file"), LocalUnderStore.Settings(), make_context())
        assert eventually(lambda: UNSETTLED not in str(look.stat(path, soon()).version.tag), 60)
        assert at_once(*[lambda: fs.cat_file(path)] * 16) == [DATA] * 16
        assert fs.describe()["counters"]["bytes_from_under_stores"] == len(DATA)


def test_a_permission_is_asked_of_nobody_else(tmp_path: Path) -> None:
    with site(tmp_path, "rest", FAILURES["403"], metadata="under_store") as found:
        found.begin()
        with pytest.raises(PermissionError):
            found.fs.cat_file(str(found.file))
        assert [call.state for call in found.telemetry.calls if call.target == "worker"] == ["denied"]
