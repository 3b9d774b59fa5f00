"""The page stores that a command looks after: one for each folder, opened without making anything."""

from __future__ import annotations

import logging
import os
from typing import Any, Callable, List, Optional, Sequence, Tuple, TypeVar

import click
from attrs import evolve, frozen

from alluxiofs.cli.failures import UsageError
from alluxiofs.cli.session import Session
from alluxiofs.cli.stores import check_names
from alluxiofs.errors import not_found
from alluxiofs.interfaces import PageStore
from alluxiofs.logs import LOGGER_NAME
from alluxiofs.pagestores.ondisk.layout import LAYOUT
from alluxiofs.pagestores.ondisk.older import OlderStore, older_stores
from alluxiofs.pagestores.whereabouts import default_folder
from alluxiofs.registry import Builder, Chosen, choose, point_named, registry_for, silent_telemetry
from alluxiofs.settings import Automatic, Choice, Settings

__all__ = ["OpenedStore", "open_stores", "path_option", "use_folders"]

_Command = TypeVar("_Command", bound=Callable[..., Any])
_ARGUMENTS = ("page_store", "options", "plugins", "disable_plugins")


@frozen
class OpenedStore:
    """A page store, by one of its folders.

    Parameters
    ----------
    where:
        The folder; of a page store of another kind, its name.
    store:
        Of this folder alone. What is in it is found whatever share of the pages other programs put into it.
    capacity:
        Bytes of disk that it may take; ``None`` for a page store of another kind.
    older:
        Stores of older layouts beside it, which nobody reads any more.
    """

    where: str
    store: PageStore
    capacity: Optional[int]
    older: Tuple[OlderStore, ...] = ()


def path_option(function: _Command) -> _Command:
    """Add the option ``--path``, as the argument ``folders``."""
    return click.option(
        "--path",
        "folders",
        metavar="DIR",
        multiple=True,
        type=click.Path(file_okay=False),
        help="A folder of a page store on disk (repeatable). By default the one of the configuration.",
    )(function)


def use_folders(session: Session, folders: Sequence[str]) -> None:
    """Have the filesystems of a command keep pages in these folders, the page store otherwise as it is configured.

    Raises
    ------
    UsageError
        If the command line names a page store besides.
    """
    if not folders:
        return
    _check_one_says_it(session)
    configured = Settings.parse(page_store=session.configured().get("page_store")).page_store
    settings = configured.settings if isinstance(configured, Choice) and configured.name == "disk" else {}
    session.put(["page_store"], {**settings, "name": "disk", "path": list(folders)})


def _check_one_says_it(session: Session) -> None:
    if "page_store" in session.arguments:
        raise UsageError("--path and --page-store both say which page store; give one of them")


def open_stores(session: Session, folders: Sequence[str], check: bool = True) -> List[OpenedStore]:
    """The page stores that the command line or the configuration names, each folder by itself.

    A folder that is missing or cannot be used is told among the failures of the session; nothing is made.

    Parameters
    ----------
    session, folders:
        Of the command.
    check:
        Whether one that is broken is told of, too; not for who mends it.

    Raises
    ------
    UsageError
        If no page store is named that outlives its process.
    """
    arguments = session.configured()
    check_names(arguments)
    if folders:
        _check_one_says_it(session)
    settings = Settings.parse(**{name: arguments[name] for name in _ARGUMENTS if name in arguments})
    choice = Choice("disk", {"path": tuple(folders)}) if folders else _choice(settings.page_store)
    registry = registry_for(settings.plugins, settings.disable_plugins)
    logger = logging.getLogger(LOGGER_NAME)
    builder = Builder(registry, logger, silent_telemetry(registry, logger))
    chosen = choose(registry, point_named("page_store"), choice)
    if chosen.cls.name == "tiered":  # what is in memory is that of a process; all of it is on disk, too
        chosen = choose(registry, point_named("page_store"), Choice("disk", chosen.settings.disk))

    def make(one: Chosen) -> PageStore:
        store: PageStore = builder.make(one, page_size=int(settings.page_size))
        click.get_current_context().call_on_close(store.close)
        return store

    if chosen.cls.name != "disk":
        return [OpenedStore(chosen.cls.name, make(chosen), None)]
    found = []
    for folder in _folders(chosen.settings):
        with session.failures.guard(folder):
            older = tuple(older_stores(folder))
            _check(folder, older)
            # Of a capacity that is named here nothing is said to the store: looking after it is no use of it.
            store = make(evolve(chosen, settings=evolve(chosen.settings, path=(folder,), capacity=())))
            if check:
                next(store.list_pages(), None)  # whatever is wrong with it is known before anything is done
            found.append(OpenedStore(folder, store, store.counters()["capacity"], older))
    return found


def _choice(configured: Any) -> Choice:
    if configured is Automatic.AUTOMATIC:
        return Choice("disk")
    if configured is None:
        raise UsageError("the configuration has no page store; name one with --path DIR or --page-store")
    choice: Choice = configured
    if choice.name == "memory":
        raise UsageError("a page store in memory is that of one process; name one on disk with --path DIR")
    return choice


def _folders(settings: Any) -> List[str]:
    """The folders that settings of the page store on disk name."""
    paths = [os.path.abspath(os.path.expanduser(path)) for path in settings.path or (default_folder(),)]
    return list(dict.fromkeys(paths))


def _check(folder: str, older: Sequence[OlderStore]) -> None:
    if not os.path.isdir(folder):
        raise not_found(folder, "there is no page store here: no such folder. --path names another one")
    if not older and not os.path.isdir(os.path.join(folder, LAYOUT)):
        raise not_found(
            folder, "there is no page store here: the folder is another one, or nothing was kept in it by this version"
        )
