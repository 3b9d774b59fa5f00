"""Which of its parent's connections a forked child loses: those that are watched for threads it has not, and no others.

Each case is a process of its own, with a list of what to watch as hdfs-native's runtime has it: only its kernel objects
are looked at, so that the library need not be there.
"""

from __future__ import annotations

import select
import subprocess
import sys

import pytest

from tests.understores.forked import forks

BEGIN = """
import ctypes, gc, os, select, socket, sys, weakref
from types import ModuleType
sys.modules["hdfs_native"] = ModuleType("hdfs_native")
import alluxiofs.plugins._fsspec.datanodes

listening = socket.create_server(("127.0.0.1", 0))
kept = []

def connection():
    kept.append(socket.create_connection(listening.getsockname()))
    kept.append(listening.accept()[0])
    return kept[-2]

def connected(descriptor):
    with socket.socket(fileno=os.dup(descriptor)) as copy:
        try:
            return bool(copy.getpeername())
        except OSError:
            return False

def in_child(work):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if work() else 2
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1] == 0

watcher = select.epoll()
watcher.register(ctypes.CDLL(None).eventfd(0, 0), select.EPOLLIN)
librarys = connection().detach()
watcher.register(librarys, select.EPOLLIN)
"""

OTHERS = {
    "nothing besides": "",
    "a proxy of what is gone": """
class Gone: pass
gone = Gone()
proxy = weakref.proxy(gone)
del gone
""",
    "an object that does not say what it is": """
class Lazy:
    @property
    def __class__(self): raise RuntimeError("not now")
lazy = Lazy()
""",
    "a socket that does not tell its number": """
class Own(socket.socket):
    def fileno(self): raise RuntimeError("not now")
own = Own()
""",
    "a socket of Python's, which is watched too": """
pythons = connection()
watcher.register(pythons, select.EPOLLIN)
assert in_child(lambda: connected(pythons.fileno()))
""",
}

LOSES = """
assert in_child(lambda: not connected(librarys))
assert connected(librarys)
"""

CHILD_OF_A_CHILD = """
def goes_on():
    fresh = connection().detach()
    os.dup2(fresh, librarys)  # as if it was the next to come by this number, once the library has given its copy up
    return connected(librarys) and in_child(lambda: connected(librarys))

assert in_child(goes_on)
"""


def run(program: str) -> None:
    if not hasattr(select, "epoll"):
        pytest.skip("this system has no such lists of what to watch")
    done = subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE, timeout=100, check=False)
    assert (done.returncode, done.stderr.decode()) == (0, "")


@forks
@pytest.mark.parametrize("there", list(OTHERS))
def test_the_librarys_copy_leads_nowhere_whatever_else_there_is(there: str) -> None:
    run(BEGIN + OTHERS[there] + LOSES)


@forks
def test_what_has_come_by_the_number_of_a_copy_stays_in_a_childs_child() -> None:
    """The first process watches that number for its own connection still, and all share the list."""
    run(BEGIN + CHILD_OF_A_CHILD)
