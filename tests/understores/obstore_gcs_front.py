"""A front that makes fake-gcs-server speak the XML API, which obstore's writes and copies use.

The server reads, lists and deletes by that API itself. Writing on a condition, copying and uploading in parts are
handed on to its JSON API, which has the same words for the same things: conditions on generations are the server's own.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Dict, Iterator, Mapping, Optional, Tuple
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from tests.servers import GcsServer, free_port

__all__ = ["xml_front"]

_PASSED_ON = ("accept-encoding", "authorization", "if-match", "range")
_HOP_BY_HOP = frozenset({"connection", "content-length", "date", "server", "transfer-encoding"})
_WORDS = {400: "InvalidArgument", 403: "AccessDenied", 404: "NoSuchKey", 412: "PreconditionFailed", 503: "SlowDown"}

Answer = Tuple[int, Dict[str, str], bytes]


class _Front(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, upstream: GcsServer) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.upstream = upstream
        self.lock = threading.Lock()
        self.uploads: Dict[str, Dict[int, bytes]] = {}
        self.numbers = itertools.count(1)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Front

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 the base class calls it so
        """Say nothing."""

    def setup(self) -> None:
        super().setup()
        self.way = http.client.HTTPConnection(self.server.upstream.host, self.server.upstream.port, timeout=30)

    def finish(self) -> None:
        self.way.close()
        super().finish()

    def do_GET(self) -> None:
        self._send(self._read())

    do_HEAD = do_GET  # noqa: N815 the base class calls it so

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = self._query()
        if "uploadId" in query:
            with self.server.lock:
                parts = self.server.uploads.get(query["uploadId"])
                if parts is not None:
                    parts[int(query["partNumber"])] = body
            self._send((404, {}, b"") if parts is None else (200, {"ETag": f'"{query["partNumber"]}"'}, b""))
        elif self.headers.get("x-goog-copy-source"):
            self._send(self._copy(unquote(self.headers["x-goog-copy-source"]).lstrip("/")))
        else:
            self._send(self._made(body))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = self._query()
        if "uploads" in query:
            upload = f"upload-{next(self.server.numbers)}"
            self.server.uploads[upload] = {}
            self._send((200, {}, f"<Begun><UploadId>{upload}</UploadId></Begun>".encode()))
        elif "uploadId" in query:
            parts = self.server.uploads.pop(query["uploadId"])
            wanted = [int(number) for number in re.findall(rb"<PartNumber>(\d+)</PartNumber>", body)]
            code, headers, _ = self._made(b"".join(parts[number] for number in wanted))
            self._send((code, headers, f"<Made><ETag>{headers.get('ETag', '')}</ETag></Made>".encode()))
        else:
            self._send(self._asked("POST", self.path, dict(self.headers), body))

    def do_DELETE(self) -> None:
        upload = self._query().get("uploadId")
        if upload is not None:
            self.server.uploads.pop(upload, None)
            self._send((204, {}, b""))
            return
        self._send(self._read())

    # --- what is asked of the server --------------------------------------------------------------------------

    def _query(self) -> Dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.path).query, keep_blank_values=True).items()}

    def _name(self) -> Tuple[str, str]:
        bucket, _, key = urlsplit(self.path).path.lstrip("/").partition("/")
        return unquote(bucket), unquote(key)

    def _read(self) -> Answer:
        headers = {name: value for name in _PASSED_ON for value in [self.headers.get(name)] if value}
        code, said, body = self._asked(self.command, self.path, headers, b"")
        if code == 500 and b"no bucket" in body:
            return 404, {}, _error("NoSuchBucket")
        return code, said, _error(_WORDS[code]) if code in _WORDS and self._name()[1] else body

    def _made(self, body: bytes) -> Answer:
        bucket, key = self._name()
        asked = {"uploadType": "media", "name": key, **self._condition()}
        path = f"/upload/storage/v1/b/{quote(bucket, safe='')}/o?{urlencode(asked, quote_via=quote)}"
        return self._described(self._asked("POST", path, {"Content-Type": "application/octet-stream"}, body))

    def _copy(self, source: str) -> Answer:
        here, there = self._name(), source.partition("/")
        resource = [there[0], "o", there[2], "rewriteTo", "b", here[0], "o", here[1]]
        path = "/storage/v1/b/" + "/".join(quote(part, safe="") for part in resource)
        answer = self._asked("POST", f"{path}?{urlencode(self._condition())}", {}, b"")
        return self._described(answer, "resource")

    def _condition(self) -> Dict[str, str]:
        wanted = self.headers.get("x-goog-if-generation-match")
        return {} if wanted is None else {"ifGenerationMatch": wanted}

    @staticmethod
    def _described(answer: Answer, within: Optional[str] = None) -> Answer:
        code, _, body = answer
        if code >= 300:
            return code, {}, _error(_WORDS.get(code, "InternalError"))
        said = json.loads(body)
        said = said[within] if within else said
        return 200, {"ETag": f'"{said["etag"]}"', "x-goog-generation": str(said["generation"])}, b""

    def _asked(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        self.way.request(method, path, body or None, dict(headers))
        response = self.way.getresponse()
        return response.status, dict(response.getheaders()), response.read()

    def _send(self, answer: Answer) -> None:
        code, headers, body = answer
        self.send_response(code)
        for name, value in headers.items():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        length = next((value for name, value in headers.items() if name.lower() == "content-length"), None)
        whole = self.command != "HEAD"
        self.send_header("Content-Length", str(len(body)) if whole or length is None else length)
        self.end_headers()
        if whole:
            self.wfile.write(body)


def _error(word: str) -> bytes:
    return (
        f"<?xml version='1.0'?><Error><Code>{word}</Code><Message>told by the server: {word}</Message></Error>".encode()
    )


@contextlib.contextmanager
def xml_front(upstream: GcsServer) -> Iterator[GcsServer]:
    """A server that speaks the XML API, for as long as this is entered."""
    front = _Front(free_port(), upstream)
    thread = threading.Thread(target=front.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield GcsServer("127.0.0.1", front.server_address[1])
    finally:
        front.shutdown()
        front.server_close()
        thread.join(10)
