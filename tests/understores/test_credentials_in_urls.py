"""Credentials in a URL of an object store, where they have no place: they are shown nowhere."""

from __future__ import annotations

import logging
import traceback
from typing import Any, Callable, Dict

import fsspec
import pytest

from alluxiofs.errors import InvalidPathError
from alluxiofs.plugins._obstore.library import OLDEST_PYTHON
from tests.understores.needed import needed

needed("s3fs", "s3")

CALLS: Dict[str, Callable[[Any, str], object]] = {
    "info": lambda fs, url: fs.info(url),
    "ls": lambda fs, url: fs.ls(url),
    "find": lambda fs, url: fs.find(url),
    "cat_file": lambda fs, url: fs.cat_file(url),
    "cat_file of a part": lambda fs, url: fs.cat_file(url, 1, 2),
    "open": lambda fs, url: fs.open(url).read(),
    "pipe_file": lambda fs, url: fs.pipe_file(url, b"1"),
    "rm": lambda fs, url: fs.rm(url),
    "cp": lambda fs, url: fs.cp_file(url, "bucket/copy"),
    "sign": lambda fs, url: fs.sign(url),
}


NOBODY = "http://127.0.0.1:1"
STORES: Dict[str, Dict[str, Any]] = {
    "s3": {"target_options": {"key": "a", "secret": "b", "endpoint_url": NOBODY}},
    "obstore": {
        "target_protocol": "s3",
        "under_store": "obstore",
        "target_options": {"key": "a", "secret": "b", "endpoint_url": NOBODY},
    },
    "gs": {"target_options": {"token": "anon", "endpoint_url": NOBODY}},
    "oss": {"target_options": {"key": "a", "secret": "b", "endpoint": NOBODY}},
}
URLS = {
    "as it should be": "AKIA:hunter2@bucket/x",
    "a slash": "AKIA:hun/hunter2@bucket/x",
    "another at sign": "AKIA:hun/hunter2@bucket/mail@example.org",
}


def check(caplog: pytest.LogCaptureFixture, store: str, call: str, name: str) -> None:
    caplog.set_level(logging.DEBUG, "alluxiofs")
    told = {"target_protocol": store, **STORES[store]}
    fs = fsspec.filesystem("alluxiofs", **told, page_store=None, skip_instance_cache=True)
    with pytest.raises(InvalidPathError, match="credentials are not for URLs") as caught:
        CALLS[call](fs, f"{told['target_protocol']}://{name}")
    shown = "".join(traceback.format_exception_only(type(caught.value), caught.value))
    said = [str(caught.value.__cause__), str(caught.value.__context__), *map(str, vars(caught.value).values())]
    for text in (shown, *said, caplog.text, *(str(vars(record)) for record in caplog.records)):
        assert "hunter2" not in text


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("url", URLS)
def test_they_are_neither_sent_nor_shown(caplog: pytest.LogCaptureFixture, call: str, url: str) -> None:
    check(caplog, "s3", call, URLS[url])


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("store", "module", "extra"),
    [("obstore", "obstore", "fast"), ("gs", "gcsfs", "gcs"), ("oss", "ossfs", "oss")],
    ids=["obstore", "gs", "oss"],
)
def test_nor_are_they_with_other_object_stores(
    caplog: pytest.LogCaptureFixture, call: str, store: str, module: str, extra: str
) -> None:
    needed(module, extra, since=OLDEST_PYTHON if store == "obstore" else (3, 8))
    check(caplog, store, call, URLS["a slash"])
