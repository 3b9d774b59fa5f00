"""Who asks an s3 for objects, and with what: options of the client, credentials, and answers of a server of our own."""

from __future__ import annotations

import datetime
from typing import Any, Callable, Dict, Iterator, List

import pytest

from alluxiofs.errors import BadAnswerError
from alluxiofs.interfaces import Deadline, Target
from alluxiofs.plugins.under_store_s3 import S3UnderStore
from alluxiofs.testing import make_context
from alluxiofs.testing.guards import at_once
from tests.faults import Fault, FaultServer, Request, status

BY_CLIENT = "amz-sdk-request"  # a header that only the client's own requests have
Opened = Callable[[Dict[str, Any]], S3UnderStore]


def soon() -> Deadline:
    return Deadline.after(30)


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Makes stores that are closed at the end."""
    stores: List[S3UnderStore] = []

    def open_store(options: Dict[str, Any]) -> S3UnderStore:
        stores.append(S3UnderStore(Target("s3", options), S3UnderStore.Settings(), make_context()))
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


@pytest.mark.parametrize(
    ("changes", "header"),
    [
        ({}, None),
        ({"requester_pays": True}, ("x-amz-request-payer", "requester")),
        ({"token": "session-token"}, ("x-amz-security-token", "session-token")),
        ({"config_kwargs": {"user_agent": "mine/1"}}, ("user-agent", "mine/1")),
        ({"s3_additional_kwargs": {"ExpectedBucketOwner": "123"}}, ("x-amz-expected-bucket-owner", "123")),
    ],
)
def test_what_is_set_for_the_client_is_sent(changes: Dict[str, Any], header: Any, opened: Opened) -> None:
    with FaultServer() as server:
        seen = _ask_once(server, opened, changes)
        assert BY_CLIENT not in seen.headers
        signed = seen.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
        assert {"host", "range", "x-amz-date"} <= set(signed)
        if header is not None:
            assert header[1] in seen.headers[header[0]]
            assert (header[0] in signed) == header[0].startswith("x-amz-")


def test_what_is_public_is_asked_for_without_a_signature(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "somebodys")
    with FaultServer() as server:
        seen = _ask_once(server, opened, {"anon": True, "key": None, "secret": None})
        assert BY_CLIENT not in seen.headers
        assert "authorization" not in seen.headers


@pytest.mark.parametrize(
    "changes",
    [
        {"config_kwargs": {"tcp_keepalive": True}},
        {"config_kwargs": {"signature_version": "s3"}},
        {"config_kwargs": {"retries": {"mode": "adaptive"}}},
        {"config_kwargs": {"connector_args": {"use_dns_cache": False}}},
        {"s3_additional_kwargs": {"ResponseContentType": "text/plain"}},
        {"config_kwargs": {"proxies": {"http": "http://127.0.0.1:1"}}},
    ],
)
def test_what_is_not_understood_is_left_to_the_client(changes: Dict[str, Any], opened: Opened) -> None:
    with FaultServer() as server:
        if "proxies" in changes.get("config_kwargs", {}):
            changes = {"config_kwargs": {"proxies": {"http": server.url()}}}
        assert BY_CLIENT in _ask_once(server, opened, changes).headers


def test_a_proxy_of_the_environment_is_used(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer() as server, FaultServer() as between:
        monkeypatch.setenv("http_proxy", between.url())
        monkeypatch.setenv("no_proxy", "")
        _answer(between)
        store = opened(_options(server.url()))
        store.stat_and_read("bucket/key", 10, soon())
        assert (between.count(), server.count()) == (1, 0)


def _options(url: str) -> Dict[str, Any]:
    return {
        "key": "k",
        "secret": "s",
        "endpoint_url": url,
        "config_kwargs": {"s3": {"addressing_style": "path"}, "retries": {"total_max_attempts": 1}},
    }


def _answer(server: FaultServer) -> None:
    headers = {"ETag": '"x"', "Last-Modified": "Tue, 20 Oct 2026 07:28:00 GMT", "Content-Range": "bytes 0-6/7"}
    server.fault(status(206, b"content", headers), times=None)


def _ask_once(server: FaultServer, opened: Opened, changes: Dict[str, Any]) -> Request:
    """The one request for the first bytes of an object."""
    _answer(server)
    options = _options(server.url())
    options.update({**changes, "config_kwargs": {**options["config_kwargs"], **changes.get("config_kwargs", {})}})
    entry, start, data = opened(options).stat_and_read("bucket/key", 10, soon())
    assert (entry.size, start, data) == (7, 0, b"content")
    (seen,) = server.requests
    return seen


def test_bytes_in_chunks_and_bytes_behind_the_body(opened: Opened) -> None:
    """Where a body ends is what its head says; what comes behind it is nobody's answer."""
    head = 'HTTP/1.1 206 Partial Content\r\nETag: "x"\r\nContent-Range: bytes 0-6/7\r\n'
    with FaultServer() as server:
        store = opened(_options(server.url()))

        def answered(rest: str) -> bytes:
            server.fault(Fault(raw=f"{head}{rest}".encode(), performed=False))
            return store.stat_and_read("bucket/key", 10, soon())[2]

        assert answered("Transfer-Encoding: chunked\r\n\r\n3\r\ncon\r\n4\r\ntent\r\n0\r\n\r\n") == b"content"
        for wrong in (
            "Transfer-Encoding: chunked\r\n\r\n3\r\ncon\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n8\r\ncontents\r\n0\r\n\r\n",
            "Content-Length: 8\r\n\r\ncontents",
            "Content-Length: 7\r\n\r\ncontents",
            "Content-Length: 7\r\nContent-Length: 8\r\n\r\ncontent",
            "\r\ncontents",
        ):
            with pytest.raises(BadAnswerError):
                answered(wrong)


def test_credentials_that_run_out_are_renewed_once_for_all(opened: Opened) -> None:
    credentials = pytest.importorskip("aiobotocore.credentials")
    from aiobotocore.session import AioSession

    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    renewals: List[str] = []

    async def renew() -> Dict[str, Any]:
        renewals.append(f"token-{len(renewals)}")
        expiry = (now + datetime.timedelta(hours=1)).isoformat()
        return {"access_key": "k", "secret_key": "s", "token": renewals[-1], "expiry_time": expiry}

    class Session(AioSession):
        async def get_credentials(self) -> Any:
            return held

    with FaultServer() as server:
        _answer(server)
        held = credentials.AioDeferredRefreshableCredentials(renew, "test", lambda: now)
        options = {name: value for name, value in _options(server.url()).items() if name not in ("key", "secret")}
        store = opened({**options, "session": Session()})
        for token in ("token-0", "token-1"):
            at_once(*[lambda: store.stat_and_read("bucket/key", 10, soon())] * 8)
            assert [each.headers["x-amz-security-token"] for each in server.requests[-8:]] == [token] * 8
            now += datetime.timedelta(hours=2)
        assert len(server.requests) == 16
        assert len(renewals) == 2
        assert not any(BY_CLIENT in each.headers for each in server.requests)
