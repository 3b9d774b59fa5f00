"""obstore: temporary credentials that end while files are open, in a job of many threads."""

from __future__ import annotations

import threading
from typing import Any, Dict, Iterator, List, Mapping
from uuid import uuid4

import fsspec
import pytest

from alluxiofs.plugins._obstore.library import OLDEST_PYTHON
from alluxiofs.testing._files import content, put, soon
from alluxiofs.testing.guards import at_once
from tests.faults import FaultProxy, Request, status
from tests.servers import S3Server
from tests.understores.accounts import assumed
from tests.understores.failing import make_store
from tests.understores.needed import needed

needed("obstore", "fast", since=OLDEST_PYTHON)

DATA, MIB, THREADS = content(300_000), content(2**20), 8
REFUSAL = b"<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"


class Sessions:
    """Gives temporary credentials, and has the store refuse those that have ended."""

    def __init__(self, server: S3Server) -> None:
        self.given: List[Mapping[str, str]] = []
        self._server = server
        self._ended: List[str] = []
        self._lock = threading.Lock()

    def ask(self) -> Dict[str, Any]:
        said = assumed(self._server)
        with self._lock:
            self.given.append(said)
        key, secret, token = said["AccessKeyId"], said["SecretAccessKey"], said["SessionToken"]
        return {"access_key_id": key, "secret_access_key": secret, "token": token, "expires_at": None}

    def end(self) -> None:
        self._ended.append(self.given[-1]["AccessKeyId"])

    def has_ended(self, request: Request) -> bool:
        return any(key in request.headers.get("authorization", "") for key in self._ended)


@pytest.fixture
def sessions(minio_server: S3Server) -> Sessions:
    return Sessions(minio_server)


@pytest.fixture
def bucket(minio_server: S3Server) -> str:
    store, name = make_store("s3", minio_server.options), f"test-{uuid4().hex[:12]}"
    store.make_directory(name, soon())
    put(store, f"{name}/dir/file", DATA)
    store.close()
    return name


@pytest.fixture
def fs(minio_server: S3Server, sessions: Sessions) -> Iterator[Any]:
    with FaultProxy(minio_server.host, minio_server.port) as proxy:
        proxy.fault(status(400, REFUSAL), when=sessions.has_ended, times=None)
        yield fsspec.filesystem(
            "alluxiofs",
            target_protocol="s3",
            target_options={
                "endpoint_url": f"http://{proxy.host}:{proxy.port}",
                "credential_provider": sessions.ask,
            },
            under_store={"name": "obstore", "part_size": "5MB", "parts_in_flight": 1},
            page_store=None,
            metadata_ttl=0,
            skip_instance_cache=True,
        )


def test_a_session_that_ends_in_mid_file(fs: Any, sessions: Sessions, bucket: str) -> None:
    path = f"{bucket}/dir/file"
    files = [fs.open(path) for _ in range(THREADS)]
    assert [file.read(1000) for file in files] == [DATA[:1000]] * THREADS

    def go_on(file: Any, number: int) -> bytes:
        fs.pipe_file(f"{path}-{number}", DATA[:number])
        file.seek(150_000)
        return bytes(file.read(100_000))

    sessions.end()
    calls = [lambda file=file, number=number: go_on(file, number) for number, file in enumerate(files)]
    assert at_once(*calls) == [DATA[150_000:250_000]] * THREADS
    assert len(fs.ls(f"{bucket}/dir", detail=True, refresh=True)) == THREADS + 1
    assert len(sessions.given) == 2, "one renewal serves all threads"


def test_an_upload_whose_session_ends_is_refused_and_leaves_the_old_file(
    fs: Any, sessions: Sessions, bucket: str
) -> None:
    path = f"{bucket}/dir/file"
    with pytest.raises(PermissionError, match="ExpiredToken"):
        with fs.open(path, "wb") as file:
            for _ in range(12):
                file.write(MIB)
            sessions.end()
            for _ in range(24):
                file.write(MIB)
    assert fs.cat_file(path) == DATA
    fs.pipe_file(path, MIB * 24)
    assert fs.cat_file(path) == MIB * 24, "the same filesystem goes on"
