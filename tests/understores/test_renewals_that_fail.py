"""Who gives credentials, and gives none: it raises, never answers, or gives what cannot be such."""

from __future__ import annotations

import threading
import traceback
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Dict, Iterator, List
from uuid import uuid4

import fsspec
import pytest

from alluxiofs.testing._files import content, put, soon
from alluxiofs.testing.guards import at_once
from tests.oss_front import OssServer, Session
from tests.servers import GcsServer, free_port
from tests.understores.failing import make_store
from tests.understores.needed import needed

needed("gcsfs", "gcs")
needed("ossfs", "oss")

DATA = content(1000)
TOMORROW = datetime.now(timezone.utc) + timedelta(days=1)  # however long all tests take
CANARY = "canary-51d0"


def bucket_of(protocol: str, options: Dict[str, Any]) -> str:
    store, bucket = make_store(protocol, options), f"test-{uuid4().hex[:12]}"
    store.make_directory(bucket, soon())
    put(store, f"{bucket}/file", DATA)
    store.close()
    return bucket


def filesystem(protocol: str, options: Dict[str, Any], **limits: float) -> Any:
    return fsspec.filesystem(
        "alluxiofs",
        target_protocol=protocol,
        target_options=options,
        page_store=None,
        retries=0,
        skip_instance_cache=True,
        **limits,
    )


def shown(caught: pytest.ExceptionInfo[BaseException]) -> str:
    """All that a traceback prints."""
    return "".join(traceback.format_exception(caught.type, caught.value, caught.tb))


# --- OSS ----------------------------------------------------------------------------------------------------------

GARBAGE: Dict[str, Any] = {
    "nothing": None,
    "text": CANARY,
    "empty": {},
    "no secret": {"access_key_id": CANARY},
    "none": {"access_key_id": None, "secret_access_key": None},
    "bytes": {"access_key_id": CANARY.encode(), "secret_access_key": CANARY.encode()},
    "an end that is text": {"access_key_id": "k", "secret_access_key": CANARY, "expires_at": TOMORROW.isoformat()},
    "an end that is a number": {"access_key_id": "k", "secret_access_key": CANARY, "expires_at": 1e9},
    "a line break": {"access_key_id": "k", "secret_access_key": "s", "token": f"{CANARY}\n"},
    "a space before it": {"access_key_id": "k", "secret_access_key": "s", "token": f" {CANARY}"},
    "no latin letter": {"access_key_id": "k", "secret_access_key": "s", "token": f"{CANARY}中"},
}


@pytest.mark.parametrize("what", GARBAGE)
def test_what_cannot_be_credentials_of_oss_is_a_permission_error(oss_server: OssServer, what: str) -> None:
    fs = filesystem("oss", {"endpoint": oss_server.endpoint, "credential_provider": lambda: GARBAGE[what]})
    with pytest.raises(PermissionError, match="credential_provider failed") as caught:
        fs.cat_file("bucket/file")
    assert CANARY not in shown(caught)


@pytest.mark.parametrize("given", [f"{CANARY}\n", f" {CANARY}"], ids=["a line break", "a space"])
@pytest.mark.parametrize("option", ["key", "secret", "token"])
def test_what_cannot_be_sent_in_credentials_of_oss_is_told_at_once_and_not_shown(
    oss_server: OssServer, option: str, given: str
) -> None:
    with pytest.raises(ValueError, match=f"{option}.* has a line break, or what else") as caught:
        filesystem("oss", {**oss_server.options, option: given})
    assert CANARY not in shown(caught)


def test_an_end_without_a_zone_is_in_utc(oss_server: OssServer) -> None:
    bucket = bucket_of("oss", dict(oss_server.options))
    asked: List[Session] = []

    def ask() -> Dict[str, Any]:
        session = oss_server.session()
        asked.append(session)
        given = {"access_key_id": session.key, "secret_access_key": session.secret, "token": session.token}
        return {**given, "expires_at": TOMORROW.replace(tzinfo=None)}

    fs = filesystem("oss", {"endpoint": oss_server.endpoint, "credential_provider": ask})
    assert at_once(*[lambda: fs.cat_file(f"{bucket}/file")] * 8) == [DATA] * 8
    assert len(asked) == 1


