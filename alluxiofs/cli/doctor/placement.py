"""Virtual nodes and page size against what the cluster shows: who holds files, and how long their pages are."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, Callable, Dict, Iterator, List, Optional, Set, Tuple

from alluxiofs.cli.doctor.findings import Finding, Grade
from alluxiofs.cli.doctor.workers import Answered
from alluxiofs.cli.failures import explain
from alluxiofs.errors import AlluxioFSError, NotSupportedError
from alluxiofs.interfaces import Deadline, Entry, Examined, Location, Worker

if TYPE_CHECKING:
    from alluxiofs.cli.doctor.stores import Files
    from alluxiofs.gateway import Gateway

__all__ = ["examine_placement"]

_LIMIT = 5.0
_FILES = 12  # that are asked for: one that two workers agree on by chance says little, many say it
_USUAL = (2000, 5, 1000, 500, 200, 100, 50, 20, 10, 1)
_FEW = range(2, 100)  # which take no time to try; two that are near to each other place much alike
_CHANCE = 10**5  # ways to place the files: of fewer, one of so many numbers fits all of them by chance
_RING = "consistent-hash"
_PAGE_SIZE = "alluxio.worker.page.store.page.size"
_NODES = "alluxio.user.worker.selection.policy.consistent.hash.virtual.node.count.per.worker"
_Address = Tuple[str, int]
_Holders = Dict[str, Set[_Address]]


def examine_placement(gateway: Gateway, workers: List[Worker], answered: Answered, files: Files) -> Iterator[Finding]:
    """Who holds the files, and whether they are those that this configuration would ask."""
    if not answered or not any(entry.size for _, entry in files):
        yield Finding(
            "placement",
            Grade.TOLD,
            "not looked at: no file is known" if answered else "not looked at: no worker answers",
            "name a file or folder that the cluster has: alluxiofs doctor URL" if answered else None,
        )
        return
    holders: _Holders = {}
    sizes: Counter[int] = Counter()
    asked: Files = []
    refused: List[NotSupportedError] = []
    able = [worker for worker, _ in answered]
    failures: List[Finding] = []
    for location, entry in _spread(files):
        try:
            for worker, examined in _ask(gateway, able, failures, location, entry):
                if examined.owner is not None:
                    holders.setdefault(location.url, set()).add(examined.owner)
                elif examined.holds:
                    holders.setdefault(location.url, set()).add((worker.host, worker.http_port))
                if examined.page_size is not None:
                    sizes[examined.page_size] += 1
        except NotSupportedError as error:
            refused.append(error)
            continue
        asked.append((location, entry))
        if len(asked) == _FILES:
            break
    yield from failures
    if refused:
        yield _names(gateway, refused, len(refused) + len(asked))
    if not asked:
        yield Finding("placement", Grade.TOLD, "not looked at: workers cannot be asked for any of the files")
        return
    if not holders:
        yield Finding(
            "placement",
            Grade.WARNING,
            f"none of {len(asked)} files is held by a worker: nothing can be told of virtual nodes and page size",
            "the cluster is cold, or names these files otherwise (its alluxio.dora.client.ufs.root): have it load "
            "some, with alluxiofs load URL",
        )
        return
    yield from _page_size(gateway.page_size, sizes, asked)
    yield from _virtual_nodes(gateway, holders, workers)


def _spread(files: Files) -> Iterator[Tuple[Location, Entry]]:
    """The files that have something in them, of each folder one, then of each another …: names are alike in one."""
    folders: Dict[str, Files] = {}
    for location, entry in files:
        if entry.size:
            folders.setdefault(location.url.rpartition("/")[0], []).append((location, entry))
    for row in itertools.zip_longest(*folders.values()):
        yield from (one for one in row if one is not None)


def _names(gateway: Gateway, refused: List[NotSupportedError], looked_at: int) -> Finding:
    """Files that are there, and that workers cannot be asked for."""
    instead = (
        "they are read from the under store" if gateway.parts.mounts else "they cannot be read: name an under store"
    )
    return Finding(
        "names",
        Grade.WARNING,
        f"{len(refused)} of {looked_at} files are never read from workers, such as {refused[0]}",
        f"{instead}. Partitions as Hive names them (month=1) and names with spaces need workers of dialect 'rest'",
        {"files": looked_at, "refused": len(refused)},
    )


def _ask(
    gateway: Gateway, able: List[Worker], failures: List[Finding], location: Location, entry: Entry
) -> Iterator[Tuple[Worker, Examined]]:
    """Ask the workers of a file. One that fails is not ``able``: it is not asked of the next, which could take long."""
    transport = gateway.parts.transport
    for worker in list(able):
        try:
            examined = transport.examine(
                worker, location, entry.size, Deadline.after(min(_LIMIT, gateway.limits.timeout))
            )
        except NotSupportedError:
            raise  # of the name, before any worker was asked
        except (OSError, AlluxioFSError) as error:
            able.remove(worker)  # the others tell enough
            failures.append(_failing(worker, location, error))
            continue
        if examined is not None:
            yield worker, examined
            if examined.owner is not None:
                return


def _failing(worker: Worker, location: Location, error: BaseException) -> Finding:
    where = f"{worker.host}:{worker.http_port}"
    return Finding(
        "worker",
        Grade.WARNING,
        f"{where}: answers for its health, and not what it holds of {location.url}: {explain(error)}",
        "reads go to the next worker, or to the under store, when it fails like this: its log may say why",
        {"worker": where, "identity": str(worker.identity)},
    )


def _page_size(configured: int, sizes: Counter[int], asked: List[Tuple[Location, Entry]]) -> Iterator[Finding]:
    if not sizes:
        longest = max(entry.size or 0 for _, entry in asked)
        text = "no worker tells"
        if longest <= configured:
            text = f"not told: the files that are held are no longer than a page (the longest has {longest} bytes)"
        yield Finding("page size", Grade.TOLD, f"{text}; configured are {configured} bytes")
        return
    (found, _), *others = sizes.most_common()
    facts = {"configured": configured, "found": found}
    if others:
        yield Finding("page size", Grade.WRONG, f"workers have pages of {sorted(sizes)} bytes", "give all of them one")
    elif found == configured:
        yield Finding("page size", Grade.OK, f"{configured} bytes, as the cluster has it", facts=facts)
    else:
        text = f"the cluster's pages have {found} bytes, and {configured} are configured: workers cannot be read"
        yield Finding("page size", Grade.WRONG, text, f"set options={{{_PAGE_SIZE!r}: {found}}}", facts)


def _virtual_nodes(gateway: Gateway, holders: _Holders, workers: List[Worker]) -> Iterator[Finding]:
    if len(workers) == 1:
        yield _in_charge(workers[0], set().union(*holders.values()))
        return
    described = gateway.parts.describe["policy"]
    name, settings = described["name"], described["settings"]
    fit = _fitting(holders, lambda url: gateway.workers_of(Location("", url, url))[0])
    count = len(holders)
    facts = {"policy": name, "files": count, "as_expected": fit}
    if fit == count:
        text = f"policy {name!r} {settings or ''} asks the workers that hold the files ({count} of {count})"
        yield Finding("virtual nodes", Grade.OK, text, facts=facts)
        return
    text = f"of {count} files {fit} are held by the worker that policy {name!r} {settings or ''} asks first"
    better = _better(holders, workers, fit)
    if better is None:
        advice = (
            "the cluster places by another policy, other identities, another list of workers, or a number of virtual "
            "nodes that was not tried (more than 100, and no usual one): with worker_hosts, "
            "identities are made of the names, which must be those the workers register with; use etcd_hosts if "
            "the cluster has an etcd"
        )
    else:
        nodes, fits = better
        facts["virtual_nodes"] = nodes
        # As a setting of the policy, for that works whatever is set: over another policy, and over the property.
        policy = {"name": _RING, "virtual_nodes": nodes}
        best = "" if fits == count else ", more than with other numbers"
        advice = f"set policy={policy}: {fits} of {count} fit with it{best} (the cluster's {_NODES})"
    yield Finding("virtual nodes", Grade.WRONG if fit < count / 2 or better else Grade.WARNING, text, advice, facts)


def _in_charge(worker: Worker, owners: Set[_Address]) -> Finding:
    """What the one worker of the membership is, of whose answers these are the workers that hold files."""
    named = (worker.host, worker.http_port)
    if owners != {named}:
        text = f"{worker.host} stands for {len(owners)} workers or more, and says which of them owns a file"
        return Finding("placement", Grade.OK, f"{text}: virtual nodes do not matter", facts={"owners": len(owners)})
    if worker.labels.get("domain") == worker.host != "localhost":
        return Finding(
            "placement",
            Grade.TOLD,
            f"{worker.host} has one address: of one worker, or of a balancer in front of several",
            "behind a balancer a page is found by luck only, unless the workers speak dialect 'rest': name them all, "
            "with a domain that has all of their addresses (a headless service), worker_hosts or etcd_hosts",
        )
    return Finding("placement", Grade.OK, "there is one worker, which is in charge of everything")


def _fitting(holders: _Holders, first: Callable[[str], Worker]) -> int:
    """How many files are held by whom they are asked of first."""
    found = ((first(url), held) for url, held in holders.items())
    return sum((worker.host, worker.http_port) in held for worker, held in found)


def _better(holders: _Holders, workers: List[Worker], fit: int) -> Optional[Tuple[int, int]]:
    """A number of virtual nodes by which clearly more files are held by whom they are asked of, and how many."""
    count = len(holders)
    fits, place = max((_fitting_with(nodes, holders, workers), -place) for place, nodes in enumerate(_USUAL))
    if fits < count and len(workers) ** count > _CHANCE:
        exact = next((nodes for nodes in _FEW if _fitting_with(nodes, holders, workers) == count), None)
        if exact is not None:
            return exact, count
    return (_USUAL[-place], fits) if fits > max(fit, 0.8 * count) else None


def _fitting_with(nodes: int, holders: _Holders, workers: List[Worker]) -> int:
    from alluxiofs import make_policy

    policy = make_policy(_RING, workers, virtual_nodes=nodes)
    return _fitting(holders, lambda url: policy.rank(url, 1)[0])
