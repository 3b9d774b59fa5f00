"""``alluxiofs top`` in a terminal, which it gives back however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Iterator, Tuple
from urllib.request import urlopen

import pytest

from tests.cli.conftest import port_of
from tests.cli.interrupts import interrupts_are_heard
from tests.servers import free_port


class Terminal:
    """``alluxiofs top`` of a port in a terminal of its own, of 80 columns and 24 lines."""

    def __init__(self, port: int) -> None:
        self._ours, self._its = pty.openpty()
        fcntl.ioctl(self._its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(self._its)
        words = [sys.executable, "-m", "alluxiofs", "top", str(port), "--interval", "0.1"]
        environment = {**os.environ, "TERM": "xterm"}
        with interrupts_are_heard():
            self.process = subprocess.Popen(
                words, stdin=self._its, stdout=self._its, stderr=subprocess.PIPE, env=environment
            )

    def until(self, shown: bytes) -> bytes:
        """What it shows till it has shown this."""
        seen = b""
        while shown not in seen:
            assert select.select([self._ours], [], [], 30)[0], seen[-1000:]
            seen += os.read(self._ours, 65_536)
        return seen

    def press(self, key: bytes) -> None:
        os.write(self._ours, key)

    def end(self) -> Tuple[int, bytes, bytes]:
        """Wait for the end of the process: its code, what it showed till then, and its standard error."""
        after = bytearray()
        rest = threading.Thread(target=_drain, args=(self._ours, after))
        rest.start()
        _, errors = self.process.communicate(timeout=30)
        self.after = termios.tcgetattr(self._its)
        os.close(self._its)
        rest.join(timeout=30)
        return self.process.returncode, bytes(after), errors.strip()

    def close(self) -> None:
        os.close(self._ours)
        self.process.kill()
        self.process.wait()


def _drain(terminal: int, into: bytearray) -> None:
    with contextlib.suppress(OSError):  # how Linux says that nobody has it open any more; others give nothing
        while True:
            data = os.read(terminal, 65_536)
            if not data:
                return
            into += data


@pytest.fixture
def terminal(busy: Any) -> Iterator[Terminal]:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # who runs the tests by nohup has it ignored
    try:
        opened = Terminal(port_of(busy))
    finally:
        signal.signal(signal.SIGHUP, before)
    yield opened
    opened.close()


def test_an_interrupt_ends_top_and_gives_the_terminal_back(terminal: Terminal) -> None:
    shown = terminal.until(b"page store")
    terminal.process.send_signal(signal.SIGINT)
    code, after, errors = terminal.end()
    assert (code, errors) == (130, b"")
    assert b"\x1b[?1049h" in shown, "what was in the terminal before is set aside"
    assert b"\x1b[?1049l" in after, "and is there again"
    assert after.rindex(b"\x1b[?25h") > after.rfind(b"\x1b[?25l"), "and so is the cursor"
    assert terminal.after == terminal.before, "and it shows again what is typed"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["terminated", "hung up"])
def test_a_signal_that_ends_top_does_so_when_the_terminal_is_given_back(terminal: Terminal, number: int) -> None:
    terminal.until(b"page store")
    terminal.process.send_signal(number)
    code, after, errors = terminal.end()
    assert (code, errors) == (-number, b""), "who waits for it sees the signal"
    assert b"\x1b[?1049l" in after, "what was in the terminal before is there again"
    assert after.rindex(b"\x1b[?25h") > after.rfind(b"\x1b[?25l"), "and so is the cursor"
    assert terminal.after == terminal.before, "and it shows again what is typed"


def test_a_signal_ends_top_while_it_waits_for_an_answer(busy: Any) -> None:
    shown = urlopen(busy.describe()["telemetry"][0]["url"]).read()
    with socket.create_server(("127.0.0.1", free_port())) as server, contextlib.ExitStack() as stack:
        terminal = Terminal(server.getsockname()[1])
        stack.callback(terminal.close)
        asked = stack.enter_context(server.accept()[0])
        asked.recv(65_536)
        asked.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(shown) + shown)
        stack.enter_context(server.accept()[0])  # which is not answered
        terminal.process.send_signal(signal.SIGTERM)
        code, after, errors = terminal.end()
    assert (code, errors) == (-signal.SIGTERM, b"")
    assert b"\x1b[?1049l" in after
    assert terminal.after == terminal.before


STUCK = """
import signal, socket
from alluxiofs.cli.monitoring.endings import Endings
heard, told = socket.socketpair()
told.setblocking(False)
signal.set_wakeup_fd(told.fileno())  # as a signal may come right before anything that waits for one
with Endings():
    print("begun", flush=True)
    while heard.recv(1):
        for _ in range(1000):  # by now it has been noted
            pass
        print("noted", flush=True)
"""


def test_a_second_signal_ends_at_once_what_cannot_give_the_terminal_back() -> None:
    """As where nobody takes what is written to it."""
    with subprocess.Popen([sys.executable, "-c", STUCK], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"begun\n"
            process.send_signal(signal.SIGTERM)
            assert process.stdout.readline() == b"noted\n"
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == -signal.SIGTERM
        finally:
            process.kill()


def test_a_hang_up_that_is_ignored_stays_so(busy: Any) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        terminal = Terminal(port_of(busy))
    finally:
        signal.signal(signal.SIGHUP, before)
    try:
        terminal.until(b"page store")
        terminal.process.send_signal(signal.SIGHUP)
        terminal.until(b"page store")
        terminal.press(b"q")
        assert terminal.end()[0] == 0
    finally:
        terminal.close()


def test_q_ends_top_and_gives_the_terminal_back(terminal: Terminal) -> None:
    terminal.until(b"page store")
    terminal.press(b"x")
    terminal.press(b"q")
    code, after, errors = terminal.end()
    assert (code, errors) == (0, b"")
    assert b"\x1b[?1049l" in after
    assert terminal.after == terminal.before


def test_top_goes_on_when_the_process_has_gone_and_come_again(busy: Any) -> None:
    shown = urlopen(busy.describe()["telemetry"][0]["url"]).read()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(shown)))
            self.end_headers()
            self.wfile.write(shown)

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the name of http.server
            """Nobody looks."""

    @contextlib.contextmanager
    def process(port: int) -> Iterator[int]:
        with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            yield server.server_port
            server.shutdown()
            thread.join()

    with contextlib.ExitStack() as stack:
        with process(free_port()) as port:
            terminal = Terminal(port)
            stack.callback(terminal.close)
            terminal.until(b"page store")
        terminal.until(b"nobody listens there")
        with process(port):
            gone = terminal.until(b"no calls on the wire since the last look")
            terminal.until(b"no calls on the wire since the last look")
        assert b"page store" in gone, "the last view stays while it is gone"
        terminal.press(b"q")
        assert terminal.end()[0] == 0
