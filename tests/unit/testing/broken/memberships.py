"""Memberships that are wrong in one way each, and a right one, each with its suite. Run by test_suites_catch.py."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from alluxiofs.interfaces import Snapshot
from alluxiofs.plugins.worker_hosts import parse_workers
from alluxiofs.testing import ChangingMembershipContract, ScriptedMembership

WORKERS = parse_workers("h1,h2,h3")


def suite(membership):
    class Suite(ChangingMembershipContract):
        patience = 0.2

        @pytest.fixture
        def make(self):
            return lambda: membership(ScriptedMembership.Settings(WORKERS))

        @pytest.fixture
        def workers(self):
            return WORKERS

        @pytest.fixture
        def change(self):
            return lambda made, workers: made.push(workers)

    return Suite


class Right(ScriptedMembership):
    "Right."


class Connects(ScriptedMembership):
    "Looks a name up when it is made."

    def __init__(self, *made_of):
        super().__init__(*made_of)
        socket.getaddrinfo("127.0.0.1", 80)


class Unordered(ScriptedMembership):
    "Gives the workers in another order."

    def snapshot(self, deadline):
        snapshot = super().snapshot(deadline)
        return Snapshot(snapshot.workers[::-1], snapshot.generation)


class Lists(ScriptedMembership):
    "Gives a list, which somebody may change."

    def snapshot(self, deadline):
        snapshot = super().snapshot(deadline)
        return Snapshot(list(snapshot.workers), snapshot.generation)


class Doubles(ScriptedMembership):
    "Gives a worker twice."

    def snapshot(self, deadline):
        snapshot = super().snapshot(deadline)
        return Snapshot(snapshot.workers + snapshot.workers[:1], snapshot.generation)


class Counts(ScriptedMembership):
    "A generation for each call."

    asked = 0

    def snapshot(self, deadline):
        self.asked += 1
        return Snapshot(super().snapshot(deadline).workers, self.asked)


class Waits(ScriptedMembership):
    "Asks its source each time."

    def snapshot(self, deadline):
        deadline.wait()
        return super().snapshot(deadline)


class Frozen(ScriptedMembership):
    "Never sees a change."

    def push(self, workers):
        return self._snapshot


class Ungenerated(ScriptedMembership):
    "Changes without another generation."

    def snapshot(self, deadline):
        return Snapshot(super().snapshot(deadline).workers)


class TellsNobody(ScriptedMembership):
    "Has no subscribers."

    def subscribe(self, changed):
        return lambda: None


class TellsForever(ScriptedMembership):
    "Does not let subscribers go."

    def subscribe(self, changed):
        super().subscribe(changed)
        return lambda: None


class LeavesAThread(ScriptedMembership):
    "Leaves a thread."

    def snapshot(self, deadline):
        threading.Thread(target=time.sleep, args=(2,), daemon=True).start()
        return super().snapshot(deadline)


class ClosesOnce(ScriptedMembership):
    "Cannot be closed twice."

    closed = False

    def close(self):
        assert not self.closed
        self.closed = True


for membership in (
    Right,
    Connects,
    Unordered,
    Lists,
    Doubles,
    Counts,
    Waits,
    Frozen,
    Ungenerated,
    TellsNobody,
    TellsForever,
    LeavesAThread,
    ClosesOnce,
):
    globals()["Test" + membership.__name__] = suite(membership)
