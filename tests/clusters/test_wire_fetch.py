"""Data asked for again and again: answers that are like the last one are not looked at closely, all others are."""

from __future__ import annotations

import threading
from typing import Iterator, List, Optional, Tuple

import pytest

from alluxiofs.errors import BadAnswerError, DeadlineExceededError, UnavailableError
from alluxiofs.interfaces import Deadline
from alluxiofs.plugins._http.answers import Answer, Head
from alluxiofs.plugins._http.connection import ClosedWithoutAnswerError
from alluxiofs.plugins._http.pool import Pool
from tests.faults import Fault, FaultServer, Reply, close, declare_length, drip, garbage, reset, stall, status, truncate

DATA = bytes(range(256)) * 16
LARGE = bytes(range(256)) * 512
PATH = "/page"
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture(params=[DATA, LARGE], ids=["with-its-head", "in-pieces"])
def data(request: pytest.FixtureRequest) -> bytes:
    """Bodies that come with their heads, and bodies that come after them."""
    found: bytes = request.param
    return found


@pytest.fixture
def server(data: bytes) -> Iterator[FaultServer]:
    with FaultServer() as made:
        made.file(PATH, data)
        yield made


@pytest.fixture
def pool(server: FaultServer) -> Iterator[Pool]:
    made = Pool((server.host, server.port), None, 4)
    yield made
    made.close()


def fetch(
    pool: Pool, length: int, span: Optional[Tuple[int, str]] = None, stalls: float = 10, repeatable: bool = False
) -> bytes:
    """What fills a view of this length. ``span``: where it begins, and what the answer must say of it."""
    line = "" if span is None else f"range: bytes={span[0]}-{span[0] + length - 1}\r\n"
    buffer = bytearray(length)
    refused = pool.fetch(
        f"GET {PATH} HTTP/1.1\r\nhost: worker\r\n{line}\r\n".encode(),
        memoryview(buffer),
        Deadline.after(10, stalls),
        statuses=(200, 206),
        said=b"" if span is None else span[1].encode(),
        check=None if span is None else _is(span[1]),
        repeatable=repeatable,
    )
    return bytes(buffer) if refused is None else b"refused: " + refused.body


class _is:  # noqa: N801 - used as a function
    def __init__(self, said: str) -> None:
        self._said = said

    def __call__(self, head: Head) -> None:
        if head.get(b"content-range") != self._said:
            raise BadAnswerError("another range")


def test_the_same_head_again_and_again(server: FaultServer, pool: Pool, data: bytes) -> None:
    for _ in range(20):
        assert fetch(pool, len(data)) == data
    assert server.connections == 1


def test_nothing_is_filled_with_nothing(server: FaultServer, pool: Pool, data: bytes) -> None:
    server.route(PATH, lambda _: Reply(200, b""))
    assert fetch(pool, 0) == b"", "no head is known yet"
    server.route(PATH, lambda _: Reply(200, data))
    assert fetch(pool, len(data)) == data
    with pytest.raises(BadAnswerError):
        fetch(pool, 0)


def test_heads_that_differ_in_their_range_only(server: FaultServer, pool: Pool, data: bytes) -> None:
    for begin in (0, 1, 999, 1000, 2000, 3):
        said = f"bytes {begin}-{begin + 999}/{len(data)}"
        assert fetch(pool, 1000, (begin, said)) == data[begin : begin + 1000]
    assert server.connections == 1


@pytest.mark.parametrize("said", ["bytes 1-1000/9999", "bytes 2-1001/%d", "bytes 1-1000/*"])
def test_a_range_that_is_not_the_one_that_was_asked_for(pool: Pool, data: bytes, said: str) -> None:
    assert fetch(pool, 1000, (0, f"bytes 0-999/{len(data)}")) == data[:1000]
    said = said.replace("%d", str(len(data)))
    with pytest.raises(BadAnswerError, match="another range"):
        fetch(pool, 1000, (1, said))


def test_a_whole_file_in_place_of_a_range(server: FaultServer, pool: Pool, data: bytes) -> None:
    said = f"bytes 1-{len(data) - 1}/{len(data)}"
    for asked in range(2):
        server.fault(garbage(OK + f"content-length: {len(data) - 1}\r\n\r\n".encode() + data[:-1]))
        if asked:
            assert fetch(pool, len(data) - 1) == data[:-1], "known by now, to who wants no range"
            server.fault(garbage(OK + f"content-length: {len(data) - 1}\r\n\r\n".encode() + data[:-1]))
        with pytest.raises(BadAnswerError, match="another range"):
            fetch(pool, len(data) - 1, (1, said), repeatable=True)


