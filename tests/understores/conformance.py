"""fsspec's own conformance suite, for any filesystem over one of the servers."""

from __future__ import annotations

import posixpath
from typing import Any, Callable, Dict, Iterator
from uuid import uuid4

import pytest
from attrs import define
from fsspec.tests import abstract

__all__ = ["Conformance", "Place", "Suites", "places"]


@define(frozen=True)
class Place:
    """Somewhere to keep files.

    Parameters
    ----------
    protocol, options:
        Of the client that goes there.
    client:
        Such a one.
    root:
        A directory of the test's own.
    """

    protocol: str
    options: Dict[str, Any]
    client: Any
    root: str


def places(kind: str, request: pytest.FixtureRequest) -> Iterator[Place]:
    """A place on one of the servers: ``s3``, ``gs``, ``oss`` or ``hdfs``."""
    name = f"test-{uuid4().hex[:12]}"
    if kind == "s3":
        from s3fs import S3FileSystem

        options = request.getfixturevalue("s3_server").options
        client = S3FileSystem(**options, use_listings_cache=False)
        client.mkdir(name)
        yield Place("s3", options, client, f"{name}/folder")
    elif kind == "gs":
        from gcsfs.core import GCSFileSystem

        options = request.getfixturevalue("gcs_server").options
        client = GCSFileSystem(**options, use_listings_cache=False)
        client.mkdir(name)
        yield Place("gs", options, client, f"{name}/folder")
    elif kind == "oss":
        from ossfs import OSSFileSystem

        options = request.getfixturevalue("oss_server").options
        client = OSSFileSystem(**options, skip_instance_cache=True)  # without its memory of listings it fails
        client._get_bucket(name).create_bucket()
        yield Place("oss", options, client, f"{name}/folder")
    else:
        from hdfs_native.fsspec import HdfsFileSystem

        options = request.getfixturevalue("hdfs_server").options
        client = HdfsFileSystem(**options)
        client.mkdir(f"/{name}")
        yield Place("hdfs", options, client, f"/{name}")


class Conformance(abstract.AbstractFixtures):
    """What the suites ask for; ``fs`` and ``place`` are to be given."""

    @pytest.fixture
    def fs_path(self, place: Place) -> str:
        return place.root

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        return posixpath.join

    @pytest.fixture
    def supports_empty_directories(self, place: Place) -> bool:
        return place.protocol == "hdfs"


if hasattr(abstract, "AbstractOpenTests"):  # fsspec has the last two since 2025.2

    class Suites(
        abstract.AbstractCopyTests,
        abstract.AbstractGetTests,
        abstract.AbstractPutTests,
        abstract.AbstractOpenTests,
        abstract.AbstractPipeTests,
    ):
        """All that fsspec asks of a filesystem."""

else:

    class Suites(abstract.AbstractCopyTests, abstract.AbstractGetTests, abstract.AbstractPutTests):  # type: ignore[no-redef] # as above
        """All that fsspec asks of a filesystem."""
