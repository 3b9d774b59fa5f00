"""Appending to an object: a new one of the old content and the new, on condition that the old one is what it was."""

from __future__ import annotations

import errno
import functools
from typing import TYPE_CHECKING, Any, Dict, Optional

from alluxiofs.errors import FileChangedError, NotSupportedError
from alluxiofs.interfaces import Entry, UnderStore
from alluxiofs.plugins._fsspec.appending import check_unchanged, rewrite
from alluxiofs.plugins._fsspec.spooling import Spool
from alluxiofs.plugins._s3.copying import carried
from alluxiofs.plugins._s3.writer import S3Writer

if TYPE_CHECKING:
    from alluxiofs.plugins._s3.client import S3Client

__all__ = ["Appending"]

_SMALLEST_PART = 5 * 2**20  # of an object, but for its last one
_CHANGED = ("ConditionalRequestConflict", "NoSuchKey", "PreconditionFailed")
_ENDED = "NoSuchUpload"


class Appending:
    """Makes an object of its old content and of what was collected.

    The old content is copied by the store itself where it is long enough to be a part of an upload, and read and sent
    again where it is not. The object is replaced on condition of the ETag that was copied, or made on condition that
    there is none. Some stores refuse conditions, others overlook them: so what is there is looked at again right
    before, too, and a store that refuses is asked once more without.

    Parameters
    ----------
    store, client, name:
        Whose object it is.
    settings:
        Of the store.
    """

    def __init__(self, store: UnderStore, client: S3Client, name: str, settings: Any) -> None:
        self._store = store
        self._client = client
        self._name = name
        self._settings = settings

    def attempt(self, old: Optional[Entry], spool: Spool, timeout: float) -> None:
        """Append what was collected; no wait takes longer than ``timeout`` seconds.

        Raises
        ------
        FileChangedError
            If somebody else has changed the object meanwhile; nothing was appended.
        """
        try:
            self._replace(old, spool, timeout, plainly=False)
        except NotSupportedError:
            self._replace(old, spool, timeout, plainly=True)

    def _replace(self, old: Optional[Entry], spool: Spool, timeout: float, *, plainly: bool) -> None:
        writer = self._writer(old, timeout, conditional=not plainly)
        # In the name of a copy's source some stores take this for the version to copy, however it is quoted.
        copied = (
            not plainly and old is not None and (old.size or 0) >= _SMALLEST_PART and "?versionId=" not in self._name
        )
        try:
            if spool.size:
                writer.in_parts()
            if old is None or not copied:
                rewrite(self._store, old, writer, spool, block=self._settings.part_size, timeout=timeout)
                return
            try:
                writer.copy(old)
                for block in spool.blocks():
                    writer.write(block)
                writer.commit()
            except BaseException:
                writer.abort()
                raise
        except OSError as error:
            failure = _meaning(error, self._name)
            if failure is error:
                raise
            raise failure from error

    def _writer(self, old: Optional[Entry], timeout: float, *, conditional: bool) -> S3Writer:
        tag = "" if old is None else (old.version.tag or "").partition(":")[2]
        weak = tag.startswith("W/")  # which no condition on it ever meets
        writer = S3Writer(
            self._client,
            self._name,
            self._settings,
            functools.partial(check_unchanged, self._store, self._name, old, timeout),
            exclusive=old is None and conditional,
            replaces=tag if conditional and not weak else None,
            said={} if old is None else carried(old.extra),
        )
        writer.patience = timeout
        return writer


def _meaning(error: OSError, name: str) -> OSError:
    """What an error means for an append: it may be tried again only if it is certain that it was not done.

    The client repeats a request that got no answer. If it is the repetition that is refused, because the object is not
    what it was, then the first one may be what has changed it.
    """
    answer = _answer(error)
    code = None if answer is None else answer.get("Error", {}).get("Code")
    if answer is None or code not in (*_CHANGED, _ENDED):
        return error
    if code == _ENDED or answer.get("ResponseMetadata", {}).get("RetryAttempts"):
        message = "whether it was appended is not known: the store did not answer, and refused when it was asked again"
        return OSError(errno.EIO, message, name)
    return FileChangedError("changed while it was appended to", name)


def _answer(error: BaseException) -> Optional[Dict[str, Any]]:
    """What the store answered, if that is behind an error."""
    behind: Optional[BaseException] = error
    while behind is not None:
        response = getattr(behind, "response", None)
        if isinstance(response, dict):
            return response
        behind = behind.__cause__
    return None