def test_a_known_head_is_checked_for_who_cannot_say_what_the_range_must_be(server: FaultServer, pool: Pool) -> None:
    """Who does not know how long the file is: the whole of one as long as the range is no answer."""
    server.route(PATH, lambda _: Reply(200, b"abc"))
    assert fetch(pool, 3) == b"abc"
    buffer = bytearray(3)
    for _ in range(2):
        with pytest.raises(BadAnswerError, match="another range"):
            pool.fetch(
                f"GET {PATH} HTTP/1.1\r\nhost: worker\r\nrange: bytes=7-9\r\n\r\n".encode(),
                memoryview(buffer),
                Deadline.after(10),
                statuses=(200, 206),
                check=_is("bytes 7-9/*"),
            )
    assert bytes(buffer) == bytes(3)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (close(), ClosedWithoutAnswerError),
        (reset(), ClosedWithoutAnswerError),
        (reset(100), UnavailableError),
        (truncate(0), BadAnswerError),
        (truncate(len(DATA) - 1), BadAnswerError),
        (declare_length(len(LARGE) + 1), BadAnswerError),
        (declare_length(len(DATA) - 1), BadAnswerError),
        (garbage(), BadAnswerError),
        (garbage(OK + b"content-le"), BadAnswerError),
        (stall(), DeadlineExceededError),
        (stall(100), DeadlineExceededError),
    ],
)
def test_what_goes_wrong_is_told(server: FaultServer, pool: Pool, data: bytes, fault: Fault, error: type) -> None:
    for _ in range(2):  # the second one finds a head that is known
        server.fault(fault)
        with pytest.raises(error):
            fetch(pool, len(data), stalls=0.3 if error is DeadlineExceededError else 10)
        server.release()
        assert fetch(pool, len(data)) == data, "the next question has a connection of its own"


def test_a_reset_within_the_body_is_no_refusal(server: FaultServer, pool: Pool, data: bytes) -> None:
    assert fetch(pool, len(data)) == data
    server.fault(reset(1000))
    with pytest.raises((UnavailableError, BadAnswerError)) as caught:
        fetch(pool, len(data))
    assert not isinstance(caught.value, ClosedWithoutAnswerError)


def test_more_than_was_said_is_no_answer(server: FaultServer, pool: Pool) -> None:
    server.route(PATH, lambda _: Reply(200, b"abc"))
    assert fetch(pool, 3) == b"abc"
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n"
    for _ in range(2):
        server.fault(garbage(head + b"abcdef"))
        with pytest.raises(BadAnswerError, match="more came"):
            fetch(pool, 3)
        assert fetch(pool, 3) == b"abc"


@pytest.mark.parametrize("piece", [1, 7, 50])
def test_a_known_head_in_small_pieces(server: FaultServer, pool: Pool, piece: int) -> None:
    server.route(PATH, lambda _: Reply(200, DATA[:300]))
    assert fetch(pool, 300) == DATA[:300]
    server.fault(drip(piece, 0.0))
    assert fetch(pool, 300) == DATA[:300]
    assert fetch(pool, 300) == DATA[:300]
    assert server.connections == 1


def test_a_refusal_is_an_answer_with_its_message(server: FaultServer, pool: Pool, data: bytes) -> None:
    for _ in range(2):
        server.fault(status(503, b"busy"))
        assert fetch(pool, len(data)) == b"refused: busy"
        assert fetch(pool, len(data)) == data
    assert server.connections == 1


def test_a_refusal_as_long_as_the_data_is_not_taken_for_them(server: FaultServer, pool: Pool, data: bytes) -> None:
    for _ in range(3):
        server.fault(status(404, b"x" * len(data)))
        if len(data) <= 2**16:
            assert fetch(pool, len(data)).startswith(b"refused: ")
        else:
            with pytest.raises(BadAnswerError, match="status 404"):
                fetch(pool, len(data))


def test_a_server_that_ends_the_connection_after_each(server: FaultServer, pool: Pool, data: bytes) -> None:
    server.route(PATH, lambda _: Reply(200, data, {"Connection": "close"}))
    for count in (1, 2, 3):
        assert fetch(pool, len(data)) == data
        assert server.connections == count


def test_a_kept_one_that_closes_when_asked_is_asked_again_if_that_does_no_harm(
    server: FaultServer, pool: Pool, data: bytes
) -> None:
    assert fetch(pool, len(data)) == data
    server.fault(close(), times=2)
    with pytest.raises(ClosedWithoutAnswerError):
        fetch(pool, len(data))
    with pytest.raises(ClosedWithoutAnswerError):
        fetch(pool, len(data), repeatable=True)  # over a new connection a close is the answer
    assert fetch(pool, len(data)) == data
    server.fault(close())
    assert fetch(pool, len(data), repeatable=True) == data


def test_places_are_given_back_whatever_happens(server: FaultServer, data: bytes) -> None:
    pool = Pool((server.host, server.port), None, 2)
    for _ in range(3):
        for fault in (close(), truncate(5), status(500, b"x"), garbage()):
            server.fault(fault)
            try:
                fetch(pool, len(data))
            except (BadAnswerError, UnavailableError):
                continue
    assert fetch(pool, len(data)) == data
    pool.close()


def test_more_threads_than_connections_all_have_their_turn(server: FaultServer, data: bytes) -> None:
    pool = Pool((server.host, server.port), None, 2)
    wrong: List[object] = []

    def read() -> None:
        try:
            wrong.extend(True for _ in range(40) if fetch(pool, len(data)) != data)
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=read) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert server.connections <= 2
    pool.close()


def test_answers_to_other_questions_between_them(server: FaultServer, pool: Pool, data: bytes) -> None:
    server.route("/other", lambda _: Reply(200, b"ok"))
    for _ in range(3):
        assert fetch(pool, len(data)) == data
        answer: Answer = pool.ask(b"GET /other HTTP/1.1\r\nhost: worker\r\n\r\n", Deadline.after(10))
        assert answer.body == b"ok"
    assert server.connections == 1
