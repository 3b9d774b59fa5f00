"""What was found, and what to do about it."""

from __future__ import annotations

import enum
from typing import Any, Dict, Optional

from attrs import define, field

from alluxiofs.cli.failures import explain
from alluxiofs.errors import MissingExtraError

__all__ = ["Finding", "Grade", "failed"]


class Grade(enum.Enum):
    """How good or bad it is."""

    OK = "ok"
    TOLD = "told"
    """Neither good nor bad."""
    WARNING = "warning"
    WRONG = "wrong"


@define(frozen=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    what:
        ``configuration``, ``membership``, ``worker``, ``under store``, ``virtual nodes`` …
    grade:
        How it is.
    text:
        What was found.
    advice:
        What to do, where something is wrong.
    facts:
        For programs.
    """

    what: str
    grade: Grade
    text: str
    advice: Optional[str] = None
    facts: Dict[str, Any] = field(factory=dict)

    def as_data(self) -> Dict[str, Any]:
        """JSON-able."""
        return {
            "what": self.what,
            "grade": self.grade.value,
            "text": self.text,
            "advice": self.advice,
            **({"facts": self.facts} if self.facts else {}),
        }


def failed(what: str, error: BaseException, advice: Optional[str], **facts: Any) -> Finding:
    """Something could not be done."""
    if isinstance(error, MissingExtraError):
        advice = None  # the error is the line that installs it
    return Finding(what, Grade.WRONG, explain(error), advice, facts)
