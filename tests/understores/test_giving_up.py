"""Who writes to a store that fails is told so, though the store does not say that it has forgotten what it got."""

from __future__ import annotations

from uuid import uuid4

import pytest

from alluxiofs.plugins._objects import writer
from alluxiofs.testing._files import get, put, soon
from tests.faults import FaultProxy, stall, status
from tests.understores.failing import make_store
from tests.understores.needed import needed

needed("gcsfs", "gcs")
needed("ossfs", "oss")

SERVERS = {"s3": "s3_server", "gs": "gcs_server", "oss": "oss_server"}
MIB = 2**20


@pytest.mark.timeout(50)  # the writer's own patience is a minute
@pytest.mark.parametrize("protocol", SERVERS)
def test_clearing_up_is_not_waited_for_for_long(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    monkeypatch.setattr(writer, "GIVING_UP", 0.5)
    server = request.getfixturevalue(SERVERS[protocol])
    store, bucket = make_store(protocol, server.options), f"test-{uuid4().hex[:12]}"
    store.make_directory(bucket, soon())
    old = put(store, f"{bucket}/file", b"old")
    with FaultProxy(server.host, server.port) as proxy:
        behind = make_store(protocol, server.options_at(f"http://{proxy.host}:{proxy.port}"))
        made = behind.create(old.name)
        proxy.fault(status(403), when=lambda one: one.method == "PUT" and bool(one.query), times=None)
        proxy.fault(stall(), method="DELETE", times=None)
        with pytest.raises(PermissionError):
            for _ in range(80):
                made.write(memoryview(bytes(2 * MIB)))
            made.commit()
        made.abort()
        assert proxy.count(method="DELETE"), "the store was asked to forget it"
        proxy.release()
        behind.close()
    assert get(store, old) == b"old"
    store.close()


@pytest.mark.parametrize("protocol", SERVERS)
def test_a_file_that_a_write_has_failed_of_is_given_up(request: pytest.FixtureRequest, protocol: str) -> None:
    server = request.getfixturevalue(SERVERS[protocol])
    store, bucket = make_store(protocol, server.options), f"test-{uuid4().hex[:12]}"
    store.make_directory(bucket, soon())
    old = put(store, f"{bucket}/file", b"old")
    with FaultProxy(server.host, server.port) as proxy:
        behind = make_store(protocol, server.options_at(f"http://{proxy.host}:{proxy.port}"))
        made, block = behind.create(old.name), memoryview(bytes(4 * MIB))
        proxy.fault(status(403), method="POST")  # the beginning of an upload
        with pytest.raises(PermissionError):
            for _ in range(20):
                made.write(block)
        with pytest.raises(ValueError, match="given up"):
            made.write(block)
        with pytest.raises(ValueError, match="committed once"):
            made.commit()
        behind.close()
    assert get(store, old) == b"old"
    store.close()
