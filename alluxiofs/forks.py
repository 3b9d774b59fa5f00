"""What a forked child must begin anew.

A fork copies the memory of a process, and of its threads the one that forks. A lock that another thread has at that
moment stays locked in the child for ever; threads, connections and turns that are waited for are the parent's. So
whoever keeps such a thing for the whole process, or in an object that a child goes on with, tells here how to begin
anew. Everything else a child makes itself, at its first operation. Where there are no forks nothing is ever called.
"""

from __future__ import annotations

import functools
import gc
import inspect
import itertools
import os
import threading
import weakref
from types import MethodType
from typing import Callable, Dict, Iterable, List, Optional

__all__ = ["count", "in_child", "never_drop_in_child"]

_Renewal = Callable[[], object]

count = 0
"""How many forks lie between the first process and this one: differs from a parent's, in its child. Who holds what no
child may use remembers it, and compares."""

# In the order in which they came. No lock, which a thread might have: each change is one step of a dict.
_renewals: Dict[int, Callable[[], Optional[_Renewal]]] = {}
_numbers = itertools.count()
_finders: List[Callable[[], Iterable[object]]] = []
_found = threading.local()  # of each thread that forks
_inherited: List[object] = []


def in_child(renew: _Renewal) -> None:
    """Have ``renew()`` called in every child that is forked from now on, before anything else of it goes on.

    All of them are called, in the order in which they came here: a module's before those of the modules that import it.
    What one replaces may be dropped with it, and whatever has a finalizer may want a lock that another one is still to
    renew: such things are returned, and kept until all have been called. The garbage collector waits, too.

    Parameters
    ----------
    renew:
        Makes new locks and forgets what is the parent's; it neither takes a lock nor starts anything. Of a method the
        object is held weakly, as it would otherwise be for as long as the process lives.
    """
    number = next(_numbers)
    _renewals[number] = (
        _weakly(renew, functools.partial(_renewals.pop, number, None)) if inspect.ismethod(renew) else lambda: renew
    )


def _weakly(method: MethodType, gone: Callable[[], object]) -> Callable[[], Optional[_Renewal]]:
    # Not a WeakMethod: one that is called back as the interpreter ends fails, and says so.
    function, owner = method.__func__, weakref.ref(method.__self__, lambda _: gone())

    def found() -> Optional[_Renewal]:
        there = owner()
        return None if there is None else functools.partial(function, there)

    return found


def never_drop_in_child(find: Callable[[], Iterable[object]]) -> None:
    """Have what ``find()`` gives just before a fork live for as long as the child: for objects whose end waits for
    threads that a child has not."""
    _finders.append(find)


def _before() -> None:
    found: List[object] = []
    _found.objects = found  # though one of them fail, which Python prints
    for find in _finders:
        found.extend(find())


def _after_in_parent() -> None:
    _found.objects = []


def _after_in_child() -> None:
    global count
    count += 1
    # For good: this child may fork as well. There are none where this module was imported as a thread began to fork.
    _inherited.extend(getattr(_found, "objects", ()))
    kept: List[object] = []
    failures: List[BaseException] = []
    collects = gc.isenabled()
    gc.disable()
    try:
        for found in list(_renewals.values()):
            renew = found()
            if renew is not None:
                try:
                    kept.append(renew())
                except BaseException as error:  # the others are called all the same, and Python prints it
                    failures.append(error)
    finally:
        kept.clear()
        if collects:
            gc.enable()
    if failures:
        raise failures[0]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
