"""Stand-in workers with TLS."""

from __future__ import annotations

import http.client
import ssl
from pathlib import Path

import pytest

from alluxiofs.testing import StandInCluster
from alluxiofs.testing.stand_in_workers import file_id
from tests.clusters.certificates import Authority

DATA = bytes(range(256)) * 4000


@pytest.mark.parametrize("dialect", ["pages", "rest"])
def test_workers_speak_tls_where_they_have_a_certificate(tmp_path: Path, dialect: str) -> None:
    authority = Authority(tmp_path)
    certificate = authority.certificate("127.0.0.1")
    (tmp_path / "big.bin").write_bytes(DATA)
    files = (certificate.cert, certificate.key)
    with StandInCluster(tmp_path, workers=1, dialect=dialect, certificate=files) as cluster:
        cluster.load("big.bin")
        worker = cluster.workers[0].worker
        trusting = ssl.create_default_context(cafile=str(authority.ca))
        connection = http.client.HTTPSConnection(worker.host, worker.http_port, timeout=10, context=trusting)
        connection.request("GET", f"/v1/file/{file_id(cluster.url('big.bin'))}/page/0")
        assert connection.getresponse().read() == DATA
        connection.close()
