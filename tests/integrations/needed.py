"""Packages that tests of integrations need: missing ones are a skip on somebody's machine, and a failure in CI."""

from __future__ import annotations

import importlib
import os
from typing import Any

import pytest

__all__ = ["needed"]


def needed(module: str) -> Any:
    """The module, or a skip of the tests that asked for it."""
    if os.environ.get("CI"):
        return importlib.import_module(module)
    package = module.partition(".")[0]
    return pytest.importorskip(module, reason=f"{package} is not installed: pip install 'alluxiofs[demo]'")
