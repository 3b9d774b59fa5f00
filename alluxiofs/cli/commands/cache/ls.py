"""``alluxiofs cache ls``: which files are kept, and how much of each."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Optional, Tuple

import click

from alluxiofs.cli.completing import PathType
from alluxiofs.cli.kept.chosen import Chosen, prefix_of
from alluxiofs.cli.kept.stores import open_stores, path_option
from alluxiofs.cli.kept.tally import KeptVersion, kept_versions
from alluxiofs.cli.output import as_utc, printable, size_text, write_json_array, write_line
from alluxiofs.cli.progress import telling
from alluxiofs.cli.session import Session, filesystem_options, pass_session

__all__ = ["command"]

_HEADINGS = ("KEPT", "OF", "%", "PAGES", "PINNED")


@click.command("ls")
@click.argument("prefix", required=False, type=PathType())
@click.option("--json", "as_json", is_flag=True, help="One JSON array of all files, sizes in bytes.")
@path_option
@filesystem_options
@pass_session
def command(session: Session, prefix: Optional[str], folders: Tuple[str, ...], as_json: bool) -> None:
    """List the files of which something is kept, all or those below PREFIX.

    Two versions of a file are two lines. Pages whose file is not known are listed by their key.
    """
    chosen = Chosen() if prefix is None else Chosen(prefixes=frozenset({prefix_of(session, prefix)}))
    opened = open_stores(session, folders)
    if not opened:
        return
    with telling("looking"):
        # What is unknown comes last.
        versions = sorted(filter(chosen.takes, kept_versions(opened)), key=_order)
    if as_json:
        write_json_array(map(_data, versions))
    elif versions:
        for line in _lines(versions):
            write_line(line)
    else:
        where = "".join(f" below {printable(one)}" for one in chosen.prefixes)
        click.echo(f"alluxiofs: nothing is kept{where}", err=True)


def _order(version: KeptVersion) -> Tuple[bool, str, int]:
    return version.name is None, version.shown, 0 if version.name is None else version.name.kept_since


def _data(version: KeptVersion) -> Dict[str, Any]:
    name = version.name
    return {
        "url": None if name is None else name.url,
        "version": None if name is None else name.version,
        "length": None if name is None else name.length,
        "bytes": version.size,
        "percent": version.percent,
        "pages": version.pages,
        "pinned_pages": version.pinned,
        "kept_since": None if name is None else as_utc(name.kept_since),
        "keys": [key.hex() for key, _ in version.keys],
    }


def _lines(versions: List[KeptVersion]) -> Iterator[str]:
    """Columns as wide as what is in them."""
    widths = [max(map(len, cells)) for cells in zip(_HEADINGS, *map(_cells, versions))]
    for cells, shown in ((_HEADINGS, "FILE"), *((_cells(version), version.shown) for version in versions)):
        yield "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths)) + f"  {shown}"


def _cells(version: KeptVersion) -> Tuple[str, ...]:
    length = None if version.name is None else version.name.length
    return (
        size_text(version.size if length is None else min(version.size, length)),
        size_text(length),
        "-" if version.percent is None else str(version.percent),
        str(version.pages),
        str(version.pinned) if version.pinned else "-",
    )
