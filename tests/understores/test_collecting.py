"""A contributor without the client libraries gets skips, not errors."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

MODULES = {path.stem: path for path in sorted(Path(__file__).parent.glob("*.py"))}


@pytest.mark.parametrize("module", MODULES)
def test_no_module_has_names_of_one_that_may_be_skipped(module: str) -> None:
    """A module that is skipped while it is imported has no names for others."""
    tree = ast.parse(MODULES[module].read_text())
    imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not [name for name in imported if name.rpartition(".")[2].startswith("test_")]
