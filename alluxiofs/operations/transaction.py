"""Several files that appear together, at the end of a ``with fs.transaction``."""

from __future__ import annotations

from typing import Any

from fsspec.transaction import Transaction

__all__ = ["AllOrNone"]


class AllOrNone(Transaction):  # type: ignore[misc]  # fsspec has no type hints
    """Commits its files one after the other, in the order they were opened.

    The first that cannot be committed ends it: the files before it are there by then, those after it are given up, and
    the error is raised. Whatever happens, the filesystem is out of the transaction afterwards.
    """

    fs: Any

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        # fsspec's own, up to 2024.5, goes on to use the filesystem that a complete transaction has let go of.
        self.complete(commit=kind is None)

    def complete(self, commit: bool = True) -> None:
        """Commit all files, or give them up."""
        filesystem = self.fs
        try:
            while commit and self.files:
                self.files.popleft().commit()
        finally:
            while self.files:
                self.files.popleft().discard()
            filesystem._intrans = False
            filesystem._transaction = None
            self.fs = None
