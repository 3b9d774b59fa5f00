"""``alluxiofs cache verify``: reads every page and compares it with its checksum."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

import click

from alluxiofs.cli.failures import Code
from alluxiofs.cli.kept.stores import open_stores, path_option
from alluxiofs.cli.output import count_text, size_text, write_json, write_line
from alluxiofs.cli.progress import telling
from alluxiofs.cli.session import Session, filesystem_options, pass_session

__all__ = ["command"]


@click.command("verify")
@click.option("--json", "as_json", is_flag=True, help="As a JSON object.")
@path_option
@filesystem_options
@pass_session
def command(session: Session, folders: Tuple[str, ...], as_json: bool) -> None:
    """Read every page that is kept, compare it with its checksum, and drop what is broken.

    Ends with code 1 if something was. What is dropped is fetched again by whoever reads it.
    """
    results: List[Dict[str, Any]] = []
    opened = open_stores(session, folders)
    with telling() as tell:
        for one in opened:
            with session.failures.guard(one.where):
                counters = one.store.counters()
                tell(f"{one.where}: reading {count_text(counters['pages'], 'page')}, {size_text(counters['bytes'])}")
                right, broken = one.store.verify()
                results.append({"path": one.where, "right": right, "broken": broken})
    if as_json and opened:
        names = ("right", "broken")
        write_json({**{name: sum(result[name] for result in results) for name in names}, "folders": results})
    elif not as_json:
        for result in results:
            end = f"{result['broken']:,} broken, and dropped" if result["broken"] else "none broken"
            write_line(f"{result['path']}: {count_text(result['right'], 'page')} right, {end}")
    if any(result["broken"] for result in results):
        session.failures.code = session.failures.code or Code.FAILED
