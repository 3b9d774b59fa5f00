"""obstore: whom it trusts, and where its credentials come from."""

from __future__ import annotations

import datetime
import ipaddress
import os
import subprocess
import sys
import textwrap
import traceback
from pathlib import Path
from typing import Any, Dict, Iterator, Tuple

import pytest

from alluxiofs.interfaces import Deadline, Target
from alluxiofs.plugins._obstore.library import OLDEST_PYTHON
from alluxiofs.plugins.under_store_obstore import ObstoreUnderStore
from alluxiofs.testing import make_context
from tests.faults import FaultServer, Reply
from tests.servers import S3Server, free_port, program, started
from tests.understores.needed import needed

needed("obstore", "fast", since=OLDEST_PYTHON)


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def look(options: Dict[str, Any], bucket: str) -> str:
    """What kind of thing the bucket is."""
    store = ObstoreUnderStore(Target("s3", options), ObstoreUnderStore.Settings(), make_context())
    try:
        return store.stat(bucket, Deadline.after(60)).kind
    finally:
        store.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Tuple[Path, Path]:
    """A certificate of its own authority, for this machine, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import NameOID

    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a server of tests")])
    now = datetime.datetime.now(datetime.timezone.utc)
    addresses = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(addresses, critical=False)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("certificate")
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory, certificate: Tuple[Path, Path]) -> Iterator[S3Server]:
    """versitygw that speaks TLS, with one bucket."""
    folder = tmp_path_factory.mktemp("versitygw-tls")
    (folder / "data" / "bucket").mkdir(parents=True)
    server = S3Server("127.0.0.1", free_port(), "tester", "tester-secret")
    command = [program("versitygw"), "--port", f"{server.host}:{server.port}"]
    command += ["--cert", str(certificate[0]), "--key", str(certificate[1]), "posix", str(folder / "data")]
    secrets = {"ROOT_ACCESS_KEY": server.key, "ROOT_SECRET_KEY": server.secret}
    with started(command, server.port, folder / "log", environment=secrets):
        yield server


def test_only_certificates_that_are_trusted_are_taken(tls_server: S3Server, certificate: Tuple[Path, Path]) -> None:
    plain = tls_server.options_at(f"https://127.0.0.1:{tls_server.port}")
    with pytest.raises(ConnectionError):
        look(plain, "bucket")
    assert look({**plain, "client_kwargs": {"verify": str(certificate[0])}}, "bucket") == "directory"
    assert look({**plain, "client_kwargs": {"verify": False}}, "bucket") == "directory"


def test_an_authority_in_the_environment(
    tls_server: S3Server, certificate: Tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate[0]))
    assert look(tls_server.options_at(f"https://127.0.0.1:{tls_server.port}"), "bucket") == "directory"


def test_credentials_of_the_environment(s3_server: S3Server, s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_server.key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.secret)
    assert look({"endpoint_url": s3_server.endpoint}, s3_bucket) == "directory"


def test_credentials_of_a_profile(s3_server: S3Server, s3_bucket: str, tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text(
        f"[mine]\naws_access_key_id = {s3_server.key}\naws_secret_access_key = {s3_server.secret}\n"
    )
    assert look({"endpoint_url": s3_server.endpoint, "profile": "mine"}, s3_bucket) == "directory"


def test_no_credentials_at_all_are_a_permission_error(s3_server: S3Server, s3_bucket: str) -> None:
    with pytest.raises(PermissionError, match="Unable to locate credentials"):
        look({"endpoint_url": s3_server.endpoint}, s3_bucket)


def test_a_look_that_is_refused_without_a_word_says_why(s3_server: S3Server, s3_bucket: str) -> None:
    with pytest.raises(PermissionError, match="InvalidToken"):
        look({**s3_server.options, "token": "unknown-here"}, f"{s3_bucket}/file")


@pytest.mark.parametrize("where", ["environment", "provider"])
def test_a_token_that_the_store_repeats_is_not_shown(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"access_key_id": "k" * 20, "secret_access_key": "sesame-secret", "token": "sesame-token"}
    refusal = "<Error><Code>InvalidToken</Code><Message>no</Message><Token-0>sesame-token</Token-0></Error>"
    if where == "environment":
        for name, value in zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"), given.values()):
            monkeypatch.setenv(name, value)
    options = {} if where == "environment" else {"credential_provider": lambda: given}
    with FaultServer() as server:
        server.route("*", lambda request: Reply(400, b"" if request.method == "HEAD" else refusal.encode()))
        with pytest.raises(PermissionError, match="InvalidToken") as caught:
            look({"endpoint_url": server.url(), **options}, "bucket/file")
    assert "sesame" not in "".join(traceback.format_exception(caught.type, caught.value, caught.tb))


def test_anonymous_access_has_no_credentials(s3_server: S3Server, s3_bucket: str) -> None:
    with pytest.raises(PermissionError, match="HTTP 403"):
        look({"endpoint_url": s3_server.endpoint, "anon": True}, s3_bucket)


def test_a_call_that_does_not_come_back_does_not_keep_the_process() -> None:
    script = """
        import socket
        from alluxiofs.interfaces import Deadline, Target
        from alluxiofs.plugins.under_store_obstore import ObstoreUnderStore
        from alluxiofs.testing import make_context

        silent = socket.create_server(("127.0.0.1", 0))
        options = {"endpoint_url": f"http://127.0.0.1:{silent.getsockname()[1]}", "anon": True}
        store = ObstoreUnderStore(Target("s3", options), ObstoreUnderStore.Settings(), make_context())
        try:
            store.stat("bucket/key", Deadline.after(0.2))
        except TimeoutError:
            print("in time")
    """
    lines = textwrap.dedent(script)
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("in time\n", "", 0)
