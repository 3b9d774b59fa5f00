"""Connections to workers over TLS: only to those whose certificate is trusted."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path
from typing import Callable, Iterator, List, Tuple

import pytest

from alluxiofs.errors import UnavailableError
from alluxiofs.interfaces import Deadline
from alluxiofs.plugins._http.connection import Target
from alluxiofs.plugins._http.pool import Pool
from tests.clusters.certificates import Authority, Certificate
from tests.faults import FaultServer, listen

DATA = bytes(range(256)) * 64
OTHER = DATA[::-1]


def ask(pool: Pool, path: str = "/") -> bytes:
    buffer = bytearray(len(DATA))
    pool.ask(f"GET {path} HTTP/1.1\r\nhost: worker\r\n\r\n".encode(), Deadline.after(10), Target(memoryview(buffer)))
    return bytes(buffer)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def tls_server(authority: Authority) -> Iterator[Callable[[Certificate], Tuple[str, int]]]:
    """Starts a server with a certificate. It answers ``/`` with data, and ``/two`` with others behind them."""
    listeners: List[socket.socket] = []
    threads: List[threading.Thread] = []

    def start(certificate: Certificate) -> Tuple[str, int]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.cert, certificate.key)
        listener = listen()
        listeners.append(listener)
        thread = threading.Thread(target=serve, args=(listener, context))
        thread.start()
        threads.append(thread)
        address: Tuple[str, int] = listener.getsockname()
        return address

    def serve(listener: socket.socket, context: ssl.SSLContext) -> None:
        while True:
            try:
                bare, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(bare, server_side=True) as connection:
                    asked = connection.recv(65536)
                    while asked:
                        bodies = (DATA, OTHER) if asked.startswith(b"GET /two ") else (DATA,)
                        head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(DATA)
                        connection.sendall(b"".join(head + body for body in bodies))
                        asked = connection.recv(65536)
            except OSError:
                bare.close()

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join()


def test_tls_with_a_certificate_that_is_trusted(
    authority: Authority, tls_server: Callable[[Certificate], Tuple[str, int]]
) -> None:
    pool = Pool(tls_server(authority.certificate("127.0.0.1")), ssl.create_default_context(cafile=authority.ca), 1)
    for _ in range(5):
        assert ask(pool) == DATA
    assert pool.lost == 0, "the same connection each time"
    pool.close()


def test_what_came_behind_an_answer_is_not_the_next_one(
    authority: Authority, tls_server: Callable[[Certificate], Tuple[str, int]]
) -> None:
    pool = Pool(tls_server(authority.certificate("127.0.0.1")), ssl.create_default_context(cafile=authority.ca), 1)
    assert ask(pool, "/two") == DATA
    assert ask(pool) == DATA, "what TLS has decrypted of the other answer, and nobody has taken, is given up with it"
    assert pool.lost == 1
    pool.close()


@pytest.mark.parametrize("wrong", ["unknown authority", "expired", "another host"])
def test_tls_with_one_that_is_not(
    authority: Authority, tls_server: Callable[[Certificate], Tuple[str, int]], tmp_path: Path, wrong: str
) -> None:
    signer = Authority(tmp_path) if wrong == "unknown authority" else authority
    certificate = signer.certificate("127.0.0.2" if wrong == "another host" else "127.0.0.1", wrong != "expired")
    pool = Pool(tls_server(certificate), ssl.create_default_context(cafile=authority.ca), 1)
    with pytest.raises(UnavailableError, match="certificate is not trusted"):
        ask(pool)


def test_tls_where_there_is_none(authority: Authority) -> None:
    with FaultServer() as server:
        pool = Pool((server.host, server.port), ssl.create_default_context(cafile=authority.ca), 1)
        with pytest.raises(UnavailableError, match="no connection"):
            ask(pool)
