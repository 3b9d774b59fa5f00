"""What contract suites catch a component at."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any, Callable, List

import pytest

from alluxiofs.testing.guards import no_io


def _listen() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))


@pytest.mark.parametrize(
    "action",
    [
        lambda: socket.create_connection(("127.0.0.1", 9)),
        _listen,
        lambda: Path(__file__).read_text(encoding="utf-8"),
        lambda: threading.Thread(target=print).start(),
    ],
    ids=["connection", "listening", "file", "thread"],
)
def test_what_is_caught(action: Callable[[], Any]) -> None:
    with no_io(), pytest.raises(AssertionError, match="where nothing may be"):
        action()


def test_a_thread_that_was_there_before_goes_on() -> None:
    guarded = threading.Event()
    read: List[str] = []

    def work() -> None:
        assert guarded.wait(30)
        inner = threading.Thread(target=lambda: read.append(Path(__file__).read_text(encoding="utf-8")))
        inner.start()
        inner.join()

    thread = threading.Thread(target=work)
    thread.start()
    with no_io():
        guarded.set()
        thread.join(30)
    assert read == [Path(__file__).read_text(encoding="utf-8")]
