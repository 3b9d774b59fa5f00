"""Doing something to the pages of file versions that are chosen."""

from __future__ import annotations

from typing import Callable, Dict, Sequence

from alluxiofs.cli.kept.chosen import Chosen
from alluxiofs.cli.kept.stores import OpenedStore
from alluxiofs.cli.kept.tally import kept_versions
from alluxiofs.cli.output import size_text, write_json, write_line
from alluxiofs.cli.progress import telling
from alluxiofs.cli.session import Session

__all__ = ["for_each", "write_totals"]


def for_each(
    session: Session,
    opened: Sequence[OpenedStore],
    chosen: Chosen,
    work: Callable[[OpenedStore, bytes], None],
    pinned: bool = False,
) -> Dict[str, int]:
    """Call ``work`` for each key of each version that is chosen, in each folder.

    Parameters
    ----------
    pinned:
        Only those of which something is pinned; what is pinned of them is counted.

    Returns
    -------
    dict
        How many files and pages these were, and the bytes of the pages.
    """
    totals = {"files": 0, "pages": 0, "bytes": 0}
    with telling("looking"):
        for version in kept_versions(opened):
            if not chosen.takes(version) or (pinned and not version.pinned):
                continue
            with session.failures.guard(version.shown):
                for one in opened:
                    for key in version.keys:
                        work(one, key)
                totals["files"] += 1
                totals["pages"] += version.pinned if pinned else version.pages
                totals["bytes"] += version.size
    chosen.tell_passed_over(session)
    return totals


def write_totals(done: str, totals: Dict[str, int], as_json: bool) -> None:
    """Write how much was done."""
    if as_json:
        write_json(totals)
    else:
        write_line(f"{done} {totals['files']:,} files, {totals['pages']:,} pages ({size_text(totals['bytes'])})")
