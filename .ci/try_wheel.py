"""Use the installed package in an environment with nothing else: it reads, writes, and loads no more than it needs."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tempfile
from importlib import metadata
from pathlib import Path

import alluxiofs

EXTRAS = ("s3fs", "ossfs", "gcsfs", "hdfs_native", "opentelemetry", "prometheus_client", "pyarrow", "ray", "pandas")
COMMAND_ONLY = ("click", "rich")


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that a fresh process has loaded after a statement."""
    code = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(
        subprocess.run([sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True).stdout.split()
    )


def main() -> None:
    """Run all of it; an assertion says what does not hold."""
    assert "site-packages" in alluxiofs.__file__, f"not the installed package: {alluxiofs.__file__}"

    loaded = loaded_by("import alluxiofs")
    assert not loaded.intersection(EXTRAS + COMMAND_ONLY), f"import alluxiofs loads {loaded}"

    import fsspec

    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/a b%41.bin"
        content = bytes(range(256)) * 8192
        fs = fsspec.filesystem("alluxiofs", target_protocol="file", page_store={"name": "memory", "capacity": "16MB"})
        with fs.open(path, "wb") as file:
            file.write(content)
        assert Path(path).read_bytes() == content
        for _ in range(2):  # from the file, then from the page store
            assert fs.cat_file(path, 1000, 1_500_000) == content[1000:1_500_000]
        with fsspec.open(f"alluxiofs://{path}", target_protocol="file") as file:
            assert file.read() == content
        assert fs.describe()["page_store"]["name"] == "memory"

    command = Path(sysconfig.get_path("scripts")) / "alluxiofs"
    for arguments in (["--help"], ["--version"], ["plugins"]):
        shown = subprocess.run([str(command), *arguments], check=True, capture_output=True, text=True).stdout
        assert shown, f"alluxiofs {arguments} says nothing"
    try:
        fsspec.filesystem("alluxiofs", target_protocol="s3").ls("bucket")
    except ImportError as error:
        assert "pip install 'alluxiofs[s3]'" in str(error), str(error)
    else:
        raise AssertionError("s3 without its extra did not raise")
    print(f"alluxiofs {metadata.version('alluxiofs')} works in an empty environment")


if __name__ == "__main__":
    main()
