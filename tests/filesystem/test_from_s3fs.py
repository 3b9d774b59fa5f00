"""What users of s3fs find: the same, or told where it is. Each row of the table in ``docs/integrations.md``."""

from __future__ import annotations

from typing import Any, Callable, Iterator
from urllib.request import urlopen

import fsspec
import pytest

from alluxiofs.errors import UnknownSettingError
from alluxiofs.filesystem import AlluxioFileSystem
from tests.filesystem.conftest import Place, make_place


@pytest.fixture
def s3(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Place]:
    yield from make_place("s3", request, tmp_path)


@pytest.fixture
def fs(s3: Place, filesystem: Callable[..., AlluxioFileSystem]) -> AlluxioFileSystem:
    return filesystem(s3)


def test_names_listings_and_bytes_are_the_same(fs: AlluxioFileSystem, s3: Place) -> None:
    s3.client.pipe({s3.path("a"): b"0123456789", s3.path("dir/b"): b"b"})
    bucket = s3.root.partition("/")[0]
    for call in (
        lambda one: one.ls(s3.root, detail=False),
        lambda one: one.find(bucket),
        lambda one: one.glob(f"{s3.root}/*"),
        lambda one: one.cat_file(s3.path("a"), start=2, end=5),
        lambda one: one.du(s3.root),
        lambda one: (one.isdir(s3.path("dir")), one.isfile(s3.path("a")), one.exists(s3.path("c"))),
        lambda one: {name: one.info(s3.path("a"))[name] for name in ("name", "size", "type", "ETag", "LastModified")},
        lambda one: one.modified(s3.path("a")),
    ):
        assert call(fs) == call(s3.client)


def test_what_a_change_returns_is_true(fs: AlluxioFileSystem, s3: Place) -> None:
    fs.pipe_file(s3.path("a"), b"a")
    assert fs.cp(s3.path("a"), s3.path("b")) is True
    assert fs.mv(s3.path("b"), s3.path("c")) is True
    assert fs.touch(s3.path("d")) is True
    assert fs.rm([s3.path("c"), s3.path("d")]) is True
    assert fs.ls(s3.root, detail=False) == [s3.path("a")]


def test_what_s3_is_told_goes_into_the_options_of_its_client(
    fs: AlluxioFileSystem, s3: Place, filesystem: Callable[..., AlluxioFileSystem]
) -> None:
    path = s3.path("a")
    for call in (
        lambda: fs.open(path, "wb", ACL="private"),
        lambda: fs.pipe_file(path, b"x", ACL="private"),
        lambda: fs.put_file(__file__, path, ACL="private"),
        lambda: fs.put(__file__, path, ACL="private"),
        lambda: fs.cp(path, path, ACL="private"),
        lambda: fs.touch(path, ACL="private"),
    ):
        with pytest.raises(UnknownSettingError, match=r"'ACL'; .*target_options=.*s3_additional_kwargs.*'ACL'"):
            call()
    assert not fs.exists(path)
    options = {**s3.arguments["target_options"], "s3_additional_kwargs": {"ContentType": "text/x-told"}}
    told = filesystem(Place({"target_protocol": "s3", "target_options": options}, s3.root, s3.client))
    told.pipe_file(path, b"x")
    assert s3.client.info(path, refresh=True)["ContentType"] == "text/x-told"


@pytest.mark.parametrize(("name", "hint"), [("fill_cache", "readahead"), ("version_id", "client"), ("acl", "ACL")])
def test_arguments_of_its_open_that_are_none_here(fs: AlluxioFileSystem, s3: Place, name: str, hint: str) -> None:
    with pytest.raises(UnknownSettingError, match=f"{name}.*{hint}"):
        fs.open(s3.path("a"), "rb", None, True, None, None, **{name: True})


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("url", r"fs\.sign\("),
        ("metadata", r"fs\.info\("),
        ("setxattr", "client"),
        ("object_version_info", "client"),
        ("_ls", "AsyncFileSystemWrapper"),
        ("_cat_file", "AsyncFileSystemWrapper"),
    ],
)
def test_methods_that_are_none_here_say_what_is(fs: AlluxioFileSystem, name: str, hint: str) -> None:
    assert not hasattr(fs, name)
    with pytest.raises(AttributeError, match=f"no attribute '{name}'; .*{hint}"):
        getattr(fs, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'$"):
        fs.nothing  # noqa: B018 that it cannot be had is what is tested


def test_a_signed_url_is_read_by_anyone(fs: AlluxioFileSystem, s3: Place) -> None:
    fs.pipe_file(s3.path("a"), b"signed")
    with urlopen(fs.sign(s3.path("a"), expiration=60)) as answer:
        assert answer.read() == b"signed"


def test_a_client_that_is_asynchronous_is_refused(s3: Place) -> None:
    options = {**s3.arguments["target_options"], "asynchronous": True}
    with pytest.raises(ValueError, match="asynchronous"):
        fsspec.filesystem("alluxiofs", target_protocol="s3", target_options=options).ls("")
