"""What docstrings in numpy style say of parameters."""

from __future__ import annotations

import inspect
from typing import Dict, List

__all__ = ["described_parameters"]


def described_parameters(cls: type) -> Dict[str, str]:
    """The descriptions in the ``Parameters`` sections of a class and of its bases, each on one line."""
    descriptions: Dict[str, str] = {}
    for one in reversed(cls.__mro__):
        descriptions.update(_parameters(one.__dict__.get("__doc__") or ""))
    return descriptions


def _parameters(docstring: str) -> Dict[str, str]:
    found: Dict[str, List[str]] = {}
    names: List[str] = []
    for line in _section(inspect.cleandoc(docstring).splitlines(), "Parameters"):
        if line.strip() and not line[0].isspace():
            names = [name.strip() for name in line.partition(":")[0].split(",")]
            found.update({name: [] for name in names})
        else:
            for name in names:
                found[name].append(line.strip())
    return {name: " ".join(filter(None, lines)).replace("``", "`") for name, lines in found.items()}


def _section(lines: List[str], title: str) -> List[str]:
    """The lines below a title that is underlined, up to the next such title."""
    titles = [at for at, below in enumerate(lines[1:]) if lines[at].strip() and below and not below.strip("-")]
    for at, end in zip(titles, [*titles[1:], len(lines)]):
        if lines[at] == title:
            return lines[at + 2 : end]
    return []
