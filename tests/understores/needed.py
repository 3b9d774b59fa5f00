"""Client libraries that tests need: a missing one is a skip on somebody's machine, and a failure in CI."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Tuple

import pytest

__all__ = ["needed"]


def needed(module: str, extra: str, since: Tuple[int, int] = (3, 8)) -> None:
    """Skip the tests of the module that calls this, unless there is the library, or CI should have it.

    Parameters
    ----------
    module, extra:
        What is imported, and the extra of this package that installs it.
    since:
        The oldest Python that the library is for.
    """
    if sys.version_info < since:
        pytest.skip(f"{module} is for Python {since[0]}.{since[1]} or later", allow_module_level=True)
    if os.environ.get("CI"):
        importlib.import_module(module)
    else:
        pytest.importorskip(module, reason=f"{module} is not installed: pip install 'alluxiofs[{extra}]'")
