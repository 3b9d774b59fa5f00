"""Components are made here: for a filesystem, inside of other components, or by themselves."""

from __future__ import annotations

import logging
from typing import Any, Iterable, Tuple, Type, Union

from attrs import define

from alluxiofs.errors import ConfigurationError, SettingTypeError
from alluxiofs.interfaces import Context, Telemetry, Worker, WorkerPolicy, Workers
from alluxiofs.logs import LOGGER_NAME
from alluxiofs.registry.choosing import Chosen, choose
from alluxiofs.registry.points import POINTS, Point, point_named
from alluxiofs.registry.registry import Registry, registry_for
from alluxiofs.settings import Choice, HiddenDict, make_settings, parse_choice

__all__ = ["Builder", "make_policy", "silent_telemetry"]


@define(frozen=True)
class Builder:
    """Makes components with what all of them are given.

    Parameters
    ----------
    registry:
        What there is to choose from.
    logger:
        Each component gets a child of it, named after its extension point.
    telemetry:
        Where components record.
    """

    registry: Registry
    logger: logging.Logger
    telemetry: Telemetry

    def context(self, point: Point) -> Context:
        """What a component of a point is made with."""
        return Context(logger=self.logger.getChild(point.name), telemetry=self.telemetry, build=self.build)

    def make(self, chosen: Chosen, **arguments: Any) -> Any:
        """The component; the object itself where one was given."""
        if chosen.given is not None:
            return chosen.given
        return chosen.cls(settings=chosen.settings, context=self.context(chosen.point), **arguments)

    def build(self, point: str, choice: Any, **arguments: Any) -> Any:
        """What ``Context.build`` does: an inner component, chosen as users choose."""
        if point not in (one.name for one in POINTS):
            raise ConfigurationError(
                f"there is no extension point {point!r} (there are: {', '.join(one.name for one in POINTS)})"
            )
        found = point_named(point)
        where = f"inner {found.words}"
        return self.make(choose(self.registry, found, parse_choice(choice, where), where=where), **arguments)


def silent_telemetry(registry: Registry, logger: logging.Logger) -> Telemetry:
    """The telemetry that records nothing."""
    point = point_named("telemetry")
    chosen = choose(registry, point, Choice("none"))
    # Its own context has no telemetry in it: there is none before this one.
    silent: Telemetry = chosen.cls(chosen.settings, Context(logger.getChild(point.name), None))  # type: ignore[arg-type]
    return silent


def make_policy(policy: Union[str, Type[WorkerPolicy]], workers: Iterable[Worker], **settings: Any) -> WorkerPolicy:
    """A worker policy outside of any filesystem: to see where a cluster keeps things, or to try one out.

    Parameters
    ----------
    policy:
        The name of a built-in or installed policy, or a class.
    workers:
        In the order that placement depends on, each identity once.
    **settings:
        Of the policy.

    Returns
    -------
    WorkerPolicy
        Ranks ``workers`` for a URL: ``make_policy("rendezvous", workers).rank("s3://bucket/key", 2)``.
    """
    registry, logger, point = registry_for(), logging.getLogger(LOGGER_NAME), point_named("policy")
    where = "argument 'policy'"
    choice = parse_choice(policy, where)
    if choice.name is None and settings and isinstance(policy, type):
        choice = Choice(given=make_settings(policy.Settings, settings, policy.__qualname__, where))
    elif settings:
        choice = Choice(choice.name, HiddenDict({**choice.settings, **settings}))
    chosen = choose(registry, point, choice)
    builder = Builder(registry, logger, silent_telemetry(registry, logger))
    made: WorkerPolicy = builder.make(chosen, workers=_distinct(workers))
    return made


def _distinct(workers: Iterable[Worker]) -> Workers:
    found: Tuple[Worker, ...] = tuple(workers)
    for worker in found:
        if not isinstance(worker, Worker):
            raise SettingTypeError(f"workers: {worker!r} is no alluxiofs.Worker")
    if len({worker.identity for worker in found}) != len(found):
        raise ConfigurationError("workers: two of them have the same identity")
    return found
