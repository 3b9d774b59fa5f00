"""Stores on disk, made and closed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.testing.context import make_context

PAGE = 4096


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "pages"


@pytest.fixture
def mount_disk(folder: Path) -> Iterator[Callable[[str], Path]]:
    """``mount_disk("8m")``: a file system of that size, in memory, where the folder is to be."""
    mounted = []

    def mount_it(size: str) -> Path:
        folder.mkdir(mode=0o700)
        mount = shutil.which("mount")
        options = f"size={size},mode=700"
        if (
            not mount
            or subprocess.run([mount, "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=False).returncode
        ):
            pytest.skip("a small file system can be mounted by root only")
        mounted.append(folder)
        return folder

    yield mount_it
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def make_disk_store(folder: Path) -> Iterator[Callable[..., DiskPageStore]]:
    """``make_disk_store(capacity, page_size)``: two of these share one folder, as processes do."""
    made = []

    def make(capacity: Any = 64 * 2**20, page_size: int = PAGE, **more: Any) -> DiskPageStore:
        settings = DiskPageStore.Settings(**{"path": (str(folder),), "capacity": capacity, **more})
        made.append(DiskPageStore(settings, make_context(), page_size))
        return made[-1]

    yield make
    for store in made:
        store.close()
