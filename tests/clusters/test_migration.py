"""Coming from alluxiofs 1: docs/migration.md has all of it, and the code does what is said there."""

from __future__ import annotations

import inspect
import logging
import re
import warnings
from pathlib import Path
from typing import Any, Dict, List

import pytest

import alluxiofs
from alluxiofs import AlluxioClient, AlluxioFileSystem, setup_logger
from alluxiofs.client import AlluxioPathStatus
from alluxiofs.client.former import ANSWERED, FormerCalls
from alluxiofs.errors import ConfigurationError
from alluxiofs.settings import Settings
from alluxiofs.settings.arguments import ARGUMENTS
from alluxiofs.settings.removed import REMOVED, RENAMED
from alluxiofs.testing.stand_in_workers import StandInCluster

TEXT = (Path(__file__).parents[2] / "docs" / "migration.md").read_text("utf-8")
ROWS: Dict[str, str] = {
    name: now
    for line in TEXT.splitlines()
    if line.startswith("| `")
    for cell, now in [line.strip("| ").split(" | ", 1)]
    for name in re.findall(r"`([\w.]+)", cell)
}

# All arguments and calls that the releases 1.0.0 to 1.1.17 document.
ARGUMENTS_OF_1 = [
    "cluster_name",
    "concurrency",
    "etcd_hosts",
    "etcd_password",
    "etcd_port",
    "etcd_refresh_workers_interval",
    "etcd_username",
    "fs",
    "hash_node_per_worker",
    "http_max_retries",
    "http_timeouts",
    "load_balance_domain",
    "local_cache_block_size_mb",
    "local_cache_dir",
    "local_cache_size_gb",
    "local_disk_cache_dir",
    "logger",
    "mcap_enabled",
    "mcap_max_prefetch_blocks",
    "mcap_prefetch_ahead_blocks",
    "mcap_prefetch_concurrency",
    "mcap_prefetch_policy",
    "mem_map_capacity",
    "memory_cache_size_mb",
    "options",
    "page_size",
    "preload_path",
    "read_buffer_size_mb",
    "target_options",
    "target_protocol",
    "skip_alluxio",
    "test_options",
    "use_local_disk_cache",
    "use_mem_cache",
    "use_memory_cache",
    "worker_hosts",
    "worker_http_port",
]
CALLS_OF_1 = [
    "convert_ufs_path_to_alluxio_path",
    "cp",
    "get_file_status",
    "head",
    "listdir",
    "load",
    "load_progress",
    "mkdir",
    "mv",
    "read",
    "read_batch",
    "read_batch_threaded",
    "read_chunked",
    "read_file_range",
    "read_file_range_normal",
    "read_range",
    "rm",
    "stop_load",
    "submit_load",
    "tail",
    "touch",
    "write",
    "write_chunked",
    "write_page",
]


@pytest.mark.parametrize("name", ARGUMENTS_OF_1)
def test_each_argument_is_accepted_or_answered_and_in_the_table(name: str) -> None:
    assert name in ARGUMENTS or name in REMOVED or name in RENAMED
    assert name in ROWS


@pytest.mark.parametrize("name", CALLS_OF_1)
def test_each_call_is_accepted_or_answered_and_in_the_table(name: str) -> None:
    assert name in ROWS
    client = AlluxioClient(worker_hosts="worker-1")
    if name in ANSWERED:
        with pytest.raises(AttributeError, match=rf"AlluxioClient\.{name} of alluxiofs 1 is gone"):
            getattr(client, name)
        assert not hasattr(client, name)
    else:
        assert callable(getattr(client, name))


@pytest.mark.parametrize(
    ("name", "places", "names"),
    [
        ("get_file_status", 1, ["path"]),
        ("head", 2, ["file_path", "num_of_bytes"]),
        ("listdir", 1, ["path"]),
        ("load", 3, ["path", "timeout", "verbose"]),
        ("load_progress", 2, ["path", "verbose"]),
        ("mkdir", 1, ["file_path"]),
        ("mv", 2, ["path1", "path2"]),
        ("read", 1, ["file_path"]),
        ("read_file_range", 4, ["file_path", "alluxio_path", "offset", "length"]),
        ("read_range", 3, ["file_path", "offset", "length"]),
        ("stop_load", 1, ["path"]),
        ("submit_load", 2, ["path", "verbose"]),
        ("tail", 2, ["file_path", "num_of_bytes"]),
        ("touch", 1, ["file_path"]),
        ("write", 2, ["file_path", "file_bytes"]),
    ],
)
def test_each_call_takes_its_arguments_by_place_and_by_name(name: str, places: int, names: List[str]) -> None:
    signature = inspect.signature(getattr(AlluxioClient(worker_hosts="worker-1"), name))
    signature.bind(*range(places))
    signature.bind(**dict.fromkeys(names))


