"""``-o NAME=VALUE``: any argument of the filesystem from the command line."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterator, List, Tuple

from alluxiofs.cli.failures import UsageError
from alluxiofs.settings.secrets import is_secret_name

__all__ = ["COMPONENTS", "parse_assignment", "put_argument", "secrets_in"]

COMPONENTS = frozenset({"policy", "page_store", "transport", "membership", "telemetry", "under_store"})
"""The arguments that choose a component."""


def parse_assignment(text: str) -> Tuple[List[str], Any]:
    """``"target_options.anon=true"`` as ``(["target_options", "anon"], True)``.

    Dots lead into mappings; what follows ``options.`` is the name of an Alluxio property, dots and all. Lists,
    mappings and ``null`` are written as JSON. Numbers, ``true`` and ``false`` stay text, for the filesystem knows the
    type of each of its arguments; it does not know those of ``target_options``, where they are JSON, too. There a
    secret stays text all the same, for a password may well look like a number.

    Raises
    ------
    UsageError
        If there is no ``=`` or no name before it.
    """
    name, equals, value = text.partition("=")
    name = name.strip()
    if not equals or not all(name.split(".")):
        raise UsageError(f"-o {name}: expected NAME=VALUE, such as -o replicas=3")
    head, _, rest = name.partition(".")
    path = [head, rest] if head == "options" and rest else name.split(".")
    scalars = head == "target_options" and not is_secret_name(path[-1])
    if not scalars and value != "null" and not value.startswith(("{", "[")):
        return path, value
    try:
        return path, json.loads(value)
    except ValueError:
        return path, value


def put_argument(arguments: Dict[str, Any], path: List[str], value: Any) -> None:
    """Set one value inside of nested mappings; a later one replaces an earlier one.

    A setting of a component that was chosen by name joins the name: ``--page-store disk -o page_store.path=/fast``.
    """
    place = arguments
    for depth, name in enumerate(path[:-1]):
        inner = place.get(name)
        if depth == 0 and name in COMPONENTS and isinstance(inner, str):
            inner = {"name": inner}
        inner = dict(inner) if isinstance(inner, dict) else {}
        place[name] = inner
        place = inner
    present = place.get(path[-1])
    if len(path) == 1 and path[0] in COMPONENTS and isinstance(present, dict) and isinstance(value, str):
        value = {**present, "name": value}
    place[path[-1]] = value


def secrets_in(value: Any, named: bool = False) -> Iterator[str]:
    """The texts inside of nested arguments whose names say that they are secrets."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from secrets_in(inner, named or is_secret_name(name))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from secrets_in(inner, named)
    elif named and isinstance(value, str) and len(value) > 3:
        yield value
