"""A front that makes a real S3 server speak what of Google's JSON API large objects take.

fake-gcs-server holds what it is sent in memory several times over, so that objects of some size cannot be had of it.
Here what comes by an upload in parts goes on as parts of an upload to the S3 server, and ranges are that server's own.
Only one who writes at a time is thought of, and conditions are answered by the generation that was there before.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Dict, Iterator, List, Mapping, Optional
from urllib.parse import parse_qs, unquote, urlsplit

from attrs import define, field

from tests.servers import GcsServer, S3Server, free_port

__all__ = ["json_front"]

_KEYS = re.compile(r"/(?:(upload|download)/)?storage/v1/b/([^/]+)/o(?:/([^/]+))?")
_SPAN = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_BLOCK = 2**20


@define
class _Upload:
    """What was sent of an object that is not whole yet.

    Parameters
    ----------
    bucket, key, number:
        Of the S3 server's upload.
    size, parts:
        What has come.
    """

    bucket: str
    key: str
    number: str
    size: int = 0
    parts: List[Dict[str, Any]] = field(factory=list)


class _Front(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, upstream: S3Server) -> None:
        from botocore.config import Config
        from botocore.session import Session

        super().__init__(("127.0.0.1", port), _Handler)
        self.store = Session().create_client(
            "s3",
            endpoint_url=upstream.endpoint,
            aws_access_key_id=upstream.key,
            aws_secret_access_key=upstream.secret,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, max_pool_connections=32),
        )
        self.uploads: Dict[str, _Upload] = {}
        self.numbers = itertools.count(1)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Front

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 the base class calls it so
        """Say nothing."""

    def do_GET(self) -> None:
        from botocore.exceptions import ClientError

        query, found = self._query(), _KEYS.fullmatch(urlsplit(self.path).path)
        assert found is not None
        bucket, key = found[2], found[3]
        try:
            if key is None:
                self._list(bucket, query)
            elif query.get("alt") == "media":
                self._read(bucket, unquote(key))
            else:
                self._tell(bucket, unquote(key))
        except ClientError as error:
            self._refuse(error.response["ResponseMetadata"]["HTTPStatusCode"])

    def do_POST(self) -> None:
        body = self._body()
        found, query = _KEYS.fullmatch(urlsplit(self.path).path), self._query()
        if found is None:
            bucket = json.loads(body)["name"]
            self.server.store.create_bucket(Bucket=bucket)
            self._say({"kind": "storage#bucket", "name": bucket})
            return
        assert query["uploadType"] == "resumable", "what is little is asked of fake-gcs-server"
        bucket, key, number = found[2], query["name"], str(next(self.server.numbers))
        begun = self.server.store.create_multipart_upload(Bucket=bucket, Key=key)
        self.server.uploads[number] = _Upload(bucket, key, begun["UploadId"])
        here = f"http://127.0.0.1:{self.server.server_address[1]}"
        self._say({}, {"Location": f"{here}/uploads/{number}"})

    def do_PUT(self) -> None:
        body, upload = self._body(), self.server.uploads[self.path.rpartition("/")[2]]
        span = _SPAN.fullmatch(self.headers["Content-Range"])
        if span is None or (int(span[1]), int(span[2])) != (upload.size, upload.size + len(body) - 1):
            self._refuse(400)
            return
        of = {"Bucket": upload.bucket, "Key": upload.key, "UploadId": upload.number}
        number = len(upload.parts) + 1
        answer = self.server.store.upload_part(Body=body, PartNumber=number, **of)
        upload.parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        upload.size += len(body)
        if span[3] == "*":
            self._answer(308, {"Range": f"bytes=0-{upload.size - 1}"})
            return
        assert int(span[3]) == upload.size
        self.server.store.complete_multipart_upload(MultipartUpload={"Parts": upload.parts}, **of)
        self._tell(upload.bucket, upload.key)

    def do_DELETE(self) -> None:
        found = _KEYS.fullmatch(urlsplit(self.path).path)
        assert found is not None
        self.server.store.delete_object(Bucket=found[2], Key=unquote(found[3]))
        self._answer(204)

    # --- single answers -----------------------------------------------------------------------------------------

    def _list(self, bucket: str, query: Mapping[str, str]) -> None:
        asked = {"Prefix": query.get("prefix", ""), "Delimiter": query.get("delimiter", "")}
        told = self.server.store.list_objects_v2(Bucket=bucket, **asked)
        self._say(
            {
                "items": [_described(each["Key"], each["Size"], each) for each in told.get("Contents", ())],
                "prefixes": [each["Prefix"] for each in told.get("CommonPrefixes", ())],
            }
        )

    def _tell(self, bucket: str, key: str) -> None:
        told = self.server.store.head_object(Bucket=bucket, Key=key)
        self._say(_described(key, told["ContentLength"], told))

    def _read(self, bucket: str, key: str) -> None:
        told = self.server.store.get_object(Bucket=bucket, Key=key, Range=self.headers["Range"])
        generation, wanted = _generation(told), self._query().get("ifGenerationMatch")
        if wanted not in (None, generation):
            told["Body"].close()
            self._refuse(412)
            return
        self.send_response(206)
        self.send_header("Content-Range", told["ContentRange"])
        self.send_header("X-Goog-Generation", generation)
        self.send_header("Content-Length", str(told["ContentLength"]))
        self.end_headers()
        for block in told["Body"].iter_chunks(_BLOCK):
            self.wfile.write(block)

    # --- within -------------------------------------------------------------------------------------------------

    def _query(self) -> Dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _say(self, told: Mapping[str, Any], headers: Optional[Mapping[str, str]] = None) -> None:
        self._answer(200, {"Content-Type": "application/json", **(headers or {})}, json.dumps(told).encode())

    def _refuse(self, status: int) -> None:
        told = {"error": {"code": status, "message": "told by the front", "errors": [{"reason": "notFound"}]}}
        self._answer(status, {"Content-Type": "application/json"}, json.dumps(told).encode())

    def _answer(self, status: int, headers: Optional[Mapping[str, str]] = None, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _generation(told: Mapping[str, Any]) -> str:
    """A number that is another one for each content."""
    return str(int(str(told["ETag"]).strip('"')[:12], 16))


def _described(key: str, size: int, told: Mapping[str, Any]) -> Dict[str, str]:
    updated = told["LastModified"].strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return {"name": key, "size": str(size), "generation": _generation(told), "updated": updated, "timeCreated": updated}


@contextlib.contextmanager
def json_front(upstream: S3Server) -> Iterator[GcsServer]:
    """The front, before a running S3 server, for as long as this is entered."""
    front = _Front(free_port(), upstream)
    thread = threading.Thread(target=front.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield GcsServer("127.0.0.1", front.server_address[1])
    finally:
        front.shutdown()
        front.server_close()
        front.store.close()
        thread.join(10)
