"""What is the same name, and what an error says of it, for clients of many kinds."""

from __future__ import annotations

import errno
import socket
from typing import Any, Type
from uuid import uuid4

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from alluxiofs.errors import DeadlineExceededError, InvalidPathError
from alluxiofs.interfaces import Deadline, Target, UnderStore
from alluxiofs.plugins.under_store_fsspec import FsspecUnderStore
from alluxiofs.plugins.under_store_local import LocalUnderStore
from alluxiofs.plugins.under_store_s3 import S3UnderStore
from alluxiofs.testing import make_context


def make(kind: Type[UnderStore], protocol: str, client: Any = None) -> UnderStore:
    return kind(Target(protocol, {}, client), kind.Settings(), make_context())


@pytest.mark.parametrize(
    ("kind", "protocol", "url", "name"),
    [
        (S3UnderStore, "s3", "S3://Bucket/Key", "Bucket/Key"),
        (S3UnderStore, "s3", "S3A://bucket/key", "bucket/key"),
        (S3UnderStore, "s3", "Bucket/S3://key", "Bucket/S3://key"),
        (LocalUnderStore, "file", "FILE:///Directory/File", "/Directory/File"),
        (LocalUnderStore, "file", "Local:///Directory", "/Directory"),
        (LocalUnderStore, "file", "/FILE://x", "/FILE:/x"),
        (FsspecUnderStore, "memory", "Memory://Directory/File", "/Directory/File"),
        (FsspecUnderStore, "s3", "S3://Bucket/Key", "Bucket/Key"),
        (FsspecUnderStore, "http", "HTTP://host/Path", "http://host/Path"),
    ],
)
def test_a_scheme_in_any_letter_case(kind: Type[UnderStore], protocol: str, url: str, name: str) -> None:
    assert make(kind, protocol).strip(url) == name


@pytest.mark.parametrize("kind", [S3UnderStore, FsspecUnderStore])
def test_what_is_no_unicode_names_nothing_in_a_store_of_keys(kind: Type[UnderStore]) -> None:
    name = "odd-\udc80"
    with pytest.raises(InvalidPathError, match=r"udc80.*Unicode"):
        make(kind, "s3").strip(name)
    assert make(LocalUnderStore, "file").strip(f"/{name}") == f"/{name}"


def test_a_missing_file_is_named_once() -> None:
    name = f"/missing-{uuid4().hex}"
    with pytest.raises(FileNotFoundError) as caught:
        make(FsspecUnderStore, "memory").stat(name, Deadline.after(5))
    assert str(caught.value) == f"[Errno {errno.ENOENT}] No such file or directory: '{name}'"


class Refusing(MemoryFileSystem):
    """Raises what it was made with."""

    cachable = False
    error: Exception

    def info(self, path: str, **kwargs: Any) -> Any:
        raise self.error


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (OSError("no JVM\ntried here\ntried there"), OSError, "[Errno 5] no JVM: '/name'"),
        (OSError(28, "full\n" * 1000), OSError, "[Errno 28] full: '/name'"),
        (ValueError("x" * 5000), OSError, f"[Errno 5] ValueError: {'x' * 499}…: '/name'"),
        (RuntimeError(), OSError, "[Errno 5] RuntimeError: '/name'"),
        (IsADirectoryError("/name"), IsADirectoryError, "[Errno 21] Is a directory: '/name'"),
        (socket.timeout("timed out"), DeadlineExceededError, None),
    ],
)
def test_what_a_client_says_is_cut_and_named_once(error: Exception, kind: Type[Exception], message: Any) -> None:
    client = Refusing()
    client.error = error
    with pytest.raises(kind) as caught:
        make(FsspecUnderStore, "memory", client).stat("/name", Deadline.after(5))
    if message is not None:
        assert str(caught.value) == message
    assert caught.value.__cause__ is error
