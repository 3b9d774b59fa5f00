"""A progress bar on the standard error, where a person is looking at it."""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import Any, Callable, Iterator, Optional

from fsspec.callbacks import Callback

__all__ = ["CountBytes", "errors_on_terminal", "progress_bar", "telling"]

_WORTH_BYTES = 8 << 20
_WORTH_FILES = 16


def errors_on_terminal() -> bool:
    """Whether a person looks at the standard error."""
    return sys.stderr is not None and sys.stderr.isatty()


class CountBytes(Callback):  # type: ignore[misc]  # fsspec has no types
    """Hands each step of one file's transfer to ``advance``, as a number of bytes."""

    value: int

    def __init__(self, advance: Callable[[int], None]) -> None:
        super().__init__()
        self._advance = advance

    def relative_update(self, inc: int = 1) -> None:
        self.value += inc
        self._advance(inc)

    def absolute_update(self, value: int) -> None:
        step, self.value = value - self.value, value
        self._advance(step)

    def finish(self, size: Optional[int]) -> None:
        """Account for what a filesystem did not tell of, now that the file is there."""
        if size is not None and size > self.value:
            self.absolute_update(size)


@contextlib.contextmanager
def progress_bar(what: str, files: int, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar while the block runs; what it gives is called with the bytes of each step, from any thread.

    Nothing is shown for a short transfer, or where the standard error is not a terminal.
    """
    if not errors_on_terminal() or (total < _WORTH_BYTES and files < _WORTH_FILES):
        yield lambda step: None  # noqa: ARG005 - nobody is looking
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns: Any = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    lock = threading.Lock()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"{what} {files} file{'s' if files != 1 else ''}", total=total)

        def advance(step: int) -> None:
            with lock:
                progress.advance(task, step)

        yield advance


@contextlib.contextmanager
def telling(what: str = "") -> Iterator[Callable[[str], None]]:
    """Show what is being done while the block runs; what it gives is called with what is done from then on.

    Nothing is shown where the standard error is not a terminal.
    """
    if not errors_on_terminal():
        yield lambda what: None  # noqa: ARG005 - nobody is looking
        return
    from rich.console import Console

    with Console(stderr=True).status(what) as status:
        yield status.update
