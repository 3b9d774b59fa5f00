"""What a forked child inherits of its parent: every lock of this package, held, and the parent's connections.

To find a lock that nobody has thought of, nobody must have to list it: the locks are found by looking at all modules,
classes and objects of the package that there are.
"""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import stat
import struct
import sys
import threading
import traceback
import weakref
from collections import deque
from concurrent.futures import Executor, Future
from types import FrameType, ModuleType
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Set, Tuple

__all__ = ["all_locks_held", "connections", "in_child", "still_held"]

_LOCKS = (type(threading.Lock()), type(threading.RLock()))
_OF_LIBRARY = (threading.Condition, threading.Event, threading.Semaphore, Executor, Future)
_MANY = 10_000  # things in one container
_DEEP = 8  # containers and objects in others
_INNERMOST = 12  # frames of a thread


def _is_ours(module: Any) -> bool:
    # The stand-in workers are other people's servers, which happen to run here.
    return isinstance(module, str) and f"{module}.".startswith("alluxiofs.") and ".testing." not in f"{module}."


def _attributes(owner: Any) -> Iterator[Tuple[str, Any]]:
    """What an object has, in its dict and in slots, and what its classes have for it."""
    for cls in type(owner).__mro__:
        if _is_ours(cls.__module__):
            yield from list(vars(cls).items())
        for slot in vars(cls).get("__slots__", ()):
            with contextlib.suppress(AttributeError):
                yield slot, getattr(owner, slot)
    yield from list(getattr(owner, "__dict__", {}).items())


class _Locks:
    """Locks of the package, by id: the name of the owner, and the lock."""

    def __init__(self) -> None:
        self.locks: Dict[int, Tuple[str, Any]] = {}
        self.semaphores: Dict[int, threading.Semaphore] = {}
        self._seen: Set[int] = set()

    def find_all(self) -> None:
        """Those of modules, classes and all objects."""
        self.find_kept()
        for each in gc.get_objects():
            if _is_ours(type(each).__module__):
                self._look(f"{type(each).__module__}.{type(each).__qualname__}", each)

    def find_kept(self) -> None:
        """Those that can be reached from modules and classes, which a child goes on with."""
        for name, module in list(sys.modules.items()):
            if _is_ours(name) and isinstance(module, ModuleType):
                for attribute, value in list(vars(module).items()):
                    self._look(f"{name}.{attribute}", value)
                    if isinstance(value, type) and _is_ours(value.__module__):
                        for of_class, held in list(vars(value).items()):
                            self._look(f"{name}.{attribute}.{of_class}", held)

    def _look(self, name: str, value: Any, depth: int = 0) -> None:
        inner: List[Tuple[str, Any]] = []
        if isinstance(value, _LOCKS):
            self.locks.setdefault(id(value), (name, value))
        elif isinstance(value, _OF_LIBRARY):
            if isinstance(value, threading.Semaphore):
                self.semaphores[id(value)] = value
            inner = [(f"{name}.{attribute}", each) for attribute, each in list(vars(value).items())]
        elif isinstance(value, (list, tuple, set, frozenset, deque, weakref.WeakSet)) and len(value) <= _MANY:
            inner = [(f"{name}[…]", each) for each in list(value)]
        elif isinstance(value, Mapping) and len(value) <= _MANY:
            inner = [(f"{name}[…]", each) for each in list(value.values())]
        elif _is_ours(type(value).__module__) and id(value) not in self._seen:
            self._seen.add(id(value))
            inner = [(f"{name}.{attribute}", each) for attribute, each in _attributes(value)]
        if depth < _DEEP:
            for each_name, each in inner:
                self._look(each_name, each, depth + 1)


def still_held(held: Mapping[int, str]) -> List[str]:
    """What a child goes on with that is held by a thread of its parent: the names of such locks."""
    found = _Locks()
    found.find_kept()
    forgotten = []
    for name, lock in found.locks.values():
        if lock.acquire(blocking=False):
            lock.release()
        elif id(lock) in held:
            forgotten.append(name)
    return sorted(forgotten)


