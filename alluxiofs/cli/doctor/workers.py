"""The workers: who they are, whether they answer, and how fast."""

from __future__ import annotations

import functools
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Dict, Iterator, List, Optional, Tuple

from attrs import define

from alluxiofs.cli.doctor.elsewhere import listens_elsewhere, speaks_other_scheme
from alluxiofs.cli.doctor.findings import Finding, Grade, failed
from alluxiofs.cli.notices import collected_warnings
from alluxiofs.errors import AlluxioFSError, ConfigurationError
from alluxiofs.interfaces import Deadline, Examined, Worker

if TYPE_CHECKING:
    from alluxiofs.gateway import Gateway

__all__ = ["Answered", "examine_workers", "find_workers"]

_LIMIT = 5.0  # seconds for each question
_SLOW = 0.05  # seconds for a question that needs no work
_MOST = 100  # workers that are looked at
_AT_ONCE = 32  # of them that are asked for the first time

Answered = List[Tuple[Worker, Examined]]

_ADVICE_OF_USERS = "set etcd_username and etcd_password: to a user who may read the keys below /ServiceDiscovery/"
_ADVICE_OF_MEMBERSHIP = {
    "etcd": "is etcd_hosts an endpoint of the cluster's etcd (port 2379)? One with TLS needs etcd_tls, or https:// "
    "before it; one without needs neither",
    "dns": "does the name resolve on this machine? In Kubernetes it is SERVICE.NAMESPACE.svc.cluster.local",
}
_ADVICE_OF_SCHEME = {
    "https": "it speaks TLS: set scheme='https', and ca_certs if the authority of its certificate is your own",
    "http": "it speaks HTTP without TLS: leave scheme='https' out",
}
_ADVICE_OF_NONE = {
    "etcd": "is cluster_name what the workers have as alluxio.cluster.name? Do workers run?",
    "dns": "the name has no address: does a worker run behind it?",
}


@define(frozen=True)
class _Met:
    """What came of asking a worker for the first time.

    Parameters
    ----------
    failure, advice:
        Why it did not answer, and what to do.
    data_port:
        Why its data port takes no connection.
    """

    failure: Optional[BaseException] = None
    advice: Optional[str] = None
    data_port: Optional[OSError] = None


def find_workers(gateway: Gateway, found: List[Worker]) -> Iterator[Finding]:
    """The membership's workers, which go into ``found``."""
    membership = gateway.parts.membership
    if membership is None:
        yield Finding("membership", Grade.TOLD, "no workers are named: everything is read from the under store")
        return
    try:
        with collected_warnings() as warned:
            found += membership.snapshot(Deadline.after(min(_LIMIT, gateway.limits.timeout))).workers
    except ConfigurationError as error:
        yield failed("membership", error, None)  # which says all
        return
    except (OSError, AlluxioFSError) as error:
        users = membership.name == "etcd" and isinstance(error, PermissionError)
        yield failed("membership", error, _ADVICE_OF_USERS if users else _ADVICE_OF_MEMBERSHIP.get(membership.name))
        return
    for message in warned:
        yield Finding("membership", Grade.WARNING, message, "the others are asked in its place: look at that worker")
    if not found:
        advice = _ADVICE_OF_NONE.get(membership.name, "name them with worker_hosts, load_balance_domain or etcd_hosts")
        yield Finding("membership", Grade.WRONG, f"{membership.name}: it has no workers", advice)
        return
    text = f"{membership.name}: {len(found)} worker{'s' if len(found) > 1 else ''}"
    yield Finding("membership", Grade.OK, text, facts={"workers": len(found)})


def examine_workers(gateway: Gateway, workers: List[Worker], answered: Answered) -> Iterator[Finding]:
    """Ask each worker for its health; those that answer go into ``answered``."""
    looked_at = workers[:_MOST]
    if len(workers) > _MOST:
        yield Finding("worker", Grade.TOLD, f"the first {_MOST} of {len(workers)} are looked at")
    # Each of those that are silent takes all of its time, so that they are waited for together.
    with ThreadPoolExecutor(_AT_ONCE, "alluxiofs-doctor") as threads:
        met = list(threads.map(functools.partial(_meet, gateway), looked_at))
    for worker, first in zip(looked_at, met):
        yield from _examine(gateway, worker, first, answered)
    if answered:
        yield _dialect(gateway, sorted({examined.dialect for _, examined in answered}))


