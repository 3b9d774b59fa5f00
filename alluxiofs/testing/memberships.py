"""The contract of memberships."""

from __future__ import annotations

import functools
import threading
from typing import Callable, List

import pytest

from alluxiofs.interfaces import Component, Deadline, Membership, Snapshot, Worker, Workers
from alluxiofs.testing.components import ComponentContract
from alluxiofs.testing.guards import at_once, eventually, no_io

__all__ = ["ChangingMembershipContract", "MembershipContract"]


class MembershipContract(ComponentContract):
    """What the gateway relies on in any membership.

    Override the fixtures ``make`` and ``workers``. A membership that can change keeps
    :class:`ChangingMembershipContract`. ``patience`` is how many seconds a thread may take to end, or a change to be
    seen.
    """

    patience: float = 10.0

    @pytest.fixture
    def make(self) -> Callable[[], Membership]:
        """Makes a membership whose source says ``workers``; called once a test or more."""
        raise NotImplementedError("override the fixture `make`: a function that makes your membership")

    @pytest.fixture
    def workers(self) -> Workers:
        """The workers that the source says, in the membership's order: three at least."""
        raise NotImplementedError("override the fixture `workers`: those that the source of your membership says")

    @pytest.fixture
    def component(self, make: Callable[[], Membership]) -> Component:
        return make()

    def test_nothing_happens_before_it_is_asked(self, make: Callable[[], Membership]) -> None:
        with no_io():
            make().close()

    def test_the_snapshot_has_the_workers_in_order(self, make: Callable[[], Membership], workers: Workers) -> None:
        membership = make()
        snapshot = membership.snapshot(Deadline.after(30))
        assert isinstance(snapshot, Snapshot)
        assert isinstance(snapshot.workers, tuple), "a snapshot is frozen: its workers are a tuple"
        assert all(isinstance(worker, Worker) for worker in snapshot.workers)
        assert snapshot.workers == workers
        membership.close()

    def test_identities_are_distinct(self, make: Callable[[], Membership]) -> None:
        membership = make()
        workers = membership.snapshot(Deadline.after(30)).workers
        assert len({worker.identity for worker in workers}) == len(workers)
        membership.close()

    def test_the_second_snapshot_is_the_first_and_waits_for_nothing(self, make: Callable[[], Membership]) -> None:
        membership = make()
        first = membership.snapshot(Deadline.after(30))
        assert membership.snapshot(Deadline.after(0)) == first, "nothing changed, so neither does the generation"
        membership.close()

    def test_threads_that_ask_first_get_the_same(self, make: Callable[[], Membership]) -> None:
        membership = make()
        snapshots = at_once(*[lambda: membership.snapshot(Deadline.after(30))] * 8)
        assert all(snapshot == snapshots[0] for snapshot in snapshots)
        membership.close()

    def test_subscribing_can_be_ended(self, make: Callable[[], Membership]) -> None:
        membership = make()
        membership.snapshot(Deadline.after(30))
        end = membership.subscribe(lambda _: None)
        end()
        end()
        membership.close()

    def test_no_thread_is_left_when_it_is_closed(self, make: Callable[[], Membership]) -> None:
        before = set(threading.enumerate())
        membership = make()
        membership.snapshot(Deadline.after(30))
        membership.subscribe(lambda _: None)
        membership.close()
        assert eventually(lambda: set(threading.enumerate()) <= before, self.patience), (
            set(threading.enumerate()) - before
        )


class ChangingMembershipContract(MembershipContract):
    """What is expected, besides, of a membership whose workers come and go.

    Override the fixture ``change`` too.
    """

    @pytest.fixture
    def change(self) -> Callable[[Membership, Workers], None]:
        """Has the source of a membership say other workers from now on."""
        raise NotImplementedError("override the fixture `change`: it has the source say other workers")

    def test_a_change_is_seen_as_a_whole(
        self, make: Callable[[], Membership], workers: Workers, change: Callable[[Membership, Workers], None]
    ) -> None:
        membership = make()
        old = membership.snapshot(Deadline.after(30))
        change(membership, workers[1:])
        assert eventually(lambda: membership.snapshot(Deadline.after(30)) != old, self.patience), "no change was seen"
        new = membership.snapshot(Deadline.after(30))
        assert new.workers == workers[1:]
        assert new.generation > old.generation
        assert old.workers == workers, "a snapshot that was handed out has changed"
        membership.close()

    def test_the_same_workers_after_two_changes_are_a_new_generation(
        self, make: Callable[[], Membership], workers: Workers, change: Callable[[Membership, Workers], None]
    ) -> None:
        membership = make()
        generations = [membership.snapshot(Deadline.after(30)).generation]
        for expected in (workers[1:], workers):
            change(membership, expected)
            assert eventually(functools.partial(_are, membership, expected), self.patience)
            generations.append(membership.snapshot(Deadline.after(30)).generation)
        assert generations == sorted(set(generations)), f"generations only go up: {generations}"
        membership.close()

    def test_subscribers_are_told_until_they_end_it(
        self, make: Callable[[], Membership], workers: Workers, change: Callable[[Membership, Workers], None]
    ) -> None:
        membership = make()
        membership.snapshot(Deadline.after(30))
        told: List[Snapshot] = []
        ended: List[Snapshot] = []
        membership.subscribe(told.append)
        membership.subscribe(ended.append)()
        change(membership, workers[1:])
        assert eventually(lambda: any(snapshot.workers == workers[1:] for snapshot in told), self.patience)
        assert ended == [], "it was told after it had ended its subscription"
        assert membership.snapshot(Deadline.after(30)) == told[-1], "told of one thing, and shown another"
        membership.close()


def _are(membership: Membership, expected: Workers) -> bool:
    return membership.snapshot(Deadline.after(30)).workers == expected
