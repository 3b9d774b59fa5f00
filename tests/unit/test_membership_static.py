"""Workers that a user writes down: what may be written, what comes of it, and what is said when it is wrong."""

from __future__ import annotations

import uuid
from typing import Any, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alluxiofs.errors import ConfigurationError, SettingTypeError, UnknownSettingError
from alluxiofs.interfaces import Deadline, Membership, Worker, WorkerIdentity, Workers
from alluxiofs.plugins.membership_static import StaticMembership
from alluxiofs.plugins.worker_hosts import parse_workers
from alluxiofs.testing import MembershipContract, make_context


class TestContract(MembershipContract):
    @pytest.fixture
    def make(self) -> Callable[[], Membership]:
        return lambda: StaticMembership(StaticMembership.Settings("h1,h2:1,h3"), make_context())

    @pytest.fixture
    def workers(self) -> Workers:
        return parse_workers(["h1", "h2:1", "h3"])


def test_settings_of_the_same_workers_are_equal_however_they_are_written() -> None:
    Settings = StaticMembership.Settings  # noqa: N806 - a class
    text = Settings("h1,h2:1")
    listed = Settings(["h1", {"host": "h2", "http_port": "1"}])
    ready = Settings(parse_workers("h1, h2:1"))
    assert text == listed == ready
    assert hash(text) == hash(listed) == hash(ready)


def test_workers_that_name_no_port_listen_where_the_settings_say() -> None:
    static = StaticMembership.Settings(["h1", {"host": "h2", "http_port": 3}], http_port=1, data_port=2)
    assert [(worker.http_port, worker.data_port) for worker in static.workers] == [(1, 2), (3, 2)]


def test_a_filesystem_without_names_of_workers_has_no_static_membership() -> None:
    with pytest.raises(TypeError):
        StaticMembership.Settings()  # type: ignore[call-arg]  # that is what is tested


def test_the_snapshot_is_there_at_once_and_never_another() -> None:
    membership = StaticMembership(StaticMembership.Settings("h1,h2"), make_context())
    assert membership.snapshot(Deadline.after(0)) is membership.snapshot(Deadline.after(0))


# --- what may be written --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "addresses"),
    [
        ("h1", [("h1", 28080, 29998)]),
        (" h1 , h2:1 ", [("h1", 28080, 29998), ("h2", 1, 29998)]),
        (["h1,h2", "h3:65535"], [("h1", 28080, 29998), ("h2", 28080, 29998), ("h3", 65535, 29998)]),
        (("10.0.0.1:1",), [("10.0.0.1", 1, 29998)]),
        ("[::1]:1,[fe80::1%eth0]", [("::1", 1, 29998), ("fe80::1%eth0", 28080, 29998)]),
        ({"host": "h1"}, [("h1", 28080, 29998)]),
        ([{"host": "::1", "http_port": 1, "data_port": "2"}], [("::1", 1, 2)]),
        ([{"host": "[::1]", "http_port": None}], [("::1", 28080, 29998)]),
        (Worker(WorkerIdentity.from_host("h1"), "h1", 1, 2), [("h1", 1, 2)]),
        ("worker_1.rack-2.example", [("worker_1.rack-2.example", 28080, 29998)]),
    ],
)
def test_addresses(written: Any, addresses: Any) -> None:
    assert [(worker.host, worker.http_port, worker.data_port) for worker in parse_workers(written)] == addresses


def test_ports_that_nothing_is_said_about_are_the_callers() -> None:
    plain, other = parse_workers(["h1", {"host": "h2", "data_port": 3}], http_port=1, data_port=2)
    assert (plain.http_port, plain.data_port) == (1, 2)
    assert (other.http_port, other.data_port) == (1, 3)


def test_a_host_of_its_own_is_the_identity() -> None:
    assert parse_workers("h1:1")[0].identity == WorkerIdentity.from_host("h1")


def test_hosts_that_repeat_need_their_ports_to_be_told_apart() -> None:
    same, other, alone = parse_workers("h1:1,h1:2,h2:1")
    assert same.identity == WorkerIdentity.from_host("h1:1")
    assert other.identity == WorkerIdentity.from_host("h1:2")
    assert alone.identity == WorkerIdentity.from_host("h2")


@pytest.mark.parametrize(
    ("written", "identity"),
    [
        (WorkerIdentity(1, b"x" * 16), WorkerIdentity(1, b"x" * 16)),
        (
            "worker-aed040cf-31d9-3452-bb4f-6d34430951bc",
            WorkerIdentity(1, bytes.fromhex("aed040cf31d93452bb4f6d34430951bc")),
        ),
        ("AED040CF31D93452BB4F6D34430951BC", WorkerIdentity(1, bytes.fromhex("aed040cf31d93452bb4f6d34430951bc"))),
        ("worker-1", WorkerIdentity(0, bytes(7) + b"\x01")),
        ("worker--1", WorkerIdentity(0, b"\xff" * 8)),
        ("ffffffffffffffff", WorkerIdentity(0, b"\xff" * 8)),
        ("0000000000000001", WorkerIdentity(0, bytes(7) + b"\x01")),
    ],
)
def test_identities(written: Any, identity: WorkerIdentity) -> None:
    assert parse_workers({"host": "h1", "identity": written})[0].identity == identity


