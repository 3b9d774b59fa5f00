"""fsspec's own conformance suite straight on the clients: the gateway passes all of it, the clients what is told here.

``what_clients_fail.txt`` names each case that a client fails; docs/under-stores.md has their numbers and the reasons.
All cases take minutes (``-m slow``); one case for each reason does not.
"""

from __future__ import annotations

import importlib.metadata
import math
import re
from pathlib import Path
from typing import Any, Dict, Iterator, List, Set

import pytest

from tests.filesystem import test_abstract
from tests.understores import test_conformance
from tests.understores.conformance import Conformance, Place, Suites, places
from tests.understores.needed import needed

needed("gcsfs", "gcs")
needed("ossfs", "oss")
needed("hdfs_native", "hdfs", since=(3, 9))

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "under-stores.md").read_text(encoding="utf-8")
SECTION = DOCUMENT.partition("## fsspec's conformance suite")[2]
KINDS = {"S3": "s3", "GCS": "gs", "OSS": "oss", "HDFS": "hdfs"}
LIST = (Path(__file__).parent / "what_clients_fail.txt").read_text(encoding="utf-8").splitlines()
FAILING: Dict[str, Set[str]] = {
    kind: {name for of, _, name in (line.partition(" ") for line in LIST) if of == kind} for kind in KINDS.values()
}
# Other releases of a client may have mended something: then the list says what was, and nothing is proved.
AS_DOCUMENTED = all(
    importlib.metadata.version(name).startswith(f"{version}.")
    for name, version in re.findall(r"(fsspec|s3fs|gcsfs|ossfs|hdfs-native)\s(\d+\.\d+)\b", SECTION)
)


class Straight(Conformance):
    kind = ""

    @pytest.fixture
    def place(self, request: pytest.FixtureRequest) -> Iterator[Place]:
        yield from places(self.kind, request)

    @pytest.fixture
    def fs(self, place: Place) -> Any:
        return place.client

    @pytest.fixture(autouse=True)
    def known_to_fail(self, request: pytest.FixtureRequest) -> None:
        """What is told of fails, and nothing else does."""
        if request.node.name in FAILING[self.kind]:
            request.node.add_marker(pytest.mark.xfail(strict=AS_DOCUMENTED, reason="as documented"))


# What a client leaves to the garbage collector is its own affair.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.mark.slow
class TestS3(Straight, Suites):
    kind = "s3"


@pytest.mark.slow
class TestGcs(Straight, Suites):
    kind = "gs"


@pytest.mark.slow
class TestOss(Straight, Suites):
    kind = "oss"


@pytest.mark.slow
class TestHdfs(Straight, Suites):
    kind = "hdfs"


class TestWhatS3Fails(Straight):
    kind = "s3"
    test_open_exclusive = Suites.test_open_exclusive


class TestWhatGcsFails(Straight):
    kind = "gs"
    test_open_exclusive = Suites.test_open_exclusive


class TestWhatOssFails(Straight):
    kind = "oss"
    test_open_exclusive = Suites.test_open_exclusive
    test_pipe_exclusive = Suites.test_pipe_exclusive
    test_get_file_to_new_directory = Suites.test_get_file_to_new_directory
    test_copy_glob_to_new_directory = Suites.test_copy_glob_to_new_directory


class TestWhatHdfsFails(Straight):
    kind = "hdfs"
    test_open_exclusive = Suites.test_open_exclusive
    test_copy_file_to_new_directory = Suites.test_copy_file_to_new_directory
    test_put_file_to_existing_directory = Suites.test_put_file_to_existing_directory


def cases() -> List[int]:
    """How many cases each test of the suites has."""
    tests = [getattr(Suites, name) for name in dir(Suites) if name.startswith("test_")]
    marks = [[mark for mark in getattr(test, "pytestmark", ()) if mark.name == "parametrize"] for test in tests]
    return [math.prod(len(mark.args[1]) for mark in of) for of in marks]


def test_the_documents_have_the_numbers_of_this_list() -> None:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in SECTION.splitlines() if line[:1] == "|"]
    told = {row[0].partition(" ")[0]: (int(row[1]), int(row[2])) for row in rows[2:]}
    whole = sum(cases())
    assert told == {name: (whole, whole - len(FAILING[kind])) for name, kind in KINDS.items()}
    assert f"of {whole} cases" in SECTION.replace("\n", " ")
    assert sum(map(len, FAILING.values())) == len(LIST), "a case is named twice, or of another store"


def test_the_gateway_is_asked_all_of_it() -> None:
    """It passes what it is asked; that nothing of the suites is left out or made easier is said here."""
    asked: Dict[str, List[Any]] = {"s3": [value for value in vars(test_abstract).values() if isinstance(value, type)]}
    for value in vars(test_conformance).values():
        if getattr(value, "kind", ""):
            asked[value.kind] = [value]
    assert set(asked) == set(KINDS.values())
    for kind, classes in asked.items():
        for name in dir(Suites):
            if name.startswith("test_"):
                assert any(getattr(each, name, None) is getattr(Suites, name) for each in classes), f"{kind}: {name}"
