"""fsspec's own conformance suite straight on the clients, to compare the gateway with; not part of the tests.

``python -m pytest tests/understores/straight.py -q``
"""

from __future__ import annotations

from typing import Any, Iterator

import pytest

from tests.understores.conformance import Conformance, Place, Suites, places


class Straight(Conformance):
    kind = ""

    @pytest.fixture
    def place(self, request: pytest.FixtureRequest) -> Iterator[Place]:
        yield from places(self.kind, request)

    @pytest.fixture
    def fs(self, place: Place) -> Any:
        return place.client


class TestS3(Straight, Suites):
    kind = "s3"


class TestGcs(Straight, Suites):
    kind = "gs"


class TestOss(Straight, Suites):
    kind = "oss"


class TestHdfs(Straight, Suites):
    kind = "hdfs"
