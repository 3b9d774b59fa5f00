"""``alluxiofs ls``: what is in a directory."""

from __future__ import annotations

import stat
from typing import Any, Dict, List, Sequence, Tuple

import click

from alluxiofs.cli.completing import paths_argument
from alluxiofs.cli.entries import as_data, shown
from alluxiofs.cli.output import size_text, time_text, write_json, write_line
from alluxiofs.cli.session import Place, Session, filesystem_options, pass_session

__all__ = ["command"]

_Entry = Dict[str, Any]


@click.command("ls")
@paths_argument
@click.option("-l", "--long", is_flag=True, help="Mode, size in bytes and time of last change (UTC), too.")
@click.option("-h", "--human", is_flag=True, help="With -l: sizes such as 3.4M (1024-based).")
@click.option("-r", "-R", "--recursive", is_flag=True, help="Everything below, too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array of all entries, with all that is known.")
@filesystem_options
@pass_session
def command(session: Session, paths: Tuple[str, ...], long: bool, human: bool, recursive: bool, as_json: bool) -> None:
    """List what is in directories, and files by themselves."""
    found: List[_Entry] = []
    for path in paths:
        with session.failures.guard(path):
            place = session.place(path)
            entries = _entries(place, recursive)
            if as_json:
                found.extend(as_data(place, entry) for entry in entries)
            elif long:
                _write_long(place, entries, human)
            else:
                for entry in entries:
                    write_line(shown(place, entry))
    if as_json:
        write_json(found)


def _entries(place: Place, recursive: bool) -> List[_Entry]:
    if recursive:
        found = place.fs.find(place.name, withdirs=True, detail=True)
        entries = [entry for entry in found.values() if entry["type"] != "directory" or entry["name"] != place.name]
        if not entries:  # find() takes what is not there for something empty
            place.fs.info(place.name)
    else:
        entries = place.fs.ls(place.name, detail=True)
    return sorted(entries, key=lambda entry: str(entry["name"]))


def _write_long(place: Place, entries: Sequence[_Entry], human: bool) -> None:
    sizes = [size_text(entry.get("size"), human) for entry in entries]
    width = max(map(len, sizes), default=0)
    for entry, size in zip(entries, sizes):
        moment = time_text(entry.get("modified") or entry.get("mtime"))
        write_line(f"{_mode(entry)}  {size:>{width}}  {moment:>19}  {shown(place, entry)}")


def _mode(entry: _Entry) -> str:
    directory = entry.get("type") == "directory"
    bits = entry.get("mode")
    if isinstance(bits, int):
        return stat.filemode(stat.S_IMODE(bits) | (stat.S_IFDIR if directory else stat.S_IFREG))
    return "d" if directory else "-"
