"""The under store obstore: which options of s3fs and gcsfs it takes, and as what."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Dict

import pytest

from alluxiofs.errors import ConfigurationError, MissingExtraError, UnknownSettingError
from alluxiofs.interfaces import Target
from alluxiofs.plugins._obstore import library
from alluxiofs.plugins._obstore.gcs_options import gcs_configuration
from alluxiofs.plugins._obstore.options import Configuration
from alluxiofs.plugins._obstore.s3_options import s3_configuration
from alluxiofs.plugins.under_store_obstore import ObstoreUnderStore
from alluxiofs.testing import make_context

KEYS = {"key": "an-id", "secret": "a-secret"}
AT_HOME = {"endpoint_url": "http://127.0.0.1:9000"}


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_CA_BUNDLE", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)


def given(configuration: Configuration) -> Dict[str, Any]:
    assert configuration.credentials is not None
    return dict(configuration.credentials())


def test_credentials_are_those_that_were_given_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of somebody else")
    made = s3_configuration(KEYS)
    assert given(made) == {
        "access_key_id": "an-id",
        "secret_access_key": "a-secret",
        "token": None,
        "expires_at": None,
    }
    assert given(s3_configuration({**KEYS, "token": "a-token"}))["token"] == "a-token"
    spelt = {"aws_access_key_id": "an-id", "aws_secret_access_key": "a-secret"}
    assert given(s3_configuration({"client_kwargs": spelt})) == given(made)
    assert "a-secret" not in repr(made)


@pytest.mark.parametrize(
    ("options", "in_store"),
    [
        ({"anon": True}, {"skip_signature": True}),
        ({"anon": True, **KEYS}, {"skip_signature": True}),
        (KEYS, {"skip_signature": False, "region": "us-east-1", "request_payer": False}),
        ({**KEYS, "client_kwargs": {"region_name": "eu-west-1"}}, {"region": "eu-west-1"}),
        ({**KEYS, "config_kwargs": {"region_name": "eu-west-1"}}, {"region": "eu-west-1"}),
        ({**KEYS, "requester_pays": True}, {"request_payer": True}),
        (
            {**KEYS, "s3_additional_kwargs": {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "k"}},
            {"server_side_encryption": "aws:kms", "sse_kms_key_id": "k"},
        ),
    ],
)
def test_options_of_s3fs_for_the_store(options: Dict[str, Any], in_store: Dict[str, Any]) -> None:
    made = s3_configuration(options).store
    assert {name: made[name] for name in in_store} == in_store


@pytest.mark.parametrize(
    ("options", "in_client"),
    [
        (AT_HOME, {"allow_http": True}),
        ({"endpoint_url": "https://minio.example"}, {"allow_http": False}),
        ({"client_kwargs": {"endpoint_url": "http://127.0.0.1:9000"}}, {"allow_http": True}),
        ({"client_kwargs": {"verify": False}}, {"allow_invalid_certificates": True}),
        ({"config_kwargs": {"connect_timeout": 2.5}}, {"connect_timeout": "2500ms"}),
        ({"config_kwargs": {"max_pool_connections": 50}}, {"pool_max_idle_per_host": "50"}),
        ({"config_kwargs": {"proxies": {"https": "http://proxy:1"}}}, {"proxy_url": "http://proxy:1"}),
        ({"config_kwargs": {"user_agent": "mine"}}, {"user_agent": "mine"}),
    ],
)
def test_options_of_s3fs_for_its_http_client(options: Dict[str, Any], in_client: Dict[str, Any]) -> None:
    made = s3_configuration({**KEYS, **options}).client
    assert {name: made[name] for name in in_client} == in_client
    if "allow_invalid_certificates" not in in_client:
        assert "allow_invalid_certificates" not in made


def test_certificates_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----")
    assert s3_configuration({**KEYS, "client_kwargs": {"verify": str(bundle)}}).client["root_certificate"] == bundle
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    assert s3_configuration(KEYS).client["root_certificate"] == bundle
    with pytest.raises(ConfigurationError, match=r"verify: there is no file .*none\.pem"):
        s3_configuration({**KEYS, "client_kwargs": {"verify": str(tmp_path / "none.pem")}})


@pytest.mark.parametrize(
    ("options", "in_host"),
    [
        ({}, True),
        (AT_HOME, False),
        ({**AT_HOME, "config_kwargs": {"s3": {"addressing_style": "virtual"}}}, True),
        ({"config_kwargs": {"s3": {"addressing_style": "path"}}}, False),
    ],
)
def test_buckets_are_addressed_as_botocore_does(options: Dict[str, Any], in_host: bool) -> None:
    assert s3_configuration({**KEYS, **options}).in_host is in_host


@pytest.mark.parametrize(
    ("options", "about"),
    [
        ({"key": "only"}, "'key' and 'secret' go together"),
        ({"token": "only"}, "it goes with 'key' and 'secret'"),
        ({"endpoint_url": "127.0.0.1:9000"}, "no scheme"),
        ({"client_kwargs": {"verify": 5}}, "verify: True, False or the path"),
        ({"config_kwargs": {"retries": {"max_attempts": 9}}}, "cannot do 'retries'"),
        ({"config_kwargs": {"client_cert": "c.pem"}}, "cannot do 'client_cert'"),
        ({"config_kwargs": {"signature_version": "s3"}}, "signed with 's3v4'"),
        ({"config_kwargs": {"s3": {"use_accelerate_endpoint": True}}}, "cannot do 'use_accelerate_endpoint'"),
        ({"config_kwargs": {"proxies": {"https": "http://a:1", "http": "http://b:1"}}}, "one proxy for both"),
        ({"s3_additional_kwargs": {"ACL": "public-read"}}, "no option 'ACL'"),
        ({"session": object()}, "cannot do 'session'"),
        ({"version_aware": True}, "cannot do 'version_aware'"),
        ({"asynchronous": True}, "cannot do 'asynchronous'"),
        ({"use_ssl": False}, "endpoint_url='http://"),
        ({"credential_provider": "me"}, "a callable"),
    ],
)
def test_what_cannot_be_had_from_obstore_is_refused(options: Dict[str, Any], about: str) -> None:
    with pytest.raises(ConfigurationError, match=about):
        s3_configuration(options if {"key", "token", "credential_provider"} & set(options) else {**KEYS, **options})


def test_misspelt_options_name_the_nearest() -> None:
    with pytest.raises(UnknownSettingError, match="did you mean 'endpoint_url'"):
        s3_configuration({"endpoint_uri": "http://x"})
    with pytest.raises(UnknownSettingError, match="client_kwargs: .*did you mean 'verify'"):
        s3_configuration({**KEYS, "client_kwargs": {"verfiy": False}})
    with pytest.raises(UnknownSettingError, match="did you mean 'token'"):
        gcs_configuration({"tokens": "anon"})


def test_what_only_tunes_a_clients_own_files_is_no_error() -> None:
    s3_configuration({**KEYS, "use_listings_cache": True, "default_block_size": 5, "skip_instance_cache": True})
    gcs_configuration({"token": "anon", "cache_timeout": 5, "project": "mine"})


def test_options_of_gcsfs() -> None:
    made = gcs_configuration({"token": "anon", "endpoint_url": "http://127.0.0.1:4443/", "requester_pays": "payer"})
    assert made.store == {"base_url": "http://127.0.0.1:4443", "skip_signature": True}
    assert made.client["default_headers"]["x-goog-user-project"] == "payer"
    assert made.client["allow_http"] is True
    assert gcs_configuration({}).store == gcs_configuration({"token": "cloud"}).store == {}
    account = {"type": "service_account", "private_key": "a-private-key", "client_email": "x@example.com"}
    made = gcs_configuration({"token": account})
    assert '"x@example.com"' in made.store["service_account_key"]
    assert made.secrets == ("a-private-key",)
    assert "a-private-key" not in repr(made)


@pytest.mark.parametrize(
    ("options", "about"),
    [
        ({"token": "browser"}, "an affair of gcsfs"),
        ({"token": "ya29.a-token-itself"}, "neither a word that is known nor a file"),
        ({"token": {"type": "external_account"}}, "'external_account'"),
        ({"token": 5}, "a file"),
        ({"requester_pays": True}, "the name of the project"),
        ({"session_kwargs": {"connector": object()}}, "cannot do 'connector'"),
        ({"version_aware": True}, "cannot do 'version_aware'"),
    ],
)
def test_what_cannot_be_had_for_gcs_is_refused(options: Dict[str, Any], about: str) -> None:
    with pytest.raises(ConfigurationError, match=about) as caught:
        gcs_configuration(options)
    assert "ya29" not in str(caught.value)


def test_a_file_of_credentials_is_left_to_the_library(tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text("{}")
    made = gcs_configuration({"token": str(tmp_path / "key.json")})
    assert made.store == {"application_credentials": str(tmp_path / "key.json")}


def test_a_ready_client_is_refused() -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    with pytest.raises(ConfigurationError, match="argument 'fs': .*target_protocol and target_options"):
        ObstoreUnderStore(Target("s3", client=MemoryFileSystem()), ObstoreUnderStore.Settings(), make_context())


def test_what_the_library_finds_in_the_environment_is_a_secret_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)  # nor is there a botocore
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-token")
    assert s3_configuration({}).secrets == ("a-secret", "a-token")


@pytest.mark.skipif(sys.version_info < library.OLDEST_PYTHON, reason="obstore is for a later Python")
def test_a_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'alluxiofs\[fast\]'"):
        library.check_installed()


def test_a_python_that_is_too_old_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 8, 18))
    with pytest.raises(MissingExtraError, match=r"needs Python 3\.11 or later.*this is Python 3\.8"):
        library.check_installed()
