"""Credentials that somebody has written into a URL of S3, where they have no place: they are shown nowhere."""

from __future__ import annotations

import logging
import traceback
from typing import Any, Callable, Dict

import fsspec
import pytest

from alluxiofs.errors import InvalidPathError
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


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "url",
    ["s3://AKIA:hunter2@bucket/x", "s3://AKIA:hun/hunter2@bucket/x", "s3://AKIA:hun/hunter2@bucket/mail@example.org"],
    ids=["as it should be", "a slash", "another at sign"],
)
def test_they_are_neither_sent_nor_shown(caplog: pytest.LogCaptureFixture, call: str, url: str) -> None:
    caplog.set_level(logging.DEBUG, "alluxiofs")
    fs = fsspec.filesystem(
        "alluxiofs",
        target_protocol="s3",
        target_options={"key": "a", "secret": "b", "endpoint_url": "http://127.0.0.1:1"},
        page_store=None,
        skip_instance_cache=True,
    )
    with pytest.raises(InvalidPathError, match="credentials are not for URLs of S3") as caught:
        CALLS[call](fs, url)
    shown = "".join(traceback.format_exception_only(type(caught.value), caught.value))
    said = [str(caught.value.__cause__), str(caught.value.__context__), *map(str, vars(caught.value).values())]
    for text in (shown, *said, caplog.text, *(str(vars(record)) for record in caplog.records)):
        assert "hunter2" not in text
