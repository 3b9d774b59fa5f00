"""How much a folder may take: one number for all processes, in the control file."""

from __future__ import annotations

from typing import Callable, Optional, Tuple

from alluxiofs.pagestores.ondisk.control import Capacity
from alluxiofs.pagestores.ondisk.files import Files
from alluxiofs.pagestores.ondisk.section import Section
from alluxiofs.settings.types import size_text

__all__ = ["Allowance"]


class Allowance:
    """What a process has to say of the capacity of a folder.

    One that names a capacity sets it when it first keeps something, and from then on it holds for all. One that names
    none takes the one that is there, and gives a default where there is none. A default never takes anything away: it
    replaces a smaller default, and nothing else.

    Parameters
    ----------
    named:
        In bytes; ``None`` if the process names none.
    default:
        Says how much it is then. Called when it is needed, for it looks at the disk.
    tell:
        Is told in words when another process had named another capacity.
    """

    def __init__(self, named: Optional[int], default: Callable[[], int], tell: Callable[[str], None]) -> None:
        self._named = named
        self._default = default
        self._tell = tell
        self._settled: Optional[Tuple[int, int]] = None  # which control file that was; it must not be held open

    def size(self, files: Optional[Files]) -> int:
        """The capacity in bytes, as far as it can be told without the lock.

        Parameters
        ----------
        files:
            Of the folder; ``None`` if there is no store yet.
        """
        settled = files is not None and self._settled == files.control.file.identity
        there = None if files is None else files.control.capacity
        if there is not None and (settled or self._named is None):
            return there.size
        return self._default() if self._named is None else self._named

    def settle(self, files: Files, section: Section) -> int:
        """The same under the lock; what is to be said of it is said now."""
        there = files.control.capacity
        if there is None or self._settled != files.control.file.identity:
            there = self._said(files, section, there)
            self._settled = files.control.file.identity
        return there.size

    def _said(self, files: Files, section: Section, there: Optional[Capacity]) -> Capacity:
        if self._named is not None:
            wanted = Capacity(self._named, True)
            if there is not None and there.named and there != wanted:
                self._tell(f"its capacity, {size_text(there.size)} till now, is {size_text(wanted.size)} from now on")
        elif there is not None and there.named:
            return there
        else:
            wanted = Capacity(self._default(), False)
            if there is not None and there.size >= wanted.size:
                return there
        if there != wanted:
            files.control.set_capacity(section, wanted)
        return wanted
