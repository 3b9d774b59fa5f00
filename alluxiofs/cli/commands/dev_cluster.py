"""``alluxiofs dev-cluster``: stand-in workers on this machine, to try things out."""

from __future__ import annotations

import json
import shlex
import signal
from contextlib import suppress
from typing import Any, Dict, Optional

import click

from alluxiofs.cli.arguments import secrets_in
from alluxiofs.cli.failures import Code, UsageError
from alluxiofs.cli.output import flush, write_json, write_line
from alluxiofs.cli.session import Session, filesystem_options, pass_session
from alluxiofs.cli.stores import own_client
from alluxiofs.errors import not_found

__all__ = ["command"]

_WARNING = (
    "alluxiofs: dev-cluster: stand-in workers for development and tests, and no production cache: they hold what they "
    "have read until they end, never make room, and ask nobody for a password"
)


@click.command("dev-cluster")
@click.argument("store")
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="How many workers.")
@click.option(
    "--dialect",
    type=click.Choice(["pages", "rest"]),
    default="pages",
    show_default=True,
    help="What they speak: as the open-source worker does, or the newer one with its data port.",
)
@click.option("--page-size", default="1MB", show_default=True, help="Of the workers.")
@click.option("--first-port", type=click.IntRange(1, 65000), help="They listen there and at the ports behind it.")
@click.option("--load", is_flag=True, help="Have them hold all files of the store before they answer.")
@click.option("--json", "as_json", is_flag=True, help="What a filesystem is to be told of them, as JSON.")
@filesystem_options
@pass_session
def command(
    session: Session,
    store: str,
    workers: int,
    dialect: str,
    page_size: str,
    first_port: Optional[int],
    load: bool,
    as_json: bool,
) -> None:
    """Start stand-in workers over STORE, a folder of this machine or a URL, until interrupted.

    For development and tests: it is no production cache. The workers listen on the loopback interface only, and answer
    as Alluxio's do. Files are held by them after a load job (alluxiofs load), with --load, or, with the dialect rest,
    when they are read. Options of the store's client are said as for every command: -o target_options.anon=true. A
    worker that ends is told on the standard error, and the others go on; the exit code is 1
    when none is left.
    """
    from alluxiofs.testing.stand_in_workers import StandInCluster

    click.echo(_WARNING, err=True)
    found: Any = None
    with session.failures.guard(store):
        found = _under_store(session, store)
    if found is None:
        return
    under, folder = found
    try:
        cluster = StandInCluster(
            under,
            folder=folder,
            workers=workers,
            dialect=dialect,
            page_size=page_size,
            first_port=first_port,
            processes=True,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    with cluster:
        if load:
            cluster.load_all()
        if as_json:
            write_json(dict(cluster.arguments))
        else:
            _describe(cluster)
        flush()
        _watch(cluster)
    click.get_current_context().exit(Code.FAILED)


def _watch(cluster: Any) -> None:
    """Until the last worker has ended, say of each that it has."""
    left = len(cluster.workers)
    for worker, code in cluster.deaths():
        left -= 1
        address = f"{worker.worker.host}:{worker.worker.http_port}"
        others = f"{left} of {len(cluster.workers)} go on" if left else "none is left"
        click.echo(f"alluxiofs: dev-cluster: worker {address} has ended ({_how(code)}): {others}", err=True)


def _how(code: int) -> str:
    if code < 0:
        with suppress(ValueError):  # a signal without a name here
            return signal.Signals(-code).name
    return f"exit code {code}"


def _describe(cluster: Any) -> None:
    url = cluster.url()
    arguments = _arguments(cluster)
    write_line(f"under store   {url}")
    write_line(f"worker_hosts  {arguments['worker_hosts']}")
    for worker in cluster.workers:
        write_line(
            f"{worker.worker.identity}  {worker.worker.host}:{worker.worker.http_port}  {worker.kept_pages()} pages"
        )
    words = ["alluxiofs", "doctor", url]
    for name, value in arguments.items():
        words += ["-o", f"{name}={value}"]
    write_line(f"look at them  {' '.join(map(shlex.quote, words))}")
    write_line("Press Ctrl-C to end them.")


def _arguments(cluster: Any) -> Dict[str, str]:
    """What other commands are told of the cluster, beside what is so by default."""
    hosts = ",".join(f"{one.host}:{one.http_port}" for one in cluster.members)
    if cluster.arguments["transport"]["dialect"] == "rest":  # each has a data port, for which text has no place
        ports = ("host", "http_port", "data_port")
        hosts = json.dumps([{name: one[name] for name in ports} for one in cluster.worker_hosts])
    scheme, _, _ = cluster.url().partition("://")
    options = {f"options.{name}": value for name, value in cluster.arguments["options"].items()}
    return {"target_protocol": scheme, "worker_hosts": hosts, **options}


def _under_store(session: Session, store: str) -> Any:
    if "://" not in store:
        return store, ""
    arguments = session.configured()
    session.failures.secrets = sorted(set(secrets_in(arguments)), key=len, reverse=True)
    fs = own_client(store, arguments)
    folder = fs._strip_protocol(store)
    if "file" in fs.protocol:
        return folder, ""
    try:
        fs.info(folder)  # here and not in each of the workers, who would only say nothing
    except FileNotFoundError as error:
        raise not_found(store, "there is nothing here for the stand-in workers to serve") from error
    return fs, folder
