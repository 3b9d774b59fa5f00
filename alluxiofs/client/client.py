"""``AlluxioClient``: load jobs of a cluster."""

from __future__ import annotations

import functools
import os
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional, Tuple, Type, Union

from alluxiofs.client.former import FormerCalls
from alluxiofs.client.jobs import Jobs
from alluxiofs.errors import ConfigurationError, SettingTypeError, UnknownSettingError, hidden_text, nearest, not_found
from alluxiofs.interfaces import LoadOptions, LoadProgress, LoadState, Location
from alluxiofs.logs import fields

if TYPE_CHECKING:
    from fsspec.callbacks import Callback

    from alluxiofs.gateway import Gateway
    from alluxiofs.settings import Settings

__all__ = ["AlluxioClient"]

_OPTIONS = ("verbose", "bandwidth", "partial_listing", "verify", "metadata_only", "skip_if_exists", "pattern")
_Told = Union["Callback", Callable[[LoadState, Dict[str, Any]], None]]


class AlluxioClient(FormerCalls):
    """Has a cluster of Alluxio load files into its cache, before anybody reads them.

    Parameters
    ----------
    logger:
        As of the filesystem.
    arguments:
        The same as of :class:`alluxiofs.AlluxioFileSystem`; workers must be named. Without an under store
        (``target_protocol``) paths are full URLs. Nothing connects before the first call.

    Raises
    ------
    ConfigurationError
        For an argument that is not known or has a value that cannot be used, or if no workers are named.
    """

    def __init__(self, logger: Any = None, *others: Any, **arguments: Any) -> None:
        if others or isinstance(logger, (str, list, tuple)):
            raise SettingTypeError(
                "the arguments of AlluxioClient have names: AlluxioClient(worker_hosts=…), or etcd_hosts=…; "
                "only the logger is taken by its place"
            )
        from alluxiofs.settings import Settings

        self._assemble(Settings.parse(logger=logger, **arguments))

    def _assemble(self, settings: Settings) -> None:
        from alluxiofs.assembly import gateway_for

        self._settings = settings
        self._gateway = gateway_for(settings)
        self._process = os.getpid()
        if self._gateway.parts.membership is None:
            raise ConfigurationError(
                "no workers are named that could load anything: use 'worker_hosts', 'load_balance_domain' or "
                "'etcd_hosts'"
            )

    def __reduce__(self) -> Tuple[Any, ...]:
        return _arrived, (type(self), self._settings)

    @property
    def gateway(self) -> Gateway:
        """What knows the workers; one of its own in a forked child."""
        if self._process != os.getpid():
            from alluxiofs.assembly import gateway_for

            self._gateway = gateway_for(self._settings)
            self._process = os.getpid()
        return self._gateway

    def submit_load(self, path: str, verbose: bool = False, bandwidth: Optional[int] = None, **options: Any) -> bool:
        """Have the cluster load a file, or all files below a directory.

        Parameters
        ----------
        path:
            A file or a directory.
        verbose:
            Have the cluster tell more of what goes wrong.
        bandwidth:
            Bytes a second.
        partial_listing, verify, metadata_only, skip_if_exists, pattern:
            See :class:`alluxiofs.LoadOptions`.

        Returns
        -------
        bool
            True: the job runs, be it since an earlier call. False: the cluster says that there is no such path.

        Raises
        ------
        OSError
            If no worker answers in 10 seconds: load jobs need a master.
        """
        location = self._locate(path)
        try:
            self.jobs.submit(location, _options(verbose=verbose, bandwidth=bandwidth, **options))
        except FileNotFoundError as error:
            self.gateway.logger.warning(
                "nothing is loaded: %s", error, extra=fields(operation="load", path=location.url)
            )
            return False
        return True

    def load_progress(self, path: str, verbose: bool = False) -> Tuple[LoadState, Dict[str, Any]]:
        """How the load job of a path stands.

        Parameters
        ----------
        path:
            As it was submitted.
        verbose:
            Have the cluster tell of files that could not be loaded.

        Returns
        -------
        tuple
            The state, and what else is known: ``message``, ``bytes_loaded``, ``bytes_total``, ``files``,
            ``files_failed`` and ``reason``, each of which may be ``None``, and all that the cluster says by its own
            names.

        Raises
        ------
        FileNotFoundError
            If the cluster knows of no load job of this path; a job that failed is one that it knows.
        """
        location = self._locate(path)
        progress = self.jobs.progress(location, verbose)
        if progress is None:
            raise not_found(location.url, "the cluster knows of no load job of this path")
        return progress.state, _details(progress)

    def stop_load(self, path: str) -> bool:
        """Stop the load job of a path; what was loaded stays. False: there was none that runs."""
        return self.jobs.stop(self._locate(path))

    def load(
        self, path: str, timeout: Optional[float] = None, callback: Union[_Told, bool, None] = None, **options: Any
    ) -> bool:
        """Have the cluster load a file or directory, and wait until that is done.

        Parameters
        ----------
        path:
            A file or a directory.
        timeout:
            Seconds; the job goes on when they are over. ``None``: as long as it takes. Whoever does not answer is given
            three seconds all the same.
        callback:
            An fsspec callback (``TqdmCallback``), told of bytes; or a function, called with each state and its details.
            A bool is taken for ``verbose``, which alluxiofs 1 had in this place.
        options:
            Those of :meth:`submit_load`.

        Returns
        -------
        bool
            Whether all was loaded: False if the job failed, was stopped, or did not end in time.

        Raises
        ------
        OSError
            If no worker takes the job, or none says any more how it stands, for as long as the argument ``deadline`` of
            this client.
        """
        if isinstance(callback, bool):
            options.setdefault("verbose", callback)
            callback = None
        if not (callback is None or callable(callback) or hasattr(callback, "absolute_update")):
            raise SettingTypeError(f"callback={callback!r}: a function or a callback of fsspec is needed")
        location = self._locate(path)
        until = None if timeout is None else time.monotonic() + timeout
        try:
            self.jobs.submit(location, _options(**options), until)
        except FileNotFoundError as error:
            self.gateway.logger.warning(
                "nothing is loaded: %s", error, extra=fields(operation="load", path=location.url)
            )
            return False
        progress = self.jobs.wait(location, until, functools.partial(_tell, callback))
        if progress.state is LoadState.SUCCEEDED:
            return True
        more = fields(operation="load", path=location.url, reason=progress.state.value.lower())
        shown = hidden_text(location.url)
        self.gateway.logger.warning("the load job of %s %s", shown, _why(progress, timeout), extra=more)
        return False

    # --- how it is done -----------------------------------------------------------------------------------------

    @property
    def jobs(self) -> Jobs:
        """Load jobs with all that the cluster says of them: what the calls above stand on."""
        return Jobs(self.gateway)

    def _locate(self, path: str) -> Location:
        return self.gateway.locate(os.fspath(path))


