"""What the under store s3 says when the store refuses: a failure never looks like absence."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Dict, Iterator, Tuple, Type

import fsspec
import pytest

import alluxiofs
from alluxiofs.errors import ConfigurationError, InvalidPathError, NotSupportedError, UnknownSettingError
from alluxiofs.interfaces import Deadline, Entry, Target, UnderStore
from alluxiofs.plugins.under_store_fsspec import FsspecUnderStore
from alluxiofs.plugins.under_store_s3 import S3UnderStore
from alluxiofs.testing import make_context
from alluxiofs.testing._files import soon
from tests.faults import Fault, FaultProxy, close, stall, status
from tests.servers import S3Server

Wrong = Dict[str, Any]


def make(options: Dict[str, Any]) -> UnderStore:
    return S3UnderStore(Target("s3", options), S3UnderStore.Settings(), make_context())


@pytest.fixture
def store(s3_server: S3Server) -> Iterator[UnderStore]:
    store = make(s3_server.options)
    yield store
    store.close()


@pytest.fixture
def entry(store: UnderStore, s3_bucket: str) -> Entry:
    writer = store.create(f"{s3_bucket}/directory/file")
    writer.write(memoryview(b"content"))
    writer.commit()
    return store.stat(f"{s3_bucket}/directory/file", Deadline.after(60))


@pytest.fixture(params=["key", "secret", "token"])
def wrong(request: pytest.FixtureRequest, s3_server: S3Server) -> Wrong:
    """Options with credentials that the store does not know; of an unknown key versitygw says 404, of a token 400."""
    return {**s3_server.options, request.param: "unknown-here"}


def write(store: UnderStore, entry: Entry) -> None:
    writer = store.create(entry.name)
    writer.write(memoryview(b"other"))
    writer.commit()


STORE_CALLS: Dict[str, Callable[[UnderStore, Entry], Any]] = {
    "append": lambda store, entry: store.append(entry.name),
    "copy": lambda store, entry: store.copy(entry.name, f"{entry.name}-2", Deadline.after(60)),
    "create": write,
    "create exclusive": lambda store, entry: store.create(f"{entry.name}-2", exclusive=True),
    "list": lambda store, entry: list(store.list(entry.name.rpartition("/")[0], Deadline.after(60))),
    "list buckets": lambda store, _: list(store.list("", Deadline.after(60))),
    "make_directory": lambda store, entry: store.make_directory(f"{entry.name}-2", Deadline.after(60)),
    "move": lambda store, entry: store.move(entry.name, f"{entry.name}-2", Deadline.after(60)),
    "read": lambda store, entry: store.read_into(
        entry.name, entry.version, 0, memoryview(bytearray(7)), Deadline.after(60)
    ),
    "remove": lambda store, entry: store.remove(entry.name, Deadline.after(60)),
    "remove_directory": lambda store, entry: store.remove_directory(
        entry.name.rpartition("/")[0], Deadline.after(60), recursive=True
    ),
    "stat": lambda store, entry: store.stat(entry.name, Deadline.after(60)),
    "stat a bucket": lambda store, entry: store.stat(entry.name.partition("/")[0], Deadline.after(60)),
    "touch": lambda store, entry: store.touch(entry.name, Deadline.after(60), truncate=False),
}


@pytest.mark.parametrize("call", STORE_CALLS.values(), ids=STORE_CALLS)
def test_unknown_credentials_are_refused_by_every_call(
    store: UnderStore, entry: Entry, wrong: Wrong, call: Callable[[UnderStore, Entry], Any]
) -> None:
    refused = make(wrong)
    with pytest.raises(PermissionError) as caught:
        call(refused, entry)
    assert str(caught.value).count(entry.name) <= 1
    assert "unknown-here" not in str(caught.value)
    refused.close()
    assert store.stat(entry.name, Deadline.after(60)).version == entry.version


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("cat", ()),
        ("copy", ("s3://bucket/other",)),
        ("exists", ()),
        ("info", ()),
        ("isfile", ()),
        ("open", ()),
        ("open", ("wb",)),
        ("pipe", (b"other",)),
        ("rm", ()),
    ],
)
def test_and_the_filesystem_above_says_so_of_a_file(
    store: UnderStore, entry: Entry, wrong: Wrong, method: str, arguments: Tuple[Any, ...]
) -> None:
    fs = alluxiofs.AlluxioFileSystem(target_protocol="s3", target_options=wrong, skip_instance_cache=True)
    with pytest.raises(PermissionError), contextlib.ExitStack() as stack:
        answer = getattr(fs, method)(f"s3://{entry.name}", *arguments)
        if method == "open":  # a file that is written is refused when it is closed, at the latest
            stack.enter_context(answer)
    assert store.stat(entry.name, Deadline.after(60)).version == entry.version


@pytest.mark.parametrize(
    ("method", "options"),
    [("du", {}), ("find", {}), ("glob", {}), ("isdir", {}), ("ls", {}), ("rm", {"recursive": True})],
)
def test_and_of_a_directory(
    store: UnderStore, entry: Entry, wrong: Wrong, method: str, options: Dict[str, Any]
) -> None:
    fs = alluxiofs.AlluxioFileSystem(target_protocol="s3", target_options=wrong, skip_instance_cache=True)
    path = f"s3://{entry.name.rpartition('/')[0]}"
    with pytest.raises(PermissionError):
        getattr(fs, method)(f"{path}/*" if method == "glob" else path, **options)
    assert store.stat(entry.name, Deadline.after(60)).version == entry.version


@pytest.mark.parametrize("body", [b"", b"<html>Not Found</html>", b"<Error><Code>NoSuchThing</Code></Error>"])
def test_another_404_is_no_absence(s3_server: S3Server, entry: Entry, body: bytes) -> None:
    with FaultProxy(s3_server.host, s3_server.port) as proxy:
        proxy.fault(status(404, body), times=None)
        store = make(s3_server.options_at(f"http://{proxy.host}:{proxy.port}"))
        for call in (STORE_CALLS["stat"], STORE_CALLS["list"], STORE_CALLS["read"], STORE_CALLS["remove"]):
            with pytest.raises(OSError, match="404") as caught:
                call(store, entry)
            assert not isinstance(caught.value, (FileNotFoundError, NotSupportedError))
        store.close()


def test_what_has_no_key_is_a_bucket_or_missing(store: UnderStore, s3_bucket: str, entry: Entry) -> None:
    with pytest.raises(IsADirectoryError):
        store.create(s3_bucket)
    with pytest.raises(FileNotFoundError, match="NoSuchBucket"):
        store.create("no-such-bucket-here")
    with pytest.raises(FileNotFoundError, match="NoSuchBucket"):
        store.copy(entry.name, "no-such-bucket-here", Deadline.after(60))


def test_no_credentials_at_all_are_said_once(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    store = make({"endpoint_url": s3_server.endpoint})
    with pytest.raises(PermissionError) as caught:
        store.stat("bucket", Deadline.after(60))
    said = str(caught.value)
    assert said.startswith("[Errno 13] Unable to locate credentials; credentials are the 'key' and 'secret' of target")
    assert all(way in said for way in ("AWS_ACCESS_KEY_ID", "profile", "anon=True"))
    assert said.count("Unable to locate") == 1
    store.close()


def test_a_status_without_a_body_is_said_once(s3_server: S3Server) -> None:
    with FaultProxy(s3_server.host, s3_server.port) as proxy:
        proxy.fault(status(403), method="HEAD")
        store = make(s3_server.options_at(f"http://{proxy.host}:{proxy.port}"))
        with pytest.raises(PermissionError) as caught:
            store.stat("bucket/key", Deadline.after(60))
        assert str(caught.value).startswith(
            "[Errno 13] Forbidden (HTTP 403); credentials are the 'key' and 'secret' of"
        )
        assert str(caught.value).count("Forbidden") == 1
        assert caught.value.filename == "bucket/key"
        store.close()


@pytest.mark.parametrize(("wrong", "right"), [("endpoint_ur", "endpoint_url"), ("profil", "profile")])
def test_an_option_that_s3fs_does_not_have_names_the_nearest(wrong: str, right: str) -> None:
    with pytest.raises(UnknownSettingError, match=f"target_options: .*'{wrong}'; did you mean '{right}'"):
        make({wrong: "x"})


@pytest.mark.parametrize(
    ("option", "value"),
    [("profile", None), ("requester_pays", True), ("use_listings_cache", True), ("session", None), ("max_paths", 3)],
)
def test_options_of_s3fs_of_fsspec_and_of_the_session_are_known(option: str, value: Any) -> None:
    assert make({option: value}).target.options == {option: value}
    with pytest.raises(UnknownSettingError, match=f"no option '{option}_'; did you mean '{option}'"):
        make({f"{option}_": value})


@pytest.mark.parametrize("options", [{"endpoint_url": "h:1"}, {"client_kwargs": {"endpoint_url": "h:1"}}])
def test_an_address_without_a_scheme_says_what_to_write(options: Dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="endpoint_url 'h:1' has no scheme: write http:// or https:// before"):
        make(options)


@pytest.mark.parametrize("inner", [False, True], ids=["an option", "of the client"])
def test_an_address_with_a_password_whose_slash_is_not_escaped_is_shown_without_it(inner: bool) -> None:
    address = {"endpoint_url": "http://user:hunter2/more@h:1"}
    with pytest.raises(ConfigurationError, match=r"endpoint_url 'http://\*\*\*@h:1' is no URL") as caught:
        make({"client_kwargs": address} if inner else address)
    assert caught.value.__cause__ is None


def test_a_bucket_that_cannot_be_called_so_is_a_wrong_path(store: UnderStore) -> None:
    for change in (store.make_directory, store.stat):
        with pytest.raises(InvalidPathError, match='Bad_Bucket!!: Invalid bucket name "Bad_Bucket!!"'):
            change("Bad_Bucket!!", Deadline.after(60))


def test_keys_that_were_not_removed_are_named(s3_server: S3Server, entry: Entry) -> None:
    key = entry.name.partition("/")[2]
    errors = "".join(
        f"<Error><Key>{each}</Key><Code>AccessDenied</Code><Message>no</Message></Error>" for each in (key, "another")
    )
    with FaultProxy(s3_server.host, s3_server.port) as proxy:
        proxy.fault(status(200, f"<DeleteResult>{errors}</DeleteResult>".encode()), method="POST")
        store = make(s3_server.options_at(f"http://{proxy.host}:{proxy.port}"))
        store.create(f"{entry.name}-2").commit()
        with pytest.raises(PermissionError, match="no; 1 more were not removed either") as caught:
            store.remove_directory(entry.name.rpartition("/")[0], Deadline.after(60), recursive=True)
        assert caught.value.filename == entry.name
        store.close()


GENERAL: Dict[str, Callable[[Any, str], object]] = {
    "info": lambda fs, bucket: fs.info(f"{bucket}/file"),
    "read": lambda fs, bucket: fs.cat_file(f"{bucket}/file"),
    "list": lambda fs, bucket: fs.ls(bucket),
    "find": lambda fs, bucket: fs.find(bucket),
    "write": lambda fs, bucket: fs.pipe_file(f"{bucket}/file", b"new"),
    "remove": lambda fs, bucket: fs.rm(f"{bucket}/file"),
}


@pytest.mark.parametrize("option", ["key", "secret", "token"])
@pytest.mark.parametrize("operation", GENERAL)
def test_the_general_plugin_says_so_as_well(s3_server: S3Server, s3_bucket: str, option: str, operation: str) -> None:
    """s3fs has no PermissionError for some of the store's words, and none where an answer has no body."""
    fs = fsspec.filesystem(
        "alluxiofs",
        target_protocol="s3",
        target_options={**s3_server.options, option: "unknown-here"},
        under_store="fsspec",
        page_store=None,
        skip_instance_cache=True,
    )
    with pytest.raises(PermissionError) as caught:
        GENERAL[operation](fs, s3_bucket)
    assert "unknown-here" not in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "kind"), [(close(performed=False), ConnectionError), (stall(), TimeoutError)], ids=["closed", "stall"]
)
def test_the_general_plugin_tells_of_connections_that_fail(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, fault: Fault, kind: Type[OSError]
) -> None:
    """What botocore has for them is no OSError, and s3fs hands it on."""
    from s3fs import S3FileSystem

    monkeypatch.setattr(S3FileSystem, "retries", 1)
    with FaultProxy(s3_server.host, s3_server.port) as proxy:
        proxy.fault(fault, times=None)
        limits = {"config_kwargs": {"retries": {"max_attempts": 0}, "read_timeout": 0.5}}
        target = Target("s3", {**s3_server.options_at(f"http://{proxy.host}:{proxy.port}"), **limits})
        store = FsspecUnderStore(target, FsspecUnderStore.Settings(), make_context())
        for ask in (lambda: store.stat("bucket/key", soon()), lambda: list(store.list("bucket", soon()))):
            with pytest.raises(kind):
                ask()
        store.close()
