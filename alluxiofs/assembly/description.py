"""What was assembled, to look at."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, Mapping, Optional

from alluxiofs.interfaces import Component
from alluxiofs.registry import Chosen

__all__ = ["Description", "describe_component"]


class Description(Mapping[str, Any]):
    """Data that is made when it is looked at: what a component says of itself may change.

    Parameters
    ----------
    members:
        What gives the value of each name.
    """

    def __init__(self, members: Mapping[str, Callable[[], Any]]) -> None:
        self._members = members

    def __getitem__(self, name: str) -> Any:
        return self._members[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)


def describe_component(
    chosen: Chosen, component: Optional[Component] = None, more: Optional[Mapping[str, Any]] = None
) -> Callable[[], Dict[str, Any]]:
    """Describes a component: name, class, package, settings, what it says of itself, and what else is known."""

    def describe() -> Dict[str, Any]:
        own = {} if component is None else component.describe()
        return {**own, **chosen.describe(), **(more or {})}

    return describe
