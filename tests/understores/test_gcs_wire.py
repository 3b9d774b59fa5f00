"""How the under store gcs asks for objects by itself: as gcsfs's session would, by that where it is not sure."""

from __future__ import annotations

import functools
import weakref
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List
from uuid import uuid4

import fsspec
import pytest

from alluxiofs.errors import UnavailableError
from alluxiofs.interfaces import Entry, UnderStore, Version
from alluxiofs.testing._files import put, soon
from tests.clusters.certificates import Authority
from tests.faults import FaultProxy, FaultServer
from tests.servers import GcsServer, free_port, program, started
from tests.understores.forked import ended, forks
from tests.understores.gcs_kit import BY_SESSION, DATA, Opened, anonymous, content, look, opening, read
from tests.understores.needed import needed

needed("gcsfs", "gcs")

KEYS = (
    "with space",
    "+plus&and=;,:@!$'()*",
    "%41%2F%zz",
    "a#b?c=d",
    "x/é-日本語-😀",
    'quote"back\\slash|<>[]{}^`~',
    "a//b",
)


@pytest.fixture
def opened() -> Iterator[Opened]:
    with opening() as opened:
        yield opened


@pytest.fixture
def proxy(gcs_server: GcsServer) -> Iterator[FaultProxy]:
    with FaultProxy(gcs_server.host, gcs_server.port) as proxy:
        yield proxy


@pytest.fixture
def options(gcs_server: GcsServer, proxy: FaultProxy) -> Dict[str, Any]:
    return gcs_server.options_at(proxy.url())


@pytest.fixture
def store(options: Dict[str, Any], opened: Opened) -> UnderStore:
    return opened(options)


@pytest.fixture
def by_session(options: Dict[str, Any], opened: Opened) -> UnderStore:
    """One that has something about it that is not understood."""
    return opened({**options, "session_kwargs": {"trust_env": False}})


@pytest.fixture
def bucket(gcs_server: GcsServer, opened: Opened) -> str:
    name = f"test-{uuid4().hex[:12]}"
    opened(gcs_server.options).make_directory(name, soon())
    return name


@pytest.fixture
def entry(gcs_server: GcsServer, opened: Opened, bucket: str) -> Entry:
    return put(opened(gcs_server.options), f"{bucket}/file", DATA)


def test_requests_are_those_of_gcsfs_and_go_over_connections_that_are_kept(
    store: UnderStore, by_session: UnderStore, proxy: FaultProxy, entry: Entry
) -> None:
    expected = look(by_session, entry.name)
    by_gcsfs = proxy.requests
    assert look(store, entry.name) == expected
    ours = proxy.requests[len(by_gcsfs) :]
    assert all(BY_SESSION in each.headers for each in by_gcsfs)
    assert not any(BY_SESSION in each.headers for each in ours)
    looked_at = ("accept-encoding", "authorization", "host", "range")

    def told(requests: Any) -> List[Any]:
        return sorted(
            [(each.path, sorted(each.query.split("&")), *map(each.headers.get, looked_at)) for each in requests],
            key=str,
        )

    assert told(ours) == told(by_gcsfs)
    connections = proxy.connections
    look(store, entry.name)
    assert proxy.connections == connections


@pytest.mark.parametrize("key", KEYS)
def test_odd_keys_are_asked_for_as_by_gcsfs(
    key: str, store: UnderStore, by_session: UnderStore, proxy: FaultProxy, bucket: str
) -> None:
    put(by_session, f"{bucket}/{key}", b"content")
    before = len(proxy.requests)
    assert look(store, f"{bucket}/{key}") == look(by_session, f"{bucket}/{key}")
    asked = proxy.requests[before:]
    half = len(asked) // 2
    assert sorted(each.path for each in asked[:half]) == sorted(each.path for each in asked[half:])


def traced(options: Dict[str, Any]) -> Any:
    from aiohttp import TraceConfig
    from gcsfs.core import GCSFileSystem

    return GCSFileSystem(**options, session_kwargs={"trace_configs": [TraceConfig()]}, skip_instance_cache=True)


def with_headers_of_its_own(options: Dict[str, Any]) -> Any:
    from gcsfs.core import GCSFileSystem

    class Mine(GCSFileSystem):
        def _get_headers(self, *arguments: Any, **named: Any) -> Dict[str, str]:
            return {**super()._get_headers(*arguments, **named), "x-mine": "1"}

    return Mine(**options, skip_instance_cache=True)


def with_a_connector_of_its_own(options: Dict[str, Any]) -> Any:
    from aiohttp import ClientSession, TCPConnector
    from fsspec.asyn import sync
    from gcsfs.core import GCSFileSystem

    client = GCSFileSystem(**options, skip_instance_cache=True)

    async def make() -> None:
        session = client._session = ClientSession(connector=TCPConnector(local_addr=("127.0.0.1", 0)))
        weakref.finalize(client, client.close_session, client.loop, session)

    sync(client.loop, make)
    return client


def with_credentials_of_its_own(options: Dict[str, Any]) -> Any:
    from gcsfs.core import GCSFileSystem
    from gcsfs.credentials import GoogleCredentials
    from google.oauth2.credentials import Credentials

    class Mine(GoogleCredentials):
        def apply(self, out: Dict[str, str]) -> None:
            super().apply(out)
            out["x-mine"] = "1"

    make: Any = Credentials  # it has no types
    client = GCSFileSystem(**{**options, "token": make("token")}, skip_instance_cache=True)
    client.credentials = Mine(client.project, "full_control", make("token"))
    return client


