"""What the under store gcs makes of answers to requests of its own, and what it authorises them with."""

from __future__ import annotations

import gzip
from datetime import datetime, timedelta, timezone
from typing import Any, Dict, Iterator, List
from uuid import uuid4

import pytest

from alluxiofs.errors import BadAnswerError, DeadlineExceededError, FileChangedError, UnavailableError
from alluxiofs.interfaces import Deadline, Entry, UnderStore, Version
from alluxiofs.testing._files import get, put, soon
from alluxiofs.testing.guards import at_once
from tests.faults import Fault, FaultProxy, FaultServer, Request, close, garbage, reset, stall, status, truncate
from tests.servers import GcsServer
from tests.understores.gcs_kit import BY_SESSION, DATA, Opened, anonymous, content, look, opening, read
from tests.understores.needed import needed

needed("gcsfs", "gcs")


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


# --- what is answered ---------------------------------------------------------------------------------------------


def test_bytes_of_another_generation_are_a_changed_file(opened: Opened) -> None:
    """Whatever the store makes of the condition, and of a length that is the same."""
    with FaultServer() as server:
        store = opened(anonymous(server))
        server.fault(content(b"content"))
        assert read(store) == b"content"
        for another in (content(b"another", generation="8"), content(b"another", span="bytes 0-6/9")):
            server.fault(another)
            with pytest.raises(FileChangedError):
                read(store)
        assert {each.query for each in server.requests} == {"alt=media&ifGenerationMatch=7"}


@pytest.mark.parametrize("named", [{}, {"session_kwargs": {"trust_env": False}}], ids=["wire", "session"])
def test_a_part_that_does_not_say_which_is_none(named: Dict[str, Any], opened: Opened) -> None:
    """In chunks it does not tell its length either, and could be any bytes of the object."""
    head = "HTTP/1.1 206 Partial Content\r\nX-Goog-Generation: 7\r\n"
    data = memoryview(bytearray(7))
    with FaultServer() as server:
        store = opened({**anonymous(server), **named})
        for rest in (
            "Transfer-Encoding: chunked\r\n\r\n7\r\nanother\r\n0\r\n\r\n",
            "Content-Length: 7\r\n\r\nanother",
        ):
            for length in (7, 70):
                server.fault(Fault(raw=f"{head}{rest}".encode(), performed=False))
                version = Version("generation:7", length, None)
                with pytest.raises(BadAnswerError, match="bucket/file: a part of the object without a Content-Range"):
                    store.read_into("bucket/file", version, 0, data, soon())


def test_an_object_that_is_written_over_in_mid_read_is_read_no_further(
    store: UnderStore, by_session: UnderStore, entry: Entry
) -> None:
    assert get(store, entry, 0, 1000) == DATA[:1000]
    put(by_session, entry.name, DATA[::-1])
    with pytest.raises(FileChangedError):
        get(store, entry, 1000, 2000)
    assert look(store, entry.name)[1] == DATA[::-1]


def test_bytes_in_chunks_and_bytes_behind_the_body(opened: Opened) -> None:
    """Where a body ends is what its head says; what comes behind it is nobody's answer."""
    head = "HTTP/1.1 206 Partial Content\r\nX-Goog-Generation: 7\r\nContent-Range: bytes 0-6/7\r\n"
    with FaultServer() as server:
        store = opened(anonymous(server))

        def answered(rest: str) -> bytes:
            server.fault(Fault(raw=f"{head}{rest}".encode(), performed=False))
            return read(store)

        assert answered("Transfer-Encoding: chunked\r\n\r\n3\r\ncon\r\n4\r\ntent\r\n0\r\n\r\n") == b"content"
        for wrong in (
            "Transfer-Encoding: chunked\r\n\r\n3\r\ncon\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n8\r\ncontents\r\n0\r\n\r\n",
            "Content-Length: 8\r\n\r\ncontents",
            "Content-Length: 7\r\n\r\ncontents",
            "Content-Length: 7\r\n\r\nconten",
            "\r\ncontents",
        ):
            before = server.count()
            with pytest.raises(BadAnswerError, match="bucket/file"):
                answered(wrong)
            assert server.count() == before + 1


def test_a_body_that_breaks_is_for_the_caller_to_repeat(store: UnderStore, proxy: FaultProxy, entry: Entry) -> None:
    rule = proxy.fault(truncate(100_000), method="GET", times=None)
    with pytest.raises(BadAnswerError, match="cut off"):
        get(store, entry)
    assert rule.applied == 1
    proxy.clear()
    connections = proxy.connections
    assert get(store, entry) == DATA
    assert proxy.connections == connections + 1  # the broken one is not used again


