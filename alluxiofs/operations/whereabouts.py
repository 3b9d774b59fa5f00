"""Folders as they are named here, so that they are the same ones elsewhere."""

from __future__ import annotations

import os
from typing import Any

__all__ = ["with_absolute_folders"]

_NOT_RELATIVE = ("/", "~", "$", "[")


def with_absolute_folders(page_store: Any) -> Any:
    """The argument ``page_store`` with each relative folder (``path``, also of a tier) below today's working directory.

    Only names are touched that are relative without a doubt: a variable of the environment, the user's home and a list
    in JSON stay as they are.
    """
    if not isinstance(page_store, dict):
        return page_store
    return {name: _absolute(name, value) for name, value in page_store.items()}


def _absolute(name: str, value: Any) -> Any:
    if name != "path":
        return with_absolute_folders(value)
    if isinstance(value, (list, tuple)):
        return [_absolute(name, one) for one in value]
    relative = isinstance(value, (str, os.PathLike)) and not os.fspath(value).startswith(_NOT_RELATIVE)
    return os.path.abspath(value) if relative and os.fspath(value) else value
