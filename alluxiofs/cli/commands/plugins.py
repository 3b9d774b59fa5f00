"""``alluxiofs plugins``: what can be chosen at each extension point, and how it is set."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Dict, Iterator, Optional, Tuple

import click
from attrs import asdict

from alluxiofs.cli.completing import PluginName
from alluxiofs.cli.output import write_json, write_rich
from alluxiofs.cli.session import Session, filesystem_options, pass_session
from alluxiofs.errors import UnknownComponentError, nearest

if TYPE_CHECKING:
    from alluxiofs.registry.listing import ListedComponent, Listing

__all__ = ["command"]

_Found = Tuple[str, "ListedComponent"]


@click.command("plugins")
@click.argument("name", required=False, type=PluginName())
@click.option("--json", "as_json", is_flag=True, help="As JSON, with all settings.")
@filesystem_options
@pass_session
def command(session: Session, name: Optional[str], as_json: bool) -> None:
    """List what can be chosen at each extension point; with NAME, the settings of one component or point."""
    listing = _listing(session)
    found = list(_chosen(listing, name))
    if as_json:
        write_json(_as_data(listing, found) if name is None else [_component(*one) for one in found])
    elif name is None:
        _write_all(listing)
    else:
        for point, component in found:
            _write_one(point, component)


def _listing(session: Session) -> Listing:
    from alluxiofs.registry.listing import list_usable
    from alluxiofs.settings.settings import Settings

    given = session.configured()
    settings = Settings.parse(**{name: given[name] for name in ("plugins", "disable_plugins") if name in given})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is broken is part of the listing
        return list_usable(settings.plugins, settings.disable_plugins)


def _chosen(listing: Listing, name: Optional[str]) -> Iterator[_Found]:
    everything = [(point, component) for point, there in listing.points.items() for component in there]
    wanted = None if name is None else name.replace("-", "_")
    found = [one for one in everything if wanted is None or one[1].name == name or one[0] == wanted]
    if not found:
        names = sorted({*listing.points, *(component.name for _, component in everything)})
        raise UnknownComponentError(
            f"no plugin gives {name!r}{nearest(str(name), names)} (there are: {', '.join(names)})"
        )
    yield from found


def _component(point: str, component: ListedComponent) -> Dict[str, Any]:
    return {"point": point, **asdict(component)}


def _as_data(listing: Listing, found: Any) -> Dict[str, Any]:
    return {
        "components": [_component(*one) for one in found],
        "blocked": list(listing.blocked),
        "broken": dict(listing.broken),
    }


def _write_all(listing: Listing) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("extension point", "name", "package", "description"):
        table.add_column(heading, overflow="fold")
    for point, components in listing.points.items():
        for index, component in enumerate(components):
            package = f"{component.package} {component.version or ''}".strip()
            cells = ("" if index else point, component.name, package, component.description)
            table.add_row(*map(Text, cells), end_section=index == len(components) - 1)
    lines = [f"blocked: {source}" for source in listing.blocked]
    lines += [f"cannot be loaded: {source}: {why}" for source, why in listing.broken.items()]
    write_rich(table, *map(Text, lines))


def _write_one(point: str, component: ListedComponent) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    package = f"{component.package} {component.version or ''}".strip()
    about = [f"{point} {component.name} ({package}, {component.cls})", component.description]
    if component.protocols:
        about.append(f"serves: {', '.join(component.protocols)}")
    if not component.settings:
        write_rich(*map(Text, about), Text("no settings\n"))
        return
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("setting", "type", "default", "meaning"):
        table.add_column(heading, overflow="fold")
    for setting in component.settings:
        default = "required" if setting.default is None else setting.default
        default += " (secret)" if setting.secret else ""
        table.add_row(*map(Text, (setting.name, setting.type, default, setting.description)))
    write_rich(*map(Text, about), table)
