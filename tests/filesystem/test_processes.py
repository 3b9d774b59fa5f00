"""Filesystems and open files in other processes: forked, spawned, pickled, as JSON."""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import pickle
import random
import signal
import threading
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import fsspec
import pytest
from fsspec import AbstractFileSystem

from alluxiofs.filesystem import AlluxioFileSystem
from tests.filesystem import travelling_plugin
from tests.filesystem.conftest import Place

DATA = bytes(range(256)) * 2000


def read_and_write(fs: AlluxioFileSystem, file: Optional[Any], root: str, number: int) -> None:
    """What each process does: reads what the parent wrote, with its file too, and writes something of its own."""
    pick = random.Random(number)
    for _ in range(20):
        offset = pick.randrange(len(DATA))
        assert fs.cat_file(f"{root}/shared", offset, offset + 5000) == DATA[offset : offset + 5000]
        if file is not None:
            assert file.pread(offset, 5000) == DATA[offset : offset + 5000]
    with fs.open(f"{root}/of-{number}", "wb") as mine:
        mine.write(str(number).encode())
    assert fs.cat_file(f"{root}/of-{number}") == str(number).encode()


def run(method: str, fs: AlluxioFileSystem, file: Any, root: str) -> None:
    context: Any = multiprocessing.get_context(method)
    processes = [context.Process(target=read_and_write, args=(fs, file, root, number)) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(100)
    assert [process.exitcode for process in processes] == [0] * 4
    assert fs.cat([f"{root}/of-{number}" for number in range(4)]) == {
        f"{root}/of-{number}": str(number).encode() for number in range(4)
    }


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes(method: str, local: Place, page_store: Any, filesystem: Callable[..., AlluxioFileSystem]) -> None:
    fs = filesystem(local, page_store=page_store)
    fs.pipe_file(local.path("shared"), DATA)
    with fs.open(local.path("shared")) as file:
        assert file.read(10) == DATA[:10]
        run(method, fs, file, local.root)
        assert file.read() == DATA[10:]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forking_while_other_threads_are_at_work(
    local: Place, page_store: Any, filesystem: Callable[..., AlluxioFileSystem]
) -> None:
    fs = filesystem(local, page_store=page_store)
    fs.pipe_file(local.path("shared"), DATA)
    done = threading.Event()
    failures: List[BaseException] = []

    def keep_busy(seed: int) -> None:
        pick = random.Random(seed)
        try:
            while not done.is_set():
                offset = pick.randrange(len(DATA))
                assert fs.cat_file(local.path("shared"), offset, offset + 9000, refresh=True) == DATA[offset:][:9000]
                fs.pipe_file(local.path(f"busy-{seed}"), b"x")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=keep_busy, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    try:
        with fs.open(local.path("shared")) as file:
            for _ in range(3):
                run("fork", fs, file, local.root)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not failures


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_processes_speak_to_s3(
    request: pytest.FixtureRequest, tmp_path: Any, filesystem: Callable[..., AlluxioFileSystem]
) -> None:
    from tests.filesystem.conftest import make_place

    for place in make_place("s3", request, tmp_path):
        fs = filesystem(place)
        fs.pipe_file(place.path("shared"), DATA)
        with fs.open(place.path("shared")) as file:
            run("fork", fs, file, place.root)


def test_a_forked_child_leaves_the_parents_unfinished_file_alone(
    local: Place, filesystem: Callable[..., AlluxioFileSystem]
) -> None:
    fs = filesystem(local)
    file = fs.open(local.path("unfinished"), "wb", block_size=10)
    file.write(b"first half, ")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with pytest.raises(ValueError, match="parent"):
                file.write(b"what the child has to say")
            file.discard()
            with pytest.raises(ValueError, match="parent"):
                file.commit()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    file.write(b"second half")
    file.close()
    assert fs.cat_file(local.path("unfinished")) == b"first half, second half"


def test_pickles_and_json_make_equal_filesystems(
    local: Place, page_store: Any, filesystem: Callable[..., AlluxioFileSystem]
) -> None:
    fs = filesystem(local, page_store=page_store, policy={"name": "consistent-hash", "virtual_nodes": 7})
    fs.pipe_file(local.path("x"), b"x")
    ways = [
        pickle.loads(pickle.dumps(fs)),
        AbstractFileSystem.from_json(fs.to_json()),
        AbstractFileSystem.from_json(fs.to_json(include_password=False)),
    ]
    if hasattr(AbstractFileSystem, "from_dict"):  # fsspec has it since 2024.6
        ways.append(AbstractFileSystem.from_dict(fs.to_dict()))
    for again in ways:
        assert isinstance(again, AlluxioFileSystem)
        assert again == fs
        assert again.gateway is fs.gateway
        assert again.cat_file(local.path("x")) == b"x"


def test_secrets_travel_unless_they_are_left_out() -> None:
    pytest.importorskip("s3fs")
    options: Dict[str, Any] = {
        "key": "k",
        "secret": "s",
        "client_kwargs": {"aws_session_token": "t", "region_name": "r"},
        "endpoint_url": "http://user:word@host:1",
    }
    fs = fsspec.filesystem("alluxiofs", target_protocol="s3", target_options=options)
    for again in (pickle.loads(pickle.dumps(fs)), AbstractFileSystem.from_json(fs.to_json())):
        assert again.storage_options["target_options"] == options
        assert again.gateway is fs.gateway
    bare = json.loads(fs.to_json(include_password=False))
    assert bare["target_options"] == {"client_kwargs": {"region_name": "r"}, "endpoint_url": "http://host:1"}


def test_plugin_modules_travel_by_name(local: Place) -> None:
    arguments: Dict[str, Any] = {**local.arguments, "policy": "last-worker", "plugins": [travelling_plugin]}
    fs = AlluxioFileSystem(**arguments)
    local.client.pipe_file(local.path("x"), b"x")
    for again in (pickle.loads(pickle.dumps(fs)), AbstractFileSystem.from_json(fs.to_json())):
        assert again.describe()["policy"]["name"] == "last-worker"
        assert again.gateway is fs.gateway
        assert pickle.loads(pickle.dumps(again)).cat_file(local.path("x")) == b"x"


def test_what_cannot_travel_is_named(local: Place) -> None:
    class Unpicklable(type(local.client)):  # type: ignore[misc]  # fsspec has no type hints
        cachable = False

        def __reduce__(self) -> Any:
            raise TypeError("not me")

    fs = AlluxioFileSystem(fs=Unpicklable())
    with pytest.raises(TypeError, match="'fs'"):
        pickle.dumps(fs)
    fs = AlluxioFileSystem(target_protocol="file", policy=travelling_plugin.LastWorker)
    with pytest.raises(TypeError, match="'policy'"):
        fs.to_json()
    assert isinstance(pickle.loads(pickle.dumps(fs)), AlluxioFileSystem)


def test_a_ready_client_travels_with_its_filesystem(local: Place) -> None:
    local.client.pipe_file(local.path("x"), b"x")
    fs = AlluxioFileSystem(fs=local.client)
    assert pickle.loads(pickle.dumps(fs)).cat_file(local.path("x")) == b"x"
    if hasattr(AbstractFileSystem, "from_dict"):
        assert AbstractFileSystem.from_json(fs.to_json()).cat_file(local.path("x")) == b"x"
    else:  # fsspec before 2024.6 has no way to write it down
        with pytest.raises(TypeError, match="'fs'"):
            fs.to_json()


@pytest.mark.parametrize("form", ["pickle", "json"])
@pytest.mark.parametrize("kind", ["text", "list", "tier"])
def test_pages_stay_in_one_folder_whatever_the_working_directory(
    form: str, kind: str, local: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    for folder in (here, elsewhere):
        folder.mkdir()
    page_stores: Dict[str, Dict[str, Any]] = {
        "text": {"name": "disk", "path": "pages"},
        "list": {"name": "disk", "path": ["pages", str(tmp_path / "more")]},
        "tier": {"name": "tiered", "disk": {"path": Path("pages")}},
    }
    monkeypatch.chdir(here)
    AlluxioFileSystem.clear_instance_cache()  # of one made in another working directory by the same name
    fs = fsspec.filesystem("alluxiofs", target_protocol="file", page_store=page_stores[kind])
    assert fs.describe()["page_store"]["settings"]  # the folder is settled, though nothing was kept yet
    monkeypatch.chdir(elsewhere)
    again = pickle.loads(pickle.dumps(fs)) if form == "pickle" else AbstractFileSystem.from_json(fs.to_json())
    again.pipe_file(local.path("file"), DATA)
    assert again.cat_file(local.path("file")) == DATA
    assert (here / "pages").is_dir() or (tmp_path / "more").is_dir()  # a page goes into one of them
    assert list(elsewhere.iterdir()) == []
    assert fs.cat_file(local.path("file")) == DATA
    assert list(elsewhere.iterdir()) == []


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("held", ["writers", "telemetry"])
def test_a_forked_child_waits_for_no_lock_that_a_thread_of_its_parent_has(held: str) -> None:
    if held == "telemetry":
        pytest.importorskip("opentelemetry.metrics")
    module = importlib.import_module(
        {"writers": "alluxiofs.plugins._fsspec.writers", "telemetry": "alluxiofs.plugins.telemetry_otel"}[held]
    )
    lock = module.CollectingWriter._one_at_a_time if held == "writers" else module._lock
    busy, over = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            busy.set()
            over.wait(100)

    thread = threading.Thread(target=hold)
    thread.start()
    busy.wait(60)
    child = os.fork()
    if not child:
        signal.alarm(60)  # nobody else would end it
        telemetry = "otel" if held == "telemetry" else None
        fs = fsspec.filesystem("alluxiofs", target_protocol="memory", telemetry=telemetry, skip_instance_cache=True)
        fs.pipe_file("/of-the-child", b"x")
        os._exit(0)
    over.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
