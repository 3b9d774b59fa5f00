"""Signatures of requests (AWS Signature Version 4, https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html).

botocore makes the same in 80 us of CPU, most of it for objects that nobody looks at; here it takes 8. Nothing is sent
with a signature of this module that was not compared with one of botocore's for the same client before: see
:mod:`alluxiofs.plugins._s3.ways`.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Dict, Mapping, Optional, Tuple

from attrs import define, field

__all__ = ["Secrets", "Signer"]

_ALGORITHM = "AWS4-HMAC-SHA256"
_Known = Tuple[str, str, bytes]  # secret, day, the key made of them


@define(frozen=True)
class Secrets:
    """Credentials of one moment.

    Parameters
    ----------
    key, secret, token:
        The three parts; the last is there for those that expire.
    """

    key: str = field(repr=False)
    secret: str = field(repr=False)
    token: Optional[str] = field(default=None, repr=False)


class Signer:
    """Signs requests that have no query and no body.

    Parameters
    ----------
    region, service:
        What signatures are good for.
    """

    def __init__(self, region: str, service: str) -> None:
        self._tail = f"{region}/{service}/aws4_request"
        self._parts = (region, service, "aws4_request")
        self._known: Optional[_Known] = None

    def authorization(self, method: str, path: str, headers: Mapping[str, str], secrets: Secrets) -> str:
        """The value of the header ``Authorization``.

        Parameters
        ----------
        method, path:
            As they are sent; the path is quoted.
        headers:
            All that are to be signed, by their names in lower case; ``host``, ``x-amz-date`` and
            ``x-amz-content-sha256`` among them.
        secrets:
            Of who asks.
        """
        signed: Dict[str, str] = dict(sorted(headers.items()))
        names = ";".join(signed)
        lines = "".join([f"{name}:{' '.join(value.split())}\n" for name, value in signed.items()])
        canonical = f"{method}\n{path}\n\n{lines}\n{names}\n{headers['x-amz-content-sha256']}"
        date = headers["x-amz-date"]
        scope = f"{date[:8]}/{self._tail}"
        text = f"{_ALGORITHM}\n{date}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.new(self._key(secrets.secret, date[:8]), text.encode(), hashlib.sha256).hexdigest()
        return f"{_ALGORITHM} Credential={secrets.key}/{scope}, SignedHeaders={names}, Signature={signature}"

    def _key(self, secret: str, day: str) -> bytes:
        known = self._known  # another thread may put another one there at any time: it is looked at once
        if known is None or known[:2] != (secret, day):
            key = f"AWS4{secret}".encode()
            for part in (day, *self._parts):
                key = hmac.new(key, part.encode(), hashlib.sha256).digest()
            known = self._known = (secret, day, key)
        return known[2]
