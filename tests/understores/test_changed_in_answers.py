"""S3: a store that does not look at the condition of a read, and sends another version."""

from __future__ import annotations

from typing import Dict

import pytest

from alluxiofs.errors import FileChangedError
from alluxiofs.interfaces import Deadline, Target, Version
from alluxiofs.plugins.under_store_s3 import S3UnderStore
from alluxiofs.testing import make_context
from tests.faults import FaultServer, status


@pytest.mark.parametrize(
    "told", [{"ETag": '"y"', "Content-Range": "bytes 0-6/7"}, {"Content-Range": "bytes 0-6/9"}], ids=["etag", "length"]
)
def test_bytes_of_another_version_are_a_changed_file(told: Dict[str, str]) -> None:
    with FaultServer() as server:
        options = {"key": "k", "secret": "s", "endpoint_url": server.url()}
        store = S3UnderStore(Target("s3", options), S3UnderStore.Settings(), make_context())
        server.fault(status(206, b"another", {"ETag": '"x"', **told}), times=None)
        with pytest.raises(FileChangedError):
            store.read_into("bucket/key", Version('etag:"x"', 7, None), 0, memoryview(bytearray(7)), Deadline.after(20))
        assert server.count() == 1
        store.close()
