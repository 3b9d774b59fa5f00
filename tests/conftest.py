"""What every folder of tests can use."""

from __future__ import annotations

from tests.servers import s3_bucket, s3_client, s3_server

__all__ = ["s3_bucket", "s3_client", "s3_server"]
