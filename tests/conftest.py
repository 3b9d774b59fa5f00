"""What every folder of tests can use."""

from __future__ import annotations

import os
from typing import Iterator

import pytest
from hypothesis import HealthCheck, settings

from alluxiofs.gateway.breaker import process_breakers
from tests.oss_front import oss_server
from tests.servers import gcs_server, hdfs_server, minio_server, s3_bucket, s3_client, s3_server

__all__ = [
    "fresh_breakers",
    "gcs_server",
    "hdfs_server",
    "minio_server",
    "oss_server",
    "s3_bucket",
    "s3_client",
    "s3_server",
]

# How long an example takes is the machine's affair, and no property. Examples are new ones whenever somebody tests at
# a desk, and what they find is kept as an example of its own; where nobody looks, a run says the same twice.
settings.register_profile("at a desk", deadline=None)
settings.register_profile("unattended", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unattended" if os.environ.get("CI") else "at a desk")


@pytest.fixture(scope="session", autouse=True)
def own_caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Pages that a test keeps without saying where are not kept among those of whoever runs it; processes that it
    starts have the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("caches")))
        yield


@pytest.fixture(autouse=True)
def fresh_breakers() -> Iterator[None]:
    """Breakers belong to the process, and workers of many tests have one name: none is blamed for another test's."""
    process_breakers.reset()
    yield
    process_breakers.reset()
