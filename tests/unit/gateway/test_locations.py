"""Every spelling of a path names one file, and what comes back can be passed back in."""

from __future__ import annotations

from typing import Any, List

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluxiofs.errors import InvalidPathError
from alluxiofs.gateway import Mount
from alluxiofs.gateway.locations import Locations, canonical_url
from alluxiofs.interfaces import Location
from tests.unit.gateway.scripted_store import ScriptedStore

NAMES = st.text(st.characters(blacklist_characters="\0/", blacklist_categories=["Cs"]), min_size=1, max_size=30)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join).filter(lambda path: "://" not in path)


@given(PATHS, st.sampled_from(["", "alluxiofs://", "alluxio://"]), st.booleans())
def test_spellings_of_one_path(path: str, own: str, with_scheme: bool) -> None:
    locations = Locations([Mount("", ScriptedStore())])
    location = locations.locate(own + ("scripted://" if with_scheme else "") + path)
    assert location == Location("", path, "scripted://" + path)
    assert locations.path_of(location) == path
    assert locations.locate(locations.path_of(location)) == location


@given(PATHS)
def test_mounts_match_at_path_boundaries_longest_first(path: str) -> None:
    locations = Locations([Mount("scripted://b", ScriptedStore()), Mount("scripted://b/deep", ScriptedStore())])
    assert locations.locate(f"scripted://b/{path}").store == (
        "scripted://b/deep" if path.split("/", maxsplit=1)[0] == "deep" else "scripted://b"
    )
    location = locations.locate(f"scripted://b/deep/{path}")
    assert locations.path_of(location) == location.url
    assert locations.locate(locations.path_of(location)) == location
    with pytest.raises(InvalidPathError, match="prefixes"):
        locations.locate(f"scripted://bb/{path}")


def test_a_name_and_its_url_lead_to_one_file_beside_mounts() -> None:
    locations = Locations([Mount("", ScriptedStore()), Mount("scripted://b", ScriptedStore())])
    assert locations.locate("b/f") == locations.locate("scripted://b/f")
    assert locations.locate("b/f").store == "scripted://b"
    assert locations.locate("c/f") == locations.locate("scripted://c/f")
    assert locations.locate("c/f").store == ""


class OfAHost(ScriptedStore):
    """Knows the URLs of its own host alone, as HDFS does."""

    def __init__(self, host: str) -> None:
        super().__init__()
        self._host = host

    def strip(self, path: str) -> str:
        name = super().strip(path)
        if name.partition("/")[0] != self._host or "//" in name:
            raise InvalidPathError(f"{name!r} is none of {self._host!r}")
        return name


def test_a_store_that_refuses_the_url_of_another_one_is_not_asked_any_more() -> None:
    stores = {host: OfAHost(host) for host in ("one", "two")}
    locations = Locations([Mount(f"scripted://{host}/d", store) for host, store in stores.items()])
    for host in stores:
        assert locations.locate(f"scripted://{host}/d/f").store == f"scripted://{host}/d"
    with pytest.raises(InvalidPathError, match="below none"):
        locations.locate("scripted://three/d/f")


def test_names_of_a_directory_without_prefixes_in_it_are_paths_as_they_are() -> None:
    asked: List[str] = []

    class Noting(ScriptedStore):
        def strip(self, path: str) -> str:
            asked.append(path)
            return super().strip(path)

    locations = Locations([Mount("", Noting()), Mount("scripted://b/d", Noting())])
    names = [f"a/{number}" for number in range(100)]
    directory = locations.locate("a")
    asked.clear()
    assert locations.paths_of(directory, names) == names
    assert [locations.child(directory, name).name for name in names] == names
    assert asked == [], "a listing may be long"
    assert locations.paths_of(locations.locate("b"), ["b/c", "b/d"]) == ["b/c", "scripted://b/d"]


def test_what_a_store_refuses_of_its_own_is_no_other_store_s() -> None:
    locations = Locations([Mount("", ScriptedStore()), Mount("scripted://one/d", OfAHost("one"))])
    with pytest.raises(InvalidPathError, match="none of 'one'"):
        locations.locate("scripted://one/d//f")


def test_credentials_are_not_shown() -> None:
    for path in ("other://user:hunter2@host/f", "other://user:hunter2@host/\0"):
        with pytest.raises(InvalidPathError) as raised:
            Locations([Mount("", ScriptedStore())]).locate(path)
        assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("path", ["a\0b", "other://bucket/f", "scriptd://f"])
def test_what_cannot_be_a_path(path: str) -> None:
    with pytest.raises(ValueError, match="path") as raised:
        Locations([Mount("", ScriptedStore())]).locate(path)
    assert ("did you mean 'scripted'" in str(raised.value)) == (path == "scriptd://f")


def test_without_an_under_store_names_are_urls() -> None:
    locations = Locations([])
    location = locations.locate("alluxiofs://s3a://bucket/dir/key")
    assert location == Location("", "s3://bucket/dir/key", "s3://bucket/dir/key")
    assert locations.parent(location).url == "s3://bucket/dir"
    with pytest.raises(InvalidPathError):
        locations.locate("bucket/key")


@pytest.mark.parametrize(
    ("url", "canonical"),
    [("s3a://b/k", "s3://b/k"), ("GCS://b/k", "gs://b/k"), ("local:///d", "file:///d"), ("no url", "no url")],
)
def test_schemes_are_made_canonical(url: str, canonical: Any) -> None:
    assert canonical_url(url) == canonical
