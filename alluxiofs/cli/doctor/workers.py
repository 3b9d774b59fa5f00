"""The workers: who they are, whether they answer, and how fast."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Dict, Iterator, List, Optional, Tuple

import attrs

from alluxiofs.cli.doctor.findings import Finding, Grade, failed
from alluxiofs.errors import AlluxioFSError
from alluxiofs.interfaces import Deadline, Examined, Worker

if TYPE_CHECKING:
    from alluxiofs.gateway import Gateway

__all__ = ["Answered", "examine_workers", "find_workers"]

_LIMIT = 5.0  # seconds for each question
_USUAL_PORT = 28080
_SLOW = 0.05  # seconds for a question that needs no work
_MOST = 100  # workers that are looked at

Answered = List[Tuple[Worker, Examined]]

_ADVICE_OF_MEMBERSHIP = {
    "etcd": "is etcd_hosts an endpoint of the cluster's etcd (port 2379)? With a user, etcd_username and etcd_password",
    "dns": "does the name resolve on this machine? In Kubernetes it is SERVICE.NAMESPACE.svc.cluster.local",
}
_ADVICE_OF_NONE = {
    "etcd": "is cluster_name what the workers have as alluxio.cluster.name? Do workers run?",
    "dns": "the name has no address: does a worker run behind it?",
}


def find_workers(gateway: Gateway, found: List[Worker]) -> Iterator[Finding]:
    """The membership's workers, which go into ``found``."""
    membership = gateway.parts.membership
    if membership is None:
        yield Finding("membership", Grade.TOLD, "no workers are named: everything is read from the under store")
        return
    try:
        found += membership.snapshot(Deadline.after(min(_LIMIT, gateway.limits.timeout))).workers
    except (OSError, AlluxioFSError) as error:
        yield failed("membership", error, _ADVICE_OF_MEMBERSHIP.get(membership.name))
        return
    if not found:
        advice = _ADVICE_OF_NONE.get(membership.name, "name them with worker_hosts, load_balance_domain or etcd_hosts")
        yield Finding("membership", Grade.WRONG, f"{membership.name}: it has no workers", advice)
        return
    text = f"{membership.name}: {len(found)} worker{'s' if len(found) > 1 else ''}"
    yield Finding("membership", Grade.OK, text, facts={"workers": len(found)})


def examine_workers(gateway: Gateway, workers: List[Worker], answered: Answered) -> Iterator[Finding]:
    """Ask each worker for its health; those that answer go into ``answered``."""
    transport = gateway.parts.transport
    for worker in workers[:_MOST]:
        where = f"{worker.host}:{worker.http_port}"
        facts: Dict[str, object] = {"worker": where, "identity": str(worker.identity)}
        try:
            examined = transport.examine(worker, None, None, Deadline.after(min(_LIMIT, gateway.limits.timeout)))
        except (OSError, AlluxioFSError) as error:
            yield failed("worker", error, _advice(gateway, worker, error), **facts)
            continue
        if examined is None:
            yield Finding("worker", Grade.TOLD, f"{where}: transport {transport.name!r} tells nothing of workers")
            continue
        answered.append((worker, examined))
        text = f"{where}: answers in {examined.seconds * 1000:.1f} ms, dialect {examined.dialect}"
        facts.update(milliseconds=round(examined.seconds * 1000, 2), dialect=examined.dialect)
        slow = examined.seconds > _SLOW
        advice = "the worker is busy, or the way to it is long: reads will not be faster than this" if slow else None
        yield Finding("worker", Grade.WARNING if slow else Grade.OK, text, advice, facts)
        if examined.dialect == "rest":
            yield from _data_port(worker)
    if answered:
        yield _dialect(gateway, sorted({examined.dialect for _, examined in answered}))


def _dialect(gateway: Gateway, spoken: List[str]) -> Finding:
    told = gateway.parts.describe["transport"]["settings"].get("dialect", "auto")
    text = f"the workers speak dialect {' and '.join(map(repr, spoken))}"
    if len(spoken) > 1:
        return Finding("dialect", Grade.WRONG, text, "those of one cluster speak one: are all of these of the same?")
    if told in ("auto", *spoken):
        return Finding("dialect", Grade.OK, text)
    advice = f"leave it out, for it is found out; or set transport={{'name': 'alluxio', 'dialect': {spoken[0]!r}}}"
    return Finding("dialect", Grade.WRONG, f"{text}, and {told!r} is configured", advice)


def _data_port(worker: Worker) -> Iterator[Finding]:
    try:
        socket.create_connection((worker.host, worker.data_port), _LIMIT).close()
    except OSError as error:
        yield Finding(
            "worker",
            Grade.WARNING,
            f"{worker.host}:{worker.data_port}: the data port takes no connection: {error}",
            "set worker_data_port to what the cluster has, or name each worker's own: worker_hosts=[{'host': …, "
            "'http_port': …, 'data_port': …}, …]; until then files are read page by page, which is slower",
        )


def _advice(gateway: Gateway, worker: Worker, error: BaseException) -> str:
    said = str(error)
    if isinstance(error, PermissionError):
        return "the worker wants a token or another one: set headers={'Authorization': …}"
    if "certificate" in said:
        return (
            "name the authority of the workers' certificates with ca_certs; hosts must be as the certificates have them"
        )
    elsewhere = _listening_elsewhere(gateway, worker)
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


def _listening_elsewhere(gateway: Gateway, worker: Worker) -> Optional[int]:
    if worker.http_port == _USUAL_PORT:
        return None
    try:
        found = gateway.parts.transport.examine(
            attrs.evolve(worker, http_port=_USUAL_PORT), None, None, Deadline.after(1)
        )
    except (OSError, AlluxioFSError):
        return None
    return None if found is None else _USUAL_PORT
