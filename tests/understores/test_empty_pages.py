"""A page of a listing that is empty, and not the last one: what is there must not look absent."""

from __future__ import annotations

import json
from typing import Dict, Tuple
from uuid import uuid4

import pytest

from alluxiofs.testing._files import put, soon
from tests.faults import FaultProxy, status
from tests.understores.failing import make_store
from tests.understores.needed import needed

needed("gcsfs", "gcs")
needed("ossfs", "oss")

_XML = (
    "<?xml version='1.0'?><ListBucketResult><Name>b</Name><Prefix/><KeyCount>0</KeyCount><MaxKeys>1</MaxKeys>"
    "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>next</NextContinuationToken>"
    "</ListBucketResult>"
)
_XML_LAST = (
    "<?xml version='1.0'?><ListBucketResult><Name>b</Name><Prefix/><KeyCount>1</KeyCount><MaxKeys>1</MaxKeys>"
    "<EncodingType>url</EncodingType><IsTruncated>false</IsTruncated><Contents><Key>folder/file</Key>"
    "<LastModified>2026-11-23T08:00:00.000Z</LastModified><ETag>&quot;1&quot;</ETag><Type>Normal</Type><Size>1</Size>"
    "<StorageClass>STANDARD</StorageClass></Contents></ListBucketResult>"
)
_ITEM = {"name": "folder/file", "size": "1", "generation": "1", "updated": "2026-11-23T08:00:00Z"}
PAGES: Dict[str, Tuple[str, str, str]] = {
    "s3": ("s3_server", _XML, _XML_LAST),
    "oss": ("oss_server", _XML, _XML_LAST),
    "gs": ("gcs_server", json.dumps({"nextPageToken": "next"}), json.dumps({"items": [_ITEM]})),
}


@pytest.mark.parametrize("protocol", PAGES)
def test_it_is_not_the_end(request: pytest.FixtureRequest, protocol: str) -> None:
    fixture, empty, last = PAGES[protocol]
    server = request.getfixturevalue(fixture)
    kind = {"Content-Type": "application/json" if protocol == "gs" else "application/xml"}
    store, bucket = make_store(protocol, server.options), f"test-{uuid4().hex[:12]}"
    store.make_directory(bucket, soon())
    put(store, f"{bucket}/other", b"x")
    with FaultProxy(server.host, server.port) as proxy:
        behind = make_store(protocol, server.options_at(f"http://{proxy.host}:{proxy.port}"))
        for page in (empty, last):
            proxy.fault(status(200, page.encode(), kind), when=lambda one: "prefix=folder" in one.query)
        assert behind.stat(f"{bucket}/folder", soon()).kind == "directory"
        behind.close()
    store.close()
