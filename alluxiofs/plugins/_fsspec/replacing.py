"""One file in the place of another, with clients that have no such step: the old one goes when the new one is there."""

from __future__ import annotations

import contextlib
import errno
from typing import TYPE_CHECKING

from alluxiofs.errors import is_a_directory
from alluxiofs.interfaces import Deadline
from alluxiofs.plugins._fsspec.names import temporary

if TYPE_CHECKING:
    from alluxiofs.plugins._fsspec.client import Client

__all__ = ["replace"]

_TIDYING = 30.0  # seconds to put things right in; the deadline of the operation has often passed by then


def replace(client: Client, source: str, target: str, deadline: Deadline) -> None:
    """Move a file over another, in one step where the client has such a step.

    Elsewhere the old file is kept under a temporary name beside it until the new one is whole, and comes back if that
    fails. Whatever happens, its bytes are somewhere: if it cannot be brought back, the error says under what name.

    Parameters
    ----------
    client, deadline:
        Who does it, and until when.
    source, target:
        A whole file, and where it is to be: no file, or another one, but no directory.
    """
    moves = client.moves
    if moves:
        try:
            client.call("mv", deadline, source, target)
            return
        except OSError as error:
            if error.errno != errno.EEXIST and not isinstance(error, FileExistsError):
                raise
    step = "mv" if moves else "cp_file"
    try:
        old = client.call("info", deadline, target)
    except FileNotFoundError:
        old = None
    if old is not None and old.get("type") == "directory":
        raise is_a_directory(target)
    aside = "" if old is None else temporary(client.raw._parent(target))
    if aside:
        _set_aside(client, step, target, aside, deadline)
    try:
        client.call(step, deadline, source, target)
    except BaseException as error:
        _bring_back(client, step, aside, target, error)
        raise
    with contextlib.suppress(OSError):  # what is left over is no file of anybody's; the new one is in place
        if not moves:
            client.call("rm_file", Deadline.after(_TIDYING), source)
        if aside:
            client.call("rm_file", Deadline.after(_TIDYING), aside)


def _set_aside(client: Client, step: str, target: str, aside: str, deadline: Deadline) -> None:
    try:
        client.call(step, deadline, target, aside)
    except BaseException:
        if step == "cp_file":  # the old file is where it was
            with contextlib.suppress(OSError):
                client.call("rm_file", Deadline.after(_TIDYING), aside)
        else:
            # It may have been moved though no answer came; if it was not, there is nothing to move back.
            with contextlib.suppress(OSError):
                client.call("mv", Deadline.after(_TIDYING), aside, target)
        raise


def _bring_back(client: Client, step: str, aside: str, target: str, error: BaseException) -> None:
    if not aside:
        if step == "cp_file":  # half of a copy, where nothing was
            with contextlib.suppress(OSError):
                client.call("rm_file", Deadline.after(_TIDYING), target)
        return
    if step == "mv":
        with contextlib.suppress(OSError):
            client.call("mv", Deadline.after(_TIDYING), aside, target)
            return
    try:
        client.call("cp_file", Deadline.after(_TIDYING), aside, target)
    except OSError:
        message = f"not replaced ({error}), and what it was could not be brought back: that is {aside!r} now"
        raise OSError(errno.EIO, message, target) from error
    with contextlib.suppress(OSError):
        client.call("rm_file", Deadline.after(_TIDYING), aside)
