"""What an import costs, in fresh processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Callable, Iterator, Mapping, Sequence

from benchmarks.core import Aim, Case, Outcome, benchmark, seconds


def importing(statement: str) -> Callable[[], Mapping[str, Outcome]]:
    """A sample function: seconds that the statement takes in a process that has imported nothing."""
    code = f"import time; begun = time.perf_counter(); {statement}; print(time.perf_counter() - begun)"

    def sample() -> float:
        return float(subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True).stdout)

    return seconds(sample)


@benchmark("import", unit="import", turns=21, quick_turns=5)
def imports(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """Importing the package, and the filesystem that it gives lazily."""
    yield [
        Case("import fsspec", importing("import fsspec")),
        Case("import alluxiofs", importing("import alluxiofs"), {"": [Aim(1.3, "import fsspec")]}),
        Case(
            "the filesystem class",
            importing("import alluxiofs; alluxiofs.AlluxioFileSystem"),
            {"": [Aim(1.3, "import fsspec")]},
        ),
        Case("fsspec.filesystem('alluxiofs')", importing("import fsspec; fsspec.get_filesystem_class('alluxiofs')")),
    ]
