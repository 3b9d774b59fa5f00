"""Connections to workers, against a server whose answers go wrong on purpose."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Iterator, List, Optional, Tuple

import pytest

from alluxiofs.errors import BadAnswerError, DeadlineExceededError, UnavailableError
from alluxiofs.interfaces import Deadline
from alluxiofs.plugins._http.connection import ClosedWithoutAnswerError, Connection, Target
from alluxiofs.plugins._http.pool import Pool
from tests.faults import (
    Fault,
    FaultServer,
    Reply,
    close,
    declare_length,
    drip,
    garbage,
    listen,
    reset,
    stall,
    status,
    truncate,
)

DATA = bytes(range(256)) * 64  # 16384 bytes: more than comes with the head
PATH = "/page"


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as made:
        made.file(PATH, DATA)
        yield made


@pytest.fixture
def pool(server: FaultServer) -> Iterator[Pool]:
    made = Pool((server.host, server.port), None, 4)
    yield made
    made.close()


def get(path: str = PATH) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: worker\r\n\r\n".encode()


def ask(
    pool: Pool, length: Optional[int] = len(DATA), seconds: float = 10, stalls: float = 10, repeatable: bool = False
) -> bytes:
    """The body, which must be so long if a length is given."""
    deadline = Deadline.after(seconds, stalls)
    if length is None:
        return pool.ask(get(), deadline, repeatable=repeatable).body
    buffer = bytearray(length)
    answer = pool.ask(get(), deadline, Target(memoryview(buffer)), repeatable)
    return answer.body if answer.status != 200 else bytes(buffer)


def test_a_body_goes_into_the_view(pool: Pool) -> None:
    assert ask(pool) == DATA


def test_a_message_is_in_the_answer(pool: Pool) -> None:
    assert ask(pool, None) == DATA


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("piece", [1, 7, 4096])
def test_a_body_in_small_pieces(server: FaultServer, pool: Pool, chunked: bool, piece: int) -> None:
    data = DATA[: 300 if piece == 1 else len(DATA)]
    server.route(PATH, lambda _: Reply(200, data, chunked=chunked))
    server.fault(drip(piece, 0.0))
    assert ask(pool, len(data)) == data
    assert ask(pool, None) == data
    assert server.connections == 1, "what was read of the chunks ends where they do"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (close(), ClosedWithoutAnswerError),
        (reset(), ClosedWithoutAnswerError),
        (reset(100), UnavailableError),
        (truncate(0), BadAnswerError),
        (truncate(len(DATA) - 1), BadAnswerError),
        (declare_length(len(DATA) + 1), BadAnswerError),
        (declare_length(len(DATA) - 1), BadAnswerError),
        (garbage(), BadAnswerError),
        (garbage(b"HTTP/1.1 200 OK\r\ncontent-le"), BadAnswerError),
        (garbage(b"HTTP/2 200\r\n\r\n"), BadAnswerError),
        (garbage(b"HTTP/1.1 2000 OK\r\n\r\n"), BadAnswerError),
        (garbage(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"), BadAnswerError),
        (garbage(b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n"), BadAnswerError),
        (garbage(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n"), BadAnswerError),
        (garbage(b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n"), BadAnswerError),
        (garbage(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"), BadAnswerError),
        (garbage(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc"), BadAnswerError),
        (garbage(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n"), BadAnswerError),
        (garbage(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 20_000 + b"\r\n\r\n"), BadAnswerError),
    ],
)
def test_what_goes_wrong_is_told(server: FaultServer, pool: Pool, fault: Fault, error: type) -> None:
    server.fault(fault)
    with pytest.raises(error):
        ask(pool)
    assert ask(pool) == DATA, "the next question has a connection of its own"


def test_more_than_was_said_is_no_answer(server: FaultServer, pool: Pool) -> None:
    server.fault(garbage(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcdef"))
    with pytest.raises(BadAnswerError, match="more came"):
        ask(pool, 3)


def test_a_body_that_ends_with_the_connection(server: FaultServer, pool: Pool) -> None:
    server.fault(garbage(b"HTTP/1.0 200 OK\r\n\r\nabcdef"), times=2)
    assert ask(pool, 6) == b"abcdef"
    assert ask(pool, None) == b"abcdef"
    server.fault(garbage(b"HTTP/1.0 200 OK\r\n\r\nabcde"))
    with pytest.raises(BadAnswerError):
        ask(pool, 6)


def test_interim_answers_are_passed_over(server: FaultServer, pool: Pool) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
    server.fault(garbage(interim + b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"))
    assert ask(pool, 2) == b"ok"


def test_interim_answers_without_an_end_end_with_the_deadline() -> None:
    listener, done = listen(), threading.Event()

    def drip_interim() -> None:
        with contextlib.suppress(OSError):
            accepted, _ = listener.accept()
            with accepted:
                while not done.wait(0.02):
                    accepted.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    thread = threading.Thread(target=drip_interim)
    thread.start()
    try:
        with pytest.raises(DeadlineExceededError):
            ask(Pool(listener.getsockname(), None, 1), 2, seconds=0.3)
    finally:
        done.set()
        listener.shutdown(socket.SHUT_RDWR)  # on a busy machine the time may be over before there is a connection
        thread.join()
        listener.close()


def test_what_stands_behind_the_last_chunk_is_passed_over_if_it_has_an_end(server: FaultServer, pool: Pool) -> None:
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"
    server.fault(garbage(chunked + b"x: y\r\n" * 100 + b"\r\n"))
    assert ask(pool, 2) == b"ok"
    server.fault(garbage(chunked + b"x: y\r\n" * 20_000 + b"\r\n"))
    with pytest.raises(BadAnswerError, match="has no end"):
        ask(pool, 2, repeatable=True)  # the kept connection may seem to be open still


@pytest.mark.parametrize("options", ["Close", "TE, close", "close , x"])
def test_a_connection_that_will_be_closed_is_not_kept(server: FaultServer, pool: Pool, options: str) -> None:
    server.route(PATH, lambda _: Reply(200, DATA, {"Connection": options}))
    assert ask(pool) == DATA
    assert ask(pool) == DATA
    assert (server.connections, pool.lost) == (2, 0)


def test_a_refusal_is_an_answer_with_its_message(server: FaultServer, pool: Pool) -> None:
    server.fault(status(403, b"not you"))
    assert ask(pool) == b"not you"
    assert ask(pool) == DATA
    assert server.connections == 1


def test_a_huge_body_of_a_refusal_is_not_read(server: FaultServer, pool: Pool) -> None:
    for length in (len(DATA), None):
        server.fault(status(500, b"x" * 2**20))
        with pytest.raises(BadAnswerError, match="status 500"):
            ask(pool, length)


@pytest.mark.parametrize("fault", [stall(), stall(100)])
def test_a_worker_that_sends_nothing_more_is_not_waited_for(server: FaultServer, pool: Pool, fault: Fault) -> None:
    server.fault(fault)
    began = time.monotonic()
    with pytest.raises(DeadlineExceededError):
        ask(pool, seconds=100, stalls=0.2)
    assert time.monotonic() - began < 30


def test_a_slow_drip_ends_with_the_deadline(server: FaultServer, pool: Pool) -> None:
    server.fault(drip(1, 0.05))
    began = time.monotonic()
    with pytest.raises(DeadlineExceededError):
        ask(pool, seconds=0.5, stalls=100)
    assert time.monotonic() - began < 30


def test_one_that_takes_a_long_request_bit_by_bit_ends_with_the_deadline() -> None:
    listener, done = listen(), threading.Event()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection = Connection(listener.getsockname(), None, "worker", Deadline.after(30))

    def take() -> None:
        accepted, _ = listener.accept()
        with accepted:
            while not done.wait(0.05) and accepted.recv(1024):
                pass

    thread = threading.Thread(target=take)
    thread.start()
    try:
        with pytest.raises(DeadlineExceededError, match="takes no requests"):
            connection.send(bytes(16 * 2**20), Deadline.after(0.5))
    finally:
        done.set()
        connection.close()
        thread.join()
        listener.close()


def test_a_request_over_a_connection_that_is_no_more_is_a_failure_and_no_answer() -> None:
    with FaultServer() as server:
        connection = Connection((server.host, server.port), None, server.host, Deadline.after(10))
        connection.close()
        with pytest.raises(UnavailableError):
            connection.send(get(), Deadline.after(10))


def test_nobody_listens(server: FaultServer) -> None:
    free = listen()
    address = free.getsockname()
    free.close()
    with pytest.raises(UnavailableError, match="no connection"):
        ask(Pool(address, None, 1))


def test_a_host_without_an_address() -> None:
    with pytest.raises(UnavailableError, match=r"no-such-host\.invalid:1"):
        ask(Pool(("no-such-host.invalid", 1), None, 1))


# --- connections ------------------------------------------------------------------------------------------------


def test_one_connection_for_all_questions(server: FaultServer, pool: Pool) -> None:
    for _ in range(50):
        ask(pool)
    assert server.connections == 1


def test_one_that_was_dropped_meanwhile_is_replaced() -> None:
    with raw_server([b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"]) as (address, ended):
        pool = Pool(address, None, 1)
        assert ask(pool, 2) == b"ok"
        assert ended.wait(60)
        assert pool.lost == 0
        assert ask(pool, 2) == b"ok"
        assert pool.lost == 1
        pool.close()


def test_a_kept_one_that_closes_when_asked_is_asked_again_if_that_does_no_harm(server: FaultServer, pool: Pool) -> None:
    ask(pool)
    server.fault(close(), times=2)
    with pytest.raises(ClosedWithoutAnswerError):
        ask(pool)
    with pytest.raises(ClosedWithoutAnswerError):
        ask(pool, repeatable=True)  # over a new connection a close is the answer
    assert ask(pool) == DATA
    server.fault(close())
    assert ask(pool, repeatable=True) == DATA


def test_never_more_connections_than_allowed(server: FaultServer, pool: Pool) -> None:
    server.fault(drip(4096, 0.005), times=None)
    failures: List[BaseException] = []

    def read() -> None:
        try:
            for _ in range(3):
                assert ask(pool) == DATA
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert server.connections <= 4


def test_who_needs_one_more_waits_until_the_deadline(server: FaultServer) -> None:
    pool = Pool((server.host, server.port), None, 1)
    rule = server.fault(stall())

    def hold() -> None:
        with pytest.raises(UnavailableError):
            ask(pool)

    held = threading.Thread(target=hold)
    held.start()
    rule.wait()
    with pytest.raises(DeadlineExceededError, match="in use"):
        ask(pool, stalls=0.1)
    server.release()
    held.join()
    assert ask(pool) == DATA
    pool.close()


def test_nothing_is_given_back_to_a_closed_pool(server: FaultServer, pool: Pool) -> None:
    pool.close()
    assert ask(pool) == DATA
    assert ask(pool) == DATA
    assert server.connections == 2


# --- helpers ------------------------------------------------------------------------------------------------------


class raw_server:  # noqa: N801 - used as a function
    """Gives one of the answers, and then the end, on each connection."""

    def __init__(self, answers: List[bytes]) -> None:
        self._answers = answers
        self._listener = listen()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                for answer in self._answers:
                    if connection.recv(65536):
                        connection.sendall(answer)
            self._ended.set()

    def __enter__(self) -> Tuple[Tuple[str, int], threading.Event]:
        self._thread.start()
        return self._listener.getsockname(), self._ended

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
