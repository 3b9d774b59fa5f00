"""Signatures, and what the heads of answers say, are what botocore makes of the same."""

from __future__ import annotations

from typing import Any, Dict, Optional
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluxiofs.errors import BadAnswerError
from alluxiofs.plugins._s3.headers import complaint, said
from alluxiofs.plugins._s3.signing import Secrets, Signer
from alluxiofs.plugins._s3.ways import quoted

auth = pytest.importorskip("botocore.auth")
awsrequest = pytest.importorskip("botocore.awsrequest")
Credentials = pytest.importorskip("botocore.credentials").Credentials

names = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=20)
words = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30)


@given(
    key=st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=60),
    range_of=st.integers(0, 2**40),
    tag=words,
    token=st.none() | words,
    region=names,
    secret=words,
)
def test_a_signature_is_botocores(
    key: str, range_of: int, tag: str, token: Optional[str], region: str, secret: str
) -> None:
    url = f"http://host:9000/bucket/{quoted(key)}"
    request = awsrequest.AWSRequest(
        "GET", url, headers={"Range": f"bytes={range_of}-{range_of + 5}", "If-Match": f'"{tag}"'}
    )
    auth.S3SigV4Auth(Credentials("AKEY", secret, token), "s3", region).add_auth(request)
    headers = {name.lower(): str(value) for name, value in request.headers.items()}
    expected = headers.pop("authorization")
    headers["host"] = "host:9000"
    signer = Signer(region, "s3")
    for _ in range(2):
        made = signer.authorization("GET", urlsplit(url).path, headers, Secrets("AKEY", secret, token))
        assert made == expected


def test_a_signer_takes_other_secrets_and_other_days() -> None:
    signer = Signer("region", "s3")
    headers = {"host": "h", "x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-date": "20260101T000000Z"}
    first = Secrets("A", "one", None)
    signature = signer.authorization("GET", "/b/k", headers, first)
    others = {
        signer.authorization("GET", "/b/k", headers, Secrets("A", "two", None)),
        signer.authorization("GET", "/b/k", {**headers, "x-amz-date": "20260102T000000Z"}, first),
        signer.authorization("HEAD", "/b/k", headers, first),
        signer.authorization("GET", "/b/l", headers, first),
    }
    assert len(others | {signature}) == 5
    assert signer.authorization("GET", "/b/k", headers, first) == signature


def test_secrets_are_not_shown() -> None:
    shown = repr(Secrets("AKEY", "very-secret", "a-token"))
    assert not any(part in shown for part in ("AKEY", "very-secret", "a-token"))


HEADERS: Dict[str, str] = {
    "Cache-Control": "max-age=60, public",
    "Content-Disposition": 'attachment; filename="ä.txt"',
    "Content-Encoding": "gzip",
    "Content-Language": "de",
    "Content-Length": "1234",
    "Content-Range": "bytes 0-1233/99999",
    "Content-Type": "text/plain; charset=utf-8",
    "ETag": '"0123456789abcdef-3"',
    "Expires": "Wed, 21 Oct 2026 07:28:00 GMT",
    "Last-Modified": "Tue, 20 Oct 2026 07:28:00 GMT",
    "x-amz-meta-colour": "blue: é",
    "x-amz-meta-two-words": "a  b",
    "x-amz-server-side-encryption": "aws:kms",
    "x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:1",
    "x-amz-server-side-encryption-bucket-key-enabled": "true",
    "x-amz-storage-class": "STANDARD_IA",
    "x-amz-version-id": "v1",
    "x-amz-website-redirect-location": "/elsewhere",
}


def parsed_by_botocore(headers: Dict[str, str]) -> Dict[str, Any]:
    session = pytest.importorskip("botocore.session").get_session()
    model = session.get_service_model("s3").operation_model("GetObject")
    parser = pytest.importorskip("botocore.parsers").create_parser("rest-xml")
    answer = {"status_code": 206, "headers": awsrequest.HeadersDict(headers), "body": b""}
    parsed: Dict[str, Any] = parser.parse(answer, model.output_shape)
    return parsed


def test_a_head_says_what_botocore_reads_in_it() -> None:
    raw = "\r\n".join(["HTTP/1.1 206 Partial Content", *(f"{name}: {value}" for name, value in HEADERS.items())])
    found = said(raw.encode())
    expected = parsed_by_botocore(HEADERS)
    assert {**found, "Expires": None} == {
        **{field: expected[field] for field in found if field != "Expires"},
        "Expires": None,
    }
    assert found["Expires"].timestamp() == 1_792_567_680
    assert len(found) == len(HEADERS) - 1  # two of them are metadata


def test_spellings_of_names_do_not_matter_and_other_headers_are_nothing() -> None:
    assert said(b"HTTP/1.1 200 OK\r\nETAG:x\r\nServer: y\r\nX-Amz-Request-Id: 1\r\nexpires: never\r\n x") == {
        "ETag": "x"
    }


@pytest.mark.parametrize(
    "line", ["Content-Length: -1", "Content-Length: ٣", "Content-Length: x", "Last-Modified: now-ish"]
)
def test_what_is_no_length_and_no_time_is_a_bad_answer(line: str) -> None:
    with pytest.raises(BadAnswerError):
        said(f"HTTP/1.1 200 OK\r\n{line}".encode())


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"<Error><Code>SlowDown</Code><Message>a &amp; b &lt;c&gt;</Message></Error>", ("SlowDown", "a & b <c>")),
        (b"", ("", "")),
        (b"<html>502</html>", ("", "")),
        (b"\xff\xfe\x00<Code>\xff</Code>", ("\ufffd", "")),
        (
            b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><Error><Code>&b;</Code></Error>',
            ("&b;", ""),
        ),
    ],
)
def test_what_is_wrong_is_read_out_of_any_body(body: bytes, found: Any) -> None:
    assert complaint(body) == found
