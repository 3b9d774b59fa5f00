"""``alluxiofs load``: has a cluster read files into its cache."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, Optional, Tuple

import click

from alluxiofs.cli.completing import paths_argument
from alluxiofs.cli.failures import Code, UsageError
from alluxiofs.cli.output import count_text, size_text, write_json, write_line
from alluxiofs.cli.progress import errors_on_terminal
from alluxiofs.cli.session import Session, filesystem_options, pass_session
from alluxiofs.cli.stores import names_workers

if TYPE_CHECKING:
    from alluxiofs.client.jobs import Jobs
    from alluxiofs.interfaces import LoadProgress, Location

__all__ = ["command"]

_NOT_ALL = ("FAILED", "STOPPED")
"""States of a job that was waited for and has not loaded all."""


@click.command("load")
@paths_argument
@click.option("--status", is_flag=True, help="Show how the jobs stand, and start none.")
@click.option("--stop", is_flag=True, help="Stop the jobs; what is loaded stays.")
@click.option("--no-wait", is_flag=True, help="Start the jobs, and do not wait for their end.")
@click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Wait no longer; the jobs go on.")
@click.option("--bandwidth", metavar="SIZE", help="Bytes a second at the most, such as 10MB.")
@click.option("--verify", is_flag=True, help="Have the cluster look once more whether all is there.")
@click.option("--metadata-only", is_flag=True, help="Load what is known of files, and not their content.")
@click.option("--skip-if-exists", is_flag=True, help="Leave out what is held already.")
@click.option("--partial-listing", is_flag=True, help="Begin before all files are listed.")
@click.option("--pattern", metavar="REGEX", help="Only files whose path matches, as a whole, an expression of Java.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a path, one a line.")
@filesystem_options
@pass_session
def command(
    session: Session,
    paths: Tuple[str, ...],
    status: bool,
    stop: bool,
    no_wait: bool,
    timeout: Optional[float],
    as_json: bool,
    **options: Any,
) -> None:
    """Have the cluster load files, or all files below directories, into its cache, and wait for that.

    The workers are named as for every command: -o worker_hosts=HOST, -o etcd_hosts=HOST, or in fsspec's configuration.
    Load jobs need a master.
    """
    if status and stop:
        raise UsageError("--status and --stop exclude each other")
    if options["bandwidth"] is not None:
        options["bandwidth"] = _bandwidth(options["bandwidth"])
    if not names_workers(session.configured()):
        session.check_names()
        raise UsageError(
            "no workers are named that could load anything: -o worker_hosts=HOST, -o load_balance_domain=NAME or "
            "-o etcd_hosts=HOST"
        )
    for path in paths:
        with session.failures.guard(path):
            jobs, location = _found(session, path)
            if status:
                said = _status(jobs, location)
            elif stop:
                said = {"stopped": jobs.stop(location)}
            else:
                said = _load(jobs, location, options, not no_wait, timeout)
            if as_json:
                write_json({"path": location.url, **said}, indent=None)
            else:
                write_line(f"{path}: {_text(said)}")
            if said.get("state") in _NOT_ALL and not status:
                session.failures.code = session.failures.code or Code.FAILED


def _found(session: Session, path: str) -> Tuple[Jobs, Location]:
    from alluxiofs.client.jobs import Jobs

    place = session.place(path)
    gateway = place.fs.gateway
    return Jobs(gateway), gateway.locate(place.name)


def _bandwidth(text: str) -> int:
    from alluxiofs.settings.types import Size

    try:
        return int(Size(text))
    except ValueError as error:
        raise UsageError(f"--bandwidth: {error}") from error


def _load(
    jobs: Jobs, location: Location, options: Dict[str, Any], wait: bool, timeout: Optional[float]
) -> Dict[str, Any]:
    from alluxiofs.interfaces import LoadOptions

    until = None if timeout is None else time.monotonic() + timeout
    jobs.submit(location, LoadOptions(**options), until)
    if not wait:
        return {"state": "SUBMITTED"}
    try:
        with _bar(location.url) as tell:
            progress = jobs.wait(location, until, tell)
    except KeyboardInterrupt:
        click.echo(f"alluxiofs: the load job of {location.url} goes on; --stop stops it", err=True)
        raise
    said = _said(progress)
    if not progress.state.ended:
        raise TimeoutError(f"the load job goes on after {timeout:g} s: {_text(said)}")
    return said


def _status(jobs: Jobs, location: Location) -> Dict[str, Any]:
    from alluxiofs.errors import not_found

    progress = jobs.progress(location, verbose=True)
    if progress is None:
        raise not_found(location.url, "the cluster knows of no load job of this path")
    return _said(progress)


def _said(progress: LoadProgress) -> Dict[str, Any]:
    said = {
        "state": progress.state.value,
        "bytes_loaded": progress.loaded,
        "bytes_total": progress.total,
        "files_failed": progress.failed,
        "reason": progress.reason,
    }
    return {name: value for name, value in said.items() if value is not None}


def _text(said: Dict[str, Any]) -> str:
    if "stopped" in said:
        return "stopped" if said["stopped"] else "there is no load job that runs"
    text = str(said["state"]).lower()
    if "bytes_loaded" in said:
        total = f" of {size_text(said['bytes_total'])}" if "bytes_total" in said else ""
        text += f", {size_text(said['bytes_loaded'])}{total}"
    if said.get("files_failed"):
        text += f", {count_text(said['files_failed'], 'file')} failed"
    return text + (f": {said['reason']}" if "reason" in said else "")


@contextlib.contextmanager
def _bar(what: str) -> Iterator[Callable[[LoadProgress], None]]:
    """Show a bar on the standard error where a person is looking at it."""
    if not errors_on_terminal():
        yield lambda progress: None  # noqa: ARG005 - nobody is looking
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns: Any = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
    )
    console = Console(stderr=True)
    room = max(10, console.width // 3)  # or of a long name all would be shown, and of the bar nothing
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(f"load {what if len(what) <= room else '…' + what[1 - room :]}", total=None)
        yield lambda progress: bar.update(task, completed=progress.loaded or 0, total=progress.total)
