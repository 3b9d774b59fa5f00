"""The folders of a page store, as its settings have them."""

from __future__ import annotations

import json
import os
import re
from typing import Any, Iterable, List, Tuple, Union

__all__ = ["folders_of", "list_in_json"]

_BEGINS_A_PATH = ("/", "~", ".")
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://(?P<rest>.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:\w+|\{[^}]*\})", re.ASCII)


def folders_of(value: Union[str, os.PathLike[str], Iterable[Union[str, os.PathLike[str]]]]) -> Tuple[str, ...]:
    """One folder or several.

    Text is one folder, for its name may have a comma in it; several are a list, which as text is JSON. Variables of
    the environment (``$HOME``, ``${TMPDIR}``) are put in.

    Raises
    ------
    ValueError
        For text that is no JSON though it begins so, text that reads as several folders with commas, a URL, a variable
        that is not set, and what is a file.
    TypeError
        For what is neither text nor a path.
    """
    listed = list_in_json(value) if isinstance(value, str) else []
    if isinstance(value, str) and not listed:
        _check_is_one(value)
    # One folder is a text, and a text is a sequence of texts too.
    folders = listed or ([value] if isinstance(value, (str, os.PathLike)) else value)
    try:
        texts = tuple(os.fspath(folder) for folder in folders)
    except TypeError:
        raise TypeError(f"{value!r} is neither a folder nor a list of folders") from None
    if not all(text.strip() for text in texts):
        raise ValueError(f"{value!r} names no folder")
    return tuple(_folder(text) for text in texts)


def _folder(text: str) -> str:
    url = _URL.match(text)
    if url is not None:
        local = url["scheme"].lower() in ("file", "local")
        instead = f"name the folder: {url['rest']!r}" if local else "pages are kept in a folder of this machine"
        raise ValueError(f"{text!r} is a URL; {instead}")
    folder = os.path.expandvars(text)
    unset = _VARIABLE.search(folder)
    if unset is not None:
        raise ValueError(f"{text!r}: the environment has no variable {unset[0]}")
    if os.path.isfile(os.path.expanduser(folder)):
        raise ValueError(f"{text!r} is a file; name a folder")
    return folder


def list_in_json(text: str) -> List[Any]:
    """The list that a text is in JSON; an empty one for text that does not begin like that."""
    if not text.lstrip().startswith("["):
        return []
    try:
        return list(json.loads(text))
    except ValueError as error:
        raise ValueError(f"{text!r} begins like a list in JSON, and is none: {error}") from error


def _check_is_one(text: str) -> None:
    first, *others = (part.strip() for part in text.split(","))
    if not others or (first.startswith(_BEGINS_A_PATH) and not any(one.startswith(_BEGINS_A_PATH) for one in others)):
        return
    raise ValueError(
        f"{text!r} may be one folder or several: write several as a list, which as text is JSON "
        f"({json.dumps([first, *others])}), and one with a comma in its name as a list of one ({json.dumps([text])})"
    )
