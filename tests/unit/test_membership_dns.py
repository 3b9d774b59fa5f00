"""Workers behind a name: what it resolves to, again and again, and what happens when it does not."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from typing import Any, Callable, Dict, List, Optional

import pytest

from alluxiofs.errors import ConfigurationError, UnavailableError
from alluxiofs.interfaces import Deadline, Membership, Worker, WorkerIdentity, Workers
from alluxiofs.plugins import membership_dns
from alluxiofs.plugins.membership_dns import DnsMembership
from alluxiofs.testing import ChangingMembershipContract, make_context
from alluxiofs.testing.guards import eventually

DOMAIN = "workers.example"


class Resolver:
    """Answers as the system's resolver does, for one name: no test depends on a name server."""

    def __init__(self) -> None:
        self.addresses: Optional[List[str]] = []
        self.asked = 0
        self.may_answer = threading.Event()
        self.may_answer.set()

    def getaddrinfo(self, host: str, *_: Any, **__: Any) -> List[Any]:
        self.asked += 1
        self.may_answer.wait(60)
        assert host == DOMAIN
        if self.addresses is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(None, None, 0, "", (address, 0)) for address in self.addresses for _ in range(2)]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    made = Resolver()
    made.addresses = ["10.0.0.10", "10.0.0.2", "10.0.0.3"]
    monkeypatch.setattr(socket, "getaddrinfo", made.getaddrinfo)
    return made


def membership(**settings: Any) -> DnsMembership:
    return DnsMembership(DnsMembership.Settings(**{"domain": DOMAIN, **settings}), make_context())


def workers_at(*hosts: str) -> Workers:
    return tuple(Worker(WorkerIdentity.from_host(host), host, labels={"domain": DOMAIN}) for host in hosts)


class TestContract(ChangingMembershipContract):
    @pytest.fixture
    def make(self, resolver: Resolver) -> Callable[[], Membership]:
        return lambda: membership(refresh=0.01)

    @pytest.fixture
    def workers(self) -> Workers:
        return workers_at("10.0.0.2", "10.0.0.3", "10.0.0.10")

    @pytest.fixture
    def change(self, resolver: Resolver) -> Callable[[Membership, Workers], None]:
        def change(membership: Membership, workers: Workers) -> None:
            resolver.addresses = [worker.host for worker in workers][::-1]
            membership.snapshot(Deadline.after(30))  # it is looked up again when somebody asks

        return change

    def test_subscribers_are_told_until_they_end_it(
        self, make: Callable[[], Membership], workers: Workers, change: Callable[[Membership, Workers], None]
    ) -> None:
        # The change is found by the question after next, so somebody has to go on asking.
        def change_and_ask(membership: Membership, workers: Workers) -> None:
            change(membership, workers)
            assert eventually(lambda: membership.snapshot(Deadline.after(30)).workers == workers, self.patience)

        super().test_subscribers_are_told_until_they_end_it(make, workers, change_and_ask)


def test_nobody_looks_it_up_again_before_it_is_due(resolver: Resolver) -> None:
    found = membership(refresh=3600)
    for _ in range(10):
        found.snapshot(Deadline.after(10))
    assert resolver.asked == 1


@pytest.mark.parametrize(
    ("addresses", "hosts"),
    [
        (["10.0.0.7"], [DOMAIN]),
        (["10.0.0.7", "fd00::7"], [DOMAIN]),
        (["127.0.0.1", "::1"], [DOMAIN]),
        (["fd00::10", "fd00::9"], ["fd00::9", "fd00::10"]),
        (["10.0.0.9", "fd00::7", "10.0.0.7", "fd00::9"], ["10.0.0.7", "10.0.0.9"]),
    ],
)
def test_one_address_stays_a_name_and_both_kinds_count_once(
    resolver: Resolver, addresses: List[str], hosts: List[str]
) -> None:
    resolver.addresses = addresses
    assert membership().snapshot(Deadline.after(10)).workers == workers_at(*hosts)


def test_localhost_is_the_worker_on_this_machine() -> None:
    found = DnsMembership(DnsMembership.Settings("localhost", http_port=1, data_port=2), make_context())
    identity = WorkerIdentity.from_host("localhost")
    assert found.snapshot(Deadline.after(10)).workers == (Worker(identity, "localhost", 1, 2, {"domain": "localhost"}),)


@pytest.mark.parametrize("addresses", [None, ["10.0.0.1", "of no kind"]], ids=["nothing", "no addresses"])
def test_a_name_that_does_not_resolve_is_unavailable_and_not_asked_for_by_everybody(
    resolver: Resolver, addresses: Optional[List[str]]
) -> None:
    resolver.addresses = addresses
    found = membership()
    for _ in range(3):
        with pytest.raises(UnavailableError, match=r"workers\.example.*cannot be resolved"):
            found.snapshot(Deadline.after(10))
    assert resolver.asked == 1


def test_a_name_that_resolves_at_last_is_found(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership_dns, "_AGAIN_AFTER", 0.01)
    found = membership()
    resolver.addresses = None
    with pytest.raises(UnavailableError, match=r"workers\.example.*cannot be resolved"):
        found.snapshot(Deadline.after(10))
    resolver.addresses = ["10.0.0.1", "10.0.0.2"]

    def is_found() -> bool:
        with contextlib.suppress(UnavailableError):
            return found.snapshot(Deadline.after(10)).workers == workers_at("10.0.0.1", "10.0.0.2")
        return False

    assert eventually(is_found, 60)


def test_a_name_that_is_lost_keeps_its_workers_and_says_so_once(
    resolver: Resolver, caplog: pytest.LogCaptureFixture
) -> None:
    found = membership(refresh=0)
    first = found.snapshot(Deadline.after(10))
    resolver.addresses = None
    with caplog.at_level(logging.WARNING):
        assert eventually(lambda: found.snapshot(Deadline.after(10)) is first and bool(caplog.messages), 60)
    assert found.known() is first
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_resolver_that_hangs_costs_no_more_than_the_deadline_and_one_thread(resolver: Resolver) -> None:
    resolver.may_answer.clear()
    found = membership()
    try:
        for _ in range(3):
            with pytest.raises(TimeoutError, match=DOMAIN):
                found.snapshot(Deadline.after(0.05))
        assert resolver.asked == 1
    finally:
        resolver.may_answer.set()
    assert eventually(lambda: len(found.known().workers) == 3, 60)


def test_the_last_workers_are_there_while_a_resolver_hangs(resolver: Resolver) -> None:
    found = membership(refresh=0)
    first = found.snapshot(Deadline.after(10))
    resolver.may_answer.clear()
    try:
        assert found.snapshot(Deadline.after(0)) is first
    finally:
        resolver.may_answer.set()


@pytest.mark.parametrize("settings", [{"domain": ""}, {"domain": "http://h"}, {"domain": "a b"}, {"domain": "h:1"}])
def test_what_is_no_domain_is_an_error_at_once(settings: Dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="load_balance_domain"):
        membership(**settings)
