"""A file whose pages are kept on this machine, from its beginning to its end."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Iterator, Sequence

import fsspec

from benchmarks.core import Case, benchmark, timed
from benchmarks.data import MIB, kept_in_memory, kept_on_disk, stream, write_random

SIZE = 256 * MIB


@benchmark("stream-kept", unit="MiB", repetitions=7)
def kept(folder: Path) -> Iterator[Sequence[Case]]:
    """A kept file of 256 MiB, read 1 MiB at a time."""
    path = str(write_random(folder / "data", SIZE))
    filesystems = {
        "local, by fsspec": fsspec.filesystem("file"),
        "kept in memory": kept_in_memory(),
        "kept on disk": kept_on_disk(folder),
    }
    for fs in filesystems.values():
        stream(fs, path, SIZE)
    cases = [Case(name, timed(partial(stream, fs, path, SIZE), SIZE // MIB)) for name, fs in filesystems.items()]
    # A read that is one whole page may get the page itself; one that crosses an edge is always copied together.
    across = partial(stream, filesystems["kept in memory"], path, SIZE, skip=512)
    yield [*cases, Case("in memory, across pages", timed(across, SIZE // MIB))]