def _arrived(cls: Type[AlluxioClient], settings: Settings) -> AlluxioClient:
    """The client that was sent to this process."""
    client = cls.__new__(cls)
    client._assemble(settings)
    return client


def _options(**given: Any) -> LoadOptions:
    for name in given:
        if name not in _OPTIONS:
            raise UnknownSettingError(f"load jobs have no option {name!r}{nearest(name, _OPTIONS)}")
    return LoadOptions(**given)


def _why(progress: LoadProgress, timeout: Optional[float]) -> str:
    """Why not all was loaded."""
    if not progress.state.ended:
        return f"goes on after {timeout:g} s"
    if progress.state is LoadState.STOPPED:
        return "was stopped"
    return f"failed: {progress.reason or progress.message or 'no reason is given'}"


def _details(progress: LoadProgress) -> Dict[str, Any]:
    return {
        **progress.details,
        "message": progress.message,
        "bytes_loaded": progress.loaded,
        "bytes_total": progress.total,
        "files": progress.files,
        "files_failed": progress.failed,
        "reason": progress.reason,
    }


def _tell(callback: Any, progress: LoadProgress) -> None:
    if callback is None:
        return
    if not hasattr(callback, "absolute_update"):
        callback(progress.state, _details(progress))
        return
    if progress.total is not None:
        callback.set_size(progress.total)
    if progress.loaded is not None:
        callback.absolute_update(progress.loaded)
