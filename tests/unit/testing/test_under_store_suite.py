"""The suite for under stores takes those that only read, and says what it needs."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, Dict

import pytest

from alluxiofs.interfaces import Target, UnderStore
from alluxiofs.testing import UnderStoreContract, make_context
from tests.unit.test_hookspecs import example

NAMES = ("Ada", "Grace", "Zoë")


def greetings(kind: Any) -> UnderStore:
    store: UnderStore = kind(Target("greetings"), kind.Settings(NAMES), make_context())
    return store


class TestTheExampleOfTheHook(UnderStoreContract):
    """What the documentation of ``alluxiofs_under_stores`` shows keeps the contract."""

    @pytest.fixture
    def store(self) -> UnderStore:
        return greetings(example("alluxiofs_under_stores").Greetings)

    @pytest.fixture
    def files(self) -> Dict[str, bytes]:
        return {name: f"Hello, {name}!".encode() for name in NAMES}


class _WritesAllTheSame:
    """Says that it only reads, and makes an empty file of what it is told to touch."""

    def touch(self, name: str, deadline: Any, truncate: bool = True) -> None:
        pass


def test_one_that_writes_and_says_that_it_only_reads_is_found() -> None:
    kind = example("alluxiofs_under_stores").Greetings
    store = greetings(type("Broken", (_WritesAllTheSame, kind), {"__doc__": "Broken."}))
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        UnderStoreContract().test_a_store_that_only_reads_says_so_of_each_change(store, {"Ada": b"Hello, Ada!"})


@pytest.mark.parametrize("missing", ["hypothesis", "pytest"])
@pytest.mark.parametrize("suite", ["UnderStoreContract", "PageStoreContract"])
def test_a_suite_without_what_it_needs_says_what_to_install(suite: str, missing: str) -> None:
    code = f"""
import sys
sys.modules[{missing!r}] = None
try:
    from alluxiofs.testing import {suite}
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True)
    assert done.stdout == f"{suite} needs {missing}: pip install 'alluxiofs[testing]'\n"
