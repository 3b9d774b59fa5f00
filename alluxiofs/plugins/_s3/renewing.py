"""Temporary credentials that the store refuses before their clock does: renewed once, for all who were refused."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Any, Optional, Tuple

__all__ = ["REFUSED", "Renewal", "is_renewable", "of_credentials"]

_ENDED = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",  # of a session that the store has forgotten
        "InvalidClientTokenId",
        "InvalidToken",
        "InvalidTokenId",
        "TokenRefreshRequired",
    }
)
REFUSED = _ENDED | {"SignatureDoesNotMatch"}
"""The store's words for credentials that others may take the place of."""

_UNNAMED = "400"  # which an expired token is, too; an answer to a HEAD has no place for the word
_SOON = 10.0  # seconds
_PAST = datetime.fromtimestamp(0, timezone.utc)


def is_renewable(held: Any) -> bool:
    """Whether credentials of botocore are such as renew themselves."""
    from botocore.credentials import RefreshableCredentials

    return isinstance(held, RefreshableCredentials)


def of_credentials(error: BaseException) -> bool:
    """Whether credentials are at fault: there are none, or the store does not know them."""
    from botocore import exceptions as boto

    if isinstance(error, boto.ClientError):
        return error.response.get("Error", {}).get("Code") in REFUSED
    return isinstance(error, (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError))


class Renewal:
    """Has botocore renew what was refused. Used on the client's event loop alone."""

    def __init__(self) -> None:
        self._last: Tuple[Optional[Any], float] = (None, 0.0)  # what took the place of the refused ones, and when

    @staticmethod
    def of_now(held: Any) -> Any:
        """What a request that begins now is signed with; ``None`` where nothing is to renew."""
        return held._frozen_credentials if is_renewable(held) else None

    async def renewed(self, held: Any, used: Any, error: Any) -> bool:
        """Whether the request may be sent again, for there are newer credentials than those that were refused.

        Parameters
        ----------
        held, used:
            Botocore's credentials, and what :meth:`of_now` gave of them.
        error:
            What the store answered, of botocore. Where it does not say whether credentials are at fault, those that are
            new are not asked for again.

        Raises
        ------
        Exception
            The error itself, from what went wrong with the renewal.
        """
        code = str(error.response.get("Error", {}).get("Code", ""))
        if used is None or (code not in _ENDED and code != _UNNAMED):
            return False
        if held._frozen_credentials is used:
            since, at = self._last
            if code == _UNNAMED and since is used and time.monotonic() - at < _SOON:
                return False
            held._expiry_time = _PAST  # whoever needs them next renews them; the others wait for that
        try:
            found = await held.get_frozen_credentials()
        except Exception as failed:
            raise error from failed  # what the store said of the old ones is the answer
        if found is not self._last[0]:
            self._last = (found, time.monotonic())
        return True
