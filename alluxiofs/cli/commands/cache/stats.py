"""``alluxiofs cache stats``: how much is kept."""

from __future__ import annotations

import time
from typing import Any, Dict, List, Optional, Tuple

import click

from alluxiofs.cli.kept.stores import OpenedStore, open_stores, path_option
from alluxiofs.cli.kept.tally import kept_versions
from alluxiofs.cli.output import age_text, as_utc, count_text, size_text, write_json, write_line
from alluxiofs.cli.progress import telling
from alluxiofs.cli.session import Session, filesystem_options, pass_session

__all__ = ["command"]


@click.command("stats")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, sizes in bytes.")
@path_option
@filesystem_options
@pass_session
def command(session: Session, folders: Tuple[str, ...], as_json: bool) -> None:
    """Show how much is kept: pages, bytes, files, what is pinned, by folder and together."""
    opened = open_stores(session, folders)
    if not opened:
        return
    with telling("counting"):
        stats = _stats(opened)
    if as_json:
        write_json(stats)
    else:
        _write(stats)


def _stats(opened: List[OpenedStore]) -> Dict[str, Any]:
    folders = [_folder(one) for one in opened]
    files = unknown = pinned = size = 0
    oldest: Optional[int] = None
    for version in kept_versions(opened):
        files += 1
        pinned += version.pinned
        size += version.size
        if version.name is None:
            unknown += 1
        else:
            oldest = version.name.kept_since if oldest is None else min(oldest, version.name.kept_since)
    capacities = [folder["capacity"] for folder in folders]
    return {
        "pages": sum(folder["pages"] for folder in folders),
        "bytes": sum(folder["bytes"] for folder in folders),
        "capacity": None if None in capacities else sum(capacities),
        "page_bytes": size,
        "files": files,
        "files_of_unknown_name": unknown,
        "pinned_pages": pinned,
        "oldest": None if oldest is None else as_utc(oldest),
        "older_versions_bytes": sum(folder["older_versions_bytes"] for folder in folders),
        "folders": folders,
    }


def _folder(one: OpenedStore) -> Dict[str, Any]:
    counters = one.store.counters()
    return {
        "path": one.where,
        "pages": counters["pages"],
        "bytes": counters["bytes"],
        "capacity": one.capacity,
        "older_versions_bytes": sum(older.size for older in one.older),
    }


def _write(stats: Dict[str, Any]) -> None:
    unknown = stats["files_of_unknown_name"]
    write_line(f"pages     {stats['pages']:,}")
    write_line(f"disk      {_of(stats)}")
    write_line(f"files     {stats['files']:,}" + (f" ({unknown:,} of unknown name)" if unknown else ""))
    write_line(f"pinned    {count_text(stats['pinned_pages'], 'page')}")
    oldest = stats["oldest"]
    if oldest is not None:
        write_line(f"oldest    kept {age_text(time.time() - oldest.timestamp())} ago")
    if stats["older_versions_bytes"]:
        size = size_text(stats["older_versions_bytes"])
        write_line(f"unused    {size} of older versions of the page store; 'alluxiofs cache clear' removes them")
    for folder in stats["folders"]:
        write_line(f"{folder['path']}: {count_text(folder['pages'], 'page')}, {_of(folder)}")


def _of(counts: Dict[str, Any]) -> str:
    size, capacity = counts["bytes"], counts["capacity"]
    if not capacity:
        return size_text(size)
    return f"{size_text(size)} of {size_text(capacity)} ({100 * size // capacity} %)"
