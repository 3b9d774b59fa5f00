"""What an import costs, in fresh processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Callable, Iterator, Sequence

from benchmarks.core import Case, benchmark


def importing(statement: str) -> Callable[[], float]:
    """A sample function: seconds that the statement takes in a process that has imported nothing."""
    code = f"import time; begun = time.perf_counter(); {statement}; print(time.perf_counter() - begun)"

    def sample() -> float:
        return float(subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True).stdout)

    return sample


@benchmark("import", unit="import", repetitions=21)
def imports(folder: Path) -> Iterator[Sequence[Case]]:
    """Importing the package, and the filesystem that it gives lazily."""
    yield [
        Case("import fsspec", importing("import fsspec")),
        Case("import alluxiofs", importing("import alluxiofs"), most_ratio=1.3),
        Case("the filesystem class", importing("import alluxiofs; alluxiofs.AlluxioFileSystem")),
        Case("fsspec.filesystem('alluxiofs')", importing("import fsspec; fsspec.get_filesystem_class('alluxiofs')")),
    ]
