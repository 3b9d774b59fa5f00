"""Dialect ``pages``: the open-source worker (313), which says no by closing the connection.

Where that happens to a connection that was kept, the worker may have closed it before it was asked. So nothing follows
from one of them: the question is asked once more.
"""

from __future__ import annotations

import logging
import threading
from typing import Any, Dict, Iterator, List, Optional

from alluxiofs.errors import BadAnswerError, NotHeldError, NotSupportedError, UnavailableError, not_found
from alluxiofs.interfaces import Deadline, Entry, Location, TransportCapabilities
from alluxiofs.logs import fields
from alluxiofs.plugins._alluxio.entries import child_entries, entry_of, parse_entries
from alluxiofs.plugins._alluxio.loading import LoadOnMiss
from alluxiofs.plugins._alluxio.names import raw_path
from alluxiofs.plugins._alluxio.page_reads import PageReads
from alluxiofs.plugins._alluxio.peer import Peer
from alluxiofs.plugins._alluxio.statuses import refused
from alluxiofs.plugins._http.answers import Answer
from alluxiofs.plugins._http.connection import ClosedWithoutAnswerError

__all__ = ["PagesDialect"]


class PagesDialect:
    """Asks workers of the open-source release.

    Parameters
    ----------
    page_size:
        Of the workers, in bytes.
    version_age:
        Seconds that what a worker said of a file's version is believed.
    loading:
        Starts load jobs for what is not held; ``None``: nobody does.
    logger:
        Told of the first name that workers cannot be asked for.
    """

    name = "pages"
    capabilities = TransportCapabilities()

    def __init__(
        self, page_size: int, version_age: float, loading: Optional[LoadOnMiss], logger: logging.Logger
    ) -> None:
        self._logger = logger
        self._untold = threading.Lock()  # who gets it is the first, and tells; nobody gives it back
        reads = PageReads(self, page_size, version_age, loading)
        self.read_into = reads.read_into

    def stat(self, peer: Peer, location: Location, deadline: Deadline) -> Entry:
        """One request, if the file is there."""
        request = peer.get(f"/v1/info?path={self.path_of(location.url)}")
        try:
            answer = peer.http.ask(request, deadline, repeatable=True)
        except ClosedWithoutAnswerError as error:
            raise self._absent(peer, location, deadline, error) from error
        said = parse_entries(_success(answer, location, peer), peer.where)
        if len(said) != 1:
            raise BadAnswerError(f"{peer.where} describes {len(said)} files where one was asked for")
        named = said[0].get("mUfsPath")
        if isinstance(named, str) and named.rstrip("/") != location.url.rstrip("/"):
            raise BadAnswerError(f"{peer.where} describes {named} where {location.url} was asked for")
        return entry_of(said[0], location.name, peer.where)

    def list(self, peer: Peer, location: Location, deadline: Deadline) -> Iterator[Entry]:
        """One request, if something is there."""
        said = self._files(peer, location, deadline)
        if not said:
            # A missing path and an empty directory are answered alike.
            with peer.besides("info"):
                found = self.stat(peer, location, deadline)
            if found.is_file:
                raise BadAnswerError(f"{peer.where} knows {location.url}, and does not list it")
            return iter(())
        if len(said) == 1 and said[0].get("mType") == "file" and said[0].get("mUfsPath") == location.url:
            return iter((entry_of(said[0], location.name, peer.where),))
        return child_entries(said, location, peer.where)

    def drop(self, peer: Peer, location: Location, deadline: Deadline) -> None:
        """Nothing: there is no end point for it. Versions keep what the worker holds from being read."""

    def path_of(self, url: str) -> str:
        """:func:`raw_path`, with a warning in the log for the first name that has none: a table whose folders are
        named as Hive does it is never read from these workers, and nothing else shows it."""
        try:
            return raw_path(url)
        except NotSupportedError as error:
            if self._untold.acquire(blocking=False):
                more = fields(path=url, component="alluxio")
                self._logger.warning(
                    "%s: it and all with such names are read from the under store, where there is one, and never from "
                    "workers; those of dialect 'rest' can be asked for every name (this is said once)",
                    error,
                    extra=more,
                )
            raise

    def _files(self, peer: Peer, location: Location, deadline: Deadline) -> List[Dict[str, Any]]:
        request = peer.get(f"/v1/files?path={self.path_of(location.url)}")
        answer = peer.http.ask(request, deadline, repeatable=True)
        return parse_entries(_success(answer, location, peer), peer.where)

    def _listed(self, peer: Peer, location: Location, deadline: Deadline) -> List[Dict[str, Any]]:
        try:
            return self._files(peer, location, deadline)
        except ClosedWithoutAnswerError as error:
            raise NotHeldError(f"{peer.where} does not list {location.url}") from error

    def _absent(self, peer: Peer, location: Location, deadline: Deadline, cause: Exception) -> Exception:
        """Why ``info`` was not answered. That nothing is there is believed from an answer only."""
        try:
            with peer.besides("ls"):
                said = self._listed(peer, location, deadline)
        except NotHeldError:
            with peer.besides("health"):
                healthy = peer.http.ask(peer.get("/v1/health"), deadline, repeatable=True)
            if healthy.status != 200:
                return refused(healthy, location.url, peer.where)
            # The worker in charge, which it asks about any path, may be the one that fails.
            return NotHeldError(f"{peer.where} is well, and can say nothing of {location.url}")
        if said:
            return UnavailableError(f"{peer.where} lists {location.url}, and says nothing of it: {cause}")
        return not_found(location.url)


def _success(answer: Answer, location: Location, peer: Peer) -> bytes:
    """The body. The worker knows no status but 200 here: another is what something between it and us says."""
    if answer.status == 200:
        return answer.body
    error = refused(answer, location.url, peer.where)
    raise BadAnswerError(str(error)) if isinstance(error, FileNotFoundError) else error
