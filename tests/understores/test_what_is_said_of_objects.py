"""What an object says of itself (type, encoding, the user's own words) stays when it is appended to."""

from __future__ import annotations

from typing import Any, Dict
from uuid import uuid4

import pytest

from alluxiofs.errors import FileChangedError
from alluxiofs.interfaces import Target
from alluxiofs.plugins.under_store_gcs import GcsUnderStore
from alluxiofs.settings.types import Size
from alluxiofs.testing import make_context
from alluxiofs.testing._files import get, put, soon
from tests.oss_front import OssServer
from tests.servers import GcsServer
from tests.understores.failing import make_store
from tests.understores.needed import needed

needed("gcsfs", "gcs")
needed("ossfs", "oss")

OLD, ADDED = b"old content", b" and more"
# A name that looks like a secret's is hidden where objects are shown, and must not be written back so.
WORDS = {"colour": "red", "token-of-what": "kept as it is"}


@pytest.mark.parametrize("added", [len(ADDED), 700_000])
def test_gcs(gcs_server: GcsServer, added: int) -> None:
    from gcsfs.core import GCSFileSystem

    client = GCSFileSystem(**gcs_server.options, skip_instance_cache=True, use_listings_cache=False)
    bucket = f"test-{uuid4().hex[:12]}"
    client.mkdir(bucket)
    name, data = f"{bucket}/file", (ADDED * added)[:added]
    client.pipe_file(
        name,
        OLD,
        metadata=WORDS,
        content_type="text/x-test",
        fixed_key_metadata={"content_language": "de", "cache_control": "no-store"},
    )
    settings = GcsUnderStore.Settings(part_size=Size(256 * 1024))
    store = GcsUnderStore(Target("gs", gcs_server.options), settings, make_context())
    writer = store.append(name)
    writer.write(memoryview(data))
    writer.commit()
    said = client.info(name)
    assert {field: said.get(field) for field in ("contentType", "contentLanguage", "cacheControl", "metadata")} == {
        "contentType": "text/x-test",
        "contentLanguage": "de",
        "cacheControl": "no-store",
        "metadata": WORDS,
    }
    assert client.cat_file(name) == OLD + data
    store.close()


def test_oss(oss_server: OssServer, s3_client: Any) -> None:
    store = make_store("oss", oss_server.options)
    bucket = f"test-{uuid4().hex[:12]}"
    store.make_directory(bucket, soon())
    said: Dict[str, Any] = {"ContentType": "text/x-test", "ContentLanguage": "de", "Metadata": WORDS}
    s3_client.call_s3("put_object", Bucket=bucket, Key="file", Body=OLD, **said)
    writer = store.append(f"{bucket}/file")
    writer.write(memoryview(ADDED))
    writer.commit()
    head = s3_client.call_s3("head_object", Bucket=bucket, Key="file")
    assert {field: head.get(field) for field in said} == said
    assert get(store, store.stat(f"{bucket}/file", soon())) == OLD + ADDED
    store.close()


@pytest.mark.parametrize("protocol", ["gs", "oss"])
@pytest.mark.parametrize("there", [True, False], ids=["replaced", "made"])
def test_what_others_write_meanwhile_is_not_lost(request: pytest.FixtureRequest, protocol: str, there: bool) -> None:
    """Both append to what the other left, whoever comes first."""
    server = request.getfixturevalue({"gs": "gcs_server", "oss": "oss_server"}[protocol])
    store, other = make_store(protocol, server.options), make_store(protocol, server.options)
    bucket = f"test-{uuid4().hex[:12]}"
    store.make_directory(bucket, soon())
    if there:
        put(store, f"{bucket}/file", OLD)
    mine = store.append(f"{bucket}/file")
    mine.write(memoryview(b"mine"))
    theirs = other.append(f"{bucket}/file")
    theirs.write(memoryview(b"theirs"))
    theirs.commit()
    mine.commit()
    assert get(store, store.stat(f"{bucket}/file", soon())) == (OLD if there else b"") + b"theirsmine"
    with pytest.raises(FileChangedError):
        stale = put(store, f"{bucket}/file", OLD)
        put(other, f"{bucket}/file", OLD[::-1])
        get(store, stale)
    store.close()
    other.close()
