"""Credentials that end in mid-file, in a job of many threads: one renewal, and nobody notices."""

from __future__ import annotations

import json
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional
from uuid import uuid4

import fsspec
import pytest

from alluxiofs.filesystem import AlluxioFileSystem
from alluxiofs.interfaces import Target, UnderStore
from alluxiofs.plugins.under_store_oss import OssUnderStore
from alluxiofs.testing import make_context
from alluxiofs.testing._files import content, get, put, soon
from alluxiofs.testing.guards import at_once
from tests.faults import FaultProxy, FaultServer, Request, status
from tests.oss_front import OssServer, Session
from tests.servers import GcsServer, S3Server
from tests.understores.accounts import assumed, service_account, tokens_of_accounts
from tests.understores.failing import make_store
from tests.understores.needed import needed

needed("gcsfs", "gcs")
needed("ossfs", "oss")

DATA = content(300_000)
MIB, LARGE = content(2**20), 24  # MiB of a file that is written in parts of five
THREADS = 8


PARTS = {
    "s3": {"name": "s3", "part_size": "5MB", "parts_in_flight": 1},
    "oss": {"name": "oss", "part_size": "5MB", "parts_in_flight": 1},
    "gs": {"name": "gcs", "part_size": "5MB"},
}


def filesystem(protocol: str, options: Dict[str, Any]) -> Any:
    return fsspec.filesystem(
        "alluxiofs",
        target_protocol=protocol,
        target_options=options,
        under_store=PARTS[protocol],
        page_store=None,
        metadata_ttl=0,
        skip_instance_cache=True,
    )


