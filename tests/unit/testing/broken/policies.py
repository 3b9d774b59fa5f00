"""Worker policies that are wrong in one way each, and a right one, each with its suite. Run by test_suites_catch.py."""

from __future__ import annotations

import itertools
import socket
import time

from attrs import define

from alluxiofs.interfaces import Worker, WorkerPolicy
from alluxiofs.policies.rendezvous import Rendezvous
from alluxiofs.testing import HashingPolicyContract, WorkerPolicyContract


def suite(policy, contract=WorkerPolicyContract):
    return type(contract)("Test" + policy.__name__, (contract,), {"policy_class": policy})


class Right(Rendezvous):
    "Ranks as it should."


class Modulo(WorkerPolicy):
    "Right, but moves nearly everything when a worker comes."

    name = "modulo"

    def rank(self, key, count):
        n = len(self.workers)
        return [self.workers[(sum(key.encode("utf-8", "replace")) + i) % n] for i in range(min(count, n))]


class FallsWithoutWorkers(Rendezvous):
    "Fails without workers."

    def rank(self, key, count):
        return super().rank(key, count) or [self.workers[0]]


class GivesOneOnly(Rendezvous):
    "Gives one worker however many are wanted."

    def rank(self, key, count):
        return super().rank(key, 1)


class Repeats(Rendezvous):
    "Gives a worker twice."

    def rank(self, key, count):
        ranked = super().rank(key, count)
        return ranked[:1] * min(2, len(ranked)) + ranked[1:-1]


class MakesWorkersUp(Rendezvous):
    "Gives workers that are not in the snapshot."

    def rank(self, key, count):
        return [Worker(worker.identity, "elsewhere") for worker in super().rank(key, count)]


class DependsOnCount(Rendezvous):
    "The second choice is the first when only one is wanted."

    def rank(self, key, count):
        return super().rank(key, 2)[-1:] if count == 1 else super().rank(key, count)


class Alternates(Rendezvous):
    "Takes turns."

    def __init__(self, *made_of):
        super().__init__(*made_of)
        self.turns = itertools.count()

    def rank(self, key, count):
        ranked = super().rank(key, len(self.workers))
        turn = next(self.turns) % (len(ranked) or 1)
        return (ranked[turn:] + ranked[:turn])[:count]


class HashesByProcess(Rendezvous):
    "Uses the hash of Python."

    def rank(self, key, count):
        ranked = super().rank("", len(self.workers))
        turn = hash(key) % (len(ranked) or 1)
        return (ranked[turn:] + ranked[:turn])[:count]


class Remembers(Rendezvous):
    "Gives away lists of its own."

    def __init__(self, *made_of):
        super().__init__(*made_of)
        self.known = {}

    def rank(self, key, count):
        return self.known.setdefault((key, count), super().rank(key, count))


class Unsafe(Rendezvous):
    "Keeps the key in itself, where another thread finds it."

    def rank(self, key, count):
        self.key = key
        time.sleep(0.0001)
        return super().rank(self.key, count)


class Resolves(Rendezvous):
    "Looks names up."

    def rank(self, key, count):
        for worker in self.workers:
            socket.getaddrinfo("127.0.0.1", worker.http_port)
        return super().rank(key, count)


class FirstOnly(WorkerPolicy):
    "Always the first worker: no balance at all."

    name = "first-only"

    def rank(self, key, count):
        return list(self.workers[:count])


class Misnamed(Rendezvous):
    name = "Mis named"
    interface_version = 99

    @define
    class Settings:
        api_key: str = ""
        workers: object = None

    def describe(self):
        return {"bytes": b""}


TestRight = suite(Right, HashingPolicyContract)
TestModulo = suite(Modulo, HashingPolicyContract)
TestFirstOnly = suite(FirstOnly, HashingPolicyContract)
for policy in (
    FallsWithoutWorkers,
    GivesOneOnly,
    Repeats,
    MakesWorkersUp,
    DependsOnCount,
    Alternates,
    HashesByProcess,
    Remembers,
    Unsafe,
    Resolves,
    Misnamed,
):
    globals()["Test" + policy.__name__] = suite(policy)