@settings(deadline=None)
@given(st.one_of(st.binary(min_size=16, max_size=16), st.integers(-(2**63), 2**63 - 1)))
def test_an_identity_is_read_as_it_is_shown(number: Any) -> None:
    if isinstance(number, bytes):
        identity = WorkerIdentity(1, number)
        assert str(identity) == f"worker-{uuid.UUID(bytes=number)}"
    else:
        identity = WorkerIdentity(0, number.to_bytes(8, "big", signed=True))
        assert str(identity) == f"worker-{number}"
    assert parse_workers({"host": "h1", "identity": str(identity)})[0].identity == identity
    assert parse_workers({"host": "h1", "identity": identity.identifier.hex()})[0].identity == identity


def test_labels_of_ready_workers_stay() -> None:
    worker = Worker(WorkerIdentity.from_host("h1"), "h1", labels={"zone": "a"})
    assert parse_workers([worker, "h2"])[0].labels == {"zone": "a"}


# --- what is wrong ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "kind", "message"),
    [
        ("", ConfigurationError, "host is missing"),
        ([], ConfigurationError, "names no worker"),
        ("h1,,h2", ConfigurationError, "host is missing"),
        (":1", ConfigurationError, "host is missing"),
        (None, SettingTypeError, "worker_hosts=None"),
        (28080, SettingTypeError, "worker_hosts=28080"),
        (["h1", b"h2"], SettingTypeError, "b'h2'"),
        ("h1:", ConfigurationError, "http_port=''"),
        ("h1:0", ConfigurationError, "http_port=0 is not a port"),
        ("h1:65536", ConfigurationError, "http_port=65536 is not a port"),
        ("h1:http", ConfigurationError, "http_port='http' is not a port"),
        ("h1:-1", ConfigurationError, "http_port='-1' is not a port"),
        ("h1:٣", ConfigurationError, "is not a port"),
        ("::1", ConfigurationError, "IPv6 address in brackets"),
        ("[::1", ConfigurationError, "IPv6 address in brackets"),
        ("[h1]:1", ConfigurationError, "'h1' is not an IPv6 address"),
        ("http://h1:1", ConfigurationError, "which the argument 'scheme' says"),
        ("h2,https://h1", ConfigurationError, "which the argument 'scheme' says"),
        ("h1\0", ConfigurationError, "is not a host name"),
        ("h1;h2", ConfigurationError, "'h1;h2' is not a host name"),
        ("h1/path", ConfigurationError, "'h1/path' is not a host name"),
        ("h1 h2", ConfigurationError, "'h1 h2' is not a host name"),
        ({"host": "h1:1"}, ConfigurationError, "'h1:1' is not a host name"),
        ({}, SettingTypeError, "needs a 'host'"),
        ({"host": 1}, SettingTypeError, "needs a 'host'"),
        ({"hots": "h1"}, UnknownSettingError, "did you mean 'host'"),
        ({"host": "h1", "http_port": True}, SettingTypeError, "http_port=True"),
        ({"host": "h1", "data_port": 1.5}, SettingTypeError, "data_port=1.5"),
        ({"host": "h1", "data_port": 0}, ConfigurationError, "data_port=0"),
        ({"host": "h1", "identity": 1}, SettingTypeError, "identity=1"),
        ({"host": "h1", "identity": "worker-zz"}, ConfigurationError, "identity='worker-zz'"),
        ({"host": "h1", "identity": f"worker-{2**63}"}, ConfigurationError, "identity='worker-9223372036854775808'"),
        ({"host": "h1", "identity": WorkerIdentity(1, b"short")}, ConfigurationError, "16 bytes"),
        ({"host": "h1", "identity": WorkerIdentity(-1, bytes(16))}, ConfigurationError, "from 0 to"),
        ({"host": "h1", "identity": WorkerIdentity(1 << 31, bytes(16))}, ConfigurationError, "from 0 to"),
        ("\ud800", ConfigurationError, "is not a host name"),
        ("h1,h1", ConfigurationError, "names h1:28080 twice"),
        ("h1:1,h2,h1:1", ConfigurationError, "names h1:1 twice"),
        (
            [{"host": "h1", "identity": "worker-1"}, {"host": "h2", "identity": "worker-1"}],
            ConfigurationError,
            "h2:28080 and h1:28080 as one worker",
        ),
    ],
)
def test_errors_name_the_argument_and_what_is_wrong(written: Any, kind: type, message: str) -> None:
    with pytest.raises(kind) as caught:
        parse_workers(written)
    assert "worker_hosts=" in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "written",
    [
        "http://user:hunter2@h1",
        "user:hunter2,hunter2@h1",
        ["user:hunter2@h1:1"],
        {"host": "user:hunter2@h1"},
        {"host": "h1", "password": "hunter2"},
    ],
)
def test_errors_show_no_password(written: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_workers(written)
    assert "hunter2" not in str(caught.value)


@settings(deadline=None)
@given(st.text(max_size=30))
def test_any_text_is_workers_or_a_clear_error(text: str) -> None:
    try:
        workers = parse_workers(text)
    except ConfigurationError:
        return
    assert len({worker.identity for worker in workers}) == len(workers) >= 1
    assert all(1 <= worker.http_port <= 65535 and worker.host.strip() == worker.host for worker in workers)
