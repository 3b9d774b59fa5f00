"""What making an under store does, and does not."""

from __future__ import annotations

import sys
from typing import Any, Dict, Type

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from alluxiofs.errors import ConfigurationError, MissingExtraError, UnknownSettingError
from alluxiofs.interfaces import Deadline, Target, UnderStore
from alluxiofs.plugins.under_store_fsspec import FsspecUnderStore
from alluxiofs.plugins.under_store_local import LocalUnderStore
from alluxiofs.plugins.under_store_s3 import S3UnderStore
from alluxiofs.testing import make_context
from alluxiofs.testing.guards import no_io


def make(kind: Type[UnderStore], protocol: str, options: Dict[str, Any], client: Any = None) -> UnderStore:
    return kind(Target(protocol, options, client), kind.Settings(), make_context())


@pytest.mark.parametrize(
    ("kind", "protocol", "options"),
    [
        (LocalUnderStore, "file", {"auto_mkdir": True}),
        (FsspecUnderStore, "memory", {}),
        (FsspecUnderStore, "s3", {"key": "k"}),
        (S3UnderStore, "s3", {"endpoint_url": "http://127.0.0.1:1"}),
    ],
)
def test_nothing_is_opened(kind: Type[UnderStore], protocol: str, options: Dict[str, Any]) -> None:
    make(kind, protocol, options)  # the first one imports the client's library
    path = "bucket/key"
    with no_io():
        store = make(kind, protocol, options)
        store.identity()
        store.url(store.strip(path))


def test_an_option_that_local_files_do_not_have_names_the_nearest() -> None:
    with pytest.raises(UnknownSettingError, match="auto_mkdir"):
        make(LocalUnderStore, "file", {"auto_mkdirs": True})


def test_a_protocol_that_there_is_not_names_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match="'memory'"):
        make(FsspecUnderStore, "memry", {})


def test_a_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'alluxiofs\[gcs\]'"):
        make(FsspecUnderStore, "gs", {})


@pytest.mark.parametrize("kind", [FsspecUnderStore, S3UnderStore])
def test_an_identity_is_the_endpoint_and_no_secret(kind: Type[UnderStore]) -> None:
    plain = {"endpoint_url": "http://one:9000", "key": "a", "secret": "b"}
    one = make(kind, "s3", plain).identity()
    assert one == make(kind, "s3a", {**plain, "secret": "c"}).identity()
    assert one == make(kind, "s3", {**plain, "endpoint_url": "http://user:pass@one:9000"}).identity()
    assert one != make(kind, "s3", {**plain, "endpoint_url": "http://two:9000"}).identity()
    assert one != make(kind, "s3", {}).identity()


def test_a_ready_client_is_used_as_it_is() -> None:
    client = MemoryFileSystem(skip_instance_cache=True)
    client.pipe_file("/ready/file", b"content")
    store = make(FsspecUnderStore, "memory", {}, client)
    assert store.stat("/ready/file", Deadline.after(30)).size == 7
    client.rm("/ready", recursive=True)