def read_on(fs: Any, path: str, end: Any) -> None:
    """Files are open when their credentials end, and are read on, listed and written by many threads, a large one in
    parts."""
    large = fs.open(f"{path}-large/file", "wb")
    for _ in range(LARGE // 2):
        large.write(MIB)
    files = [fs.open(path) for _ in range(THREADS)]
    assert [file.read(1000) for file in files] == [DATA[:1000]] * THREADS

    def go_on(file: Any, number: int) -> bytes:
        fs.pipe_file(f"{path}-{number}", DATA[:number])
        file.seek(150_000)
        return bytes(file.read(100_000))

    end()
    assert (
        at_once(*[lambda file=file, number=number: go_on(file, number) for number, file in enumerate(files)])
        == [DATA[150_000:250_000]] * THREADS
    )
    listed = fs.ls(path.rpartition("/")[0], detail=True, refresh=True)
    assert sorted(entry["size"] for entry in listed) == [*range(THREADS), len(DATA)]
    for _ in range(LARGE // 2):
        large.write(MIB)
    large.close()
    assert fs.cat_file(f"{path}-large/file") == MIB * LARGE
    for file in files:
        file.close()


# --- OSS: a front that checks signatures and tokens ---------------------------------------------------------------


class Provider:
    """Gives credentials of sessions, each other ones, and counts how often it was asked."""

    def __init__(self, session: Callable[[], Session]) -> None:
        self.session = session
        self.given: List[Session] = []
        self.ends: Optional[datetime] = None

    def __call__(self) -> Mapping[str, Any]:
        session = self.session()
        self.given.append(session)
        return {
            "access_key_id": session.key,
            "secret_access_key": session.secret,
            "token": session.token,
            "expires_at": self.ends,
        }


@pytest.fixture
def oss_bucket(oss_server: OssServer) -> Iterator[str]:
    store, name = make_store("oss", oss_server.options), f"test-{uuid4().hex[:12]}"
    store.make_directory(name, soon())
    put(store, f"{name}/dir/file", DATA)
    yield name
    store.close()


def test_oss_credentials_that_end_in_mid_file(oss_server: OssServer, oss_bucket: str) -> None:
    provider = Provider(oss_server.session)
    fs = filesystem("oss", {"endpoint": oss_server.endpoint, "credential_provider": provider})

    def end() -> None:
        provider.given[0].ended = True

    read_on(fs, f"{oss_bucket}/dir/file", end)
    assert len(provider.given) == 2, "one renewal serves all threads"


def test_oss_credentials_are_renewed_before_they_end(oss_server: OssServer, oss_bucket: str) -> None:
    provider = Provider(oss_server.session)
    provider.ends = datetime.now(timezone.utc) + timedelta(seconds=30)
    store = oss(oss_server, provider)
    entry = store.stat(f"{oss_bucket}/dir/file", soon())
    provider.ends = None
    assert at_once(*[lambda: get(store, entry, 5, 50)] * THREADS) == [DATA[5:50]] * THREADS
    first, second = provider.given[0], provider.given[-1]
    first.ended = True
    asked = len(provider.given)
    assert get(store, entry) == DATA
    assert provider.given[-1] is second
    assert len(provider.given) == asked
    store.close()


def oss(server: OssServer, provider: Any) -> UnderStore:
    options = {"endpoint": server.endpoint, "credential_provider": provider}
    return OssUnderStore(Target("oss", options), OssUnderStore.Settings(), make_context())


def test_a_provider_of_wrong_credentials_is_not_asked_for_ever(oss_server: OssServer, oss_bucket: str) -> None:
    provider = Provider(lambda: Session("unknown-here", "unknown-secret", "unknown-token"))
    store = oss(oss_server, provider)
    with pytest.raises(PermissionError) as caught:
        list(store.list(oss_bucket, soon()))
    assert len(provider.given) == 2
    assert "unknown-secret" not in str(caught.value)
    assert "unknown-token" not in str(caught.value)
    provider.session = oss_server.session
    assert [entry.name for entry in store.list(oss_bucket, soon())] == [f"{oss_bucket}/dir"], "it is not kept"
    store.close()


def test_a_provider_that_fails_is_a_permission_error_that_says_why(oss_server: OssServer) -> None:
    def fails() -> Mapping[str, Any]:
        raise RuntimeError("the vault is closed")

    store = oss(oss_server, fails)
    with pytest.raises(PermissionError, match="the vault is closed"):
        store.stat("bucket/file", soon())
    store.close()


# --- GCS: google-auth's credentials, whose token a callable gives -------------------------------------------------


def test_a_gcs_token_that_ends_in_mid_file(gcs_server: GcsServer) -> None:
    from google.oauth2.credentials import Credentials

    store, bucket = make_store("gs", gcs_server.options), f"test-{uuid4().hex[:12]}"
    store.make_directory(bucket, soon())
    put(store, f"{bucket}/dir/file", DATA)
    given: List[str] = []
    ended: List[str] = []

    def handler(request: Any, scopes: Any) -> Any:
        given.append(f"token-{len(given)}")
        return given[-1], (datetime.now(timezone.utc) + timedelta(hours=1)).replace(tzinfo=None)

    def has_ended(request: Request) -> bool:
        return request.headers.get("authorization", "").rpartition(" ")[2] in ended

    body = {"error": {"code": 401, "message": "Invalid Credentials", "errors": [{"reason": "authError"}]}}
    with FaultProxy(gcs_server.host, gcs_server.port) as proxy:
        proxy.fault(status(401, json.dumps(body).encode()), when=has_ended, times=None)
        make: Any = Credentials  # it has no types
        credentials = make(token=None, refresh_handler=handler)
        options = {**gcs_server.options_at(f"http://{proxy.host}:{proxy.port}"), "token": credentials}
        fs = filesystem("gs", options)
        read_on(fs, f"{bucket}/dir/file", lambda: ended.extend(given))
        assert given == ["token-0", "token-1"], "one renewal serves all threads"
        assert "token-1" not in repr(fs) + json.dumps(fs.describe())
    store.close()


# --- S3: what is in the environment, put right while fsspec keeps the filesystem ----------------------------------


OPERATIONS: Dict[str, Callable[[Any, str], object]] = {
    "read": lambda fs, bucket: fs.cat_file(f"{bucket}/file"),
    "list": lambda fs, bucket: fs.ls(bucket, refresh=True),
    "write": lambda fs, bucket: fs.pipe_file(f"{bucket}/new", b"new"),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_s3_credentials_of_the_environment_are_put_right(
    minio_server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, operation: str
) -> None:
    store, bucket = make_store("s3", minio_server.options), f"test-{uuid4().hex[:12]}"
    store.make_directory(bucket, soon())
    put(store, f"{bucket}/file", DATA)
    store.close()
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    AlluxioFileSystem.clear_instance_cache()

    # An address of its own: whoever shares one shares what was found for it, while anybody's filesystem lives.
    with FaultProxy(minio_server.host, minio_server.port) as proxy:

        def kept() -> Any:
            address = f"http://{proxy.host}:{proxy.port}"
            options = {"endpoint_url": address, "config_kwargs": {"s3": {"addressing_style": "path"}}}
            return fsspec.filesystem("alluxiofs", target_protocol="s3", target_options=options, page_store=None)

        first = kept()
        for key, secret in (("", ""), ("unknown-here", "any"), (minio_server.key, "wrong")):
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
            with pytest.raises(PermissionError):
                OPERATIONS[operation](kept(), bucket)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", minio_server.secret)
        OPERATIONS[operation](kept(), bucket)
        assert kept() is first, "fsspec keeps filesystems"


# --- GCS: the key file that the environment names, put right while fsspec keeps the filesystem ---------------------


@pytest.mark.parametrize("operation", OPERATIONS)
def test_gcs_credentials_that_were_found_are_put_right(
    gcs_server: GcsServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, operation: str
) -> None:
    store, bucket = make_store("gs", gcs_server.options), f"test-{uuid4().hex[:12]}"
    store.make_directory(bucket, soon())
    put(store, f"{bucket}/file", DATA)
    store.close()
    AlluxioFileSystem.clear_instance_cache()
    body = {"error": {"code": 401, "message": "Invalid Credentials", "errors": [{"reason": "authError"}]}}
    with FaultServer() as service, FaultProxy(gcs_server.host, gcs_server.port) as proxy:
        service.route("/token", tokens_of_accounts)
        refused = proxy.fault(
            status(401, json.dumps(body).encode()),
            when=lambda request: request.headers.get("authorization") != "Bearer token-of-right",
            times=None,
        )

        def kept() -> Any:
            options = {"endpoint_url": f"http://{proxy.host}:{proxy.port}"}
            return fsspec.filesystem("alluxiofs", target_protocol="gs", target_options=options, page_store=None)

        first = kept()
        for account in ("unknown", "gone"):
            file = service_account(account, service.url("/token"), tmp_path / account)
            monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
            for _ in range(2):  # the second one asks with this account
                with pytest.raises(PermissionError):
                    OPERATIONS[operation](kept(), bucket)
        assert refused.applied
        right = service_account("right", service.url("/token"), tmp_path / "right")
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", right)
        OPERATIONS[operation](kept(), bucket)
        assert kept() is first, "fsspec keeps filesystems"


# --- S3: temporary credentials of MinIO's token service, renewed by botocore's chain ------------------------------


@pytest.mark.parametrize("clock", [True, False], ids=["its clock says so", "the store says so"])
@pytest.mark.parametrize(("code", "refused"), [("ExpiredToken", 400), ("InvalidAccessKeyId", 403)])
def test_an_s3_session_that_ends_in_mid_file(minio_server: S3Server, clock: bool, code: str, refused: int) -> None:
    from aiobotocore.credentials import AioRefreshableCredentials
    from aiobotocore.session import AioSession

    store, bucket = make_store("s3", minio_server.options), f"test-{uuid4().hex[:12]}"
    store.make_directory(bucket, soon())
    put(store, f"{bucket}/dir/file", DATA)
    given: List[Dict[str, str]] = []
    ended: List[str] = []
    lock = threading.Lock()

    async def renew() -> Dict[str, str]:
        said = assumed(minio_server)
        with lock:
            given.append(said)
        end = datetime.now(timezone.utc) + timedelta(hours=1)
        return {
            "access_key": said["AccessKeyId"],
            "secret_key": said["SecretAccessKey"],
            "token": said["SessionToken"],
            "expiry_time": end.isoformat(),
        }

    def has_ended(request: Request) -> bool:
        return any(key in request.headers.get("authorization", "") for key in ended)

    refusal = f"<Error><Code>{code}</Code><Message>The provided token has expired.</Message></Error>".encode()
    past = datetime.now(timezone.utc) - timedelta(hours=1)
    credentials = AioRefreshableCredentials("none-yet", "none-yet", "none-yet", past, renew, "a callable")
    session = AioSession()
    session._credentials = credentials
    with FaultProxy(minio_server.host, minio_server.port) as proxy:
        proxy.fault(status(refused, refusal), when=has_ended, times=None)
        options = {
            "endpoint_url": f"http://{proxy.host}:{proxy.port}",
            "session": session,
            "config_kwargs": {"s3": {"addressing_style": "path"}},
        }
        fs = filesystem("s3", options)

        def end() -> None:
            ended.append(given[0]["AccessKeyId"])
            if clock:
                credentials._expiry_time = past

        read_on(fs, f"{bucket}/dir/file", end)
        assert len(given) == 2, "one renewal serves all threads"
        shown = repr(fs) + json.dumps(fs.describe())
        assert not any(one["SecretAccessKey"] in shown or one["SessionToken"] in shown for one in given)
    store.close()
