"""Load jobs: what a master does, and how a worker tells of it."""

from __future__ import annotations

from typing import Any, Mapping, Optional

from alluxiofs.testing.stand_in_workers._messages import NEVER, Answer

__all__ = ["answer_load"]


def answer_load(master: Any, path: str, parameters: Mapping[str, str]) -> Optional[Answer]:
    """What a worker of dialect ``pages`` says of load jobs; without a master it never says anything."""
    if master is None:
        return NEVER
    answer: Optional[Answer] = getattr(master, parameters.get("opType", ""))(path)
    return answer
