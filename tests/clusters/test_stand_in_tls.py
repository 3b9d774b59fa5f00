"""Stand-in workers with TLS."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from pathlib import Path

import pytest

from alluxiofs.testing import StandInCluster
from alluxiofs.testing.guards import eventually
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


def test_who_speaks_no_tls_is_hung_up_on(tmp_path: Path) -> None:
    certificate = Authority(tmp_path).certificate("127.0.0.1")
    with StandInCluster(tmp_path, workers=1, certificate=(certificate.cert, certificate.key)) as cluster:
        worker = cluster.workers[0]
        with socket.create_connection((worker.worker.host, worker.worker.http_port), 10) as connection:
            connection.sendall(b"GET /v1/health HTTP/1.1\r\nhost: h\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):
                while connection.recv(1024):
                    pass
        assert eventually(lambda: worker.open_connections == 0, 60)
