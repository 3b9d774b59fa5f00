"""What errors, files and pickles tell a user, and what they keep to themselves."""

from __future__ import annotations

import errno
import http.server
import os
import pickle
import resource
import signal
import threading
import traceback
from pathlib import Path
from typing import Any, Callable, Dict, Iterator

import fsspec
import pytest

from alluxiofs.errors import ConfigurationError, SettingTypeError, UnknownSettingError, failed_write
from alluxiofs.filesystem import AlluxioFileSystem
from tests.filesystem.conftest import Place
from tests.servers import free_port

SECRET = "hunter2"


@pytest.fixture
def path(quick: AlluxioFileSystem, memory: Place) -> str:
    quick.pipe_file(memory.path("file"), b"0123456789")
    return memory.path("file")


# --- credentials --------------------------------------------------------------------------------------------------


class Answers(http.server.BaseHTTPRequestHandler):
    """Gives ``/file``, and status 403 for ``/denied``."""

    def do_GET(self) -> None:
        status = {"/file": 200, "/denied": 403}.get(self.path, 404)
        body = b"text\n" if status == 200 else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 the names that the standard library asks for

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    """A web server's, with a user and a password in it."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://user:{SECRET}@127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def everything_told(error: BaseException) -> str:
    """The error as Python would print it, with its causes, without lines of source."""
    return "".join(
        line
        for line in traceback.format_exception(type(error), error, error.__traceback__)
        if not line.startswith("  File")
    )


def test_open_files_show_no_credentials(url: str) -> None:
    fs = fsspec.filesystem("alluxiofs", target_protocol="http", page_store=None)
    with fs.open(f"{url}/file", "r") as text:
        assert "://***@127.0.0.1" in repr(text)
        assert "://***@127.0.0.1" in repr(text.buffer)
        assert SECRET not in repr(text) + repr(text.buffer)
        assert text.name == f"{url}/file"  # what is asked for is told as it is
        assert text.read() == "text\n"
    with pytest.raises(ValueError, match="closed") as caught:
        text.buffer.read()
    assert SECRET not in everything_told(caught.value)


@pytest.mark.parametrize(
    ("name", "kind"), [("missing", FileNotFoundError), ("denied", (PermissionError, FileNotFoundError))]
)
def test_errors_of_clients_show_no_credentials(url: str, name: str, kind: Any) -> None:
    fs = fsspec.filesystem("alluxiofs", target_protocol="http", page_store=None)
    for call in (fs.info, fs.cat_file, fs.open):
        with pytest.raises(kind) as caught:
            call(f"{url}/{name}")
        assert "://***@127.0.0.1" in str(caught.value)
        assert SECRET not in everything_told(caught.value)


class Unpicklable:
    """Shows a secret wherever it can."""

    def __repr__(self) -> str:
        return SECRET

    def __reduce__(self) -> Any:
        raise TypeError(f"cannot pickle {self!r}")


def test_what_cannot_be_pickled_is_named_and_not_shown() -> None:
    fs = fsspec.filesystem("alluxiofs", target_protocol="memory", target_options={"a": {"b": [1, Unpicklable()]}})
    with pytest.raises(TypeError, match=r"'target_options\.a\.b' cannot be pickled.*Unpicklable\)") as caught:
        pickle.dumps(fs)
    error: Any = caught.value
    while error is not None:
        assert SECRET not in str(error)
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    "options",
    [{"key": "a", "secret": SECRET}, {"client_kwargs": {"auth": {"token": SECRET}}, "many": [{"password": SECRET}]}],
)
def test_a_pickle_of_secrets_makes_an_equal_filesystem(options: Dict[str, Any]) -> None:
    fs = fsspec.filesystem("alluxiofs", target_protocol="memory", target_options=options)
    again = pickle.loads(pickle.dumps(fs))
    assert again == fs
    assert hash(again) == hash(fs)
    assert again.storage_options == fs.storage_options
    assert SECRET not in repr(again.storage_options)
    other = fsspec.filesystem("alluxiofs", target_protocol="memory", target_options={**options, "secret": "another"})
    assert again != other


# --- disks --------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_files() -> Iterator[int]:
    """No file of this process may grow beyond so many bytes: the system refuses it in the midst of a write."""
    old, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, old[1]))
    yield 100_000
    resource.setrlimit(resource.RLIMIT_FSIZE, old)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("mode", ["wb", "ab"])
def test_a_write_that_fails_names_the_file(
    local: Place, filesystem: Callable[..., AlluxioFileSystem], small_files: int, mode: str
) -> None:
    fs, name = filesystem(local), local.path("large")
    fs.pipe_file(name, b"old")
    with pytest.raises(OSError) as caught, fs.open(name, mode) as file:  # noqa: PT011 the number is looked at
        file.write(bytes(2 * small_files))
    assert caught.value.errno == errno.EFBIG
    assert caught.value.filename == name
    assert fs.cat_file(name) == b"old"
    assert os.listdir(local.root) == ["large"]


def test_a_download_that_fails_names_the_file(
    quick: AlluxioFileSystem, path: str, tmp_path: Path, small_files: int
) -> None:
    quick.pipe_file(path, bytes(2 * small_files))
    with pytest.raises(OSError) as caught:  # noqa: PT011 the number is looked at
        quick.get_file(path, str(tmp_path / "target"))
    assert caught.value.errno == errno.EFBIG
    assert caught.value.filename == str(tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_the_error_of_a_write_keeps_its_type_and_says_what_to_do() -> None:
    full = failed_write("/data/target", OSError(errno.ENOSPC, "No space left on device"))
    assert str(full) == "[Errno 28] No space left on device: free space there, or write elsewhere: '/data/target'"
    denied = failed_write("/data/target", PermissionError(errno.EACCES, "Permission denied", "/data/.partial"))
    assert isinstance(denied, PermissionError)
    assert "/data/.partial" not in str(denied)
    assert "the right to write its directory" in str(denied)
    plain = OSError("without a number")
    assert failed_write("/data/target", plain) is plain


# --- arguments ----------------------------------------------------------------------------------------------------


def test_sizes_may_be_text(quick: AlluxioFileSystem, path: str) -> None:
    with quick.open(path, block_size="1MB") as file:
        assert file.blocksize == 2**20
        assert pickle.loads(pickle.dumps(file)).read() == b"0123456789"
    with quick.open(path, cache_options={"readahead": "4KB"}) as file:
        assert file.read() == b"0123456789"


@pytest.mark.parametrize("value", [1.5, True, [1], b"1"])
def test_sizes_of_another_type_are_refused(quick: AlluxioFileSystem, path: str, value: Any) -> None:
    with pytest.raises(SettingTypeError, match="block_size"):
        quick.open(path, block_size=value)
    with pytest.raises(SettingTypeError, match="readahead"):
        quick.open(path, cache_options={"readahead": value})
    with pytest.raises(SettingTypeError, match="threads"):
        quick.cp(path, f"{path}-copy", threads=value)
    with pytest.raises(SettingTypeError, match="num_of_bytes"):
        quick.head(path, value)


@pytest.mark.parametrize("value", [0, -1, "0", "lots"])
def test_sizes_that_are_none_are_refused(quick: AlluxioFileSystem, path: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match="block_size"):
        quick.open(path, block_size=value)


def test_a_misspelt_argument_is_refused_and_those_of_others_are_not(quick: AlluxioFileSystem, path: str) -> None:
    for method, name in (("cat_file", "strat"), ("read_bytes", "ends"), ("head", "num_bytes"), ("tail", "refrsh")):
        with pytest.raises(UnknownSettingError, match=rf"{name!r}; did you mean '"):
            getattr(quick, method)(path, **{name: 1})
    with pytest.raises(UnknownSettingError, match="did you mean 'max_gap'"):
        quick.cat_ranges([path], 0, 1, maxgap=1)
    others: Dict[str, Any] = {
        "batch_size": 3,
        "callback": None,
        "on_error": "raise",
        "version_id": "x",
        "nofiles": True,
    }
    assert quick.cat_file(path, **others) == b"0123456789"


@pytest.mark.filterwarnings("ignore:Read is outside the known file parts:UserWarning")
def test_a_cache_of_known_parts_says_what_it_has_not(quick: AlluxioFileSystem, path: str) -> None:
    with quick.open(path, cache_type="parts") as file:
        try:
            assert file.read() == b"0123456789"  # older releases of fsspec fetch what is missing, and warn
        except ConfigurationError as error:
            assert "cache_options['data']" in str(error)  # noqa: PT017 newer ones raise


def test_the_warning_of_preload_path_names_what_there_is() -> None:
    with pytest.warns(FutureWarning, match=r"'preload_path'.*cat_file\(path\)"):
        fsspec.filesystem("alluxiofs", target_protocol="memory", preload_path="/x", skip_instance_cache=True)


@pytest.mark.parametrize(
    ("call", "wrong", "right"),
    [
        (lambda fs, path, **wrong: fs.touch(path, **wrong), "truncat", "truncate"),
        (lambda fs, path, **wrong: fs.mkdir(f"{path}-d", **wrong), "create_parent", "create_parents"),
        (lambda fs, path, **wrong: fs.cp(path, f"{path}-c", **wrong), "recursiv", "recursive"),
        (lambda fs, path, **wrong: fs.mv(path, f"{path}-c", **wrong), "recursiv", "recursive"),
        (lambda fs, path, **wrong: fs.find(path, **wrong), "maxdpeth", "maxdepth"),
        (lambda fs, path, **wrong: fs.du(path, **wrong), "totl", "total"),
        (lambda fs, path, **wrong: fs.ls(path, **wrong), "detial", "detail"),
        (lambda fs, path, **wrong: fs.info(path, **wrong), "refesh", "refresh"),
        (lambda fs, path, **wrong: fs.exists(path, **wrong), "refesh", "refresh"),
        (lambda fs, path, **wrong: fs.glob(path, **wrong), "detial", "detail"),
        (lambda fs, path, **wrong: list(fs.walk(path, **wrong)), "topdwon", "topdown"),
        (lambda fs, path, **wrong: fs.upload(__file__, f"{path}-u", **wrong), "calback", "callback"),
        (lambda fs, path, **wrong: fs.get(path, "/nowhere/at/all", **wrong), "recusive", "recursive"),
        (lambda fs, path, **wrong: fs.cat(path, **wrong), "on_eror", "on_error"),
        (lambda fs, path, **wrong: fs.pipe_file(path, b"", **wrong), "mod", "mode"),
        (lambda fs, path, **wrong: fs.head(path, **wrong), "num_of_byte", "num_of_bytes"),
    ],
)
def test_a_misspelt_argument_does_nothing_but_say_so(
    quick: AlluxioFileSystem, path: str, call: Any, wrong: str, right: str
) -> None:
    with pytest.raises(UnknownSettingError, match=rf"no argument '{wrong}'; did you mean '{right}'"):
        call(quick, path, **{wrong: False})
    assert quick.cat_file(path) == b"0123456789"
    assert quick.ls(quick._parent(path)) == [path]


def test_arguments_of_other_filesystems_mean_nothing(quick: AlluxioFileSystem, path: str) -> None:
    assert quick.info(path, version_id=None, detail=True)["name"] == path
    assert quick.ls(path, versions=False) == [path]