@pytest.mark.parametrize(
    "make", [traced, with_headers_of_its_own, with_a_connector_of_its_own, with_credentials_of_its_own]
)
def test_what_is_not_understood_is_left_to_gcsfs(
    make: Callable[[Dict[str, Any]], Any], options: Dict[str, Any], opened: Opened, proxy: FaultProxy, entry: Entry
) -> None:
    store = opened({}, make(options))
    assert look(store, entry.name)[:2] == [entry, DATA]
    assert all(BY_SESSION in each.headers for each in proxy.requests)


def trace_configs() -> Any:
    from aiohttp import TraceConfig

    return [TraceConfig()]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("trace_configs", trace_configs),
        ("trust_env", lambda: True),
        ("headers", lambda: {"x-mine": "1"}),
    ],
    ids=["traces", "proxies", "headers"],
)
def test_what_all_sessions_are_given_counts(
    option: str,
    value: Callable[[], Any],
    options: Dict[str, Any],
    opened: Opened,
    proxy: FaultProxy,
    entry: Entry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By instrumentation, or by whoever wants proxies everywhere: neither has options of gcsfs."""
    from aiohttp import ClientSession

    real = ClientSession.__init__

    def instrumented(session: Any, **named: Any) -> None:
        real(session, **named, **{option: value()})

    monkeypatch.setattr(ClientSession, "__init__", instrumented)
    assert look(opened(options), entry.name)[:2] == [entry, DATA]
    assert all(BY_SESSION in each.headers for each in proxy.requests)


@pytest.mark.parametrize("method", ["request", "_request"])
def test_who_stands_between_aiohttp_and_its_callers_sees_all_requests(
    method: str,
    options: Dict[str, Any],
    opened: Opened,
    proxy: FaultProxy,
    entry: Entry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from aiohttp import ClientSession

    real: Any = getattr(ClientSession, method)
    seen: List[str] = []

    @functools.wraps(real)
    def between(session: Any, kind: str, url: Any, **named: Any) -> Any:
        seen.append(kind)
        return real(session, kind, url, **named)

    monkeypatch.setattr(ClientSession, method, between)
    assert look(opened(options), entry.name)[:2] == [entry, DATA]
    assert len(seen) == len(proxy.requests)


@pytest.mark.parametrize("location", ["ftp://127.0.0.1:21", "http://127.0.0.1:0"])
def test_a_place_that_is_none_of_http_is_no_store(location: str, opened: Opened) -> None:
    with pytest.raises(UnavailableError, match="bucket/file"):
        read(opened({"project": "test", "token": "anon", "endpoint_url": location}))


def test_a_plain_ready_client_is_understood(options: Dict[str, Any], opened: Opened, proxy: FaultProxy) -> None:
    from gcsfs.core import GCSFileSystem

    store = opened({}, GCSFileSystem(**options, skip_instance_cache=True))
    with pytest.raises(FileNotFoundError):
        store.read_into("bucket/file", Version("generation:7", 7, None), 0, memoryview(bytearray(7)), soon())
    assert [BY_SESSION in each.headers for each in proxy.requests] == [False]


@pytest.mark.parametrize("trusting", [False, True])
def test_a_proxy_of_the_environment_is_used_where_the_session_is_told_so(
    trusting: bool, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultServer() as server, FaultServer() as between:
        monkeypatch.setenv("http_proxy", between.url())
        monkeypatch.setenv("no_proxy", "")
        for each in (server, between):
            each.fault(content(b"content"), times=None)
        named = {"session_kwargs": {"trust_env": True}} if trusting else {}
        store = opened({**anonymous(server), **named})
        assert read(store) == b"content"
        assert (server.count(), between.count()) == ((0, 1) if trusting else (1, 0))


def test_over_tls_only_a_trusted_server_is_asked(
    tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    certificate = authority.certificate("127.0.0.1")
    (tmp_path / "data" / "bucket").mkdir(parents=True)
    (tmp_path / "data" / "bucket" / "file").write_bytes(DATA)
    server = GcsServer("127.0.0.1", free_port())
    command = [program("fake-gcs-server"), "-scheme", "https", "-host", server.host, "-port", str(server.port)]
    command += ["-cert-location", certificate.cert, "-private-key-location", certificate.key]
    command += ["-data", str(tmp_path / "data"), "-backend", "memory", "-log-level", "error"]
    with started(command, server.port, tmp_path / "log"):
        options = server.options_at(f"https://{server.host}:{server.port}")
        with pytest.raises(UnavailableError, match="certificate is not trusted"):
            opened(options).stat("bucket/file", soon())
        monkeypatch.setenv("SSL_CERT_FILE", authority.ca)
        entry, *others = look(opened(options), "bucket/file")
        assert others == [DATA, (entry, 0, DATA[:10]), (entry, len(DATA) - 10, DATA[-10:])]


@forks
def test_a_forked_child_has_connections_of_its_own(options: Dict[str, Any], proxy: FaultProxy, entry: Entry) -> None:
    fs = fsspec.filesystem(
        "alluxiofs", target_protocol="gs", target_options=options, page_store="none", skip_instance_cache=True
    )
    assert fs.cat_file(entry.name) == DATA
    connections = proxy.connections
    assert ended(lambda: all(fs.cat_file(entry.name) == DATA for _ in range(3)))
    assert proxy.connections > connections
    connections = proxy.connections
    assert fs.cat_file(entry.name) == DATA
    assert proxy.connections == connections, "the child has not touched the parent's"
