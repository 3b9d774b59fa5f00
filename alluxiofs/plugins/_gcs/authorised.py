"""What requests are authorised with, for as long as the credentials say that it is good."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any, Mapping, Optional

from attrs import define, field

__all__ = ["Authorised", "authorised_with"]

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_SOON = 300.0  # seconds before its end from which on a token is asked for with each request; gcsfs renews it then
_ASKED_OF = ("_apply", "apply", "expired", "valid")


@define(frozen=True)
class Authorised:
    """Headers that a token is in.

    Parameters
    ----------
    lines:
        All of them, as they go over the wire.
    token_line:
        The value of ``authorization``, empty where there is none.
    held:
        Whose token it is, of google-auth; ``None`` for nobody.
    lasting:
        Whether it can be told of these credentials how long their headers are good.
    """

    lines: str = field(repr=False)
    token_line: str = field(repr=False)
    held: Any = field(repr=False)
    lasting: bool

    def is_good(self, held: Any) -> bool:
        """Whether another request of these credentials may be authorised in the same way, and nobody has to be asked.

        Parameters
        ----------
        held:
            The credentials of now.
        """
        if not self.lasting or held is not self.held:
            return False
        if held is None:
            return True
        try:
            if not held.valid or not _is_of(self.token_line, held.token):
                return False
            return held.expiry is None or (held.expiry - _now()).total_seconds() > _SOON
        except (AttributeError, TypeError):  # whatever is wrong with them is told to whoever asks for a token
            return False


def authorised_with(headers: Mapping[str, str], held: Any) -> Optional[Authorised]:
    """What can be sent, or ``None`` where there is something in it that is not understood.

    Parameters
    ----------
    headers:
        What gcsfs has made of the credentials.
    held:
        They.
    """
    told = {str(name).lower(): value for name, value in headers.items()}
    if held is None:
        told.setdefault("user-agent", _agent())
    if not all(_NAME.fullmatch(name) and _is_text(value) for name, value in told.items()):
        return None
    lines = "".join([f"{name}: {value}\r\n" for name, value in told.items()])
    return Authorised(lines, told.get("authorization", ""), held, held is None or _is_of_google(type(held)))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.isascii() and value.isprintable()


def _is_of(token_line: str, token: Any) -> bool:
    return token_line.endswith(f" {token}")


def _is_of_google(kind: type) -> bool:
    """Whether what makes headers of a token, and says how long it is good, is google-auth's own. A class of the user's
    that only renews it in a way of its own is such; one that signs each request is not."""
    makers = [next((each for each in kind.__mro__ if name in vars(each)), object) for name in _ASKED_OF]
    return all(maker.__module__.partition(".")[0] == "google" for maker in makers if maker is not object)


def _now() -> datetime:
    """As google-auth tells when a token ends: in UTC, and without saying so."""
    return datetime.now(timezone.utc).replace(tzinfo=None)


def _agent() -> str:
    import gcsfs

    return f"python-gcsfs/{gcsfs.__version__}"
