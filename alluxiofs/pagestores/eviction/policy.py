"""What an eviction policy says, with no I/O and nothing of a store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, List, NamedTuple

__all__ = ["Candidate", "Eviction"]


class Candidate(NamedTuple):
    """A page that might go.

    Parameters
    ----------
    cell:
        Which one; the policy hands it back.
    born:
        A number that grows from page to page.
    used:
        When it was last used, or came; in any unit that grows.
    uses:
        How often it was used since it came, or since it was last spared.
    """

    cell: int
    born: int
    used: int
    uses: int


class Eviction(ABC):
    """A policy for the pages of one process's view. It is asked for an order, and told how far the store has got."""

    name: ClassVar[str]

    @abstractmethod
    def order(self, candidates: List[Candidate]) -> List[Candidate]:
        """The first to go first."""

    def spares(self, candidate: Candidate) -> bool:
        """Whether a page whose turn has come stays, its uses back at zero."""
        return False

    def passed(self, candidate: Candidate) -> None:  # noqa: B027 - most policies need not know
        """A page's turn has come, and it went or was spared."""

    @abstractmethod
    def rank(self, candidate: Candidate) -> Any:
        """To compare the first to go of several orders: the least goes."""
