"""Several under stores in one filesystem: S3, GCS, OSS, HDFS and local files, each on a real server."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, Dict, Tuple
from uuid import uuid4

import fsspec
import pytest

from alluxiofs.testing._files import content
from tests.oss_front import OssServer
from tests.servers import GcsServer, HdfsServer, S3Server
from tests.understores.needed import needed

needed("gcsfs", "gcs")
needed("ossfs", "oss")
needed("hdfs_native", "hdfs", since=(3, 9))

DATA = content(1_000_003)  # more than one page
STORES = ("s3", "gs", "oss", "hdfs", "file")
PAIRS = list(itertools.permutations(STORES, 2))


@pytest.fixture(scope="module")
def mounted(
    s3_server: S3Server,
    gcs_server: GcsServer,
    oss_server: OssServer,
    hdfs_server: HdfsServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Tuple[Any, Dict[str, str]]:
    """A filesystem over all of them, and a directory of the tests' own in each."""
    name = f"test-{uuid4().hex[:12]}"
    folder = tmp_path_factory.mktemp("store")
    folders = {
        "s3": f"s3://{name}",
        "gs": f"gs://{name}",
        "oss": f"oss://{name}-oss",  # its front is before the same server
        "hdfs": f"hdfs://{hdfs_server.host}:{hdfs_server.port}/{name}",
        "file": folder.as_uri(),
    }
    options: Dict[str, Any] = {
        "s3": s3_server.options,
        "gs": gcs_server.options,
        "oss": oss_server.options,
        "hdfs": hdfs_server.options,
        "file": {},
    }
    stores = {url: {"protocol": kind, "options": options[kind]} for kind, url in folders.items()}
    fs = fsspec.filesystem(
        "alluxiofs",
        under_stores=stores,
        page_store={"name": "memory", "capacity": "64MB"},
        options={"alluxio.worker.page.store.page.size": "256KB"},
        skip_instance_cache=True,
    )
    for url in folders.values():
        fs.makedirs(url, exist_ok=True)
    return fs, folders


@pytest.mark.parametrize(("source", "target"), PAIRS, ids=[f"{one}-{other}" for one, other in PAIRS])
def test_a_file_is_copied_and_moved_from_any_store_to_any_other(
    mounted: Tuple[Any, Dict[str, str]], source: str, target: str
) -> None:
    fs, folders = mounted
    name = f"{uuid4().hex}/a b#1.bin"
    here, there = f"{folders[source]}/{name}", f"{folders[target]}/{name}"
    fs.pipe_file(here, DATA)
    fs.cp_file(here, there)
    assert fs.cat_file(there) == fs.cat_file(here) == DATA
    fs.pipe_file(here, DATA[::-1])
    fs.mv(here, there)
    assert fs.cat_file(there) == DATA[::-1]
    assert not fs.exists(here)
    directory = there.rpartition("/")[0]
    assert fs.ls(directory, detail=False) == [there], "a listing has names that can be passed back in"
    assert fs.find(directory) == [there]
    assert fs.info(there)["name"] == there
    fs.rm(directory, recursive=True)
    assert not fs.exists(there)


@pytest.mark.parametrize("target", STORES)
def test_a_tree_goes_to_another_store(mounted: Tuple[Any, Dict[str, str]], target: str) -> None:
    fs, folders = mounted
    source = "s3" if target != "s3" else "hdfs"
    top, there = f"{folders[source]}/{uuid4().hex}", f"{folders[target]}/{uuid4().hex}"
    files = {"a": b"a", "dir/b": DATA, "dir/deep/c": b""}
    fs.pipe({f"{top}/{name}": data for name, data in files.items()})
    fs.cp(top, there, recursive=True)
    assert fs.find(there) == [f"{there}/{name}" for name in sorted(files)]
    assert fs.cat(there, recursive=True) == {f"{there}/{name}": data for name, data in files.items()}


def test_the_root_names_them_all_and_each_can_be_listed(mounted: Tuple[Any, Dict[str, str]]) -> None:
    fs, folders = mounted
    assert sorted(fs.ls("", detail=False)) == sorted(folders.values())
    for url in folders.values():
        name = f"{url}/in-the-root-of-it"
        fs.pipe_file(name, b"x")
        assert name in fs.ls(url, detail=False)
        assert fs.isdir(url)
    with pytest.raises(ValueError, match="name a path in one"):
        fs.mv("", f"{folders['file']}/all")


def test_prefixes_end_at_slashes(s3_server: S3Server, s3_bucket: str, tmp_path: Path) -> None:
    """``bucket/lake`` is not ``bucket/lake2``; of two that fit the longer one counts; elsewhere nothing is."""
    inner = tmp_path / "inner"
    inner.mkdir()
    store = {"protocol": "s3", "options": s3_server.options}
    fs = fsspec.filesystem(
        "alluxiofs",
        under_stores={f"s3://{s3_bucket}/lake": store, inner.as_uri(): {"protocol": "file"}},
        page_store=None,
        skip_instance_cache=True,
    )
    fs.pipe_file(f"s3://{s3_bucket}/lake/file", b"in the lake")
    assert fs.cat_file(f"s3a://{s3_bucket}/lake/file") == b"in the lake"
    for elsewhere in (f"s3://{s3_bucket}/lake2/file", f"s3://{s3_bucket}", f"{inner.as_uri()}-2/file", "gs://b/k"):
        with pytest.raises(ValueError, match="under_stores"):
            fs.pipe_file(elsewhere, b"x")
    fs.rm(inner.as_uri(), recursive=True, sync_parent=True)
    assert not inner.exists(), "though what is above it is nowhere"
    both = fsspec.filesystem(
        "alluxiofs",
        under_stores={f"s3://{s3_bucket}": store, f"s3://{s3_bucket}/lake": {**store, "under_store": "fsspec"}},
        page_store=None,
        skip_instance_cache=True,
    )
    assert both.cat_file(f"s3://{s3_bucket}/lake/file") == b"in the lake"
    assert both.ls(f"s3://{s3_bucket}", detail=False) == [f"s3://{s3_bucket}/lake"]
