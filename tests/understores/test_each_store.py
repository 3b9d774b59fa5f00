"""The same data through each of the four stores, byte by byte, seen by this client and by another one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Iterator

import fsspec
import pytest
from attrs import define

from alluxiofs.testing._files import ODD_NAMES, content
from tests.understores.conformance import Place, places
from tests.understores.needed import needed

needed("gcsfs", "gcs")
needed("ossfs", "oss")
needed("hdfs_native", "hdfs", since=(3, 9))

KINDS = ("s3", "gs", "oss", "hdfs")
PAGE = 64 * 1024
SIZES = (0, 1, PAGE - 1, PAGE, PAGE + 1, 5 * PAGE + 7)
THREADS = 8
SMALL = 2_000
MANY = 10_000


@define(frozen=True)
class Site:
    """A directory of the test's own, and two filesystems that know nothing of each other."""

    place: Place
    fs: Any
    other: Any

    @property
    def root(self) -> str:
        return self.place.root


def filesystem(place: Place, **arguments: Any) -> Any:
    return fsspec.filesystem(
        "alluxiofs",
        target_protocol=place.protocol,
        target_options=place.options,
        options={"alluxio.worker.page.store.page.size": str(PAGE)},
        skip_instance_cache=True,
        **arguments,
    )


@pytest.fixture(params=KINDS)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    for place in places(request.param, request):
        kept = filesystem(place, page_store={"name": "memory", "capacity": "64MB"})
        yield Site(place, kept, filesystem(place, page_store=None, metadata_ttl=0))


def test_any_size(site: Site) -> None:
    files = {f"{site.root}/of-{size}": content(size, seed=size % 251) for size in SIZES}
    for path, data in files.items():
        with site.fs.open(path, "wb") as file:
            file.write(data)
    for fs in (site.fs, site.fs, site.other):  # the second time out of the page store
        assert {path: fs.cat_file(path) for path in files} == files
        assert fs.cat(list(files)) == files
        for path, data in files.items():
            with fs.open(path) as file:
                assert file.read() + file.read(1) == data
            for start, stop in ((0, 1), (PAGE - 1, PAGE + 1), (-2, None), (None, -1)):
                assert fs.cat_file(path, start, stop) == data[start:stop]
    sizes = {entry["name"]: entry["size"] for entry in site.other.ls(site.root, detail=True)}
    assert sizes == {path: len(data) for path, data in files.items()}


def test_odd_names(site: Site) -> None:
    names = [name for name in ODD_NAMES if not (site.place.protocol == "hdfs" and ":" in name)]
    files = {f"{site.root}/{name}": name.encode() for name in names}
    for path, data in files.items():
        site.fs.pipe_file(path, data)
    for fs in (site.fs, site.other):
        assert sorted(fs.ls(site.root, detail=False)) == sorted(files)
        assert {path: fs.cat_file(path) for path in fs.find(site.root)} == files
        assert all(fs.isfile(path) for path in files)
    for path in files:
        site.fs.rm_file(path)
    assert not any(site.other.exists(path) for path in files)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_files_in_a_directory(site: Site) -> None:
    """Ten thousand names take several pages to list; two thousand files are read by eight threads."""
    paths = [f"{site.root}/many/{number:05}" for number in range(MANY)]
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda path: site.fs.pipe_file(path, path.encode()), paths))
        contents = list(threads.map(site.other.cat_file, paths[:SMALL]))
    assert contents == [path.encode() for path in paths[:SMALL]]
    for fs in (site.fs, site.other):
        assert sorted(fs.ls(f"{site.root}/many", detail=False, refresh=True)) == paths
        assert sorted(fs.find(site.root)) == paths
    site.fs.rm(f"{site.root}/many", recursive=True)
    assert not site.other.exists(f"{site.root}/many")
