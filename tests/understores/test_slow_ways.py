"""Ways to a store that are long (latency) or narrow (bandwidth): right bytes, or a clear error within the deadline."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from typing import Any, Callable, ContextManager, Dict, Iterator, Optional
from uuid import uuid4

import fsspec
import pytest

from alluxiofs.testing._files import content, get, put, soon
from alluxiofs.testing.guards import at_once
from tests.servers import free_port, program, started
from tests.understores.failing import make_store
from tests.understores.needed import needed

needed("gcsfs", "gcs")
needed("ossfs", "oss")

SERVERS = {"s3": "s3_server", "gs": "gcs_server", "oss": "oss_server"}
MIB = 2**20
DATA = content(MIB) * 2
NEW = bytes(reversed(DATA))
WAYS: Dict[str, Dict[str, Dict[str, int]]] = {
    "long": {"latency": {"latency": 150, "jitter": 50}},  # milliseconds
    "narrow": {"bandwidth": {"rate": 4000}},  # kB/s
    "all but closed": {"bandwidth": {"rate": 10}},
}


@pytest.fixture(scope="module")
def open_way(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, int], ContextManager[int]]]:
    """Opens a way of a kind to a port, by toxiproxy; its own port."""
    folder, control = tmp_path_factory.mktemp("toxiproxy"), free_port()

    def tell(path: str, document: Dict[str, Any], method: str = "POST") -> None:
        url, data = f"http://127.0.0.1:{control}/{path}", json.dumps(document).encode()
        with urllib.request.urlopen(urllib.request.Request(url, data, method=method), timeout=10) as answer:
            answer.read()

    @contextlib.contextmanager
    def opened(kind: str, port: int) -> Iterator[int]:
        name, near = uuid4().hex, free_port()
        tell("proxies", {"name": name, "listen": f"127.0.0.1:{near}", "upstream": f"127.0.0.1:{port}"})
        for toxic, attributes in WAYS[kind].items():
            for stream in ("upstream", "downstream"):
                tell(f"proxies/{name}/toxics", {"type": toxic, "stream": stream, "attributes": attributes})
        try:
            yield near
        finally:
            tell(f"proxies/{name}", {}, "DELETE")  # and with it what is still on the way

    command = [program("toxiproxy-server"), "-host", "127.0.0.1", "-port", str(control)]
    with started(command, control, folder / "log"):
        yield opened


@contextlib.contextmanager
def reached(server: Any, protocol: str, port: int, **limits: float) -> Iterator[Any]:
    """A filesystem that goes this way, and is connected."""
    behind = make_store(protocol, server.options_at(f"http://127.0.0.1:{port}"))
    yield fsspec.filesystem(
        "alluxiofs",
        target_protocol=protocol,
        under_store=behind,
        page_store=None,
        metadata_ttl=0,
        skip_instance_cache=True,
        **limits,
    )
    behind.close()


@pytest.fixture(params=list(SERVERS))
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(request: pytest.FixtureRequest, protocol: str) -> Any:
    return request.getfixturevalue(SERVERS[protocol])


@pytest.fixture
def path(server: Any, protocol: str) -> str:
    store, bucket = make_store(protocol, server.options), f"test-{uuid4().hex[:12]}"
    store.make_directory(bucket, soon())
    put(store, f"{bucket}/file", DATA)
    store.close()
    return f"{bucket}/file"


def found(server: Any, protocol: str, path: str) -> bytes:
    """What is there, seen by another way."""
    store = make_store(protocol, server.options)
    data = get(store, store.stat(path, soon()))
    store.close()
    return data


@pytest.mark.parametrize("kind", ["long", "narrow"])
def test_what_takes_its_time_is_right(
    server: Any, protocol: str, path: str, kind: str, open_way: Callable[[str, int], ContextManager[int]]
) -> None:
    with open_way(kind, server.port) as port, reached(server, protocol, port) as fs:
        assert fs.cat_file(path) == DATA
        with fs.open(path) as file:
            file.seek(MIB + 7)
            assert file.read(100_003) == DATA[MIB + 7 : MIB + 7 + 100_003]
        fs.pipe_file(f"{path}-new", NEW)
        assert [entry["size"] for entry in fs.ls(path.rpartition("/")[0], detail=True)] == [len(DATA), len(NEW)]
    assert found(server, protocol, f"{path}-new") == NEW


@pytest.mark.timeout(60)
def test_what_takes_too_long_is_an_error(
    server: Any, protocol: str, path: str, open_way: Callable[[str, int], ContextManager[int]]
) -> None:
    def failure(operation: Callable[[], object]) -> Optional[BaseException]:
        try:
            operation()
        except OSError as error:
            return error
        return None

    with open_way("all but closed", server.port) as port, reached(server, protocol, port, deadline=3, timeout=3) as fs:
        read, written = (lambda: fs.cat_file(path), lambda: fs.pipe_file(path, NEW))
        for error in at_once(lambda: failure(read), lambda: failure(written)):
            assert isinstance(error, TimeoutError), repr(error)
    assert found(server, protocol, path) == DATA, "the old file, whole"
