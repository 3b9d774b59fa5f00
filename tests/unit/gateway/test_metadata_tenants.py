"""Who may find what was noted: those for whom an under store would have had the same answer."""

from __future__ import annotations

import enum
from pathlib import PurePosixPath
from typing import Any, Dict, List

import pytest
from attrs import define, field
from fsspec.implementations.local import LocalFileSystem

from alluxiofs.gateway.tenant import tenant_of
from alluxiofs.interfaces import Target
from alluxiofs.settings.secrets import HiddenDict, Secret
from tests.unit.gateway.scripted_store import ScriptedStore


class Mode(enum.Enum):
    FAST = 1
    EXACT = 2


@define(frozen=True)
class Settings:
    mode: Mode = Mode.FAST
    prefixes: List[str] = field(factory=list)


def tenant(options: Any = None, client: Any = None, settings: Any = None) -> Any:
    store = ScriptedStore()
    store.target = Target("scripted", options or {}, client)
    store.settings = settings or Settings()
    return tenant_of(store)


OPTIONS: Dict[str, Any] = {
    "key": "K",
    "secret": Secret("S"),
    "client_kwargs": {"endpoint_url": "http://x", "verify": False},
    "hosts": ("a", "b"),
    "folder": PurePosixPath("/x"),
    "certificate": b"\x00\xff",
    "timeout": 1.5,
    "nothing": None,
}


def test_equal_configurations_are_one_tenant() -> None:
    assert tenant(OPTIONS) == tenant(HiddenDict(reversed(list(OPTIONS.items()))))
    assert tenant(client=LocalFileSystem(auto_mkdir=True)) == tenant(client=LocalFileSystem(auto_mkdir=True))
    assert isinstance(tenant(), bytes)


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_each_option_tells_tenants_apart(name: str) -> None:
    others: List[Any] = ["other", b"other", 17, ["a", "b", "c"], {"a": 1}, True]
    found = {tenant({**OPTIONS, name: value}) for value in [OPTIONS[name], *others]}
    found.add(tenant({key: value for key, value in OPTIONS.items() if key != name}))
    assert len(found) == len(others) + 2


def test_so_do_settings_clients_and_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        tenant(),
        tenant(settings=Settings(Mode.EXACT)),
        tenant(settings=Settings(prefixes=["x"])),
        tenant(client=LocalFileSystem()),
        tenant(client=LocalFileSystem(auto_mkdir=True)),
    ]
    for name in ("AWS_ACCESS_KEY_ID", "GOOGLE_CLOUD_PROJECT", "MY_OWN_TOKEN", "HOME", "HADOOP_USER_NAME"):
        monkeypatch.setenv(name, "/somebody")
        found.append(tenant())
    assert len(set(found)) == len(found)
    monkeypatch.setenv("RANK", "7")  # what tells the processes of one job apart
    assert tenant() == found[-1]


@pytest.mark.parametrize(
    "value", [object(), [object()], {1: "x"}, Settings()], ids=["object", "list", "numbers", "settings"]
)
def test_what_cannot_be_compared_is_shared_with_nobody(value: Any) -> None:
    assert tenant({"session": value}) is None
