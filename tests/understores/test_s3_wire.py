"""How the under store s3 asks for objects by itself: as the client would, by it where that is not sure."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

import pytest

from alluxiofs.errors import BadAnswerError, UnavailableError
from alluxiofs.interfaces import Deadline, Entry, Target, UnderStore
from alluxiofs.plugins.under_store_s3 import S3UnderStore
from alluxiofs.testing import make_context
from tests.clusters.certificates import Authority
from tests.faults import Fault, FaultProxy, Request, close, garbage, reset, status, truncate
from tests.servers import S3Server, free_port, program, started

BY_CLIENT = "amz-sdk-request"  # a header that only the client's own requests have
DATA = bytes(range(256)) * 1024
Opened = Callable[[Dict[str, Any]], S3UnderStore]
KEYS = (
    "with space",
    "+plus&and=;,:@!$'()*",
    "%41%2F%zz",
    "a#b?c=d",
    "x?versionId=1",
    "é-日本語-😀",
    "e\u0301",
    'quote"back\\slash|<>[]{}^`~',
)
ODDER_KEYS = ("/leading", "dou//ble", "a/./b")
"""What MinIO and versitygw take for parts of paths, and S3 for keys like any others."""


def soon() -> Deadline:
    return Deadline.after(30)


def make(options: Dict[str, Any]) -> S3UnderStore:
    return S3UnderStore(Target("s3", options), S3UnderStore.Settings(), make_context())


def with_config(options: Dict[str, Any], **config: Any) -> Dict[str, Any]:
    return {**options, "config_kwargs": {**options["config_kwargs"], **config}}


def read(store: UnderStore, entry: Entry, start: int = 0, stop: int = len(DATA)) -> bytes:
    target = bytearray(stop - start)
    store.read_into(entry.name, entry.version, start, memoryview(target), soon())
    return bytes(target)


def write(store: UnderStore, name: str, data: bytes = DATA) -> Entry:
    writer = store.create(name)
    writer.write(memoryview(data))
    writer.commit()
    return store.stat(name, soon())


@pytest.fixture(scope="module")
def between(s3_server: S3Server) -> Iterator[FaultProxy]:
    with FaultProxy(s3_server.host, s3_server.port) as proxy:
        yield proxy


@pytest.fixture
def proxy(between: FaultProxy) -> FaultProxy:
    between.clear()
    return between


@pytest.fixture(scope="module")
def options(s3_server: S3Server, between: FaultProxy) -> Dict[str, Any]:
    return s3_server.options_at(between.url())


@pytest.fixture(scope="module")
def opened() -> Iterator[Opened]:
    """Makes stores that are closed at the end."""
    stores: List[S3UnderStore] = []

    def open_store(options: Dict[str, Any]) -> S3UnderStore:
        stores.append(make(options))
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


@pytest.fixture(scope="module")
def once(options: Dict[str, Any], opened: Opened) -> S3UnderStore:
    """A store that tries nothing again."""
    return opened(with_config(options, retries={"mode": "standard", "total_max_attempts": 1}))


@pytest.fixture(scope="module")
def twice(options: Dict[str, Any], opened: Opened) -> S3UnderStore:
    """A store that tries everything once more."""
    return opened(with_config(options, retries={"mode": "standard", "total_max_attempts": 2}))


@pytest.fixture(scope="module")
def by_client(options: Dict[str, Any], opened: Opened) -> S3UnderStore:
    """A store with an option by which all is left to the client."""
    return opened(with_config(options, tcp_keepalive=True))


@pytest.fixture(scope="module")
def entry(once: S3UnderStore, s3_client: Any) -> Entry:
    s3_client.mkdir("the-wire")
    return write(once, "the-wire/file")


def asked(proxy: FaultProxy) -> Tuple[Request, ...]:
    """The requests for objects."""
    return tuple(each for each in proxy.requests if each.method in ("GET", "HEAD") and not each.query)


# --- the same as by the client ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["versitygw", "minio"])
def test_all_keys_are_found_and_read_as_by_the_client(
    kind: str, request: pytest.FixtureRequest, opened: Opened, s3_bucket: str
) -> None:
    server: S3Server = request.getfixturevalue("s3_server" if kind == "versitygw" else "minio_server")
    with FaultProxy(server.host, server.port) as proxy:
        options = server.options_at(proxy.url())
        by_client, store = opened(with_config(options, tcp_keepalive=True)), opened(options)
        bucket = f"keys-{s3_bucket}"
        store.make_directory(bucket, soon())
        for number, key in enumerate(KEYS):
            data = f"{number} {key}".encode()
            expected = write(by_client, f"{bucket}/{key}", data)
            proxy.clear()
            assert store.stat(expected.name, soon()) == expected
            assert read(store, expected, 0, len(data)) == data
            assert store.stat_and_read(expected.name, 100, soon()) == (expected, 0, data)
            assert len(asked(proxy)) == 3
            assert not any(BY_CLIENT in each.headers for each in asked(proxy))
        empty = write(by_client, f"{bucket}/empty", b"")
        for each in (store, by_client):
            for from_end in (False, True):
                assert each.stat_and_read(empty.name, 100, soon(), from_end=from_end) == (empty, 0, b"")


@pytest.mark.parametrize("key", ODDER_KEYS)
def test_of_what_servers_do_not_agree_on_the_same_is_asked_as_by_the_client(
    key: str, proxy: FaultProxy, once: S3UnderStore, by_client: S3UnderStore, entry: Entry
) -> None:
    for store in (once, by_client):
        with pytest.raises(OSError):  # noqa: PT011 whatever the server says to it
            store.stat_and_read(f"the-wire/{key}", 10, soon())
    ours, clients = (each for each in asked(proxy))
    assert BY_CLIENT in clients.headers
    assert BY_CLIENT not in ours.headers
    assert ours.path == clients.path


def test_what_an_object_says_of_itself_is_told_in_full(
    once: S3UnderStore, by_client: S3UnderStore, s3_bucket: str, s3_client: Any
) -> None:
    s3_client.call_s3(
        "put_object",
        Bucket=s3_bucket,
        Key="said",
        Body=b"content",
        CacheControl="max-age=60",
        ContentDisposition='attachment; filename="a b"',
        ContentEncoding="gzip",
        ContentLanguage="de",
        ContentType="text/x-own",
        Expires=datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),
        Metadata={"colour": "blue", "Two-Words": "a  b"},
    )
    expected = by_client.stat(f"{s3_bucket}/said", soon())
    assert {"CacheControl", "ContentEncoding", "ContentType", "Metadata"} <= set(expected.extra)
    assert once.stat(expected.name, soon()) == expected
    # What is called compressed comes as it is stored.
    assert once.stat_and_read(expected.name, 100, soon()) == (expected, 0, b"content")
    assert once.stat_and_read(expected.name, 3, soon(), from_end=True) == (expected, 4, b"ent")


def test_over_tls_only_a_trusted_server_is_asked(tmp_path: Path, opened: Opened) -> None:
    authority = Authority(tmp_path)
    certificate = authority.certificate("127.0.0.1")
    (tmp_path / "data" / "bucket").mkdir(parents=True)
    server = S3Server("127.0.0.1", free_port(), "tester", "tester-secret")
    command = [program("versitygw"), "--port", f"{server.host}:{server.port}", "--keep-alive"]
    tls = ["--cert", certificate.cert, "--key", certificate.key]
    data = ["posix", str(tmp_path / "data")]
    secrets = {"ROOT_ACCESS_KEY": server.key, "ROOT_SECRET_KEY": server.secret}
    with started([*command, *data], server.port, tmp_path / "log", environment=secrets):
        entry = write(opened(server.options), "bucket/file")
    with started([*command, *tls, *data], server.port, tmp_path / "log", environment=secrets):
        options = server.options_at(f"https://{server.host}:{server.port}")
        store = opened({**options, "client_kwargs": {"verify": authority.ca}})
        assert store.stat("bucket/file", soon()) == entry
        for _ in range(2):
            assert read(store, entry) == DATA
        assert store.stat_and_read("bucket/file", 10, soon()) == (entry, 0, DATA[:10])
        with pytest.raises(UnavailableError, match="certificate"):
            opened(with_config(options, retries={"total_max_attempts": 1})).stat("bucket/file", soon())


# --- answers that are none ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [301, 307, 400])
def test_another_region_and_the_like_are_for_the_client_to_find_out(
    code: int, proxy: FaultProxy, once: S3UnderStore, entry: Entry
) -> None:
    proxy.fault(status(code, b"<Error><Code>ExpiredToken</Code></Error>"), method="GET")
    for _ in range(2):
        assert read(once, entry) == DATA
    assert [BY_CLIENT in each.headers for each in asked(proxy)] == [False, True, False]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_object_that_cannot_be_had_so_is_left_to_the_client(
    method: str, proxy: FaultProxy, options: Dict[str, Any], opened: Opened, entry: Entry
) -> None:
    """One with a key of its own, say: only the client asks for it, from the second time on. Others are had
    as ever. A look has no body that says why it is refused, so the object is asked for after it."""
    store = opened(with_config(options, retries={"mode": "standard", "total_max_attempts": 1}))
    proxy.fault(status(400, b"<Error><Code>InvalidRequest</Code><Message>its key</Message></Error>"), times=None)
    for _ in range(3):
        with pytest.raises(OSError, match="HTTP 400"):
            read(store, entry) if method == "GET" else store.stat(entry.name, soon())
    of_it = [each for each in asked(proxy) if each.path.endswith("/file")]  # the client asks for the bucket's region
    looks = [False, True, False, True] if method == "HEAD" else [False, True]
    assert [BY_CLIENT in each.headers for each in of_it] == looks + [True] * len(looks)
    proxy.clear()
    other = write(store, f"{entry.name}-2")
    assert read(store, other) == DATA
    assert [BY_CLIENT in each.headers for each in asked(proxy)] == [False] * len(asked(proxy))


@pytest.mark.parametrize("fault", [status(500), status(503), status(429), close(), reset(), garbage()])
def test_a_request_that_fails_is_sent_as_often_as_the_client_would(
    fault: Fault, proxy: FaultProxy, once: S3UnderStore, twice: S3UnderStore, entry: Entry
) -> None:
    proxy.fault(fault, method="HEAD")
    assert twice.stat(entry.name, soon()) == entry
    proxy.fault(fault, method="HEAD", times=2)  # a connection that was kept may be closed at any time: that is no try
    with pytest.raises((UnavailableError, BadAnswerError)) as caught:
        once.stat(entry.name, soon())
    assert str(caught.value).count(entry.name) == 1


def test_a_body_that_breaks_is_for_the_caller_to_repeat(proxy: FaultProxy, twice: S3UnderStore, entry: Entry) -> None:
    proxy.fault(truncate(100_000), method="GET")
    with pytest.raises(BadAnswerError, match="cut off"):
        read(twice, entry)
    assert len(asked(proxy)) == 1
    connections = proxy.connections
    assert read(twice, entry) == DATA
    assert proxy.connections == connections + 1  # the broken one is not used again


def test_a_connection_that_was_closed_meanwhile_costs_nothing(
    proxy: FaultProxy, once: S3UnderStore, entry: Entry
) -> None:
    read(once, entry)
    connections = proxy.connections
    read(once, entry)
    assert proxy.connections == connections  # it is kept
    proxy.fault(close(performed=False), method="GET")
    assert read(once, entry) == DATA
    assert proxy.connections == connections + 1


def test_a_whole_object_in_place_of_its_end_is_not_taken_in(
    proxy: FaultProxy, once: S3UnderStore, entry: Entry
) -> None:
    whole = status(200, DATA, {"ETag": '"x"'})
    for from_end in (False, True):
        proxy.fault(whole, method="GET")
        with pytest.raises(BadAnswerError, match="ignored the range"):
            once.stat_and_read(entry.name, 1000, soon(), from_end=from_end)
    proxy.fault(whole, method="GET")
    assert once.stat_and_read(entry.name, len(DATA), soon())[1:] == (0, DATA)


@pytest.mark.parametrize("from_end", [False, True])
def test_a_part_that_does_not_say_which_is_no_whole_object(
    from_end: bool, proxy: FaultProxy, once: S3UnderStore, by_client: S3UnderStore, entry: Entry
) -> None:
    for store in (once, by_client):
        proxy.fault(status(206, DATA[:1000], {"ETag": '"x"'}), method="GET")
        with pytest.raises(BadAnswerError, match="without a Content-Range"):
            store.stat_and_read(entry.name, 1000, soon(), from_end=from_end)


@pytest.mark.parametrize(
    "framed", ["Transfer-Encoding: chunked\r\n\r\n7\r\nanother\r\n0", "Content-Length: 7\r\n\r\nanother"]
)
def test_a_part_that_does_not_say_which_is_no_beginning(
    framed: str, proxy: FaultProxy, once: S3UnderStore, by_client: S3UnderStore, entry: Entry
) -> None:
    """In chunks it does not tell its length either, and could be any bytes of the object."""
    tag = (entry.version.tag or "").partition(":")[2]
    end = "\r\n\r\n" if "chunked" in framed else ""
    answer = f'HTTP/1.1 206 Partial Content\r\nETag: "{tag}"\r\n{framed}{end}'
    for store in (once, by_client):
        proxy.fault(Fault(raw=answer.encode(), performed=False), method="GET")
        with pytest.raises(BadAnswerError, match="without a Content-Range"):
            store.read_into(entry.name, entry.version, 0, memoryview(bytearray(7)), soon())


@pytest.mark.parametrize("said", ["bytes 1-1000/262144", "bytes 0-998/262144", "bytes 0-999/*", "bytes 0-999/500", "x"])
def test_another_range_in_place_of_an_end_is_a_bad_answer(
    said: str, proxy: FaultProxy, once: S3UnderStore, entry: Entry
) -> None:
    proxy.fault(status(206, DATA[:1000], {"ETag": '"x"', "Content-Range": said}), method="GET")
    with pytest.raises(BadAnswerError):
        once.stat_and_read(entry.name, 1000, soon())


def test_refused_credentials_are_told_without_them(
    proxy: FaultProxy, options: Dict[str, Any], entry: Entry, opened: Opened
) -> None:
    store = opened({**options, "key": "AKIDOFNOBODY", "secret": "a-secret-of-nobody"})
    refusal = b"<Error><Code>AccessDenied</Code><Message>not you</Message></Error>"
    proxy.fault(status(403, refusal), method="GET", times=None)
    with pytest.raises(PermissionError, match="not you .AccessDenied, HTTP 403.") as caught:
        read(store, entry)
    assert len(asked(proxy)) == 1
    signature = asked(proxy)[0].headers["authorization"].rpartition("=")[2]
    shown = f"{caught.value!r} {caught.value} {caught.value.__cause__!r} {store!r} {vars(store)!r}"
    assert not any(secret in shown for secret in ("a-secret-of-nobody", signature))
