"""Where a bad argument comes from, when it is none of the command line."""

from __future__ import annotations

import contextlib
import os
import re
from typing import Any, Iterator, Mapping

from alluxiofs.errors import ConfigurationError

__all__ = ["naming_origins"]

_ARGUMENT = re.compile(r"(?:unknown )?argument '(?P<name>\w+)'")
_VARIABLES = ("FSSPEC_ALLUXIOFS", "FSSPEC_ALLUXIO")


@contextlib.contextmanager
def naming_origins(given: Mapping[str, Any], configured: Mapping[str, Any]) -> Iterator[None]:
    """While the block runs, an error about an argument of fsspec's configuration says where that is.

    Parameters
    ----------
    given:
        The arguments of the command line.
    configured:
        Those of the configuration.
    """
    try:
        yield
    except ConfigurationError as error:
        found = _ARGUMENT.match(str(error))
        if found is None or found["name"] in given or found["name"] not in configured:
            raise
        raise type(error)(f"{error} (from {_origin(found['name'])})") from error


def _origin(name: str) -> str:
    from fsspec.config import conf_dir

    names = {variable.lower(): variable for variable in os.environ}
    for variable in (*(f"{one}_{name}" for one in _VARIABLES), *_VARIABLES):
        if variable.lower() in names:
            return f"the environment variable {names[variable.lower()]}"
    return f"fsspec's configuration in {conf_dir}"
