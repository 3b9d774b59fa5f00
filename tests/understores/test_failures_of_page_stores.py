"""What the documents say of a page store that fails holds, cell by cell."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path
from typing import Any, Callable, ContextManager, Dict, Iterator

import fsspec
import pytest

from alluxiofs.errors import PageStoreError
from alluxiofs.interfaces import PageStore
from alluxiofs.pagestores.memory import MemoryPageStore
from alluxiofs.settings.types import Size
from alluxiofs.testing import make_context
from tests.understores.failing import Cell, cells, tables
from tests.understores.failing_workers import DATA, OPERATIONS, PAGE, change

HEADING = "When the page store fails"
CELLS = list(cells(HEADING))


class Broken(MemoryPageStore):
    """Fails whatever it is asked once it is broken."""

    name = "broken"
    broken = False


def _breaking(method: str) -> Callable[..., Any]:
    def called(self: Broken, *arguments: Any, **options: Any) -> Any:
        if self.broken:
            raise PageStoreError(f"{method} failed")
        return getattr(MemoryPageStore, method)(self, *arguments, **options)

    return called


for _method in sorted(PageStore.__abstractmethods__):
    setattr(Broken, _method, _breaking(_method))


@contextlib.contextmanager
def fails(folder: Path) -> Iterator[Any]:
    store = Broken(Broken.Settings(capacity=Size("1MB")), make_context(), PAGE)

    def begin() -> None:
        store.broken = True

    yield store, begin
    store.broken = False


@contextlib.contextmanager
def folder_is_gone(folder: Path) -> Iterator[Any]:
    yield {"name": "disk", "path": str(folder), "capacity": "4MB"}, lambda: shutil.rmtree(folder)


@contextlib.contextmanager
def disk_is_full(folder: Path) -> Iterator[Any]:
    folder.mkdir(mode=0o700)
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, check=False).returncode:
        pytest.skip("a small file system can be mounted by root only")

    def begin() -> None:
        with contextlib.suppress(OSError), (folder / "filler").open("wb") as filler:
            while True:
                filler.write(b"\xee" * 4096)

    yield {"name": "disk", "path": str(folder / "pages"), "capacity": "64MB"}, begin
    subprocess.run(["umount", "-l", str(folder)], check=True)


FAILURES: Dict[str, Callable[[Path], ContextManager[Any]]] = {
    "every call of it fails": fails,
    "its folder is taken away": folder_is_gone,
    "disk full": disk_is_full,
}


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: f"{cell.failure}: {cell.operation}")
def test_an_operation(tmp_path: Path, cell: Cell) -> None:
    assert cell.outcome == "right"
    path = tmp_path / "dir" / "file"
    path.parent.mkdir()
    path.write_bytes(DATA)
    with FAILURES[cell.failure](tmp_path / "kept") as (store, begin):
        fs = fsspec.filesystem(
            "alluxiofs",
            target_protocol="file",
            page_store=store,
            metadata_ttl=0,
            skip_instance_cache=True,
            options={"alluxio.worker.page.store.page.size": str(PAGE)},
        )
        (tmp_path / "other").write_bytes(DATA)
        assert fs.cat_file(str(tmp_path / "other")) == DATA  # the page store is there by now
        if cell.operation == "changes":
            begin()
            change(fs, str(path.parent))
            return
        operation = OPERATIONS[cell.operation]
        assert operation.act(fs, str(path), begin) == operation.expected(DATA)


def test_all_failures_and_operations_are_told_of() -> None:
    columns, rows = tables(HEADING)
    assert columns == [*OPERATIONS, "changes"]
    assert list(rows) == list(FAILURES)
