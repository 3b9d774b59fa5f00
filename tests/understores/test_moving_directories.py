"""A directory of keys is moved key by key: nothing is lost that was not moved."""

from __future__ import annotations

import contextlib
from typing import Any, Iterator

import pytest

from alluxiofs.interfaces import Deadline, Entry, Target
from alluxiofs.plugins.under_store_s3 import S3UnderStore
from alluxiofs.testing import make_context
from tests.servers import S3Server


class Busy(S3UnderStore):
    """One into which somebody else writes while it copies."""

    def _copy_object(self, source: Entry, target: str, deadline: Deadline) -> None:
        directory = source.name.rpartition("/")[0]
        self.create_and_write(f"{directory}/of-another")
        super()._copy_object(source, target, deadline)

    def create_and_write(self, name: str) -> None:
        writer = self.create(name)
        writer.write(memoryview(name.encode()))
        writer.commit()


@pytest.fixture
def store(s3_server: S3Server) -> Iterator[Busy]:
    with contextlib.closing(Busy(Target("s3", s3_server.options), Busy.Settings(), make_context())) as store:
        yield store


def within() -> Deadline:
    return Deadline.after(60)


def read(store: Busy, name: str) -> bytes:
    entry = store.stat(name, within())
    assert entry.size is not None
    data = bytearray(entry.size)
    store.read_into(name, entry.version, 0, memoryview(data), within())
    return bytes(data)


def test_what_others_write_meanwhile_stays(store: Busy, s3_bucket: str) -> None:
    store.create_and_write(f"{s3_bucket}/from/x")
    store.move(f"{s3_bucket}/from", f"{s3_bucket}/to", within())
    assert read(store, f"{s3_bucket}/to/x") == f"{s3_bucket}/from/x".encode()
    assert [entry.name for entry in store.list(f"{s3_bucket}/from", within())] == [f"{s3_bucket}/from/of-another"]
    assert read(store, f"{s3_bucket}/from/of-another") == f"{s3_bucket}/from/of-another".encode()


def test_marks_of_directories_go(store: Busy, s3_bucket: str, s3_client: Any) -> None:
    s3_client.call_s3("put_object", Bucket=s3_bucket, Key="from/empty/", Body=b"")
    store.create_and_write(f"{s3_bucket}/from/folder/x")
    store.move(f"{s3_bucket}/from", f"{s3_bucket}/to", within())
    listed = s3_client.call_s3("list_objects_v2", Bucket=s3_bucket)
    assert [item["Key"] for item in listed["Contents"]] == ["from/folder/of-another", "to/folder/x"]
