"""What every folder of tests can use."""

from __future__ import annotations

from tests.oss_front import oss_server
from tests.servers import gcs_server, hdfs_server, minio_server, s3_bucket, s3_client, s3_server

__all__ = ["gcs_server", "hdfs_server", "minio_server", "oss_server", "s3_bucket", "s3_client", "s3_server"]
