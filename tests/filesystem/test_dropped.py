"""A file that nobody holds any more, and that nobody closed: nothing of it appears, and that is told."""

from __future__ import annotations

import gc
import warnings
from typing import Any

import pytest

from alluxiofs.filesystem import AlluxioFileSystem
from tests.filesystem.conftest import Place
from tests.filesystem.test_writing import HOW, OLD, contents


@pytest.mark.parametrize("how", HOW.values(), ids=HOW)
def test_a_file_that_is_dropped_unclosed_is_never_written(quick: AlluxioFileSystem, memory: Place, how: Any) -> None:
    path = memory.path("dropped")
    quick.pipe_file(path, OLD)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        file = quick.open(path, **how)
        file.write("half" if "b" not in how["mode"] else b"half")
        del file
        gc.collect()
    assert [warning for warning in caught if warning.category is ResourceWarning and "never closed" in str(warning)]
    assert contents(memory, path) == OLD


@pytest.mark.parametrize("how", HOW.values(), ids=HOW)
def test_and_the_log_names_it_for_those_whom_python_does_not_warn(
    quick: AlluxioFileSystem, memory: Place, how: Any, caplog: pytest.LogCaptureFixture
) -> None:
    path = memory.path("dropped")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # as Python does for all but its developers
        quick.open(path, **how).write("all of it" if "b" not in how["mode"] else b"all of it")
        gc.collect()
    (record,) = caplog.records
    assert (record.levelname, vars(record)["operation"]) == ("WARNING", "write")
    assert vars(record)["path"] == f"memory://{path}"
    assert f"{path!r} was opened for writing and never closed" in record.getMessage()
    assert not quick.exists(path)


def test_what_is_closed_and_never_committed_is_told_as_such(
    quick: AlluxioFileSystem, memory: Place, caplog: pytest.LogCaptureFixture
) -> None:
    file = quick.open(memory.path("late"), "wb", autocommit=False)
    file.close()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del file
        gc.collect()
    assert any("neither committed nor discarded" in str(warning) for warning in caught)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
