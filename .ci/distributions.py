"""Check what is in the wheel and in the source distribution.

Usage: ``python .ci/distributions.py FOLDER`` (with one of each).
"""

from __future__ import annotations

import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

EXTRAS = {"s3", "oss", "gcs", "hdfs", "fast", "otel", "plot", "testing", "all", "demo", "dev"}


def check(condition: bool, message: str) -> None:
    """Exit with the message unless the condition holds."""
    if not condition:
        sys.exit(message)


def check_wheel(path: Path, sources: set[str]) -> None:
    """The package, all of it and nothing else; licence, extras and entry points in the metadata."""
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
        information = next(name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(wheel.read(information).decode("utf-8"))
        entry_points = wheel.read(information.replace("METADATA", "entry_points.txt")).decode("utf-8")
    folder = information.split("/")[0]
    inside = {name for name in names if not name.startswith(f"{folder}/")}
    check(inside == sources, f"{path.name}: not the package as it is: {sorted(inside ^ sources)}")
    check("alluxiofs/py.typed" in names, f"{path.name}: no py.typed")
    check(f"{folder}/licenses/LICENSE" in names, f"{path.name}: no licence")
    check(metadata["License-Expression"] == "Apache-2.0", f"{path.name}: licence {metadata['License-Expression']}")
    check(metadata["Requires-Python"] == ">=3.8", f"{path.name}: Python {metadata['Requires-Python']}")
    extras = set(metadata.get_all("Provides-Extra") or ())
    check(extras == EXTRAS, f"{path.name}: extras {sorted(extras)}")
    for line in ("alluxio = alluxiofs.filesystem.AlluxioFileSystem", "alluxiofs = alluxiofs.cli:main"):
        check(line in entry_points, f"{path.name}: no entry point {line!r}")


def check_source(path: Path, sources: set[str]) -> None:
    """The package, its tests and its licence; nothing that a build or a run has left."""
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    check(sources <= names, f"{path.name}: without {sorted(sources - names)}")
    check({"LICENSE", "README.md", "pyproject.toml"} <= names, f"{path.name}: without licence, README or pyproject")
    left = sorted(name for name in names if "__pycache__" in name or name.endswith((".pyc", ".so")))
    check(not left, f"{path.name}: left-overs {left}")


def main(folder: str) -> None:
    """Check both."""
    package = Path(__file__).parent.parent / "alluxiofs"
    files = (path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    sources = {path.relative_to(package.parent).as_posix() for path in files}
    (wheel,) = Path(folder).glob("*.whl")
    (source,) = Path(folder).glob("*.tar.gz")
    check_wheel(wheel, sources)
    check_source(source, sources)
    print(f"{wheel.name}, {source.name}: {len(sources)} files of the package, as they should be")


if __name__ == "__main__":
    main(*sys.argv[1:])
