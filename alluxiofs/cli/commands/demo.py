"""``alluxiofs demo``: the gateway at work on real data."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from pathlib import Path
from typing import Optional

import click

from alluxiofs.cli.failures import Code, UsageError
from alluxiofs.cli.output import write_json
from alluxiofs.cli.progress import telling
from alluxiofs.cli.session import Place, Session, filesystem_options, pass_session, scheme_of
from alluxiofs.cli.stores import own_client
from alluxiofs.errors import not_found

__all__ = ["command"]

_PAGE_SIZE = "128KB"  # small for files of half a megabyte, so that there is something to count


@click.command("demo")
@click.option("--under-store", metavar="URL", help="Where to write: s3://bucket/folder … [a temporary folder]")
@click.option("--keep", is_flag=True, help="Leave the data where --under-store says.")
@click.option("--ray/--no-ray", "with_ray", default=True, help="Read with Ray, too, where it is installed.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
@filesystem_options
@pass_session
def command(session: Session, under_store: Optional[str], keep: bool, with_ray: bool, as_json: bool) -> None:
    """Write a real data set into an under store and read it in every documented way.

    Takes all 336,776 flights that left New York City in 2013, writes them as Parquet, reads them through the gateway
    with PyArrow and Ray, overwrites a file, takes the page store away, and checks all that it reads. Ends with code 1
    if anything is wrong. Needs: pip install 'alluxiofs[demo]', and for S3 'alluxiofs[demo,s3]'
    """
    from alluxiofs.cli.demo.flights import load_flights
    from alluxiofs.cli.demo.steps import Demonstration

    if under_store is not None and not scheme_of(under_store):
        raise UsageError(f"--under-store {under_store}: a URL is needed, such as s3://bucket/folder or file:///folder")
    if keep and under_store is None:
        raise UsageError("--keep: without --under-store the data are in a temporary folder; say where to leave them")
    if "page_store" in session.arguments:
        raise UsageError("the demo has a page store of its own, on disk, which it takes away in the end")
    with telling() as tell, tempfile.TemporaryDirectory(prefix="alluxiofs-demo-") as temporary:
        tell("loading the data")
        flights = load_flights()
        pages = Path(temporary, "pages")
        base = Path(temporary, "storage").as_uri() if under_store is None else under_store.rstrip("/")
        url = f"{base}/alluxiofs-demo-{secrets.token_hex(4)}"
        session.put(["page_store"], {"name": "disk", "path": str(pages), "capacity": "1GB"})
        if "options" not in session.arguments:
            session.put(["options"], {"alluxio.worker.page.store.page.size": _PAGE_SIZE})
        place = session.place(url)
        other = own_client(url, session.configured())
        _check_bucket(place)
        place.fs.makedirs(place.name, exist_ok=True)
        try:
            demonstration = Demonstration(place.fs, other, place.name, pages, flights)
            report = demonstration.run(url, with_ray, tell)
        finally:
            if not keep:
                with contextlib.suppress(FileNotFoundError):
                    other.rm(other._strip_protocol(url), recursive=True)
    if as_json:
        write_json(report.as_data())
    else:
        report.write()
    if not report.ok:
        session.failures.code = Code.FAILED


def _check_bucket(place: Place) -> None:
    """Raise where the folder would be in a bucket that is not there: with it the client would make the bucket."""
    bucket, slash, _ = place.name.partition("/")
    if bucket and slash:
        try:
            place.fs.info(bucket)
        except FileNotFoundError as error:
            message = "there is no such bucket; make it first, or name one that is there"
            raise not_found(f"{scheme_of(place.given)}://{bucket}", message) from error
