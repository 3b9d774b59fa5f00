"""Plugins as they come: modules made of text, and packages that are installed."""

from __future__ import annotations

import itertools
import textwrap
import types
from pathlib import Path
from typing import Callable, Optional

import pytest

_numbers = itertools.count()

Install = Callable[..., str]


def module_of(source: str, name: Optional[str] = None) -> types.ModuleType:
    """A module with this source."""
    module = types.ModuleType(name or f"plugin_under_test_{next(_numbers)}")
    code = compile(textwrap.dedent(source), f"<{module.__name__}>", "exec", dont_inherit=True)
    exec(code, module.__dict__)
    return module


def policy_source(name: str, cls: str = "Some") -> str:
    """The source of a plugin with one policy."""
    return f'''
        from alluxiofs import WorkerPolicy, hookimpl

        class {cls}(WorkerPolicy):
            """Some policy."""

            name = "{name}"

            def rank(self, key, count):
                return self.workers[:count]

        @hookimpl
        def alluxiofs_worker_policies():
            return [{cls}]
    '''


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """``install(package, source, entry_point=…)``: installs a package with one module, as pip would leave it there."""

    def installed(package: str, source: str, entry_point: Optional[str] = None, version: str = "1.2") -> str:
        folder = tmp_path / package
        module = f"{package.replace('-', '_')}_{next(_numbers)}"
        information = folder / f"{package.replace('-', '_')}-{version}.dist-info"
        information.mkdir(parents=True)
        (folder / f"{module}.py").write_text(textwrap.dedent(source), encoding="utf-8")
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        (information / "entry_points.txt").write_text(f"[alluxiofs]\n{entry_point or package} = {module}\n")
        monkeypatch.syspath_prepend(str(folder))
        return module

    return installed