def test_an_argument_that_says_nothing_is_no_matter() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Settings.parse(target_protocol="memory", **dict.fromkeys([*REMOVED, *RENAMED]))


def test_nothing_is_answered_that_there_was_not() -> None:
    accepted = {name for name, _ in inspect.getmembers(FormerCalls, inspect.isfunction) if not name.startswith("_")}
    assert {*ANSWERED, *accepted} <= set(CALLS_OF_1)
    assert {*REMOVED, *RENAMED} <= set(ARGUMENTS_OF_1)


def test_an_attribute_that_never_was(tmp_path: Path) -> None:
    with pytest.raises(AttributeError, match="'AlluxioClient' object has no attribute 'lod'"):
        _ = AlluxioClient(worker_hosts="worker-1").lod


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("page_size", "4MB", lambda settings: settings.page_size == 4 * 2**20),
        ("hash_node_per_worker", 5, lambda settings: settings.policy.settings["virtual_nodes"] == 5),
    ],
)
def test_what_must_be_as_in_the_cluster_still_counts(name: str, value: Any, meant: Any) -> None:
    with pytest.warns(FutureWarning, match=re.escape(RENAMED[name])) as caught:
        settings = Settings.parse(target_protocol="memory", **{name: value})
    assert meant(settings)
    assert caught[0].filename == __file__
    with pytest.warns(FutureWarning):
        other = Settings.parse(target_protocol="memory", **{name: value}, options={RENAMED[name]: 7})
    assert not meant(other), "an option that is given as one goes first"


def test_the_names_of_the_package() -> None:
    for name in ("AlluxioClient", "AlluxioFileSystem", "setup_logger"):
        assert name in alluxiofs.__all__
    assert AlluxioFileSystem.protocol == ("alluxiofs", "alluxio")


# Calls of AlluxioFileSystem, and the arguments of its calls, that fsspec does not have.
CALLS_OF_ITS_FILESYSTEM = [
    "alluxio",
    "download_batch_data",
    "download_data",
    "get_error_metrics",
    "load_file_from_ufs_to_alluxio",
    "read",
    "upload_data",
    "write",
]
ARGUMENTS_OF_RM = ["delete_mount_point", "recursive_alias", "remove_unchecked_option_char", "sync_parent_next_time"]
ARGUMENTS_OF_COPY = ["bufferSize", "recursiveAlias", "thread"]


@pytest.mark.parametrize("name", CALLS_OF_ITS_FILESYSTEM)
def test_each_call_of_the_filesystem_is_answered_and_in_the_table(name: str) -> None:
    assert f"`{name}" in TEXT or f"`fs.{name}" in TEXT
    fs = AlluxioFileSystem(target_protocol="memory")
    with pytest.raises(AttributeError, match=rf"no attribute '{name}'; .*(fs\.|AlluxioClient)"):
        getattr(fs, name)
    assert not hasattr(fs, name)


@pytest.mark.parametrize(
    ("call", "name"), [*(("rm", name) for name in ARGUMENTS_OF_RM), *(("copy", name) for name in ARGUMENTS_OF_COPY)]
)
def test_each_argument_of_a_call_is_answered_and_in_the_table(tmp_path: Path, call: str, name: str) -> None:
    (tmp_path / "a").write_bytes(b"a")
    fs = AlluxioFileSystem(target_protocol="file")
    paths = [f"{tmp_path}/a"] if call == "rm" else [f"{tmp_path}/a", f"{tmp_path}/b"]
    with pytest.raises(TypeError, match=rf"{call}\(\) has no argument '{name}'; \w+"):
        getattr(fs, call)(*paths, **{name: True})
    assert [one.name for one in tmp_path.iterdir()] == ["a"]
    assert re.search(rf"\| `{call}\([^)`]*\b{name}\b", TEXT)


def test_an_argument_of_rm_that_never_was(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"rm\(\) has no argument 'gently'"):
        AlluxioFileSystem(target_protocol="file").rm(f"{tmp_path}/a", gently=True)


def test_arguments_by_their_places() -> None:
    with pytest.raises(TypeError, match="AlluxioFileSystem have names: target_protocol"):
        AlluxioFileSystem("localhost", "worker-1")
    for places in (("localhost",), ("localhost", "worker-1"), (None, "worker-1")):
        with pytest.raises(TypeError, match="AlluxioClient have names: "):
            AlluxioClient(*places)
    assert AlluxioClient(logging.getLogger("mine"), worker_hosts="worker-1")


@pytest.mark.parametrize(
    ("option", "argument"),
    [
        ("alluxio.cluster.name", "cluster_name"),
        ("alluxio.etcd.password", "etcd_password"),
        ("alluxio.etcd.username", "etcd_username"),
        ("alluxio.worker.http.server.port", "worker_http_port"),
    ],
)
def test_options_that_are_arguments(option: str, argument: str) -> None:
    assert argument in ARGUMENTS
    assert f"`{option}`" in TEXT
    with pytest.warns(UserWarning, match=rf"{re.escape(option)}.* use the argument '{argument}'"):
        Settings.parse(target_protocol="memory", options={option: "1"})


