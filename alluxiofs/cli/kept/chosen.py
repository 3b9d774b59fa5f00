"""Which of the file versions that are kept a command is about."""

from __future__ import annotations

import re
import time
from typing import Any, Callable, Dict, FrozenSet, Iterator, Optional, Sequence, TypeVar

import click
from attrs import define, field

from alluxiofs.cli.completing import PathType
from alluxiofs.cli.failures import UsageError
from alluxiofs.cli.kept.tally import KeptVersion
from alluxiofs.cli.output import count_text
from alluxiofs.cli.session import Session, scheme_of, without_our_scheme
from alluxiofs.errors import is_a_directory
from alluxiofs.gateway.locations import canonical_url
from alluxiofs.settings import Seconds, hidden_text

__all__ = ["Chosen", "choosing_options", "chosen_by", "prefix_of"]

_Command = TypeVar("_Command", bound=Callable[..., Any])
_KEY = re.compile(r"[0-9a-f]{32}")


@define
class Chosen:
    """What paths, prefixes and an age choose among what is kept.

    Parameters
    ----------
    urls:
        Of files, without a slash at the end, with the paths that the user wrote.
    keys:
        Of pages whose file is not known, as a listing shows them.
    prefixes:
        Of URLs, at the boundaries of names, without a slash at the end.
    before:
        What is kept since then or later is not chosen; seconds since the epoch. What nobody knows the age of is not,
        either.
    below:
        Whether a path stands for what is below it, too.
    """

    urls: Dict[str, str] = field(factory=dict)
    keys: FrozenSet[str] = frozenset()
    prefixes: FrozenSet[str] = frozenset()
    before: Optional[float] = None
    below: bool = False
    _passed_over: Dict[str, int] = field(factory=dict, init=False)

    def takes(self, version: KeptVersion) -> bool:
        """Whether a version is chosen. Those below a path that only stands for itself are counted."""
        if self.before is not None and (version.name is None or version.name.kept_since >= self.before):
            return False
        if not (self.urls or self.keys or self.prefixes):
            return True
        if version.name is None:
            return any(key.hex() in self.keys for key, _ in version.keys)
        url, *above = _itself_and_above(version.name.url)
        if url in self.urls or url in self.prefixes or not self.prefixes.isdisjoint(above):
            return True
        directories = [one for one in above if one in self.urls]
        if not self.below:
            for one in directories:
                self._passed_over[one] = self._passed_over.get(one, 0) + 1
        return self.below and bool(directories)

    def tell_passed_over(self, session: Session) -> None:
        """Tell of paths below which something is kept, where that was not asked for."""
        for url, files in self._passed_over.items():
            what = f"is a directory with {count_text(files, 'kept file')} below it (use -r to take these)"
            session.failures.tell(is_a_directory(self.urls[url], what))


def _itself_and_above(url: str) -> Iterator[str]:
    """A URL and those of the directories that it is in: ``s3://a`` is one of ``s3://a/c``, and none of ``s3://ab/c``."""
    here = url.rstrip("/")
    while here:
        yield here
        here = here.rpartition("/")[0]


def prefix_of(session: Session, text: str) -> str:
    """A prefix of URLs as notes have them, from what the user wrote: a URL, or a name in the configured store."""
    if not scheme_of(text):
        return _url_of(session, text)
    return hidden_text(canonical_url(without_our_scheme(text))).rstrip("/")


def chosen_by(
    session: Session,
    paths: Sequence[str],
    below: bool,
    prefixes: Sequence[str] = (),
    older_than: Optional[str] = None,
) -> Chosen:
    """What the words of a command choose.

    Raises
    ------
    UsageError
        If they choose nothing, or an age is none.
    """
    if not paths and not prefixes and older_than is None:
        raise UsageError("what is it about? Name a PATH, --prefix URL or --older-than AGE")
    keys = frozenset(filter(_KEY.fullmatch, paths))
    urls = {_url_of(session, path): path for path in paths if path not in keys}
    return Chosen(urls, keys, frozenset(prefix_of(session, one) for one in prefixes), _moment(older_than), below)


def _url_of(session: Session, path: str) -> str:
    place = session.place(path)
    url: str = place.fs.gateway.locate(place.name).url
    return hidden_text(url).rstrip("/")


def _moment(older_than: Optional[str]) -> Optional[float]:
    if older_than is None:
        return None
    try:
        if older_than.replace(".", "", 1).strip().isdigit():
            # Seconds elsewhere; what drops things on a slip of the hand says which unit it means.
            number = older_than.strip()
            raise UsageError(f"--older-than: {number} of what? Write {number}d, {number}h, {number}min or {number}s")
        return time.time() - Seconds(older_than)
    except ValueError as error:
        raise UsageError(f"--older-than: {error}") from error


def choosing_options(function: _Command) -> _Command:
    """Add the argument ``paths``, any number, and the option ``--recursive`` as ``below``."""
    recursive = click.option("-r", "-R", "--recursive", "below", is_flag=True, help="What is below the paths, too.")
    return click.argument("paths", nargs=-1, metavar="[PATH...]", type=PathType())(recursive(function))