# --- GCS ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def bucket(gcs_server: GcsServer) -> str:
    return bucket_of("gs", gcs_server.options)


def token_of(handler: Callable[[], Any]) -> Any:
    """Credentials of google-auth whose token a callable gives."""
    from google.oauth2.credentials import Credentials

    make: Any = Credentials  # it has no types
    return make(token=None, refresh_handler=lambda *_, **__: handler())


def good() -> Any:
    return "token", TOMORROW.replace(tzinfo=None)


@pytest.fixture
def released() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_who_never_gives_a_token_keeps_nobody_else_from_theirs(
    gcs_server: GcsServer, bucket: str, released: threading.Event
) -> None:
    """More threads wait for it than the loop has that all filesystems share."""

    def never() -> Any:
        released.wait(60)
        return good()

    path = f"{bucket}/file"
    hung = filesystem("gs", {**gcs_server.options, "token": token_of(never)}, timeout=0.8, deadline=0.8)
    other = filesystem("gs", {**gcs_server.options, "token": token_of(good)}, timeout=60, deadline=60)

    def late(number: int) -> bool:
        with pytest.raises(TimeoutError):
            hung.info(f"{bucket}/{number}")
        return True

    assert all(at_once(*[lambda number=number: late(number) for number in range(40)]))
    assert other.cat_file(path) == DATA
    released.set()
    patient = filesystem("gs", {**gcs_server.options, "token": token_of(good)})
    assert patient.cat_file(path) == DATA


def test_who_gives_a_token_late_gives_it_to_all_who_wait(
    gcs_server: GcsServer, bucket: str, released: threading.Event
) -> None:
    asked: List[None] = []

    def late() -> Any:
        asked.append(None)
        released.wait(60)
        return good()

    fs = filesystem("gs", {**gcs_server.options, "token": token_of(late)})
    timer = threading.Timer(0.3, released.set)
    timer.start()
    assert [info["size"] for info in at_once(*[lambda: fs.info(f"{bucket}/file", refresh=True)] * 16)] == [1000] * 16
    timer.join()
    assert len(asked) == 1


@pytest.mark.parametrize("given", [None, "text", ("token", TOMORROW)], ids=["nothing", "text", "another time"])
def test_what_cannot_be_a_token_is_a_permission_error(gcs_server: GcsServer, bucket: str, given: Any) -> None:
    fs = filesystem("gs", {**gcs_server.options, "token": token_of(lambda: given)})
    with pytest.raises(PermissionError, match="token failed"):
        fs.cat_file(f"{bucket}/file")


def test_who_gives_no_token_says_why(gcs_server: GcsServer, bucket: str) -> None:
    def fails() -> Any:
        raise RuntimeError("the vault is closed")

    fs = filesystem("gs", {**gcs_server.options, "token": token_of(fails)})
    with pytest.raises(PermissionError, match="the vault is closed"):
        fs.cat_file(f"{bucket}/file")


def test_a_token_that_google_cannot_be_asked_of_is_not_shown(
    gcs_server: GcsServer, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recent gcsfs asks when it ends, with the token in the URL; older ones do not ask."""
    from gcsfs import credentials

    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    fs = filesystem("gs", {**gcs_server.options, "token": CANARY})
    if not hasattr(credentials, "_get_creds_from_raw_token"):
        assert fs.cat_file(f"{bucket}/file") == DATA
        return
    with pytest.raises(ConnectionError, match="Google could not be asked") as caught:
        fs.cat_file(f"{bucket}/file")
    assert CANARY not in shown(caught)
