"""An object of 5 GiB, written and read back: slow, run with ``-m slow``."""

from __future__ import annotations

import resource
import sys
from typing import Any

import fsspec
import pytest

from alluxiofs.testing._files import content
from tests.servers import S3Server

MIB = 2**20
BLOCK = content(8 * MIB + 13)  # no multiple of any part or page
SIZE = 5 * 2**30 + 1


def piece(start: int, length: int) -> bytes:
    """Bytes of the file, which repeats its block with a number in the front of each."""
    found = bytearray()
    while len(found) < length:
        number, inside = divmod(start + len(found), len(BLOCK))
        block = number.to_bytes(8, "big") + BLOCK[8:]
        found += block[inside : inside + length - len(found)]
    return bytes(found)


def peak() -> int:
    """Bytes that this process has had in memory at most."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_an_object_of_five_gibibytes(s3_server: S3Server, s3_bucket: str, s3_client: Any) -> None:
    fs = fsspec.filesystem(
        "alluxiofs",
        target_protocol="s3",
        target_options=s3_server.options,
        page_store=None,
        deadline=300,
        skip_instance_cache=True,
    )
    path, before = f"{s3_bucket}/large", peak()
    with fs.open(path, "wb") as file:
        for start in range(0, SIZE, 64 * MIB):
            file.write(piece(start, min(64 * MIB, SIZE - start)))
    assert s3_client.info(path)["size"] == SIZE
    with fs.open(path) as file:
        for start in range(0, SIZE, 64 * MIB):
            length = min(64 * MIB, SIZE - start)
            assert file.read(length) == piece(start, length), f"at {start}"
        assert file.read(1) == b""
    for start in (0, 2**31 - 7, 2**32 - 7, SIZE - 14):
        assert fs.cat_file(path, start, start + 14) == piece(start, 14)
    assert peak() - before < 1024 * MIB, "memory is bounded, whatever the size"
    fs.rm_file(path)
