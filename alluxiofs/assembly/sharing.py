"""What filesystems of one process have in common: gateways, page stores, telemetry.

Everything is held weakly: what nobody uses any more goes, and is closed. A forked child has none of its parent's, for
connections, threads and locks do not survive a fork; what it needs it makes anew.
"""

from __future__ import annotations

import collections
import threading
import weakref
from typing import Any, Callable, Deque, Dict, Hashable, List, Sequence, Tuple, TypeVar

from alluxiofs import forks
from alluxiofs.assembly.telemetry import ask_for_the_last_time
from alluxiofs.gateway import Gateway
from alluxiofs.interfaces import Component
from alluxiofs.logs import fields

__all__ = ["Shared"]

_Part = TypeVar("_Part", bound=Component)


class Shared:
    """The gateways and components of this process."""

    def __init__(self) -> None:
        self._forget()
        forks.in_child(self._begin_anew)

    def _forget(self) -> None:
        # Re-entrant: a component may make a filesystem of its own while it is made.
        self._lock = threading.RLock()
        self._making = 0
        self._gateways: weakref.WeakValueDictionary[Hashable, Gateway] = weakref.WeakValueDictionary()
        self._components: weakref.WeakValueDictionary[Hashable, Component] = weakref.WeakValueDictionary()
        self._users: Dict[int, int] = {}
        self._gone: Deque[Sequence[Component]] = collections.deque()
        self._finalizers: List[weakref.finalize[[Sequence[Component]], Gateway]] = []

    def _begin_anew(self) -> object:
        parents = self._gone
        for finalizer in self._finalizers:
            finalizer.detach()
        self._forget()
        return parents

    def gateway(self, key: Hashable, make: Callable[[], Tuple[Gateway, Sequence[Component]]]) -> Gateway:
        """The gateway under ``key``, made if there is none: ``make`` gives it and the components to close with it."""
        gateway = self._gateways.get(key)
        if gateway is not None:
            return gateway
        with self._lock:
            self._making += 1
            try:
                gateway = self._gateways.get(key)
                if gateway is None:
                    gateway = self._gateways[key] = self._made(*make())
            finally:
                self._making -= 1
        self._clear_up()
        return gateway

    def _made(self, gateway: Gateway, components: Sequence[Component]) -> Gateway:
        for component in components:
            self._users[id(component)] = self._users.get(id(component), 0) + 1
        self._finalizers = [finalizer for finalizer in self._finalizers if finalizer.alive]
        self._finalizers.append(weakref.finalize(gateway, self._release, components))
        return gateway

    def component(self, key: Hashable, make: Callable[[], _Part]) -> _Part:
        """The component under ``key``, made if there is none. Those that are closed with a gateway are made with it."""
        with self._lock:
            found: Any = self._components.get(key)
            if found is None:
                found = self._components[key] = make()
            made: _Part = found
            return made

    def _release(self, components: Sequence[Component]) -> None:
        """A gateway has gone. This runs wherever the garbage collector does, so it waits for nobody."""
        self._gone.append(components)
        self._clear_up()

    def _clear_up(self) -> None:
        """Close what no gateway uses any more, unless one is being made, which may be about to use it."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            unused = [] if self._making else self._take_unused()
        finally:
            self._lock.release()
        for component in unused:
            ask_for_the_last_time(component)
            try:
                component.close()
            except Exception as error:  # whatever a plugin's raises: the others are closed all the same
                more = fields(component=component.name, reason="failed")
                component.context.logger.warning("%r could not be closed", component.name, exc_info=error, extra=more)

    def _take_unused(self) -> List[Component]:
        unused: Dict[int, Component] = {}
        while self._gone:
            for component in self._gone.popleft():
                self._users[id(component)] -= 1
                if not self._users[id(component)]:
                    del self._users[id(component)]
                    unused[id(component)] = component
        for key in [key for key, component in self._components.items() if id(component) in unused]:
            del self._components[key]
        return list(unused.values())
