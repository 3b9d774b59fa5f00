"""What is written in the wrong place is told where it goes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict

import fsspec
import pytest

from alluxiofs.errors import ConfigurationError
from alluxiofs.settings import Settings


def refused(**arguments: Any) -> str:
    """What the error says."""
    with pytest.raises(ConfigurationError) as caught:
        fsspec.filesystem("alluxiofs", target_protocol="memory", skip_instance_cache=True, **arguments)
    return str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (
            {"page_store": {"name": "disk", "page_size": "4MB"}},
            "options={'alluxio.worker.page.store.page.size': '4MB'}",
        ),
        ({"capacity": "2GB"}, "page_store={'name': 'disk', 'capacity': …} (page_store.capacity of the command)"),
        ({"page_store": False}, "None keeps no pages"),
        ({"key": "AKIA"}, "target_options={'key': …} (target_options.key of the command)"),
        ({"secret": "hunter2"}, "target_options={'secret': …}"),
        ({"endpoint_url": "http://localhost:9000"}, "target_options={'endpoint_url': …}"),
        ({"page_store": {"name": "disk", "verify": "allways"}}, "'first' | 'always' | 'never'; did you mean 'always'?"),
    ],
)
def test_the_message_says_what_to_write(arguments: Dict[str, Any], hint: str) -> None:
    message = refused(**arguments)
    assert hint in message
    assert "hunter2" not in message


@pytest.mark.parametrize("path", ["/tmp/pages", "~/pages", "./pages", Path("/tmp/pages")])
def test_a_path_in_the_place_of_a_page_store(path: Any) -> None:
    assert json.dumps({"name": "disk", "path": str(path)}).replace("pages", "") in refused(page_store=path).replace(
        "pages", ""
    )


def test_a_choice_in_any_letter_case() -> None:
    fs = fsspec.filesystem("alluxiofs", target_protocol="memory", page_store={"name": "disk", "verify": "ALWAYS"})
    assert fs.describe()["page_store"]["settings"]["verify"] == "always"


@pytest.mark.parametrize("value", [-1, "soon", float("inf")])
def test_what_is_no_length_of_time_is_told_once(value: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.parse(metadata_ttl=value)
    assert str(caught.value).count("a length of time") == 1


class TestFolders:
    @pytest.mark.parametrize("url", ["file:///tmp/x", "local:///tmp/x"])
    def test_a_url_of_this_machine_is_told_its_path(self, url: str) -> None:
        assert f"{url!r} is a URL; name the folder: '/tmp/x'" in refused(page_store={"name": "disk", "path": url})

    def test_another_url_is_refused(self) -> None:
        assert "a folder of this machine" in refused(page_store={"name": "disk", "path": "s3://bucket/pages"})

    def test_variables_are_put_in(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("SCRATCH_OF_TESTS", str(tmp_path))
        for text in ("$SCRATCH_OF_TESTS/pages", "${SCRATCH_OF_TESTS}/pages"):
            store = {"name": "disk", "path": text}
            fs = fsspec.filesystem("alluxiofs", target_protocol="memory", page_store=store, skip_instance_cache=True)
            assert fs.describe()["page_store"]["settings"]["path"] == [f"{tmp_path}/pages"]

    def test_a_variable_that_is_not_set_is_refused(self) -> None:
        message = refused(page_store={"name": "disk", "path": "/fast/$NOT_SET_ANYWHERE/pages"})
        assert "the environment has no variable $NOT_SET_ANYWHERE" in message

    def test_a_file_is_not_to_be_removed(self, tmp_path: Path) -> None:
        file = tmp_path / "hosts"
        file.write_bytes(b"precious")
        message = refused(page_store={"name": "disk", "path": str(file)})
        assert f"setting 'path' of page store 'disk': {str(file)!r} is a file; name a folder" in message
        assert "remove" not in message
