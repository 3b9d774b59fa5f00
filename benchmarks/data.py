"""What benchmarks share: files of random bytes, filesystems that keep pages, and reading to the end."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import fsspec

__all__ = ["MIB", "kept_in_memory", "kept_on_disk", "random_bytes", "stream", "write_random"]

MIB = 1024 * 1024


def random_bytes(size: int) -> bytes:
    """Bytes that nothing on the way can compress, the same each time; ``size`` is in MiB steps."""
    block = random.Random(size).getrandbits(8 * MIB).to_bytes(MIB, "little")
    return b"".join(number.to_bytes(8, "little") + block[8:] for number in range(size // MIB))


def write_random(path: Path, size: int) -> Path:
    """Write a file of random bytes."""
    path.write_bytes(random_bytes(size))
    return path


def kept_in_memory() -> Any:
    """A filesystem over local files that keeps up to 512 MB of pages in memory."""
    return fsspec.filesystem("alluxiofs", target_protocol="file", page_store={"name": "memory", "capacity": "512MB"})


def kept_on_disk(folder: Path) -> Any:
    """A filesystem over local files that keeps up to 1 GB of pages in a folder."""
    store = {"name": "disk", "path": str(folder / "pages"), "capacity": "1GB"}
    return fsspec.filesystem("alluxiofs", target_protocol="file", page_store=store)


def stream(fs: Any, path: str, size: int, skip: int = 0) -> None:
    """Read a file of ``size`` bytes, 1 MiB at a time from ``skip`` on; an error if it is of another size."""
    left = size - skip
    with fs.open(path, "rb") as file:
        file.seek(skip)
        while True:
            block = file.read(MIB)
            if not block:
                break
            left -= len(block)
    if left:
        raise AssertionError(f"{path}: {left} bytes are missing")
