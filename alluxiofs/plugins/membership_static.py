"""The membership that a user writes down: it never changes."""

from __future__ import annotations

from typing import Any, Tuple

from attrs import define, field

from alluxiofs.interfaces import Context, Deadline, Membership, Snapshot, Worker
from alluxiofs.plugins.worker_hosts import parse_workers

__all__ = ["StaticMembership"]


def _as_given(workers: Any) -> Any:
    """With a converter of its own a field may be of any type: text, and lists of what not."""
    return workers


class StaticMembership(Membership):
    """Workers named once, as in ``worker_hosts``; whether they are alive shows when they are asked."""

    name = "static"

    @define(frozen=True)
    class Settings:
        """Settings of the static membership.

        Parameters
        ----------
        workers:
            What the argument ``worker_hosts`` takes: ``"h1,h2:28080"``, a list of such, or of dicts of ``host``,
            ``http_port``, ``data_port``, ``identity``. Their order is that of the snapshot.
        http_port, data_port:
            Where workers listen that say nothing else.
        """

        workers: Tuple[Worker, ...] = field(converter=_as_given)
        http_port: int = 28080
        data_port: int = 29998

        def __attrs_post_init__(self) -> None:
            # A converter sees one field only, and this one needs the ports.
            object.__setattr__(self, "workers", parse_workers(self.workers, self.http_port, self.data_port))

    def __init__(self, settings: Any, context: Context) -> None:
        super().__init__(settings, context)
        self._snapshot = Snapshot(settings.workers)

    def known(self) -> Snapshot:
        """The workers that were named: nobody need be asked."""
        return self._snapshot

    def snapshot(self, deadline: Deadline) -> Snapshot:
        """The workers of the settings, at once."""
        return self._snapshot
