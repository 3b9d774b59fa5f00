"""What must be hidden, and how it is hidden.

A secret is the value of any option whose name has *key*, *secret*, *token* or *password* in it (or *passwd*,
*passphrase*, *credential*, *connection_string*), in any letter case and at any depth, every header that goes to the
workers, what stands before an ``@`` in the authority of a URL, and what the ``Settings`` of a component declare with
:func:`alluxiofs.secret`, whatever its name.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from typing import Any, Callable, Dict, Iterable, List, Mapping, Set, Tuple

from alluxiofs.errors import CREDENTIALS, STARS, hidden_text

__all__ = [
    "STARS",
    "HiddenDict",
    "Secret",
    "declare_secrets",
    "hidden",
    "hidden_text",
    "is_secret_name",
    "shown",
    "without_secrets",
]

_NAME = re.compile(r"key|secret|token|passw|passphrase|credential|connection_string|\Aheaders\Z", re.IGNORECASE)

# Keyed, so that a digest that ends up in a log cannot be used to try passwords; of this process alone.
_DIGEST_KEY = os.urandom(16)

# What components declare, by their name and that of the setting: known once a component has been chosen.
_declared: Set[Tuple[str, str]] = set()


def declare_secrets(component: str, names: Iterable[str]) -> None:
    """Have these settings hidden in every ``{"name": component, …}``, whatever they are called."""
    _declared.update((component, name) for name in names)


def is_secret_name(name: object) -> bool:
    """Whether the value of an option of this name is a secret."""
    return isinstance(name, str) and _NAME.search(name) is not None


def hidden(value: Any) -> Any:
    """A copy of ``value``, at any depth, in which every secret is ``"***"``: to show, not to use.

    A secret that is ``None`` or empty is shown as it is: that nothing is set is worth knowing.
    """
    return _hide(value, lambda _: STARS)


def without_secrets(value: Any) -> Any:
    """A copy of ``value``, at any depth, that leaves out every option that is a secret, and credentials in URLs."""
    if isinstance(value, Mapping):
        return {
            without_secrets(name) if _is_url(name) else name: without_secrets(inner)
            for name, inner in value.items()
            if not _is_secret(name, value)
        }
    if isinstance(value, (list, tuple)):
        return _like(value, [without_secrets(inner) for inner in value])
    if isinstance(value, Secret):
        return ""
    if isinstance(value, str):
        return _in_json(value, without_secrets, lambda _: "") or (
            CREDENTIALS.sub("", value) if "://" in value else value
        )
    return value


class Secret(str):
    """Text whose ``repr`` shows stars and a digest: equal for equal secrets, different for different ones.

    ``str()``, comparing and hashing are the text's own, so that it can be used where text is.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(_stars_and_digest(str(self)))


class HiddenDict(Dict[str, Any]):
    """A dict whose ``repr`` hides the secrets in it, at any depth.

    fsspec keeps instances under a digest of the ``str()`` of their arguments. So that two tenants never get one
    filesystem, the ``repr`` of two dicts with different secrets differs: each secret is shown as stars and a digest
    that means nothing outside of this process.
    """

    def __repr__(self) -> str:
        return repr(_hide(dict(self), _stars_and_digest))

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return type(self), (dict(self),)


def _stars_and_digest(value: object) -> str:
    digest = hashlib.blake2b(repr(_plain(value)).encode("utf-8", "surrogatepass"), key=_DIGEST_KEY, digest_size=6)
    return f"{STARS}{digest.hexdigest()}"


def _plain(value: Any) -> Any:
    # What reprs that hide would make equal is taken apart first.
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, Secret) else value


def _hide(value: Any, stars: Callable[[object], str]) -> Any:
    if isinstance(value, Mapping):
        return {
            _hide(name, stars) if _is_url(name) else name: stars(inner)
            if _is_secret(name, value) and _is_set(inner)
            else _hide(inner, stars)
            for name, inner in value.items()
        }
    if isinstance(value, (list, tuple)):
        return _like(value, [_hide(inner, stars) for inner in value])
    if isinstance(value, Secret):
        return stars(value)
    if isinstance(value, str):
        hidden_json = _in_json(value, lambda inner: _hide(inner, stars), stars)
        if hidden_json:
            return hidden_json
        return CREDENTIALS.sub(lambda found: stars(found[0]) + "@", value) if "://" in value else value
    return value


def _in_json(text: str, change: Callable[[Any], Any], unreadable: Callable[[str], str]) -> str:
    """A list or dict that is written as JSON, changed; an empty text for any other.

    ``unreadable`` gives what stands for one that begins like JSON, is none, and has a word in it that may go before a
    secret.
    """
    if not text.lstrip().startswith(("{", "[")):
        return ""
    try:
        return json.dumps(change(json.loads(text)))
    except ValueError:
        return unreadable(text) if _NAME.search(text) else ""


def _is_secret(name: object, options: Mapping[Any, Any]) -> bool:
    return is_secret_name(name) or (bool(_declared) and (str(options.get("name")), str(name)) in _declared)


def _is_url(name: object) -> bool:
    return isinstance(name, str) and "://" in name


def _is_set(value: object) -> bool:
    return value is not None and not (isinstance(value, (str, Mapping)) and not value)


def _like(value: Any, items: List[Any]) -> Any:
    return tuple(items) if isinstance(value, tuple) else items


def shown(value: Any, secret: bool = False) -> str:
    """The value for an error message: secrets hidden, and never longer than a line."""
    text = STARS if secret else repr(hidden(value))
    return text if len(text) <= 200 else text[:200] + "…"