@pytest.mark.parametrize(
    "arguments",
    [
        ("{}", "DEBUG"),
        ("{}", logging.DEBUG),
        {"file_path": "{}", "level_str": "DEBUG"},
        {"file_path": "{}", "level": logging.DEBUG},
    ],
    ids=["places", "places-number", "1.1", "1.0"],
)
def test_a_logger_as_it_was_made(tmp_path: Path, arguments: Any) -> None:
    folder = str(tmp_path)
    if isinstance(arguments, dict):
        logger = setup_logger(**{**arguments, "file_path": folder})
    else:
        logger = setup_logger(folder, arguments[1])
    try:
        logger.debug("heard")
        assert "heard" in (tmp_path / "alluxiofs.log").read_text("utf-8")
        assert logger.level == logging.DEBUG
    finally:
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
            handler.close()


def test_calls_that_are_understood(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"0123456789")
    with StandInCluster(tmp_path, page_size=4096) as cluster:
        cluster.load_all()
        client = AlluxioClient(logger=logging.getLogger("mine"), target_protocol="file", **cluster.arguments)
        path = cluster.url("a.bin")
        assert client.read(path) == b"0123456789"
        assert client.read_range(path, 2, 3) == b"234"
        assert client.read_file_range(path, "/mnt/a.bin", 7) == b"789"
        assert client.read_file_range(path, alluxio_path="/mnt/a.bin", offset=1, length=2) == b"12"
        assert client.read_file_range(path) == b"0123456789"
        # 1.0 had no path in the second place.
        assert client.read_file_range(path, 2, 3) == client.read_file_range(path, 2, length=3) == b"234"
        assert client.read_file_range(path, 7) == b"789"
        with pytest.raises(ConfigurationError, match=r"use read_range\(path, offset, length\)"):
            client.read_file_range(path, 2, 3, 4)
        assert (client.head(path, 2), client.tail(path, 2), client.tail(path, 0)) == (b"01", b"89", b"")
        for offset, length in ((-1, 100), (9, -2)):
            with pytest.raises(ValueError, match="counted from the beginning"):
                client.read_range(path, offset, length)
        assert client.read_range(path, 9, 100) == b"9"
        assert client.load(path, 30, True), "the third argument was verbose"
        with pytest.raises(TypeError, match="callback='yes'"):
            client.load(path, 30, "yes")
        new = cluster.url("new.bin")
        assert client.write(new, b"new")
        assert client.read(new) == b"new"
        assert client.mkdir(cluster.url("folder"))
        assert client.touch(cluster.url("folder/empty"))
        assert client.mv(new, cluster.url("folder/moved"))
    assert (tmp_path / "folder" / "moved").read_bytes() == b"new"
    assert (tmp_path / "folder" / "empty").read_bytes() == b""


@pytest.mark.parametrize("under_store", [{}, {"target_protocol": "file"}], ids=["workers-alone", "with-an-under-store"])
@pytest.mark.parametrize("dialect", ["pages", "rest"])
def test_what_is_told_of_paths(tmp_path: Path, dialect: str, under_store: Dict[str, Any]) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.bin").write_bytes(b"0" * 77542)
    (tmp_path / "b.bin").write_bytes(b"1")
    with StandInCluster(tmp_path, dialect=dialect) as cluster:
        client = AlluxioClient(**under_store, **cluster.arguments)
        for folder in (cluster.url(), cluster.url() + "/"):
            listed = {one.name: one for one in client.listdir(folder)}
            assert set(listed) == {"folder", "b.bin"}
            assert listed["folder"].type == client.get_file_status(folder).type == "directory"
            assert listed["folder"].length == 0
        told = client.get_file_status(cluster.url("folder/a.bin"))
        assert isinstance(told, AlluxioPathStatus)
        assert client.listdir(cluster.url("folder")) == [told] == client.listdir(cluster.url("folder/a.bin"))
        assert (told.type, told.name, told.ufs_path) == ("file", "a.bin", cluster.url("folder/a.bin"))
        assert told.length == told.size == 77542
        assert told.human_readable_file_size == "75.72KB"
        mtime = (tmp_path / "folder" / "a.bin").stat().st_mtime
        assert abs(told.last_modification_time_ms - mtime * 1000) < 2
        assert told.mtime == told.last_modification_time_ms
        assert told.creation_time_ms == told.created
        for name in ("completed", "persisted", "last_access_time_ms", "in_alluxio_percentage", "content_hash", "mode"):
            assert hasattr(told, name)
        with pytest.raises(FileNotFoundError):
            client.get_file_status(cluster.url("missing"))
