"""Connections to HDFS's DataNodes, which hdfs-native keeps for the whole process, whatever client reads next.

A forked child has copies of its parent's. If both use one, each gets what the other has asked for: bytes of another
place or file, with good checksums. Nothing can take them away; the library itself lets go of each three seconds after
it was used, by the clock of the day. As it does so in the child, it shuts the connection down that the parent uses, and
has the kernel, whose list of what to watch both share (epoll), watch it no longer: the parent then waits for an answer
of which nobody tells it. So the child's copies are replaced at once by sockets that lead nowhere.
"""

from __future__ import annotations

import gc
import os
import re
import socket
import sys
import time
from typing import List, Optional, Set

from alluxiofs import forks

__all__ = ["let_go_of_parents"]

_KEPT = 3.2  # seconds: what the library has, and a little
_WATCHED = re.compile(r"tfd: *(\d+)(?:.* ino:([0-9a-f]+))?")
_DESCRIPTORS = "/proc/self/fd"  # on macOS there is none, and no list that a parent and its child share either
_free_from = 0.0


def let_go_of_parents() -> None:
    """Before anything is read in a forked child: wait until the library uses none of its parent's connections."""
    while True:
        rest = _free_from - time.time()
        if rest <= 0:
            return
        time.sleep(rest)


def _after_fork() -> None:
    global _free_from
    if "hdfs_native" in sys.modules:
        _free_from = time.time() + _KEPT


def _replace_copies() -> None:
    """In a child that has only this thread, and has opened nothing yet. (In one whose parent had the library, but not
    this module, they stay.)"""
    if "hdfs_native" not in sys.modules:
        return
    copies = [each for each in _of_threads_left_behind() if _kind(each).startswith("socket:") and _connected(each)]
    if copies:
        # By their types: what objects say of their class is whatever their authors wrote, and dead proxies raise.
        pythons = {_number(each) for each in gc.get_objects() if issubclass(type(each), socket.SocketType)}
        with socket.socket() as nowhere:
            for copy in set(copies) - pythons:
                os.dup2(nowhere.fileno(), copy, inheritable=False)


def _of_threads_left_behind() -> Set[int]:
    """What is watched for threads that a child has not: by an epoll that an eventfd wakes, as the library's runtime and
    its like have them."""
    found: Set[int] = set()
    for watcher in _watchers():
        watched = _watched(watcher)
        if any(_kind(each) == "anon_inode:[eventfd]" for each in watched):
            found |= watched
    return found


def _watchers() -> List[int]:
    try:
        names = os.listdir(_DESCRIPTORS)
    except OSError:
        return []
    return [number for number in map(int, names) if _kind(number) == "anon_inode:[eventpoll]"]


def _watched(watcher: int) -> Set[int]:
    """What it watches, by the numbers of now. Parent and child share the list, in which each has its own numbers: one
    that stands for another file here is the other's."""
    try:
        with open(f"/proc/self/fdinfo/{watcher}", encoding="ascii") as lines:
            found = [_WATCHED.match(line) for line in lines]
    except OSError:
        return set()
    return {int(one[1]) for one in found if one is not None and _is_file(int(one[1]), one[2])}


def _is_file(descriptor: int, inode: Optional[str]) -> bool:
    """Whether it is the file of an inode, in hexadecimal; kernels before 4.13 tell none."""
    try:
        return inode is None or os.fstat(descriptor).st_ino == int(inode, 16)
    except OSError:  # closed, and still watched
        return False


def _number(python: socket.SocketType) -> int:
    try:
        return socket.SocketType.fileno(python)  # and not what a class of a user has instead
    except Exception:  # where another library has put its own class there, which may do anything
        return -1


def _kind(descriptor: int) -> str:
    try:
        return os.readlink(f"{_DESCRIPTORS}/{descriptor}")
    except OSError:  # it was the listing's own, or is closed and still watched
        return ""


def _connected(descriptor: int) -> bool:
    """Whether the socket is a connection over the network."""
    try:
        with socket.socket(fileno=os.dup(descriptor)) as copy:
            return copy.family in (socket.AF_INET, socket.AF_INET6) and bool(copy.getpeername())
    except OSError:
        return False


forks.in_child(_after_fork)
forks.in_child(_replace_copies)
if forks.count:  # this came after a fork: maybe just now
    _after_fork()
