"""Secrets are shown nowhere, and different secrets are still told apart."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluxiofs.errors import ConfigurationError
from alluxiofs.settings import HiddenDict, Secret, hidden, hidden_text, is_secret_name, without_secrets
from alluxiofs.settings.secrets import declare_secrets


@pytest.mark.parametrize(
    "name", ["key", "secret", "token", "password", "AWS_SECRET_ACCESS_KEY", "accountKey", "sessionToken", "DBPassword"]
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["anon", "endpoint_url", "user", "", 3, None])
def test_other_names(name: object) -> None:
    assert not is_secret_name(name)


OPTIONS = {
    "key": "AKIA",
    "anon": False,
    "client_kwargs": {"aws_secret_access_key": "s3cr3t", "endpoint_url": "http://user:pa55@host:9000/x@y"},
    "many": [{"token": "t0ken"}, ("plain", {"Password": "pa55"})],
}
VALUES = ("AKIA", "s3cr3t", "pa55", "t0ken", "user:")


def test_hidden_at_any_depth() -> None:
    assert hidden(OPTIONS) == {
        "key": "***",
        "anon": False,
        "client_kwargs": {"aws_secret_access_key": "***", "endpoint_url": "http://***@host:9000/x@y"},
        "many": [{"token": "***"}, ("plain", {"Password": "***"})],
    }


def test_left_out_at_any_depth() -> None:
    assert without_secrets(OPTIONS) == {
        "anon": False,
        "client_kwargs": {"endpoint_url": "http://host:9000/x@y"},
        "many": [{}, ("plain", {})],
    }


def test_in_json_too() -> None:
    text = json.dumps(OPTIONS)
    assert json.loads(hidden(text)) == json.loads(json.dumps(hidden(OPTIONS)))
    assert json.loads(without_secrets({"options": text})["options"]) == json.loads(json.dumps(without_secrets(OPTIONS)))
    assert not any(value in repr(HiddenDict(options=text)) for value in VALUES)


def test_what_begins_like_json_and_is_none_is_hidden_if_a_secret_may_be_in_it() -> None:
    assert hidden('{"secret": "hunter2"') == "***"
    assert hidden("[not a secret]") == "***"
    assert hidden("[a-z].csv") == "[a-z].csv"
    assert without_secrets("[key]-a") == "[key]-a"  # no argument that is read as JSON could have been this
    assert repr(HiddenDict(prefix="[key]-a")) != repr(HiddenDict(prefix="[key]-b"))


@pytest.mark.parametrize(
    ("url", "shown_as"),
    [
        ("redis://user:pa/ss@host:6379/0", "redis://***@host:6379/0"),
        ("redis://:pa/ss@host", "redis://***@host"),
        ("s3://key:sec/ret@bucket/x", "s3://***@bucket/x"),
        ("s3://key:sec/ret@bucket/mail@example.org", "s3://***@bucket/mail@example.org"),
        ("s3://key:/secret@bucket", "s3://***@bucket"),
        ("s3://key:a/b@c@bucket/x", "s3://***@bucket/x"),
        ("http://user:pa?ss@host/x", "http://***@host/x"),
        ("http://user:pa#ss@host/x", "http://***@host/x"),
        ("http://user:123456/7@host/x", "http://***@host/x"),
        ("http://user:80a/b@host/x", "http://***@host/x"),
        ("alluxiofs::s3://key:sec/ret@bucket/x", "alluxiofs::s3://***@bucket/x"),
        ("alluxiofs://s3://key:sec/ret@bucket/x", "alluxiofs://s3://***@bucket/x"),
        ("no answer of redis://u:p/w@h, nor of redis://u:q/w@h", "no answer of redis://***@h, nor of redis://***@h"),
        ("['redis://u:p/w@h', 'redis://u:q/w@h']", "['redis://***@h', 'redis://***@h']"),
        ("redis://u:p/w@h,redis://u:q/w@h", "redis://***@h,redis://***@h"),
    ],
)
def test_a_password_whose_slashes_are_not_escaped_is_one_all_the_same(url: str, shown_as: str) -> None:
    assert hidden_text(url) == shown_as
    assert hidden(url) == shown_as
    assert without_secrets(url) == shown_as.replace("***@", "")
    assert str(ConfigurationError(url)) == shown_as


@pytest.mark.parametrize(
    "path",
    [
        "s3://bucket/mail@example.org",
        "s3://bucket/a:b/mail@example.org",
        "s3://bucket/a@b/c:d@e",
        "s3://arn:aws:s3:us-west-2:123456789012:accesspoint/mine/mail@example.org",
        "hdfs://namenode:8020/home/me@example.org",
        "http://localhost:9000/bucket/mail@example.org",
        "http://localhost:9000?mail=me@example.org",
        "http://[::1]:9000/bucket/mail@example.org",
        "file:///a:b/c@d",
        "file://C:/Users/me@example.org",
        "alluxiofs://C:/Users/me@example.org",
        "memory://a:b/c@d",
        "alluxiofs://s3://bucket/mail@example.org",
        "alluxiofs::s3://bucket/mail@example.org",
        "zip://*.csv::s3://bucket/mail@example.org",
        "http://127.0.0.1:9464/metrics: write to mail@example.org",
        "s3://bucket: write to mail@example.org",
        "/a:b/c@d",
    ],
)
def test_a_path_with_an_at_sign_is_shown_as_it_is(path: str) -> None:
    assert hidden_text(path) == path
    assert hidden(path) == path
    assert without_secrets(path) == path


@given(st.text("abc:/@?#'[] \n\\", max_size=30), st.text("abc/", min_size=1, max_size=10))
def test_hiding_again_changes_nothing(text: str, more: str) -> None:
    once = hidden_text(f"s3://{text}://{more}")
    assert hidden_text(once) == once


def test_that_nothing_is_set_is_no_secret() -> None:
    assert hidden({"key": None, "token": ""}) == {"key": None, "token": ""}


def test_a_dict_that_hides_is_a_dict() -> None:
    options = HiddenDict(OPTIONS)
    assert options == OPTIONS
    assert options["key"] == "AKIA"
    assert not any(value in repr(options) or value in str(options) for value in VALUES)
    assert pickle.loads(pickle.dumps(options)) == OPTIONS


@given(st.text(), st.text())
def test_reprs_differ_as_the_secrets_do(one: str, other: str) -> None:
    """fsspec keeps instances by the text of their arguments."""
    for wrap in (lambda text: HiddenDict(key=text), lambda text: HiddenDict(a=[{"token": text}]), Secret):
        assert (repr(wrap(one)) == repr(wrap(other))) == (one == other)


def test_reprs_differ_where_the_secret_is_within_others() -> None:
    assert repr(HiddenDict(headers=HiddenDict(token="a"))) != repr(HiddenDict(headers=HiddenDict(token="b")))
    assert repr(HiddenDict(url="s3://a:b@h")) != repr(HiddenDict(url="s3://a:c@h"))
    assert repr(HiddenDict(key=Secret("a"))) != repr(HiddenDict(key=Secret("b")))


def test_a_secret_is_text_that_does_not_show() -> None:
    secret = Secret("hunter2")
    assert secret == "hunter2"
    assert str(secret) == "hunter2"
    assert "hunter2" not in repr(secret)


def test_what_a_component_declares_is_hidden_in_its_own_settings_only() -> None:
    declare_secrets("vault-store", ["pin"])
    options: Any = {"page_store": {"name": "vault-store", "pin": "1234"}, "telemetry": {"name": "board", "pin": "red"}}
    assert hidden(options)["page_store"]["pin"] == "***"
    assert without_secrets(options) == {"page_store": {"name": "vault-store"}, "telemetry": options["telemetry"]}
