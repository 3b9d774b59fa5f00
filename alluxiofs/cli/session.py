"""From the options and paths of a command to filesystems and names."""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional, Sequence, Tuple, TypeVar

import click
from attrs import define, field

from alluxiofs.cli.arguments import parse_assignment, put_argument, secrets_in
from alluxiofs.cli.completing import PluginName
from alluxiofs.cli.failures import Failures, UsageError
from alluxiofs.cli.origins import naming_origins
from alluxiofs.cli.stores import check_names, for_scheme, is_configured, joined, names_scheme
from alluxiofs.errors import InvalidPathError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["Place", "Session", "debug_option", "filesystem_options", "pass_session", "scheme_of", "without_our_scheme"]

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)(?:://|::)")
_OURS = frozenset({"alluxio", "alluxiofs"})
# Each run of the command is to see what there is now, also what another process has asked for a moment ago.
_FRESH = 0


@define(frozen=True)
class Place:
    """A path of the command line: its filesystem, its name there, and how the user wrote it."""

    fs: AbstractFileSystem
    name: str
    given: str

    @property
    def base(self) -> str:
        """The last part of the name."""
        return self.name.rstrip("/").rsplit("/", 1)[-1]


@define
class Session:
    """What the options of one command add up to."""

    arguments: Dict[str, Any] = field(factory=dict, repr=False)
    failures: Failures = field(factory=Failures)
    _filesystems: Dict[str, AbstractFileSystem] = field(factory=dict, init=False, repr=False)

    def put(self, path: Sequence[str], value: Any) -> None:
        """Set one argument of the filesystems."""
        put_argument(self.arguments, list(path), value)

    def configured(self) -> Dict[str, Any]:
        """The arguments of the command, and below them those of fsspec's configuration."""
        return {"metadata_ttl": _FRESH, **joined(self.arguments, _configuration())}

    def filesystem(self, path: Optional[str] = None) -> AbstractFileSystem:
        """The filesystem for a path: the configured one, or else the one that the scheme of the URL names.

        Raises
        ------
        UsageError
            If neither says which store the path is in.
        """
        arguments = self.configured()
        self.failures.secrets = sorted(set(secrets_in(arguments)), key=len, reverse=True)
        scheme = "" if path is None else scheme_of(path)
        if path is None or is_configured(arguments):
            configured = self._made("", arguments)
            if path is None or not scheme or names_scheme(arguments, scheme) or _owns(configured, path):
                return configured
        elif not scheme:
            self.check_names()
            raise UsageError(_which_store(path))
        return self._made(scheme, for_scheme(arguments, scheme))

    def check_names(self) -> None:
        """Raise ``UnknownSettingError`` for an argument that does not exist: the one that was mistyped may be the one
        that is missed."""
        with naming_origins(self.arguments, _configuration()):
            check_names(self.configured())

    def _made(self, scheme: str, arguments: Dict[str, Any]) -> AbstractFileSystem:
        from alluxiofs.filesystem import AlluxioFileSystem

        if scheme not in self._filesystems:
            with naming_origins(self.arguments, _configuration()):
                self._filesystems[scheme] = AlluxioFileSystem(**arguments)
        return self._filesystems[scheme]

    def place(self, path: str) -> Place:
        """The filesystem and the name that a path of the command line stands for."""
        fs = self.filesystem(path)
        return Place(fs, fs._strip_protocol(_without_chain(path)), path)

    def finish(self) -> None:
        """End the command with the code of its first failure, if there was one."""
        if self.failures.code:
            click.get_current_context().exit(self.failures.code)


def _configuration() -> Dict[str, Any]:
    """The arguments of fsspec's configuration."""
    from fsspec.config import apply_config

    from alluxiofs.filesystem import AlluxioFileSystem

    arguments: Dict[str, Any] = apply_config(AlluxioFileSystem, {})
    return arguments


def _which_store(path: str) -> str:
    hint = ""
    if os.path.exists(path):
        hint = f"; on this machine it is file://{Path(path).absolute().as_posix()}"
    elif _is_one_of_several():
        hint = "; a name with spaces needs quotes"
    return (
        f"{path or repr(path)}: which store is it in? Write a URL (s3://bucket/key, file:///folder/name) or name the "
        f"store with --target-protocol{hint}"
    )


def _is_one_of_several() -> bool:
    """Whether the command has several paths: what the shell has made of a name with spaces looks like that."""
    context = click.get_current_context(silent=True)
    given = {} if context is None else context.params
    return len(given.get("paths") or given.get("sources") or ()) > 1


def _owns(fs: AbstractFileSystem, path: str) -> bool:
    """Whether a path is in one of the stores of a filesystem."""
    try:
        fs._strip_protocol(_without_chain(path))
    except InvalidPathError:
        return False
    return True


def _without_chain(path: str) -> str:
    # alluxiofs::s3://bucket/key is how fsspec spells "this URL, through that filesystem"
    while True:
        found = _SCHEME.match(path)
        if found is None or found["scheme"].lower() not in _OURS or not found[0].endswith("::"):
            return path
        path = path[found.end() :]


def scheme_of(path: str) -> str:
    """The scheme of the under store in a path, in small letters, or an empty text."""
    found = _SCHEME.match(without_our_scheme(path))
    return found["scheme"].lower() if found is not None and found[0].endswith("://") else ""


def without_our_scheme(path: str) -> str:
    """A path without ``alluxiofs://`` or ``alluxiofs::`` before it."""
    while True:
        found = _SCHEME.match(path)
        if found is None or found["scheme"].lower() not in _OURS:
            return path
        path = path[found.end() :]


# --- options that every command with a filesystem has ---------------------------------------------------------

_Command = TypeVar("_Command", bound=Callable[..., Any])


def pass_session(function: Callable[..., None]) -> Callable[..., None]:
    """Give the command its session as the first argument, and its exit code from what failed in it."""

    @click.pass_context
    @functools.wraps(function)
    def run(context: click.Context, *args: Any, **kwargs: Any) -> None:
        session = context.ensure_object(Session)
        function(session, *args, **kwargs)
        session.finish()

    return run


def _assign(context: click.Context, _: click.Parameter, values: Tuple[str, ...]) -> None:
    for text in values:
        context.ensure_object(Session).put(*parse_assignment(text))


def _choose(context: click.Context, parameter: click.Parameter, value: Optional[str]) -> None:
    if value is not None and parameter.name is not None:
        text = "null" if value.lower() == "none" else value
        context.ensure_object(Session).put(*parse_assignment(f"{parameter.name}={text}"))


def _debug(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Session).failures.debug = True


_OPTIONS = (
    click.option(
        "--target-protocol",
        metavar="PROTOCOL",
        expose_value=False,
        is_eager=True,
        callback=_choose,
        help="The under store: s3, file, memory … By default the scheme of the URL says it.",
    ),
    click.option(
        "--policy",
        metavar="NAME",
        type=PluginName("policy"),
        expose_value=False,
        is_eager=True,
        callback=_choose,
        help="Which worker serves a path (see 'alluxiofs plugins').",
    ),
    click.option(
        "--page-store",
        metavar="NAME",
        type=PluginName("page_store", others=("none",)),
        expose_value=False,
        is_eager=True,
        callback=_choose,
        help="Where pages are kept on this machine: disk, memory, tiered or none.",
    ),
    click.option(
        "-o",
        "--option",
        "assignments",
        metavar="NAME=VALUE",
        multiple=True,
        expose_value=False,
        callback=_assign,
        help="Any argument of the filesystem (repeatable): -o replicas=3, -o target_options.anon=true …",
    ),
)

debug_option = click.option(
    "--debug", is_flag=True, expose_value=False, is_eager=True, callback=_debug, help="Print tracebacks of errors."
)


def filesystem_options(function: _Command) -> _Command:
    """Add the options that say how the filesystem is made, and ``--debug``."""
    for option in reversed((*_OPTIONS, debug_option)):
        function = option(function)
    return function
