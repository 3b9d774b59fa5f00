"""Several under stores at prefixes, and no default one: the root is the directory of the prefixes."""

from __future__ import annotations

from typing import Callable

import pytest
from attrs import evolve

from alluxiofs.errors import ConfigurationError
from alluxiofs.gateway import Gateway, Mount
from alluxiofs.gateway.locations import Locations
from alluxiofs.interfaces import Entry, Location
from alluxiofs.plugins.transport_direct import DirectTransport
from alluxiofs.testing import make_context
from tests.unit.gateway.conftest import Assembled
from tests.unit.gateway.scripted_store import ScriptedStore


@pytest.fixture
def store() -> ScriptedStore:
    store = ScriptedStore()
    store.put("b/deep/f", b"content")
    return store


@pytest.fixture
def gateway(assemble: Callable[..., Assembled], store: ScriptedStore) -> Gateway:
    assembled = assemble().gateway
    mounts = (Mount("scripted://b/deep", store), Mount("scripted://a", store))
    transport = DirectTransport(DirectTransport.Settings(), make_context(), lambda _: store)
    return Gateway(evolve(assembled.parts, mounts=mounts, transport=transport), assembled.limits)


def test_the_root_is_a_directory_that_nobody_is_asked_about(gateway: Gateway, store: ScriptedStore) -> None:
    root = gateway.locate("")
    for refresh in (False, True):
        assert gateway.stat(root, refresh) == Entry("", "directory", 0)
        assert gateway.list(root, refresh) == (
            Entry("scripted://a", "directory", 0),
            Entry("scripted://b/deep", "directory", 0),
        )
    assert gateway.list_recursive(root) is None
    assert store.calls == []


def test_what_the_root_lists_can_be_listed(gateway: Gateway) -> None:
    root = gateway.locate("")
    deep = gateway.child(root, gateway.list(root)[1].name)
    assert deep == Location("scripted://b/deep", "b/deep", "scripted://b/deep")
    assert [gateway.path_of(gateway.child(deep, entry.name)) for entry in gateway.list(deep)] == ["scripted://b/deep/f"]
    gateway.forget(root)


def test_the_root_holds_nothing_else(gateway: Gateway) -> None:
    root = gateway.locate("")
    with pytest.raises(IsADirectoryError):
        gateway.open(root)
    with pytest.raises(ConfigurationError, match="name a path in one"):
        gateway.create(root)


def test_a_prefix_that_its_store_does_not_serve_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match="serves scripted, not other://"):
        Locations([Mount("other://a", ScriptedStore())])