@pytest.mark.parametrize("after", [None, 100_000], ids=["before the head", "in the body"])
def test_who_is_sent_nothing_more_is_told_in_time(
    after: Any, store: UnderStore, proxy: FaultProxy, entry: Entry
) -> None:
    rule = proxy.fault(stall(after), method="GET", times=None)
    target = memoryview(bytearray(len(DATA)))
    with pytest.raises(DeadlineExceededError, match=entry.name):
        store.read_into(entry.name, entry.version, 0, target, Deadline.after(30, stall=0.3))
    assert rule.applied == 1
    proxy.clear()
    proxy.release()
    assert get(store, entry) == DATA


def test_a_busy_store_is_asked_again_until_the_deadline(opened: Opened) -> None:
    with FaultServer() as server:
        store = opened(anonymous(server))
        server.fault(status(503), times=2)
        server.fault(content(b"content"))
        assert read(store) == b"content"
        server.fault(status(429, b"slower"), times=None)
        with pytest.raises(UnavailableError, match="slower"):
            read(store)
        assert server.count() == 6
        with pytest.raises(DeadlineExceededError, match="slower"):
            read(store, deadline=0.29)  # less than the two pauses between three attempts


def test_an_answer_that_sends_elsewhere_is_not_followed(opened: Opened) -> None:
    with FaultServer() as server, FaultServer() as other:
        server.fault(status(307, b"", {"Location": other.url("/elsewhere")}), times=None)
        with pytest.raises(OSError, match="HTTP 307"):
            read(opened(anonymous(server)))
        assert (server.count(), other.count()) == (1, 0)


@pytest.mark.parametrize("part", ["/storage/", "/download/"])
@pytest.mark.parametrize("fault", [status(503), reset(), close(performed=False), garbage()])
@pytest.mark.parametrize("kept", [False, True], ids=["the first question", "a later one"])
def test_of_two_questions_at_a_time_each_is_repeated(
    kept: bool, fault: Fault, part: str, store: UnderStore, proxy: FaultProxy, entry: Entry
) -> None:
    if kept:
        store.stat_and_read(entry.name, 10, soon())
    rule = proxy.fault(fault, when=lambda request: request.path.startswith(part), times=2)
    for _ in range(2):
        assert store.stat_and_read(entry.name, 10, soon()) == (entry, 0, DATA[:10])
    assert rule.applied == 2
    assert not any(BY_SESSION in each.headers for each in proxy.requests)


def test_what_is_wrong_with_the_object_comes_before_what_is_with_its_bytes(
    store: UnderStore, proxy: FaultProxy, entry: Entry
) -> None:
    proxy.fault(truncate(5), when=lambda request: request.path.startswith("/download/"))
    denied = status(403, b'{"error": {"message": "not for you"}}')
    proxy.fault(denied, when=lambda request: request.path.startswith("/storage/"))
    with pytest.raises(PermissionError, match="not for you"):
        store.stat_and_read(entry.name, 1000, soon())
    proxy.fault(truncate(5), when=lambda request: request.path.startswith("/download/"))
    with pytest.raises(BadAnswerError, match="cut off"):
        store.stat_and_read(entry.name, 1000, soon())
    proxy.fault(stall(5), when=lambda request: request.path.startswith("/download/"))
    with pytest.raises(DeadlineExceededError):
        store.stat_and_read(entry.name, 1000, Deadline.after(30, stall=0.3))
    proxy.release()
    assert at_once(*[lambda: store.stat_and_read(entry.name, 10, soon())] * 40) == [(entry, 0, DATA[:10])] * 40


def test_a_compressed_object_is_asked_for_as_it_is_stored(
    store: UnderStore, proxy: FaultProxy, gcs_server: GcsServer, bucket: str
) -> None:
    from gcsfs.core import GCSFileSystem

    stored = gzip.compress(DATA)
    client = GCSFileSystem(**gcs_server.options, skip_instance_cache=True)
    client.pipe_file(f"{bucket}/zipped", stored, fixed_key_metadata={"content_encoding": "gzip"})
    entry, *others = look(store, f"{bucket}/zipped")
    assert others == [stored, (entry, 0, stored[:10]), (entry, len(stored) - 10, stored[-10:])]
    of_bytes = [each for each in proxy.requests if each.path.startswith("/download/")]
    assert [(each.headers["accept-encoding"], BY_SESSION in each.headers) for each in of_bytes] == [("gzip", False)] * 3


