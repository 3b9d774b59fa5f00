"""Workers found in a real etcd that speaks TLS and wants to see a certificate, at one of several endpoints."""

from __future__ import annotations

import base64
import contextlib
import json
import ssl
import urllib.request
from pathlib import Path
from typing import Any, Dict, Iterator, Tuple

import fsspec
import pytest

from alluxiofs.errors import ConfigurationError, UnavailableError
from alluxiofs.interfaces import Deadline
from alluxiofs.plugins.membership_etcd import EtcdMembership
from alluxiofs.testing import make_context
from alluxiofs.testing.guards import eventually
from tests.clusters.certificates import Authority
from tests.clusters.etcd import key_of, make_worker, record_of
from tests.servers import free_port, program, started

ONE, OTHER = make_worker(1), make_worker(2)


class Server:
    """An etcd with TLS at two ports, and the files that a client needs."""

    def __init__(self, ports: Tuple[int, int], tls: Dict[str, str]) -> None:
        self.ports, self.tls = ports, tls

    @property
    def hosts(self) -> Tuple[str, ...]:
        """The first of the endpoints is nobody."""
        return (f"127.0.0.1:{free_port()}", *(f"127.0.0.1:{port}" for port in self.ports))

    def register(self, worker: Any) -> None:
        context = ssl.create_default_context(cafile=self.tls["ca"])
        context.load_cert_chain(self.tls["cert"], self.tls["key"])
        pair = {"key": key_of(worker).encode(), "value": record_of(worker)}
        body = {name: base64.b64encode(text).decode() for name, text in pair.items()}
        request = urllib.request.Request(f"https://127.0.0.1:{self.ports[1]}/v3/kv/put", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=10, context=context) as response:
            assert response.status == 200


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("etcd-tls")
    authority = Authority(folder)
    own, client = authority.certificate("127.0.0.1"), authority.certificate("client.example")
    one, two, peer = free_port(), free_port(), free_port()
    urls = f"https://127.0.0.1:{one},https://127.0.0.1:{two}"
    with contextlib.ExitStack() as stack:
        stack.enter_context(
            started(
                [
                    program("etcd"),
                    f"--data-dir={folder / 'data'}",
                    f"--listen-client-urls={urls}",
                    f"--advertise-client-urls={urls}",
                    f"--listen-peer-urls=http://127.0.0.1:{peer}",
                    f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
                    f"--initial-cluster=default=http://127.0.0.1:{peer}",
                    f"--cert-file={own.cert}",
                    f"--key-file={own.key}",
                    "--client-cert-auth",
                    f"--trusted-ca-file={authority.ca}",
                ],
                one,
                folder / "etcd.log",
            )
        )
        made = Server((one, two), {"ca": authority.ca, "cert": client.cert, "key": client.key})

        def answers() -> bool:
            with contextlib.suppress(OSError):
                made.register(ONE)
                return True
            return False

        assert eventually(answers, 60), (folder / "etcd.log").read_text("utf-8")
        yield made


def membership(server: Server, **tls: str) -> EtcdMembership:
    return EtcdMembership(EtcdMembership.Settings(server.hosts, tls={**server.tls, **tls}), make_context())


def test_workers_are_read_and_followed(server: Server) -> None:
    found = membership(server)
    try:
        assert found.snapshot(Deadline.after(60)).workers == (ONE,)
        server.register(OTHER)
        assert eventually(lambda: found.known().workers == (ONE, OTHER), 60)
    finally:
        found.close()


def test_as_arguments_of_a_filesystem(server: Server) -> None:
    fs = fsspec.filesystem(
        "alluxiofs",
        target_protocol="memory",
        etcd_hosts=",".join(server.hosts),
        etcd_tls=server.tls,
        deadline="60s",
        skip_instance_cache=True,
    )
    assert ONE in fs.gateway.workers_of(fs.gateway.locate("/file"))
    assert server.tls["key"] not in str(fs.describe())


def test_an_authority_that_is_not_trusted(server: Server, tmp_path: Path) -> None:
    found = membership(server, ca=Authority(tmp_path).ca)
    with pytest.raises(UnavailableError, match="certificate"):
        found.snapshot(Deadline.after(60))
    found.close()


def test_a_certificate_of_another_host(server: Server) -> None:
    hosts = [f"localhost:{port}" for port in server.ports]
    found = EtcdMembership(EtcdMembership.Settings(hosts, tls=server.tls), make_context())
    with pytest.raises(UnavailableError, match="localhost.*(match|valid)"):
        found.snapshot(Deadline.after(60))
    found.close()


def test_without_a_certificate_etcd_does_not_answer(server: Server) -> None:
    found = EtcdMembership(EtcdMembership.Settings(server.hosts, tls={"ca": server.tls["ca"]}), make_context())
    with pytest.raises(UnavailableError, match="etcd cannot be asked"):
        found.snapshot(Deadline.after(60))
    found.close()


def test_a_file_that_is_not_there_is_named(server: Server) -> None:
    found = membership(server, ca="/nowhere/ca.pem")
    with pytest.raises(ConfigurationError, match="etcd_tls"):
        found.snapshot(Deadline.after(60))
    found.close()
