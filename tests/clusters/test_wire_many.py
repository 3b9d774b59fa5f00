"""Many questions over one connection to a worker, most of them sent before the first is answered."""

from __future__ import annotations

from typing import Callable, List, Tuple

import pytest

from alluxiofs.interfaces import Deadline
from alluxiofs.plugins._http.answers import Answer
from alluxiofs.plugins._http.connection import ClosedWithoutAnswerError, Target
from alluxiofs.plugins._http.pool import Pool
from tests.clusters.test_wire import DATA, PATH, ask, get, pool, server
from tests.faults import FaultServer, Reply, close, status

__all__ = ["pool", "server"]


def ask_all(
    pool: Pool, count: int, repeatable: bool = False, answered: Callable[[], object] = int
) -> Tuple[Answer, List[bytes]]:
    buffers = [bytearray(len(DATA)) for _ in range(count)]
    targets = [Target(memoryview(buffer)) for buffer in buffers]
    answer = pool.ask_all([get()] * count, targets, Deadline.after(10), answered, repeatable)
    return answer, [bytes(buffer) for buffer in buffers]


@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 40])
def test_many_questions_over_one_connection(server: FaultServer, pool: Pool, count: int) -> None:
    answered: List[None] = []
    assert ask_all(pool, count, answered=lambda: answered.append(None))[1] == [DATA] * count
    assert len(answered) == count - 1, "all but the one that is returned"
    assert (server.connections, server.count(PATH)) == (1, count)
    assert ask(pool) == DATA
    assert server.connections == 1


def test_small_answers_that_come_together(server: FaultServer, pool: Pool) -> None:
    server.route(PATH, lambda _: Reply(200, b"ok"))
    buffers = [bytearray(2) for _ in range(40)]
    pool.ask_all([get()] * 40, [Target(memoryview(buffer)) for buffer in buffers], Deadline.after(10), int)
    assert buffers == [bytearray(b"ok")] * 40


def test_one_of_them_that_is_not_answered_ends_it(server: FaultServer, pool: Pool) -> None:
    server.fault(close(), skip=3)
    with pytest.raises(ClosedWithoutAnswerError):
        ask_all(pool, 8)
    assert ask(pool) == DATA


@pytest.mark.parametrize("skip", [0, 1, 3, 7])
def test_what_is_left_is_asked_again_if_that_does_no_harm(server: FaultServer, pool: Pool, skip: int) -> None:
    ask(pool)
    server.fault(close(), skip=skip)
    assert ask_all(pool, 8, repeatable=True)[1] == [DATA] * 8
    assert server.connections == 2
    server.fault(close(), skip=skip, times=2)
    with pytest.raises(ClosedWithoutAnswerError):
        ask_all(pool, 8, repeatable=True)  # over a new connection a close is the answer


def test_one_of_them_that_is_refused_is_the_answer(server: FaultServer, pool: Pool) -> None:
    server.fault(status(503, b"busy"), skip=3)
    answered: List[None] = []
    assert ask_all(pool, 8, answered=lambda: answered.append(None))[0].body == b"busy"
    assert len(answered) == 3
    assert ask(pool) == DATA


def test_a_server_that_ends_the_connection_after_each(server: FaultServer, pool: Pool) -> None:
    server.route(PATH, lambda _: Reply(200, DATA, {"Connection": "close"}))
    assert ask_all(pool, 3)[1] == [DATA] * 3
