"""What pluggy finds wrong with a plugin, in words that name the hook once and say what to do."""

from __future__ import annotations

import inspect
from typing import Any, Iterator, Tuple

import pluggy

from alluxiofs.errors import nearest
from alluxiofs.registry.points import POINTS

__all__ = ["explain"]


def explain(manager: pluggy.PluginManager, plugin: Any, error: pluggy.PluginValidationError) -> str:
    """Why a plugin was refused, without its name.

    Parameters
    ----------
    manager, plugin:
        Which refused which.
    error:
        What it said.
    """
    known = [point.hook for point in POINTS]
    for hook, function in _hooks(manager, plugin):
        if hook not in known:
            return f"there is no hook {hook}{nearest(hook, known)} (there are: {', '.join(known)})"
        arguments = ", ".join(inspect.signature(function).parameters)
        if arguments:
            return f"hook {hook} takes ({arguments}); hooks take no arguments, and return a list of classes"
    return str(error).strip().splitlines()[-1]


def _hooks(manager: pluggy.PluginManager, plugin: Any) -> Iterator[Tuple[str, Any]]:
    for attribute in dir(plugin):
        options = manager.parse_hookimpl_opts(plugin, attribute)
        if options is not None:
            yield options.get("specname") or attribute, getattr(plugin, attribute)
