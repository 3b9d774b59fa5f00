"""``alluxiofs describe``: what a filesystem was assembled from."""

from __future__ import annotations

from typing import Any, Dict, Iterator, Optional, Tuple

import click

from alluxiofs.cli.completing import PathType
from alluxiofs.cli.failures import UsageError
from alluxiofs.cli.output import write_json, write_rich
from alluxiofs.cli.session import Session, filesystem_options, pass_session
from alluxiofs.cli.stores import is_configured

__all__ = ["command"]


@click.command("describe")
@click.argument("path", required=False, type=PathType())
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@filesystem_options
@pass_session
def command(session: Session, path: Optional[str], as_json: bool) -> None:
    """Show what the filesystem for PATH, or for these options, is assembled from. Secrets are hidden."""
    if path is None and not is_configured(session.configured()):
        raise UsageError(
            "what is to be described? Name a path (s3://bucket/key, file:///folder) or a store (--target-protocol s3), "
            "or workers (-o worker_hosts=HOST)"
        )
    description = session.filesystem(path).describe()
    if as_json:
        write_json(description)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table("what", "value", title="alluxiofs", title_justify="left")
    for name, value in _rows(description):
        table.add_row(Text(name), Text(value))
    write_rich(table)


def _rows(value: Dict[str, Any], prefix: str = "") -> Iterator[Tuple[str, str]]:
    for name, inner in value.items():
        if isinstance(inner, dict) and inner:
            yield from _rows(inner, f"{prefix}{name}.")
        elif isinstance(inner, list) and inner and all(isinstance(item, dict) for item in inner):
            for index, item in enumerate(inner):
                yield from _rows(item, f"{prefix}{name}[{index}].")
        else:
            yield f"{prefix}{name}", "-" if inner in (None, {}, []) else str(inner)
