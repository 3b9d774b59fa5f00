"""What each under store costs beside its bare client, operation by operation; nothing is kept, nothing believed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Sequence, Tuple

import fsspec

from benchmarks.core import Aim, Case, Outcome, benchmark
from benchmarks.data import KIB, MIB, Content
from benchmarks.servers import BUCKET, storage

COUNT = 50
SMALL, LARGE = Content(8 * KIB).all(), Content(32 * MIB).all()

Operation = Callable[[Any, str], object]


def each(operation: Operation) -> Operation:
    """One operation for each of the small files."""

    def repeated(fs: Any, folder: str) -> None:
        for number in range(COUNT):
            operation(fs, f"{folder}/{number}")

    return repeated


def streamed(fs: Any, path: str) -> None:
    """A file that is written a MiB at a time."""
    view = memoryview(LARGE)
    with fs.open(path, "wb") as file:
        for _ in range(4):
            for start in range(0, len(LARGE), MIB):
                file.write(view[start : start + MIB])


OPERATIONS: Dict[str, Tuple[int, Operation]] = {
    "stat": (COUNT, each(lambda fs, path: fs.info(path))),
    "list": (1, lambda fs, folder: fs.ls(folder, detail=True)),
    "small read": (COUNT, each(lambda fs, path: fs.cat_file(path))),
    "small write": (COUNT, each(lambda fs, path: fs.pipe_file(path, SMALL))),
    "copy": (COUNT, each(lambda fs, path: fs.cp_file(path, f"{path}-copy"))),
    "remove": (COUNT, each(lambda fs, path: fs.rm_file(f"{path}-copy"))),
    "large read, MiB": (32, lambda fs, folder: fs.cat_file(f"{folder}/large")),
    "large write, MiB": (32, lambda fs, folder: fs.pipe_file(f"{folder}/large", LARGE)),
    "streamed write, MiB": (128, lambda fs, folder: streamed(fs, f"{folder}/streamed")),
}


def sampled(fs: Any, folder: str) -> Callable[[], Mapping[str, Outcome]]:
    """A sample function: seconds for one of each operation."""

    def sample() -> Mapping[str, Outcome]:
        found: Dict[str, Outcome] = {}
        for name, (units, operation) in OPERATIONS.items():
            begun = time.perf_counter()
            operation(fs, folder)
            found[name] = {"seconds": (time.perf_counter() - begun) / units}
        return found

    return sample


def cases(protocol: str, options: Dict[str, Any], folder: str, **bare_only: Any) -> List[Case]:
    """The operations by the bare client, and through gateways by the plugin of the protocol and by the general one."""
    bare = fsspec.filesystem(protocol, **options, **bare_only)
    for number in range(COUNT):
        bare.pipe_file(f"{folder}/{number}", SMALL)
    bare.pipe_file(f"{folder}/large", LARGE)
    baseline = f"{protocol}, bare client"
    found = [Case(baseline, sampled(bare, folder))]
    aims = {name: [Aim(1.05, baseline)] for name, (units, _) in OPERATIONS.items() if units > 1 and units != COUNT}
    for name, chosen in (("gateway", {}), ("gateway, general plugin", {"under_store": "fsspec"})):
        fs = fsspec.filesystem(
            "alluxiofs", target_protocol=protocol, target_options=options, page_store=None, metadata_ttl=0, **chosen
        )
        found.append(Case(name, sampled(fs, folder), {} if chosen else aims))
    return found


@benchmark("under-store-s3", unit="operation", turns=7)
def s3(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """Operations on an S3 server on this machine: by s3fs, and through gateways over it."""
    with storage(folder) as server:
        yield cases("s3", server.options, f"{BUCKET}/folder", use_listings_cache=False)


@benchmark("under-store-local", unit="operation", turns=7)
def local(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """The same on local files."""
    (folder / "files").mkdir()
    yield cases("file", {}, str(folder / "files"))
