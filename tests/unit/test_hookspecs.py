"""Each hook's documentation holds a whole plugin, which does what it says."""

from __future__ import annotations

import inspect
import itertools
import logging
import re
import textwrap
from pathlib import Path
from typing import Any, Dict

import fsspec
import pytest

import alluxiofs
from alluxiofs import hookspecs, make_policy
from alluxiofs.registry import POINTS
from tests.unit.plugins_on_disk import module_of

_names = (f"/hookspecs-{number}" for number in itertools.count())


def example(hook: str) -> Any:
    """The plugin in the documentation of a hook."""
    documentation = inspect.getdoc(getattr(hookspecs, hook)) or ""
    found = re.search(r"\.\. code-block:: python\n\n((?:    .*\n|\n)+(?:    .*)?)", documentation)
    assert found, f"no example in the documentation of {hook}"
    return module_of(textwrap.dedent(found[1]))


def filesystem(plugin: Any, **arguments: Any) -> Any:
    arguments = {"target_protocol": "memory", "page_store": None, **arguments}
    return fsspec.filesystem("alluxiofs", plugins=[plugin], skip_instance_cache=True, **arguments)


def written(fs: Any) -> str:
    name = f"{next(_names)}/file"
    fs.pipe_file(name, b"0123456789" * 100)
    return name


@pytest.mark.parametrize("point", POINTS, ids=lambda point: str(point.name))
def test_each_hook_says_what_it_is_for_and_what_is_returned(point: Any) -> None:
    documentation = inspect.getdoc(getattr(hookspecs, point.hook)) or ""
    assert "Returns\n-------" in documentation
    assert f":class:`alluxiofs.{point.interface.__name__}`" in documentation
    assert getattr(alluxiofs, point.interface.__name__) is point.interface


def test_the_policy() -> None:
    plugin = example("alluxiofs_worker_policies")
    workers = [alluxiofs.Worker(alluxiofs.WorkerIdentity.from_host(host), host) for host in "abc"]
    fs = filesystem(plugin, policy={"name": "first-worker", "offset": "1"})
    assert fs.describe()["policy"]["settings"] == {"offset": 1}
    assert [worker.host for worker in make_policy(plugin.FirstWorker, workers, offset=1).rank("s3://b/k", 5)] == list(
        "bca"
    )


def test_the_membership(tmp_path: Path) -> None:
    plugin = example("alluxiofs_memberships")
    hosts = tmp_path / "workers"
    hosts.write_text("h1\nh2\n", encoding="utf-8")
    made = plugin.HostsFile(plugin.HostsFile.Settings(str(hosts)), None)
    snapshot = made.snapshot(alluxiofs.Deadline.after(5))
    assert [(worker.host, worker.http_port) for worker in snapshot.workers] == [("h1", 28080), ("h2", 28080)]
    missing = plugin.HostsFile(plugin.HostsFile.Settings(str(tmp_path / "none")), None)
    with pytest.raises(ConnectionError, match="no workers"):
        missing.snapshot(alluxiofs.Deadline.after(5))
    fs = filesystem(plugin, membership={"name": "hosts-file", "path": str(hosts)}, transport="direct")
    assert fs.describe()["membership"]["settings"]["path"] == str(hosts)


def test_the_transport() -> None:
    fs = filesystem(example("alluxiofs_transports"), transport={"name": "polite", "reads": 2})
    name = written(fs)
    assert fs.cat_file(name) == b"0123456789" * 100
    assert fs.describe()["transport"]["name"] == "polite"


def test_the_under_store() -> None:
    fs = filesystem(example("alluxiofs_under_stores"), target_protocol="greetings")
    assert sorted(fs.ls("", detail=False)) == ["Ada", "Grace"]
    assert fs.cat_file("greetings://Ada") == b"Hello, Ada!"
    assert fs.cat_file("Grace", 7, 9) == b"Gr"
    with pytest.raises(FileNotFoundError):
        fs.info("Linus")
    with pytest.raises(OSError, match=r"cannot (be written|write)"):
        fs.pipe_file("Linus", b"")


def test_the_page_store() -> None:
    fs = filesystem(
        example("alluxiofs_page_stores"),
        page_store={"name": "few-pages", "capacity": 200},
        options={"alluxio.worker.page.store.page.size": 100},
    )
    name = written(fs)
    for _ in range(2):
        with fs.open(name) as file:
            assert file.read() == b"0123456789" * 100
    counters = fs.describe()["counters"]["page_store"]
    assert counters["pages"] == 2
    assert counters["evictions"] > 0


def test_the_telemetry(caplog: pytest.LogCaptureFixture) -> None:
    fs = filesystem(example("alluxiofs_telemetry"), telemetry={"name": "slow-calls", "longer_than": "0s"})
    with caplog.at_level(logging.WARNING, "alluxiofs"):
        written(fs)
    assert any("of fsspec took" in record.getMessage() for record in caplog.records)


def test_the_examples_are_all_of_the_points() -> None:
    examples: Dict[str, Any] = {point.hook: example(point.hook) for point in POINTS}
    assert all(hasattr(module, hook) for hook, module in examples.items())
