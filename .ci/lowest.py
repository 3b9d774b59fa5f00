"""Print, as pip constraints, the lowest version of everything that pyproject.toml asks for.

Usage: ``python .ci/lowest.py pyproject.toml EXTRA…`` (the dependencies, and those of the extras).
"""

from __future__ import annotations

import re
import sys

import tomllib

LOWER_BOUND = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?>=([0-9][^,;\s]*)")


def main(path: str, *extras: str) -> None:
    """Print one ``name==version`` a requirement; a requirement without a lower bound is an error."""
    with open(path, "rb") as file:
        project = tomllib.load(file)["project"]
    requirements = list(project["dependencies"])
    for extra in extras:
        requirements += project["optional-dependencies"][extra]
    for requirement in requirements:
        if requirement.startswith(f"{project['name']}["):
            continue  # an extra of ours that names another
        match = LOWER_BOUND.match(requirement)
        if match is None:
            sys.exit(f"{path}: {requirement!r} has no lower bound")
        print("{}=={}".format(*match.groups()))


if __name__ == "__main__":
    main(*sys.argv[1:])
