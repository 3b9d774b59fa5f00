"""Workers near the reader before the others: on its own host, then where labels agree, then as another policy says."""

from __future__ import annotations

import socket
from itertools import chain
from typing import Any, Dict, Iterator, List, Optional

from attrs import define, field

from alluxiofs.errors import ConfigurationError
from alluxiofs.interfaces import Context, Worker, WorkerPolicy, Workers

__all__ = ["LocalFirst"]


class LocalFirst(WorkerPolicy):
    """Workers of this host first, then those with given labels, each in the order of another policy.

    The workers of this host are taken in the membership's order, as Alluxio's policy LOCAL takes them.
    """

    name = "local-first"

    @define(frozen=True)
    class Settings:
        """Settings of the preference.

        Parameters
        ----------
        hostname:
            Whose workers come first, as the membership spells it. Without one: the name of this host, in full or up to
            its first dot, or ``localhost``.
        labels:
            What workers that come next have (``{"zone": "a"}``); all of it must agree.
        inner:
            Who ranks the others: a name, or a dict with ``name`` and settings.
        """

        hostname: Optional[str] = None
        labels: Dict[str, str] = field(factory=dict)
        inner: Any = "consistent-hash"

    def __init__(self, workers: Workers, settings: Any = None, context: Optional[Context] = None) -> None:
        super().__init__(workers, settings, context)
        if context is None:
            raise ConfigurationError(
                "policy 'local-first' needs a context that builds the policy it wraps: make it with "
                "alluxiofs.make_policy('local-first', workers)"
            )
        self._others: WorkerPolicy = context.build("policy", self.settings.inner, workers=workers)
        here = _names_of(self.settings.hostname)
        self._here = tuple(worker for worker in workers if worker.host in here)
        wanted = self.settings.labels.items()
        self._near = frozenset(worker.identity for worker in workers if wanted and wanted <= worker.labels.items())

    def rank(self, key: str, count: int) -> List[Worker]:
        """The workers of this host, then those with the labels, then the others."""
        if count <= len(self._here):
            return list(self._here[:count])
        # The last of the others may be among the first of those with the labels, so that all have to be ranked.
        others = self._others.rank(key, len(self.workers) if self._near else count)
        ranked = dict.fromkeys(chain(self._here, self._in_order(others)))
        return list(ranked)[:count]

    def _in_order(self, others: Any) -> Iterator[Worker]:
        near = self._near
        if near:
            yield from (worker for worker in others if worker.identity in near)
        yield from others


def _names_of(hostname: Optional[str]) -> frozenset[str]:
    if hostname is not None:
        return frozenset((hostname,))
    name = socket.gethostname()
    return frozenset((name, name.partition(".")[0], "localhost"))
