"""Secrets of stores, given in each way that there is, are seen nowhere: calls that succeed, and such as are refused."""

from __future__ import annotations

import json
import logging
import traceback
from pathlib import Path
from typing import Any, Dict, Optional
from uuid import uuid4

import fsspec
import pytest

from alluxiofs.plugins._obstore.library import OLDEST_PYTHON
from alluxiofs.testing._files import soon
from tests.faults import FaultProxy, FaultServer, Reply, status
from tests.oss_front import OssServer
from tests.servers import GcsServer, S3Server
from tests.understores.accounts import service_account, tokens_of_accounts
from tests.understores.canary import Seen
from tests.understores.failing import make_store
from tests.understores.needed import needed
from tests.understores.obstore_gcs_front import xml_front

needed("gcsfs", "gcs")
needed("ossfs", "oss")

CANARY = "canary-7f3a91"


@pytest.fixture
def seen(caplog: pytest.LogCaptureFixture) -> Seen:
    return Seen(caplog)


def filesystem(protocol: str, options: Dict[str, Any], under_store: Optional[str] = None) -> Any:
    return fsspec.filesystem(
        "alluxiofs",
        target_protocol=protocol,
        target_options=options,
        under_store=under_store,
        page_store=None,
        skip_instance_cache=True,
        retries=0,
        deadline=20,
    )


def made(protocol: str, options: Dict[str, Any]) -> str:
    """A new bucket."""
    store, bucket = make_store(protocol, options), f"test-{uuid4().hex[:12]}"
    store.make_directory(bucket, soon())
    store.close()
    return bucket


@pytest.mark.parametrize("under_store", ["s3", "obstore"])
def test_secrets_of_s3(s3_server: S3Server, s3_bucket: str, seen: Seen, under_store: str) -> None:
    if under_store == "obstore":
        needed("obstore", "fast", since=OLDEST_PYTHON)
    right = s3_server.options
    seen.use(filesystem("s3", right, under_store), s3_bucket)
    assert seen.errors == 1, "what is not there"
    for wrong in ({"secret": f"{CANARY}-secret"}, {"token": f"{CANARY}-token"}):
        seen.use(filesystem("s3", {**right, **wrong}, under_store), s3_bucket)
    assert seen.errors == 9
    seen.check(s3_server.secret, CANARY)


def test_secrets_of_oss(oss_server: OssServer, seen: Seen) -> None:
    bucket, session = made("oss", dict(oss_server.options)), oss_server.session()
    right = {"endpoint": oss_server.endpoint, "key": session.key, "secret": session.secret, "token": session.token}
    seen.use(filesystem("oss", right), bucket)
    assert seen.errors == 1, "what is not there"
    for wrong in ({"secret": f"{CANARY}-secret"}, {"token": f"{CANARY}-token"}):
        seen.use(filesystem("oss", {**right, **wrong}), bucket)
    assert seen.errors == 9
    seen.check(oss_server.secret, session.secret, session.token, CANARY)


def test_secrets_of_gcs(gcs_server: GcsServer, seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FETCH_RAW_TOKEN_EXPIRY", "false")
    bucket = made("gs", gcs_server.options)
    body = {"error": {"code": 401, "message": "Invalid Credentials", "errors": [{"reason": "authError"}]}}
    with FaultServer() as service, FaultProxy(gcs_server.host, gcs_server.port) as proxy:
        service.route("/token", tokens_of_accounts)
        proxy.fault(
            status(401, json.dumps(body).encode()),
            when=lambda request: request.headers.get("authorization") != "Bearer token-of-right",
            times=None,
        )
        files = {name: service_account(name, service.url("/token"), tmp_path / name) for name in ("right", "unknown")}
        accounts = {name: json.loads(Path(file).read_text()) for name, file in files.items()}
        (tmp_path / "spoilt").write_text(f'{{"private_key": "{CANARY}-file"')
        tokens = {
            "right": files["right"],
            "of an account": accounts["right"],
            "unknown": files["unknown"],
            "gone": {**accounts["unknown"], "client_email": "gone"},
            "no key": {**accounts["right"], "private_key": f"{CANARY}-key"},
            "spoilt": str(tmp_path / "spoilt"),
            "raw": f"{CANARY}-raw",
        }
        for name, token in tokens.items():
            before, address = seen.errors, f"http://{proxy.host}:{proxy.port}"
            seen.use(filesystem("gs", {"project": "test", "token": token, "endpoint_url": address}), bucket)
            assert seen.errors - before == (1 if token is tokens["right"] or name == "of an account" else 4), name
    lines = [line for account in accounts.values() for line in account["private_key"].splitlines()[1:-1]]
    seen.check("token-of-", CANARY, *lines)


def test_secrets_of_a_prefix(seen: Seen) -> None:
    with FaultServer() as server:
        server.route("*", lambda _request: Reply(404))
        url = server.url("/folder").replace("://", f"://user:{CANARY}@")
        stores = {url: {"protocol": "http", "options": {"client_kwargs": {}}}}
        fs = fsspec.filesystem("alluxiofs", under_stores=stores, page_store=None, skip_instance_cache=True, retries=0)
        for path in (f"{url}/none", server.url("/elsewhere")):
            with pytest.raises((FileNotFoundError, ValueError)) as caught:
                fs.info(path)
            # The client's own error has the URL that it was given; it is behind ours, and no traceback has it.
            seen.texts += traceback.format_exception(caught.type, caught.value, caught.tb)
    seen.texts += [repr(vars(fs)), repr(vars(fs.gateway)), json.dumps(fs.describe()), repr(fs.storage_options)]
    seen.texts.append(fs.to_json(include_password=False))
    logging.getLogger("alluxiofs.canary").debug("caught")
    seen.check(CANARY)


def test_secrets_of_gcs_on_obstore(gcs_server: GcsServer, seen: Seen) -> None:
    needed("obstore", "fast", since=OLDEST_PYTHON)
    bucket = made("gs", gcs_server.options)
    with xml_front(gcs_server) as front, FaultProxy(front.host, front.port) as proxy:
        proxy.fault(
            status(401, b"<Error><Code>AuthenticationRequired</Code><Message>no</Message></Error>"),
            when=lambda request: request.headers.get("authorization") != f"Bearer {CANARY}-right",
            times=None,
        )
        for name, errors in (("right", 1), ("wrong", 5)):
            address = f"http://{proxy.host}:{proxy.port}"
            given = {"token": f"{CANARY}-{name}", "expires_at": None}
            options = {"endpoint_url": address, "credential_provider": lambda given=given: given}
            seen.use(filesystem("gs", options, "obstore"), bucket)
            assert seen.errors == errors
    seen.check(CANARY)