def _examine(gateway: Gateway, worker: Worker, first: _Met, answered: Answered) -> Iterator[Finding]:
    where = f"{worker.host}:{worker.http_port}"
    facts: Dict[str, object] = {"worker": where, "identity": str(worker.identity)}
    if first.failure is not None:
        yield failed("worker", first.failure, first.advice, **facts)
        return
    try:
        examined = _ask(gateway, worker)  # while nobody else is asked: it tells how fast the answer is
    except (OSError, AlluxioFSError) as error:
        yield failed("worker", error, _advice(gateway, worker, error), **facts)
        return
    if examined is None:
        name = gateway.parts.transport.name
        yield Finding("worker", Grade.TOLD, f"{where}: transport {name!r} tells nothing of workers")
        return
    answered.append((worker, examined))
    text = f"{where}: answers in {examined.seconds * 1000:.1f} ms, dialect {examined.dialect}"
    facts.update(milliseconds=round(examined.seconds * 1000, 2), dialect=examined.dialect)
    slow = examined.seconds > _SLOW
    advice = "the worker is busy, or the way to it is long: reads will not be faster than this" if slow else None
    yield Finding("worker", Grade.WARNING if slow else Grade.OK, text, advice, facts)
    if first.data_port is not None:
        yield Finding(
            "worker",
            Grade.WARNING,
            f"{worker.host}:{worker.data_port}: the data port takes no connection: {first.data_port}",
            "set worker_data_port to what the cluster has, or name each worker's own: worker_hosts=[{'host': …, "
            "'http_port': …, 'data_port': …}, …]; until then files are read page by page, which is slower",
        )


def _meet(gateway: Gateway, worker: Worker) -> _Met:
    try:
        examined = _ask(gateway, worker)
    except (OSError, AlluxioFSError) as error:
        return _Met(error, _advice(gateway, worker, error))
    if examined is not None and examined.dialect == "rest":
        try:
            socket.create_connection((worker.host, worker.data_port), _LIMIT).close()
        except OSError as error:
            return _Met(data_port=error)
    return _Met()


def _ask(gateway: Gateway, worker: Worker) -> Optional[Examined]:
    deadline = Deadline.after(min(_LIMIT, gateway.limits.timeout))
    return gateway.parts.transport.examine(worker, None, None, deadline)


def _dialect(gateway: Gateway, spoken: List[str]) -> Finding:
    told = gateway.parts.describe["transport"]["settings"].get("dialect", "auto")
    text = f"the workers speak dialect {' and '.join(map(repr, spoken))}"
    if len(spoken) > 1:
        return Finding("dialect", Grade.WRONG, text, "those of one cluster speak one: are all of these of the same?")
    if told in ("auto", *spoken):
        return Finding("dialect", Grade.OK, text)
    advice = f"leave it out, for it is found out; or set transport={{'name': 'alluxio', 'dialect': {spoken[0]!r}}}"
    return Finding("dialect", Grade.WRONG, f"{text}, and {told!r} is configured", advice)


def _advice(gateway: Gateway, worker: Worker, error: BaseException) -> Optional[str]:
    if isinstance(error, ConfigurationError):
        return None  # which says all
    said = str(error)
    if isinstance(error, PermissionError):
        return "the worker wants a token or another one: set headers={'Authorization': …}"
    if "certificate" in said:
        return (
            "name the authority of the workers' certificates with ca_certs; hosts must be as the certificates have them"
        )
    spoken = speaks_other_scheme(gateway, worker)
    if spoken is not None:
        return _ADVICE_OF_SCHEME[spoken]
    elsewhere = listens_elsewhere(gateway, worker)
    if elsewhere is not None:
        return f"a worker answers at port {elsewhere} of this host: set worker_http_port={elsewhere}"
    if "does not answer as a worker" in said or "not HTTP" in said:
        return "something else listens there: worker_http_port is the worker's alluxio.worker.http.server.port (28080)"
    if "no address" in said or "resolve" in said or "not known" in said:
        return "the name does not resolve on this machine: use the name or address that this machine has for the worker"
    return (
        "is the worker up, and is this its HTTP port (alluxio.worker.http.server.port, 28080)? A firewall between here "
        "and there lets connections time out. Clusters with TLS need scheme='https', others 'http'"
    )
