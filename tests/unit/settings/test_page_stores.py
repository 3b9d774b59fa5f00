"""What users write for the page stores: folders, capacities, and what would keep nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Dict

import fsspec
import pytest

from alluxiofs.errors import ConfigurationError
from alluxiofs.interfaces import PageStore
from alluxiofs.pagestores.capacity import least_on_disk
from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.testing import make_context

PAGE_SIZE = "alluxio.worker.page.store.page.size"


def page_store(choice: Any, page_size: str = "1MB") -> Dict[str, Any]:
    """What a filesystem with this page store says of it."""
    fs = fsspec.filesystem(
        "alluxiofs",
        target_protocol="memory",
        page_store=choice,
        options={PAGE_SIZE: page_size},
        skip_instance_cache=True,
    )
    described: Dict[str, Any] = fs.describe()["page_store"]
    return described


class TestCapacity:
    @pytest.mark.parametrize(
        ("choice", "message"),
        [
            ({"name": "memory", "capacity": "4KB"}, "'memory': 4KB holds no page of 1MB; give at least 1029KB"),
            ({"name": "memory", "capacity": 0}, "'memory': 0B holds no page of 1MB; give at least 1029KB"),
            (
                {"name": "disk", "path": "/p", "capacity": "100KB"},
                "'disk': 100KB holds no page of 1MB; give at least 11",
            ),
            ({"name": "disk", "path": "/p", "capacity": 0}, "'disk': 0B holds no page of 1MB; give at least 11"),
            (
                {"name": "disk", "path": ["/p", "/q"], "capacity": "200KB"},
                "'disk': 200KB holds no page of 1MB in each of 2 folders; give at least 23",
            ),
            ({"name": "disk", "path": ["/p", "/q"], "capacity": ["9MB", "1KB"]}, "'disk': 1KB holds no page of 1MB;"),
            ({"name": "tiered", "memory": "1KB", "disk": {"path": "/p"}}, "'memory': 1KB holds no page of 1MB"),
            ({"name": "tiered", "disk": {"path": "/p", "capacity": "1KB"}}, "'disk': 1KB holds no page of 1MB"),
        ],
    )
    def test_one_that_holds_no_page_is_an_error_that_says_what_would(self, choice: Any, message: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            page_store(choice)
        assert f"argument 'page_store': setting 'capacity' of page store {message}" in str(caught.value)
        assert PAGE_SIZE in str(caught.value)

    @pytest.mark.parametrize(
        "choice", [{"name": "memory", "capacity": "1MB"}, {"name": "disk", "path": "/p", "capacity": "1MB"}]
    )
    def test_one_that_holds_parts_of_pages_alone_is_a_warning(self, choice: Any) -> None:
        with pytest.warns(UserWarning, match="1MB holds no page of 1MB; give at least .* parts of pages are all"):
            assert page_store(choice)["settings"]["capacity"] in (2**20, [2**20])

    def test_it_depends_on_the_size_of_a_page(self) -> None:
        assert page_store({"name": "memory", "capacity": "100KB"}, page_size="64KB")["settings"]["capacity"] == 102400

    @pytest.mark.parametrize("page_size", [1, 4096, 65537, 2**20, 2**20 + 1])
    def test_with_the_least_on_disk_a_page_is_kept(self, page_size: int, tmp_path: Path) -> None:
        settings = DiskPageStore.Settings(path=str(tmp_path), capacity=least_on_disk(page_size))
        store: PageStore = DiskPageStore(settings, make_context(), page_size)
        kept = store.file(b"k" * 16, page_size)
        with memoryview(os.urandom(page_size)) as page:
            kept.keep(0, page)
        assert kept.has(0)
        store.close()

    @pytest.mark.parametrize("name", ["memory", "disk"])
    @pytest.mark.parametrize("value", ["10XB", -1, "-1", 1.5, "", "[1", {}, "lots"])
    def test_what_is_no_size_is_an_error_that_names_the_setting(self, name: str, value: Any) -> None:
        with pytest.raises(
            ConfigurationError, match=rf"argument 'page_store': setting 'capacity' of page store '{name}'"
        ):
            page_store({"name": name, "capacity": value})

    @pytest.mark.parametrize("value", ["10MB,20MB", '["10MB", "20MB"]', ["10MB", 20 * 2**20]])
    def test_one_for_each_folder(self, value: Any) -> None:
        described = page_store({"name": "disk", "path": ["/p", "/q"], "capacity": value})
        assert described["settings"]["capacity"] == [10 * 2**20, 20 * 2**20]


class TestFolders:
    @pytest.mark.parametrize("value", [["/p", "/q"], '["/p", "/q"]', (Path("/p"), "/q")])
    def test_several(self, value: Any) -> None:
        assert page_store({"name": "disk", "path": value})["path"] == ["/p", "/q"]

    def test_several_out_of_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from fsspec.config import set_conf_env

        monkeypatch.setenv("FSSPEC_ALLUXIOFS_PAGE_STORE", json.dumps({"name": "disk", "path": '["/p", "/q"]'}))
        configuration: Dict[str, Any] = {}
        set_conf_env(configuration)
        assert page_store(configuration["alluxiofs"]["page_store"])["path"] == ["/p", "/q"]

    @pytest.mark.parametrize("value", ["/p/a,b", Path("/p/a,b"), ["/p/a,b"], '["/p/a,b"]'])
    def test_a_name_may_have_a_comma(self, value: Any) -> None:
        assert page_store({"name": "disk", "path": value})["path"] == ["/p/a,b"]

    @pytest.mark.parametrize("value", ["/p,/q", "/p, /q", "~/p,~/q", "p,q", "/p,./q"])
    def test_text_that_may_be_several_is_an_error_that_says_how_to_write_both(self, value: str) -> None:
        with pytest.raises(
            ConfigurationError, match=r"setting 'path' .* may be one folder or several: .*\[\""
        ) as caught:
            page_store({"name": "disk", "path": value})
        assert json.dumps([value]) in str(caught.value)

    @pytest.mark.parametrize("value", ["[p", "", [""], 3, [3]])
    def test_what_names_no_folder(self, value: Any) -> None:
        with pytest.raises(ConfigurationError, match=r"argument 'page_store': setting 'path' of page store 'disk': "):
            page_store({"name": "disk", "path": value})
