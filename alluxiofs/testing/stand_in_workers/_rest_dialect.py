"""The newer worker's REST protocol: statuses for what goes wrong, and a data port that gives ranges of files."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Tuple
from urllib.parse import parse_qsl, quote, unquote

from alluxiofs.testing.stand_in_workers._entries import Written, entry_of
from alluxiofs.testing.stand_in_workers._master import JobOptions, Refusal, Stage
from alluxiofs.testing.stand_in_workers._messages import Answer, Request, Slice, json_answer
from alluxiofs.testing.stand_in_workers._paths import file_id

if TYPE_CHECKING:
    from alluxiofs.testing.stand_in_workers._core import Core
    from alluxiofs.testing.stand_in_workers._under_store import Stored

__all__ = ["RestDialect"]

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_PAGE = re.compile(r"\d{1,9}")
_Found = Tuple[str, Optional[Answer]]
_Query = Dict[str, str]


class _RefusedError(Exception):
    """The request is answered with a status other than 2xx."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class RestDialect:
    """Answers requests to one worker."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._written = Written()
        self._get: Dict[str, Callable[[List[str], _Query], Answer]] = {
            "health": lambda _segments, _query: Answer(body=b"worker is active"),
            "files": self._files,
            "info": self._info,
            "node": self._node,
            "ufsInfo": self._ufs_info,
            "file": self._page,
            "chunk": self._chunk,
            "head": self._head,
            "tail": self._tail,
            "load": self._load,
        }
        self._post: Dict[str, Callable[[List[str], _Query, bytes], None]] = {
            "file": self._write_page,
            "chunk": self._write,
            "mkdir": self._mkdir,
            "touch": self._touch,
            "rm": self._rm,
            "mv": self._mv,
            "copy": self._copy,
        }

    def answer(self, request: Request) -> _Found:
        """What the HTTP port answers."""
        path, _, query = request.target.partition("?")
        segments = path.strip("/").split("/")
        if segments[0] != "v1" or len(segments) < 2:
            return "other", _refused(404, f"{path}: there is no such end point")
        point, rest = segments[1], segments[2:]
        if request.method == "GET" and point in self._get:
            get = self._get[point]
            return "page" if point == "file" else point, _guarded(lambda: get(rest, _parsed(query)))
        if request.method in ("POST", "PUT") and point in self._post:
            post = self._post[point]

            def change() -> Answer:
                post(rest, _parsed(query), request.body)
                return json_answer({"success": True})

            return "write" if point == "file" else point, _guarded(change)
        known = point in self._get or point in self._post
        return "other", _refused(405 if known else 404, f"{request.method} {path}: there is no such end point")

    def answer_data(self, request: Request) -> _Found:
        """What the data port answers."""
        if request.method != "GET":
            return "data", _refused(405, "only GET")
        return "data", _guarded(lambda: self._data(request))

    # --- reading --------------------------------------------------------------------------------------------------

    def _files(self, _segments: List[str], query: _Query) -> Answer:
        key = self._key(_needed(query, "path"))
        found = self._core.peers.files(key)
        if not found:
            self._stored(key)
        held = self._core.pages.count()
        return self._written.of("files", key, found, held, lambda: json_answer([self._entry(one) for one in found]))

    def _info(self, _segments: List[str], query: _Query) -> Answer:
        key = self._key(_needed(query, "path"))
        found = self._stored(key)
        held = self._core.pages.count()
        return self._written.of("info", key, found, held, lambda: json_answer([self._entry(found)]))

    def _node(self, _segments: List[str], query: _Query) -> Answer:
        owner = self._core.peers.in_charge(self._key(_needed(query, "path")))
        return json_answer({"Host": owner.host, "HttpServerPort": owner.http_port})

    def _ufs_info(self, _segments: List[str], _query: _Query) -> Answer:
        plan = self._core.plan
        return json_answer({plan.root.url: {"alluxio_path": plan.mount, "secret": "not-to-be-shown"}})

    def _page(self, segments: List[str], query: _Query) -> Answer:
        if len(segments) != 3 or not _PAGE.fullmatch(segments[2]):
            raise _RefusedError(400, "file/{id}/page/{index} is needed")
        file, index = segments[0], int(segments[2])
        kept = self._core.pages.get(file, index)
        if kept is None:
            self._hold(self._file(file, query))
            kept = self._core.pages.get(file, index)
        if kept is None:
            raise _RefusedError(404, f"there is no page {index}")
        offset = _number(query, "offset", 0)
        length = _number(query, "length", kept.length)
        if offset > kept.length:
            raise _RefusedError(400, f"offset={offset} is behind the end of the page")
        descriptor = self._core.pages.descriptor
        body = Slice(descriptor, kept.start + offset, min(length, kept.length - offset))
        return Answer(content_type="application/octet-stream", body=body, whole=Slice(descriptor, *kept))

    def _chunk(self, segments: List[str], query: _Query) -> Answer:
        whole = self._hold(self._file(_first(segments), query))
        return Answer(body=whole, whole=whole, chunk=max(1, _number(query, "chunkSize", self._core.plan.page_size)))

    def _head(self, segments: List[str], query: _Query) -> Answer:
        whole = self._hold(self._file(_first(segments), query))
        length = min(_number(query, "numOfBytes", 1024), whole.length)
        return Answer(body=whole._replace(length=length), whole=whole)

    def _tail(self, segments: List[str], query: _Query) -> Answer:
        whole = self._hold(self._file(_first(segments), query))
        length = min(_number(query, "numOfBytes", 1024), whole.length)
        return Answer(body=whole._replace(start=whole.start + whole.length - length, length=length), whole=whole)

    def _data(self, request: Request) -> Answer:
        plan, path = self._core.plan, unquote(request.target.partition("?")[0])
        key = self._key(path)
        owner = self._core.peers.in_charge(key)
        if plan.redirect_data and owner != self._core.peers.own:
            host = f"[{owner.host}]" if ":" in owner.host else owner.host
            location = f"http://{host}:{owner.data_port}{quote(path)}"
            return Answer(307, "", b"", (("location", location),))
        whole = self._hold(key)
        asked = _RANGE.fullmatch(request.headers.get("range", ""))
        if asked is None or not (asked[1] or asked[2]):
            return Answer(content_type="application/octet-stream", body=whole, whole=whole)
        begin, end = _span(asked[1], asked[2], whole.length)
        if begin >= end:
            length = ("content-range", f"bytes */{whole.length}")
            return Answer(416, "", b"", (length,))
        said = ("content-range", f"bytes {begin}-{end - 1}/{whole.length}")
        body = Slice(whole.descriptor, whole.start + begin, end - begin)
        return Answer(206, "application/octet-stream", body, (said,), whole)

    # --- changing -------------------------------------------------------------------------------------------------

    def _write(self, segments: List[str], query: _Query, body: bytes) -> None:
        key = self._file(_first(segments), query)
        self._core.plan.store.write(self._name(key), io.BytesIO(body))
        self._core.peers.forget(key)

    def _write_page(self, segments: List[str], query: _Query, body: bytes) -> None:
        if len(segments) != 3 or not _PAGE.fullmatch(segments[2]):
            raise _RefusedError(400, "file/{id}/page/{index} is needed")
        key, store = self._file(segments[0], query), self._core.plan.store
        before = b""
        if segments[2].strip("0"):
            with store.open(self._name(key)) as source:
                before = source.read()
        if len(before) != int(segments[2]) * self._core.plan.page_size:
            raise _RefusedError(400, "the pages of a file are written one after the other")
        store.write(self._name(key), io.BytesIO(before + body))
        self._core.peers.forget(key)

    def _mkdir(self, segments: List[str], query: _Query, _body: bytes) -> None:
        key = self._file(_first(segments), query)
        self._core.plan.store.make_directory(self._name(key))
        self._core.peers.forget(key)

    def _touch(self, segments: List[str], query: _Query, _body: bytes) -> None:
        key = self._file(_first(segments), query)
        if self._core.metadata.look(key) is None:
            self._core.plan.store.write(self._name(key), io.BytesIO())
        self._core.peers.forget(key)

    def _rm(self, segments: List[str], query: _Query, _body: bytes) -> None:
        key = self._file(_first(segments), query)
        if query.get("removeAlluxioOnly", "").lower() != "true":
            found = self._core.metadata.look(key)
            if found is None:
                raise _RefusedError(404, f"{key}: there is no such file")
            recursive = query.get("recursive", "").lower() == "true"
            if not (found.is_file or recursive) and self._core.plan.store.list(found.name):
                raise _RefusedError(412, f"{key}: the directory is not empty")
            self._core.plan.store.remove(found.name, recursive)
        self._core.peers.forget(key)

    def _mv(self, _segments: List[str], query: _Query, _body: bytes) -> None:
        self._from_to(query, self._core.plan.store.move)

    def _copy(self, _segments: List[str], query: _Query, _body: bytes) -> None:
        self._from_to(query, self._core.plan.store.copy)

    def _from_to(self, query: _Query, change: Callable[[str, str], None]) -> None:
        source, target = self._key(_needed(query, "srcPath")), self._key(_needed(query, "dstPath"))
        change(self._name(source), self._name(target))
        self._core.peers.forget(source)
        self._core.peers.forget(target)

    # --- load jobs ------------------------------------------------------------------------------------------------

    def _load(self, _segments: List[str], query: _Query) -> Answer:
        path, operation, master = _needed(query, "path"), _needed(query, "opType"), self._core.master
        if master is None:
            raise _RefusedError(503, "there is no master")
        if operation == "submit":
            try:
                job = master.submit(path, JobOptions.parse(query))
            except ValueError as error:
                raise _RefusedError(400, "bandwidth is no number") from error
            if isinstance(job, Refusal):
                raise _RefusedError(409 if job is Refusal.BUSY else 404, f"{path}: {job.value}")
            return json_answer({"success": True, "jobId": job})
        if operation == "stop":
            return json_answer({"success": master.stop(path)})
        if operation != "progress":
            raise _RefusedError(400, f"opType={operation} is not known")
        report = master.progress(path)
        if report is None:
            raise _RefusedError(404, f"{path}: there is no load job")
        verifying = report.stage is Stage.LOADED and report.options.verify
        state = report.stage.name if report.stage.ended else "VERIFYING" if verifying else "RUNNING"
        details = {
            "inodesScanned": report.scanned,
            "inodesProcessed": report.processed,
            "bytesLoaded": report.loaded,
            "bytesTotal": report.total,
            "filesFailed": len(report.failed),
        }
        return json_answer({"jobState": state, **details})

    # --- paths ----------------------------------------------------------------------------------------------------

    def _key(self, path: str) -> str:
        plan = self._core.plan
        if path == plan.mount or path.startswith(plan.mount + "/"):
            return plan.root.url_of(path[len(plan.mount) :])
        if plan.root.name(path) is None:
            raise _RefusedError(404, f"{path}: neither below {plan.root.url} nor below {plan.mount}")
        return plan.root.url_of(path)

    def _name(self, key: str) -> str:
        name = self._core.plan.root.name(key)
        if not name:
            raise _RefusedError(400, f"{key}: the root cannot be changed")
        return name

    def _file(self, file: str, query: _Query) -> str:
        """The URL of a file that is named by its id, and the id once more by its URL."""
        key = self._key(_needed(query, "ufsFullPath"))
        if file_id(key) != file:
            raise _RefusedError(400, f"{file} is not the id of {key}")
        return key

    def _stored(self, key: str) -> Stored:
        found = self._core.peers.info(key)
        if found is None:
            raise _RefusedError(404, f"{key}: there is no such file")
        return found

    def _hold(self, key: str) -> Slice:
        """Hold a file, read from the under store if it is not held yet."""
        pages, file = self._core.pages, file_id(key)
        kept = pages.whole(file)
        if kept is None:
            if self._core.load(key) is None:
                raise _RefusedError(404, f"{key}: there is no such file")
            kept = pages.whole(file)
        if kept is None:
            raise _RefusedError(500, f"{key}: it could not be held")
        return Slice(pages.descriptor, *kept)

    def _entry(self, stored: Stored) -> Dict[str, Any]:
        plan = self._core.plan
        held = 100 if self._core.pages.whole(file_id(plan.root.url_of(stored.name))) else 0
        entry = {
            **entry_of(stored, plan.root),
            "mPath": f"{plan.mount}/{stored.name}" if stored.name else plan.mount,
            "mCompleted": True,
            "mOwner": "alluxio",
            "mGroup": "alluxio",
            "mMode": 0o644 if stored.is_file else 0o755,
            "mCreationTimeMs": stored.mtime_ms,
            "mLastAccessTimeMs": stored.mtime_ms,
            "mPersisted": True,
            "mInAlluxioPercentage": held,
        }
        if not stored.is_file:
            return entry
        return {**entry, "mName": stored.base, "mContentHash": f"{stored.mtime_ms:x}-{stored.length:x}"}


def _guarded(answer: Callable[[], Answer]) -> Answer:
    try:
        return answer()
    except _RefusedError as error:
        return _refused(error.status, str(error))
    except FileNotFoundError as error:
        return _refused(404, str(error))
    except FileExistsError as error:
        return _refused(409, str(error))
    except PermissionError as error:
        return _refused(403, str(error))
    except (IsADirectoryError, NotADirectoryError) as error:
        return _refused(400, str(error))
    except OSError as error:
        return _refused(500, str(error))


def _refused(status: int, message: str) -> Answer:
    return Answer(status, "application/json", json.dumps({"message": message}).encode())


def _parsed(query: str) -> _Query:
    return dict(parse_qsl(query, keep_blank_values=True, encoding="utf-8", errors="surrogateescape"))


def _needed(query: _Query, name: str) -> str:
    value = query.get(name)
    if not value:
        raise _RefusedError(400, f"{name} is needed")
    return value


def _number(query: _Query, name: str, default: int) -> int:
    value = query.get(name)
    if value is None:
        return default
    if not value.isdigit():
        raise _RefusedError(400, f"{name}={value} is no number")
    return int(value)


def _first(segments: List[str]) -> str:
    if not segments:
        raise _RefusedError(400, "the id of a file is needed")
    return segments[0]


def _span(begin: str, end: str, length: int) -> Tuple[int, int]:
    """From the two numbers of a range to where it begins and ends."""
    if not begin:
        return max(0, length - int(end)), length
    return int(begin), min(int(end) + 1, length) if end else length