def test_who_pays_is_said(opened: Opened) -> None:
    with FaultServer() as server:
        server.fault(content(b"content"), times=None)
        assert read(opened({**anonymous(server), "requester_pays": "payer"})) == b"content"
        (seen,) = server.requests
        assert "userProject=payer" in seen.query.split("&")
        assert BY_SESSION not in seen.headers


# --- tokens -------------------------------------------------------------------------------------------------------


def credentials(lasts: timedelta, given: List[str]) -> Any:
    """Such as ask for a token, each of which is good for so long."""
    from google.oauth2.credentials import Credentials

    def handler(request: Any, scopes: Any) -> Any:
        given.append(f"token-{len(given)}")
        return given[-1], (datetime.now(timezone.utc) + lasts).replace(tzinfo=None)

    make: Any = Credentials  # it has no types
    return make(token=None, refresh_handler=handler)


def test_a_token_is_asked_for_once_while_it_is_good(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    from gcsfs.core import GCSFileSystem

    asked: List[str] = []
    given: List[str] = []
    real = GCSFileSystem._get_headers

    def seen(*arguments: Any, **named: Any) -> Any:
        asked.append("asked")
        return real(*arguments, **named)

    monkeypatch.setattr(GCSFileSystem, "_get_headers", seen)
    with FaultServer() as server:
        server.fault(content(b"content"), times=None)
        held = credentials(timedelta(hours=1), given)
        store = opened({**anonymous(server), "token": held})
        for _ in range(5):
            assert read(store) == b"content"
        assert (len(asked), given) == (1, ["token-0"])
        held.expiry = datetime.now(timezone.utc).replace(tzinfo=None) + timedelta(seconds=1)
        assert at_once(*[lambda: read(store)] * 8) == [b"content"] * 8
        assert given == ["token-0", "token-1"]
        sent = [each.headers["authorization"] for each in server.requests]
        assert sent == ["Bearer token-0"] * 5 + ["Bearer token-1"] * 8
        assert not any(BY_SESSION in each.headers for each in server.requests)


def test_a_refused_token_is_renewed_once_for_all_who_read(opened: Opened) -> None:
    given: List[str] = []

    def is_refused(request: Request) -> bool:
        return request.headers["authorization"] == "Bearer token-0"

    with FaultServer() as server:
        store = opened({**anonymous(server), "token": credentials(timedelta(hours=1), given)})
        server.fault(content(b"content"))
        assert read(store) == b"content"
        server.fault(status(401, b'{"error": {"message": "Invalid Credentials"}}'), when=is_refused, times=None)
        server.fault(content(b"content"), times=None)
        assert at_once(*[lambda: read(store)] * 8) == [b"content"] * 8
        assert given == ["token-0", "token-1"]
        assert not any(BY_SESSION in each.headers for each in server.requests)


def test_credentials_that_stay_refused_are_a_permission_error_without_them(opened: Opened) -> None:
    given: List[str] = []
    with FaultServer() as server:
        server.fault(status(401, b'{"error": {"message": "Invalid Credentials"}}'), times=None)
        store = opened({**anonymous(server), "token": credentials(timedelta(hours=1), given)})
        with pytest.raises(PermissionError, match="Invalid Credentials") as caught:
            read(store)
        assert given == ["token-0", "token-1"]
        assert server.count() == 2
        shown = f"{caught.value!r} {caught.value.__cause__!r} {vars(store)!r} {vars(store._objects._wire)!r}"
        assert "token-" not in shown


def test_credentials_that_sign_each_request_are_asked_each_time(opened: Opened) -> None:
    from google.auth.credentials import Credentials

    class Signing(Credentials):
        signed = 0

        def refresh(self, request: Any) -> None:
            self.token = "token"

        def apply(self, headers: Any, token: Any = None) -> None:
            self.signed += 1
            headers["authorization"] = f"Signed {self.signed}"

    make: Any = Signing
    with FaultServer() as server:
        server.fault(content(b"content"), times=None)
        store = opened({**anonymous(server), "token": make()})
        for _ in range(3):
            assert read(store) == b"content"
        sent = [each.headers["authorization"] for each in server.requests]
        assert len(set(sent)) == 3
