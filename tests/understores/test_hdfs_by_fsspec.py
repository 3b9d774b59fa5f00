"""HDFS by the general plugin: which client it would be, and what to do where that cannot be."""

from __future__ import annotations

from typing import Any, Dict, Optional

import fsspec
import pytest

from alluxiofs.errors import ConfigurationError, MissingExtraError
from tests.understores.needed import needed

ADDRESS = {"host": "127.0.0.1", "port": 1}


def made(protocol: str, options: Dict[str, Any], under_store: Optional[str] = "fsspec") -> Any:
    return fsspec.filesystem(
        "alluxiofs",
        target_protocol=protocol,
        under_store=under_store,
        target_options=options,
        page_store=None,
        skip_instance_cache=True,
    )


@pytest.mark.parametrize("options", [{}, ADDRESS, {**ADDRESS, "user": "me"}], ids=["none", "address", "user"])
def test_hdfs_native_is_made_by_the_under_store_of_its_own(options: Dict[str, Any]) -> None:
    needed("hdfs_native", "hdfs", since=(3, 9))
    with pytest.raises(ConfigurationError) as caught:
        made("hdfs", options)
    assert "leave under_store away" in str(caught.value)
    assert "target_protocol='arrow_hdfs'" in str(caught.value)
    described = made("hdfs", ADDRESS, None).describe()
    assert described["under_store"]["name"] == "hdfs", "which is what it says to do"


def test_what_no_under_store_of_its_own_is_for_takes_a_ready_client() -> None:
    needed("hdfs_native", "hdfs", since=(3, 9))
    from hdfs_native.fsspec import ViewfsFileSystem

    with pytest.raises(ConfigurationError, match="client of 'viewfs'.*give it as fs=") as caught:
        made("viewfs", ADDRESS, None)
    assert "under_store" not in str(caught.value), "there is none to leave away"
    mounts: Dict[str, Any] = {"fs.viewfs.mounttable.x.linkFallback": "hdfs://127.0.0.1:1/"}
    ready = ViewfsFileSystem(host="x", **mounts, skip_instance_cache=True)
    described = fsspec.filesystem("alluxiofs", fs=ready, page_store=None, skip_instance_cache=True).describe()
    assert described["under_store"]["protocol"] == "viewfs"


def test_pyarrows_client_says_that_it_needs_java_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    needed("pyarrow", "demo")
    for name in ("JAVA_HOME", "HADOOP_HOME", "ARROW_LIBHDFS_DIR"):
        monkeypatch.setenv(name, "/nowhere")
    fs = made("arrow_hdfs", ADDRESS)
    for _ in range(2):  # PyArrow says something else when it has failed before
        with pytest.raises(
            MissingExtraError, match=r"needs Java and Hadoop's libraries.*pip install 'alluxiofs\[hdfs\]'"
        ):
            fs.ls("/")