@contextlib.contextmanager
def all_locks_held() -> Iterator[Dict[int, str]]:
    """Have a thread hold every lock of the package, and take every place that a semaphore has.

    Yields the names of those that are held, by id. Whoever wants one in this process waits meanwhile; the collector of
    garbage, whose finalizers may, does so itself.
    """
    found = _Locks()
    found.find_all()
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        places, had = [], []
        for semaphore in found.semaphores.values():
            while semaphore.acquire(blocking=False):
                places.append(semaphore)
        for _, lock in found.locks.values():
            if lock.acquire(blocking=False):  # else somebody else has it
                had.append(lock)
        held.set()
        over.wait()
        for lock in had:
            lock.release()
        for semaphore in places:
            semaphore.release()

    collects = gc.isenabled()
    gc.disable()
    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    try:
        yield {number: name for number, (name, _) in found.locks.items()}
    finally:
        over.set()
        holder.join()
        if collects:
            gc.enable()


# --- the child --------------------------------------------------------------------------------------------------


def in_child(work: Callable[[], object], held: Mapping[int, str], seconds: float) -> str:
    """What went wrong with ``work`` in a forked child; nothing if nothing did.

    A child that has not ended within so many seconds is ended, and what is told is where each of its threads is, and
    the locks that it may wait for there.
    """
    here, there = os.pipe()
    child = os.fork()
    if not child:
        os.close(here)
        said = "the child ended before its time"
        try:
            threading.Thread(target=_watch, args=(there, held, seconds, threading.get_ident()), daemon=True).start()
            work()
            said = ""
        except BaseException:
            said = traceback.format_exc()
        finally:
            _end(there, said)
    os.close(there)
    with os.fdopen(here, encoding="utf-8") as told:
        said = told.read()
    os.waitpid(child, 0)
    return said


def _end(there: int, said: str) -> None:
    data = said.encode()
    while data:
        data = data[os.write(there, data) :]
    os._exit(0)


def _watch(there: int, held: Mapping[int, str], seconds: float, worker: int) -> None:
    threading.Event().wait(seconds)
    frames = sys._current_frames()
    frames.pop(threading.get_ident())
    told = [f"the child has not ended after {seconds:g} s"]
    for ident in sorted(frames, key=lambda ident: ident != worker):
        told.append("".join(traceback.format_stack(frames[ident])[-_INNERMOST:]))
        told.append(f"held by a thread of the parent: {', '.join(_held_near(frames[ident], held)) or 'nothing'}\n")
    _end(there, "\n".join(told))


def _held_near(frame: Optional[FrameType], held: Mapping[int, str]) -> List[str]:
    """The locks that the innermost function which has any at hand has."""
    while frame is not None:
        near = {held[id(value)] for value in frame.f_globals.values() if id(value) in held}
        for local in list(frame.f_locals.values()):
            near.update(held[id(value)] for _, value in [("", local), *_attributes(local)] if id(value) in held)
        if near:
            return sorted(near)
        frame = frame.f_back
    return []


# --- connections ------------------------------------------------------------------------------------------------

# The first byte of Linux' struct tcp_info is the state; far behind it is how many bytes the other side has received.
_ENDED_HERE = frozenset({4, 5, 7})  # FIN_WAIT1, FIN_WAIT2, CLOSE
_ACKNOWLEDGED = struct.Struct("120xQ")


def connections() -> Dict[Tuple[Any, Any], Tuple[bool, int]]:
    """The TCP connections of this process, by their ends: whether it has ended it, and how many bytes it has sent."""
    found: Dict[Tuple[Any, Any], Tuple[bool, int]] = {}
    for number in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):  # it has gone
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                continue
            with socket.socket(fileno=os.dup(number)) as copy:
                if copy.family in (socket.AF_INET, socket.AF_INET6) and copy.type == socket.SOCK_STREAM:
                    ends = copy.getsockname(), copy.getpeername()  # which fails where it is not connected
                    told = copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 232)
                    found[ends] = (told[0] in _ENDED_HERE, _ACKNOWLEDGED.unpack_from(told)[0])
    return found
