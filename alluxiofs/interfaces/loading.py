"""Load jobs: having the cluster read files into its cache."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from typing import Any, Mapping, Optional

from attrs import define, field

from alluxiofs.interfaces.component import Deadline
from alluxiofs.interfaces.values import Location, Worker

__all__ = ["LoadJobs", "LoadOptions", "LoadProgress", "LoadState"]


class LoadState(enum.Enum):
    """How a load job stands."""

    RUNNING = "RUNNING"
    VERIFYING = "VERIFYING"
    STOPPED = "STOPPED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"

    @property
    def ended(self) -> bool:
        """Whether nothing more happens by itself."""
        return self in (LoadState.STOPPED, LoadState.SUCCEEDED, LoadState.FAILED)


@define(frozen=True)
class LoadOptions:
    """What a load job is submitted with.

    Parameters
    ----------
    verbose:
        Have the cluster tell more of what went wrong.
    bandwidth:
        Bytes a second that each worker reads at most; ``None``: as many as there are.
    partial_listing:
        Begin before all files are listed.
    verify:
        Look once more whether everything is there when it was loaded.
    metadata_only:
        Load what is known of files, and not their content.
    skip_if_exists:
        Leave out what is held already.
    pattern:
        A regular expression of Java on the path: only files that match as a whole are loaded.
    """

    verbose: bool = False
    bandwidth: Optional[int] = None
    partial_listing: bool = False
    verify: bool = False
    metadata_only: bool = False
    skip_if_exists: bool = False
    pattern: Optional[str] = None


@define(frozen=True)
class LoadProgress:
    """What the cluster says of a load job.

    Parameters
    ----------
    state:
        How it stands.
    message:
        The cluster's own text.
    loaded, total:
        Bytes; ``None`` where they are not told.
    files, failed:
        How many files and directories are done with, and how many files could not be loaded.
    reason:
        Why it failed.
    details:
        All that was told, by the cluster's names.
    """

    state: LoadState
    message: str = ""
    loaded: Optional[int] = None
    total: Optional[int] = None
    files: Optional[int] = None
    failed: Optional[int] = None
    reason: Optional[str] = None
    details: Mapping[str, Any] = field(factory=dict, hash=False)


class LoadJobs(ABC):
    """Asks one worker about load jobs, of which there is one a path in the whole cluster. Any worker can be asked.

    Every method raises what :class:`~alluxiofs.interfaces.Transport` says, and ends with its deadline.
    """

    @abstractmethod
    def submit(self, worker: Worker, location: Location, options: LoadOptions, deadline: Deadline) -> None:
        """Have a file, or all files below a directory, loaded. One that is being loaded already is no error.

        Raises
        ------
        FileNotFoundError
            If the cluster says that there is no such path.
        """

    @abstractmethod
    def progress(self, worker: Worker, location: Location, verbose: bool, deadline: Deadline) -> Optional[LoadProgress]:
        """How the job of a path stands; ``None`` if the cluster knows of none."""

    @abstractmethod
    def stop(self, worker: Worker, location: Location, deadline: Deadline) -> bool:
        """Stop the job of a path; whether there was one to stop."""
