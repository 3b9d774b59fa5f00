"""Doing something to the pages of file versions that are chosen."""

from __future__ import annotations

from typing import Callable, Dict, Sequence

from alluxiofs.cli.kept.chosen import Chosen
from alluxiofs.cli.kept.stores import OpenedStore
from alluxiofs.cli.kept.tally import kept_versions
from alluxiofs.cli.output import count_text, size_text, write_json, write_line
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
        Only those of which something is pinned; the pages that are pinned are counted.

    Returns
    -------
    dict
        How many files and pages these were; where all of a file's pages are meant, their bytes as well, and how many
        of the pages are parts of others, with the bytes of those.
    """
    totals = dict.fromkeys(("files", "pages") if pinned else ("files", "pages", "bytes", "parts", "part_bytes"), 0)
    with telling("looking"):
        for version in kept_versions(opened):
            if not chosen.takes(version) or (pinned and not version.pinned):
                continue
            with session.failures.guard(version.shown):
                for one in opened:
                    for key, page_size in version.keys:
                        if version.name is not None and page_size is not None:
                            # A store that knows how many pages there may be need not search for them.
                            one.store.file(key, version.name.length, page_size)
                        work(one, key)
                totals["files"] += 1
                totals["pages"] += version.pinned if pinned else version.pages
                if not pinned:
                    totals["bytes"] += version.size
                    totals["parts"] += version.parts
                    totals["part_bytes"] += version.parts_size
    chosen.tell_passed_over(session)
    return totals


def write_totals(done: str, totals: Dict[str, int], as_json: bool) -> None:
    """Write how much was done."""
    if as_json:
        write_json(totals)
    else:
        write_line(f"{done} {count_text(totals['files'], 'file')}, {_pages_text(totals)}")


def _pages_text(totals: Dict[str, int]) -> str:
    """Pages, and beside them parts of pages, which may be the same bytes: who adds them up is not told of a file that
    is larger than it is."""
    if "bytes" not in totals:
        return count_text(totals["pages"], "page")
    parts, part_bytes = totals["parts"], totals["part_bytes"]
    text = f"{count_text(totals['pages'] - parts, 'page')} ({size_text(totals['bytes'] - part_bytes)})"
    more = f"{count_text(parts, 'part')} of pages ({size_text(part_bytes)})"
    return f"{text}, {more}" if parts else text
